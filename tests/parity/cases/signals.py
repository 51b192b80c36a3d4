"""Signals, and which thread cells run in."""

from __future__ import annotations

from parity.case import MAIN_THREAD, Differs, case

CASES = (
    case(
        "the main thread",
        "import threading; print(threading.current_thread() is threading.main_thread())",
        "print(threading.current_thread().name, threading.current_thread().daemon)",
        "import signal; print(signal.signal(signal.SIGUSR1, signal.SIG_IGN))",
        "print(signal.signal(signal.SIGUSR1, signal.SIG_DFL))",
        differs=Differs(
            "a kernel in a thread leaves the main thread to the host",
            ours=(
                "[1] stdout 'False",
                "[2] stdout 'hostkernel True",
                '[3] error ename: "ValueError"',
                '[3] reply status: "error"',
                '[4] error ename: "ValueError"',
                '[4] reply status: "error"',
            ),
            targets=("thread",),
        ),
    ),
    case(
        "signal handlers",
        """
        import os, signal, threading
        seen = threading.Event()
        old = signal.signal(signal.SIGUSR1, lambda *a: (print("usr1"), seen.set()))
        os.kill(os.getpid(), signal.SIGUSR1)
        seen.wait()
        """,
        "print(signal.signal(signal.SIGUSR1, old) is not None)",
        targets=MAIN_THREAD,
    ),
    case(
        "alarm that raises",
        """
        import signal, time
        def alarm(*a): raise TimeoutError("alarm")
        old = signal.signal(signal.SIGALRM, alarm)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            time.sleep(100)
        except TimeoutError as error:
            print(error)
        old = signal.signal(signal.SIGALRM, old)
        """,
        targets=MAIN_THREAD,
    ),
    case(
        "SIGINT that a cell sends itself",
        """
        import signal, time
        try:
            signal.raise_signal(signal.SIGINT)
            time.sleep(10)
        except KeyboardInterrupt:
            print("caught")
        """,
        "print('ok')",
        # A program that hostkernel runs, and one in asyncio.run, end by it.
        targets=("pumped", "served"),
    ),
    case(
        "own SIGINT handler",
        """
        import signal
        old = signal.signal(signal.SIGINT, lambda *a: print("my sigint"))
        signal.raise_signal(signal.SIGINT)
        """,
        "print(callable(signal.signal(signal.SIGINT, old)))",
        targets=MAIN_THREAD,
    ),
    case(
        "wakeup descriptor",
        """
        import signal, socket
        a, b = socket.socketpair(); a.setblocking(False)
        old = signal.set_wakeup_fd(a.fileno())
        """,
        "signal.set_wakeup_fd(old) == a.fileno()",
        "a.close(); b.close(); print('ok')",
        targets=MAIN_THREAD,
    ),
    case(
        "signal handler of the loop",
        """
        import asyncio, os, signal
        loop, seen = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, seen.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        await seen.wait()
        print("seen")
        """,
        "print(loop.remove_signal_handler(signal.SIGUSR1))",
        targets=MAIN_THREAD,
    ),
)

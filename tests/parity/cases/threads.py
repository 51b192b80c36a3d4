"""Output of threads, executors and timers, during their cell and after it."""

from __future__ import annotations

from parity.case import Differs, case, cell

CASES = (
    case(
        "thread within a cell",
        """
        import threading
        thread = threading.Thread(target=print, args=("in the thread",))
        thread.start(); thread.join()
        """,
    ),
    case(
        "threads of an earlier cell",
        """
        import threading
        go = threading.Event()
        def inner():
            print("inner")
        def outer():
            go.wait()
            thread = threading.Thread(target=inner)
            thread.start(); thread.join()
            print("outer")
        thread = threading.Thread(target=outer)
        thread.start()
        """,
        cell("go.set()", late="outer\n"),
        "thread.join(); print('next')",
        differs=Differs(
            "a thread's text is shown under the cell that started it, not under one that happens"
            " to run, or to have run last",
            ours=("[1] stdout 'inner\\nouter",),
        ),
    ),
    case(
        "thread of a thread",
        """
        import threading
        def outer():
            thread = threading.Thread(target=print, args=("inner",))
            thread.start(); thread.join()
            print("outer")
        thread = threading.Thread(target=outer)
        thread.start(); thread.join()
        """,
    ),
    case(
        "thread that fails",
        """
        import threading
        def work(): raise ValueError("in the thread")
        thread = threading.Thread(target=work, name="T")
        thread.start(); thread.join()
        """,
        "print('ok')",
    ),
    case(
        "thread that exits",
        """
        import sys, threading
        t = threading.Thread(target=sys.exit, args=(3,))
        t.start()
        t.join()
        """,
        "print('ok')",
    ),
    case(
        "threading.excepthook",
        """
        import threading
        old = threading.excepthook
        threading.excepthook = lambda args: print("hook", args.exc_type.__name__)
        """,
        "t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()",
        "threading.excepthook = old",
    ),
    case(
        "_thread.start_new_thread",
        """
        import _thread, threading
        done = threading.Event()
        _thread.start_new_thread(lambda: (print("raw"), done.set()), ())
        done.wait()
        """,
    ),
    case(
        "executor of an earlier cell",
        """
        from concurrent.futures import ThreadPoolExecutor
        executor = ThreadPoolExecutor(1)
        executor.submit(print, "first").result()
        """,
        "executor.submit(print, 'second').result(); print('main')",
        """
        import sys
        executor.submit(lambda: print("third", file=sys.stderr)).result()
        executor.shutdown()
        """,
    ),
    case(
        "executor around a with",
        """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(2) as executor:
            print(list(executor.map(lambda n: n * n, range(5))))
            executor.submit(print, "printed").result()
        """,
    ),
    case(
        "to_thread again and again",
        """
        import asyncio
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, print, "one")
        """,
        "await loop.run_in_executor(None, print, 'two')",
        "await asyncio.to_thread(print, 'three')",
        "print('end')",
    ),
    case(
        "multiprocessing.dummy",
        """
        from multiprocessing.dummy import Pool
        pool = Pool(1)
        pool.apply(print, ("one",))
        pool.apply(print, ("two",))
        pool.close(); pool.join()
        """,
    ),
    case(
        "timer that starts the next",
        """
        import threading
        count, done = 0, threading.Event()
        def tick():
            global count
            count += 1
            print("tick", count)
            if count < 4:
                threading.Timer(0.01, tick).start()
            else:
                done.set()
        tick()
        done.wait()
        """,
        "print('next')",
    ),
    case(
        "thread of a background task",
        """
        import asyncio, threading
        go = asyncio.Event()
        async def work():
            await go.wait()
            thread = threading.Thread(target=print, args=("from a thread of the task",))
            thread.start(); thread.join()
            await asyncio.get_running_loop().run_in_executor(None, print, "from the executor")
            print("from the task")
        task = asyncio.create_task(work())
        go.set(); await task
        """,
    ),
    case(
        "queue listener",
        """
        import logging, logging.handlers, queue, sys
        records = queue.Queue()
        handler = logging.StreamHandler(sys.stdout)
        listener = logging.handlers.QueueListener(records, handler)
        listener.start()
        logger = logging.getLogger("q"); logger.propagate = False
        logger.addHandler(logging.handlers.QueueHandler(records))
        def say(text):
            logger.warning(text)
            records.join()
        say("one"); say("two")
        """,
        "listener.stop(); logger.handlers.clear(); print('end')",
    ),
    case(
        "display from a thread",
        """
        import threading
        from IPython.display import display
        thread = threading.Thread(target=display, args=("in a thread",))
        thread.start(); thread.join()
        """,
        """
        go = threading.Event()
        thread = threading.Thread(target=lambda: (go.wait(), display("later")))
        thread.start()
        """,
        "go.set(); thread.join(); print('other')",
    ),
    case(
        "threads within a function that prints",
        """
        import threading
        lock = threading.Lock()
        def work(n):
            with lock: print("same")
        threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        """,
    ),
    case(
        "thread locals",
        "import threading; local = threading.local(); local.x = 1",
        "print(local.x)",
    ),
    case(
        "context variables",
        """
        import contextvars, threading
        v = contextvars.ContextVar("v", default=0)
        v.set(1); print(v.get())
        """,
        "print(v.get())",
        "import asyncio; await asyncio.sleep(0); v.set(2)",
        "print(v.get())",
        """
        async def f(): v.set(3)
        await f(); print(v.get())
        """,
        "print(v.get())",
        """
        seen = []
        thread = threading.Thread(target=lambda: seen.append(v.get()))
        thread.start(); thread.join(); print(seen)
        """,
    ),
    case(
        "decimal context",
        "import decimal; decimal.getcontext().prec = 5",
        "print(decimal.Decimal(1) / 3)",
        "decimal.getcontext().prec = 28; print(decimal.Decimal(1) / 3)",
    ),
    case(
        "numpy print options",
        "import numpy as np; old = np.get_printoptions(); np.set_printoptions(precision=2)",
        "print(np.array([1.23456]))",
        "np.set_printoptions(**old); np.array([1.23456])",
    ),
)

"""Children, forks, signals and descriptors."""

from __future__ import annotations

from parity.case import Differs, case, cell

CASES = (
    case(
        "subprocess",
        "import subprocess, sys\nsubprocess.run(['cat'], capture_output=True, text=True)",
        "subprocess.run(['sh', '-c', 'read x; echo got $x'], capture_output=True, text=True)",
        "print(subprocess.check_output([sys.executable, '-c', 'print(1 + 1)'], text=True))",
        "subprocess.run(['nosuchprogram'])",
        "subprocess.run(['false'], check=True)",
    ),
    case(
        "shell escapes",
        "!echo shell; echo err >&2; exit 3",
        "print(_exit_code)",
        "x = !echo a; echo b\nprint(x)",
        "n = 5\n!echo {n} $n",
        "%sx echo sx",
        "!!echo twice",
    ),
    case(
        "script magics",
        "%%bash\necho bash\nread y; echo got $y",
        "%%bash\nexit 2",
        "%%script python3 --no-raise-error\nprint(5)\nraise SystemExit(4)",
        "%%sh --out out --err err\necho o; echo e >&2",
        "print(repr(out), repr(err))",
        "%%script nosuchprogram\nx",
    ),
    case(
        "os.system and os.popen",
        "import os; print(os.system('exit 5') >> 8); print(os.popen('echo popen').read())",
        "!echo $TERM $PAGER $CLICOLOR; tput colors",
        "print(os.environ.get('MPLBACKEND'))",
    ),
    case(
        "native output",
        cell("import os; r = os.system('echo from a child')", late="from a child\n"),
        cell("r = os.write(1, b'to the descriptor\\n')", late="to the descriptor\n"),
        cell(
            "import ctypes; c = ctypes.CDLL(None); r = c.puts(b'from C'); r = c.fflush(None)",
            late="from C\n",
        ),
        differs=Differs(
            "the console of the host shows it, unless kernel.capture_native is set: what the"
            " host itself writes there at the same time cannot be told apart",
            stock="from a child",
        ),
    ),
    case(
        "fork",
        """
        import os
        pid = os.fork()
        if pid == 0:
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
        "print('ok')",
    ),
    case(
        "forked child that prints",
        cell(
            """
            import os
            pid = os.fork()
            if pid == 0:
                print("the child prints", flush=True)
                os._exit(7)
            status = os.waitpid(pid, 0)[1]
            """,
            late="the child prints\n",
        ),
        "print(os.waitstatus_to_exitcode(status))",
    ),
    case(
        "forked process that prints",
        cell(
            """
            import multiprocessing as mp
            def f(): print("in the child", flush=True)
            p = mp.Process(target=f); p.start(); p.join()
            """,
            late="in the child\n",
        ),
        "print(p.exitcode)",
    ),
    case(
        "process pool",
        """
        from concurrent.futures import ProcessPoolExecutor
        def f(i): return i * i
        with ProcessPoolExecutor(2) as executor: print(list(executor.map(f, range(4))))
        """,
        """
        def bad(i): raise ValueError(i)
        with ProcessPoolExecutor(1) as executor: executor.submit(bad, 1).exception()
        """,
    ),
    case(
        "process pool that prints",
        cell(
            """
            from concurrent.futures import ProcessPoolExecutor
            def f(i): print("worker", i, flush=True); return i
            with ProcessPoolExecutor(1) as executor: values = list(executor.map(f, range(2)))
            """,
            late="worker 1\n",
        ),
        "print(values)",
    ),
    case(
        "multiprocessing pool",
        """
        import multiprocessing as mp
        def f(i): return i + 1
        with mp.Pool(2) as pool: print(pool.map(f, range(4)))
        """,
        "m = mp.Manager(); d = m.dict(); d['a'] = 1; print(dict(d)); m.shutdown()",
        """
        q = mp.Queue()
        p = mp.Process(target=q.put, args=(5,))
        p.start()
        print(q.get())
        p.join()
        """,
    ),
    case(
        "spawned processes",
        """
        import math, multiprocessing as mp
        with mp.get_context("spawn").Pool(1) as pool: print(pool.map(math.sqrt, [1.0, 4.0]))
        """,
    ),
    case(
        "script with a pool",
        r"""
        open("m.py", "w").write('''
        import multiprocessing as mp
        def f(i): return i + 1
        if __name__ == "__main__":
            with mp.Pool(1) as pool: print(pool.map(f, [1, 2]))
        ''')
        %run m.py
        """,
    ),
    case(
        "joblib",
        """
        from joblib import Parallel, delayed
        def f(i): return i * i
        print(Parallel(n_jobs=2)(delayed(f)(i) for i in range(4)))
        """,
        "print(Parallel(n_jobs=2, backend='threading')(delayed(f)(i) for i in range(4)))",
        "print(Parallel(n_jobs=2, backend='multiprocessing')(delayed(f)(i) for i in range(4)))",
        """
        import os
        from joblib.externals.loky import get_reusable_executor
        get_reusable_executor().shutdown(wait=True)
        del os.environ["KMP_INIT_AT_FORK"]
        """,
    ),
    case(
        "atexit",
        "import atexit; f = atexit.register(print, 'bye'); print('registered')",
        "atexit.unregister(print)",
    ),
    case(
        "working directory",
        "import os; folder = os.getcwd(); os.mkdir('sub'); os.chdir('sub')",
        "print(os.path.basename(os.getcwd()))",
        "os.chdir('..'); os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\nprint('gone')",
        "1 / 0",
        "import glob; print(glob.glob('*'))",
        "os.chdir(folder); print('ok')",
    ),
    case(
        "environment",
        "import os; saved = dict(os.environ); os.environ.clear(); print(len(os.environ))",
        "1 / 0",
        "os.environ.update(saved); print(len(os.environ) == len(saved))",
    ),
    case(
        "descriptor limit",
        """
        import os, resource
        get_ipython().history_manager.enabled = False  # its thread opens a file for each cell
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        try:
            while True: files.append(open("/dev/null"))
        except OSError as error:
            print(error.errno)
        """,
        "print('full')",
        "1 + 1",
        """
        for file in files: file.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)); print('back')
        """,
    ),
    case(
        "os._exit in a child",
        """
        import os, sys
        pid = os.spawnlp(os.P_NOWAIT, 'sh', 'sh', '-c', 'exit 4')
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
    ),
    case("umask", "import os; old = os.umask(0o77); print(oct(os.umask(old)))"),
    case(
        "temporary files",
        "import tempfile\nwith tempfile.NamedTemporaryFile() as f: print(f.write(b'x'))",
    ),
    case(
        "sqlite",
        """
        import sqlite3
        with sqlite3.connect(':memory:') as c: print(c.execute('select 1').fetchall())
        """,
    ),
    case(
        "argparse",
        """
        import argparse
        p = argparse.ArgumentParser(prog='p'); p.add_argument('--x', default=1)
        print(p.parse_args([]))
        """,
        "p.parse_args(['--bad'])",
        "p.print_help()",
    ),
)

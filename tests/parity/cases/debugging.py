"""Debuggers, profilers, tracers and test runners."""

from __future__ import annotations

from parity.case import Differs, case, cell

CASES = (
    case(
        "breakpoint",
        cell(
            "def f(x):\n    y = x + 1\n    breakpoint()\n    return y\nf(1)", "p y", "!y = 50", "c"
        ),
        cell(
            """
            import asyncio
            async def g():
                await asyncio.sleep(0.01)
                breakpoint()
                return 5
            print(await g())
            """,
            "c",
        ),
        cell("breakpoint()\nawait asyncio.sleep(0)\nprint('x')", "n", "c"),
        differs=Differs(
            "the stock kernel passes over breakpoint()",
            ours=(
                "[1] stdout '> ",
                "[1] execute_result",
                "[2] stdout '> ",
                '[3] stdout "--Return--',
            ),
        ),
    ),
    case(
        "pdb beside an await",
        cell(
            """
            import asyncio, pdb
            async def g():
                await asyncio.sleep(0.01)
                pdb.set_trace()
                await asyncio.sleep(0.01)
                return 5
            print(await g())
            """,
            "n",
            "n",
            "c",
        ),
        "print('ok')",
    ),
    case("pdb.set_trace", cell("import pdb; pdb.set_trace(); z = 3", "n", "q"), "1 / 0"),
    case(
        "pdb.set_trace in a function",
        cell(
            "import pdb\ndef f(a):\n    pdb.set_trace()\n    b = a + 1\n    return b\nf(1)",
            "n",
            "p a",
            "p b",
            "w",
            "c",
        ),
    ),
    case("pdb.run", cell("def f(): return 5\nimport pdb\npdb.run('f()')", "c")),
    case("pdb.runcall", cell("import pdb\ndef f(): return 5\nprint(pdb.runcall(f))", "n", "c")),
    case(
        "pdb.post_mortem",
        "def f(a): 1 / a",
        cell("import pdb\ntry: f(0)\nexcept Exception: pdb.post_mortem()", "p a", "q"),
    ),
    case("pdb.pm", "def f(a): 1 / a\nf(0)", cell("import pdb; pdb.pm()", "p a", "q")),
    case(
        "%debug",
        "def g():\n    a = 5\n    1 / 0\ng()",
        cell("%debug", "p a", "u", "q"),
        cell("%debug", "p 1 + 1", "q"),
    ),
    case("%%debug", cell("%%debug\nq = 5", "c"), "q"),
    case(
        "%pdb on",
        "%pdb on",
        cell("1 / 0", "q"),
        "%pdb off",
        "1 / 0",
    ),
    case(
        "IPython's set_trace",
        cell("from IPython.core.debugger import set_trace\nset_trace()\nw = 1", "c"),
        "w",
    ),
    case(
        "commands of the debugger",
        cell("import pdb; pdb.set_trace(); x = 1", "foo bar(", "w", "l", "ll", "c"),
        cell("import pdb; pdb.set_trace(); x = 1", "a", "u", "d", "s", "r", "c"),
    ),
    case(
        "sys.breakpointhook",
        "import sys; old = sys.breakpointhook; sys.breakpointhook = lambda: print('mine')",
        "breakpoint()",
        "sys.breakpointhook = old",
    ),
    case(
        "IPython.embed",
        cell(
            """
            import IPython
            from traitlets.config import Config
            config = Config(); config.InteractiveShellEmbed.enable_tip = False
            x = 5
            IPython.embed(config=config, banner1="")
            """,
            "print(x)",
            "exit",
        ),
        "print('ok')",
    ),
    case(
        "code.interact",
        cell(
            """
            import code
            try:
                code.interact(local={"a": 4}, banner="", exitmsg="")
            except SystemExit:
                print("exit")
            """,
            "print(a)",
            "raise SystemExit",
        ),
        "print('ok')",
    ),
    case(
        "timing magics",
        "def f(): return sum(range(1000))\n%timeit -n1 -r1 f()",
        "%%time\nf()",
        "%%timeit -n 1 -r 1\nf()",
        "%time f()",
        "import asyncio\n%time await asyncio.sleep(0.01)",
        "%%time\nawait asyncio.sleep(0.01)\n5",
        "%%time\n1 / 0",
        "r = %timeit -o -q -n1 -r1 f()\nprint(type(r).__name__)",
    ),
    case(
        "profiling magics",
        "def f(): return sum(range(1000))\n%prun -q -T p.txt f()",
        "'function calls' in open('p.txt').read()",
        "%%prun -q\nf()",
        "s = %prun -q -r f()\nprint(type(s).__name__)",
    ),
    case(
        "cProfile",
        """
        def f(): return sum(range(10))
        import cProfile, contextlib, io
        buffer = io.StringIO()
        with contextlib.redirect_stdout(buffer): cProfile.run("f()")
        print("function calls" in buffer.getvalue())
        """,
        "p = cProfile.Profile(); p.enable(); f(); p.disable(); print(p is not None)",
        """
        cProfile.runctx('f()', globals(), {}, 'out.prof')
        import pstats
        pstats.Stats('out.prof').total_calls > 0
        """,
    ),
    case(
        "line_profiler",
        "from line_profiler import LineProfiler\ndef f(): return 1\np = LineProfiler(f)",
        "print(p.runcall(f), len(p.get_stats().timings))",
        "%load_ext line_profiler",
        "stats = %lprun -r -f f f()\nprint(len(stats.get_stats().timings))\n"
        "get_ipython().payload_manager.clear_payload()  # the times are never the same",
        "%unload_ext line_profiler",
    ),
    case(
        "tracemalloc",
        """
        import tracemalloc
        tracemalloc.start(); x = [1] * 100
        print(len(tracemalloc.take_snapshot().statistics('lineno')) > 0); tracemalloc.stop()
        """,
    ),
    case(
        "sys.settrace",
        """
        import sys
        count = 0
        def trace(frame, event, argument):
            global count
            count += 1
            return trace
        def f(): return 1
        sys.settrace(trace); f(); sys.settrace(None)
        count > 0
        """,
        "sys.setprofile(lambda *a: None); f(); sys.setprofile(None); print(sys.getprofile())",
    ),
    case(
        "trace function that stays",
        """
        import sys
        seen = []
        def trace(frame, event, argument): seen.append(frame.f_code.co_name)
        def f(): return 1
        sys.settrace(trace)
        """,
        "f(); print('f' in seen)",
        "sys.settrace(None); print('off')",
    ),
    case(
        "doctest",
        """
        def f(x):
            '''
            >>> f(1)
            3
            '''
            return x + 1
        import doctest
        print(doctest.testmod().attempted)
        """,
        "doctest.run_docstring_examples(f, globals())",
    ),
    case(
        "unittest",
        """
        import unittest
        class T(unittest.TestCase):
            def test_right(self): self.assertEqual(1, 1)
            def test_wrong(self): self.assertEqual(1, 2)
        result = unittest.main(argv=["x"], exit=False)
        print("ran", result.result.testsRun)
        """,
        "unittest.main(argv=['x', 'T.test_right'])",
        """
        import sys
        suite = unittest.defaultTestLoader.loadTestsFromTestCase(T)
        unittest.TextTestRunner(stream=sys.stdout).run(suite).testsRun
        """,
    ),
    case(
        "pytest in a cell",
        r"""
        open("test_a.py", "w").write('''
        import os
        def test_captured(capfd):
            print(1); os.system("echo 2"); assert capfd.readouterr().out == "1\\n2\\n"
        def test_wrong():
            print("seen"); assert 0
        ''')
        import os, pytest
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        options = "-q -p no:cacheprovider --no-header -c /dev/null --rootdir . --color=no"
        more = ["--import-mode=importlib", "-o", "addopts=", "test_a.py"]
        print(int(pytest.main([*options.split(), *more])))
        """,
        "del os.environ['PYTEST_DISABLE_PLUGIN_AUTOLOAD']; print('after')",
    ),
    case(
        "faulthandler",
        "import faulthandler, sys\nfaulthandler.enable(); print(faulthandler.is_enabled())",
        "faulthandler.disable()",
        "faulthandler.dump_traceback_later(1000); faulthandler.cancel_dump_traceback_later()",
        "faulthandler.dump_traceback(open('f.txt', 'w')); print('ok')",
    ),
    case(
        "inspect's stack",
        "import inspect; print(inspect.currentframe().f_code.co_name, inspect.stack()[0].function)",
        "def f(): return inspect.currentframe().f_back.f_globals is globals()\nf()",
    ),
    case(
        "recursion limit",
        "import sys; print(sys.getrecursionlimit())",
        "sys.setrecursionlimit(4000); print(sys.getrecursionlimit()); sys.setrecursionlimit(1000)",
    ),
)

"""Exceptions of all kinds, how they are shown, and the hooks around them."""

from __future__ import annotations

from parity.case import Differs, case, cell

CASES = (
    case(
        "an exception",
        "1 / 0",
        "def f(): return g()\ndef g(): raise KeyError('deep')\nf()",
        "import json; json.loads('{')",
        "print('ok')",
    ),
    case(
        "syntax errors",
        "x = = 1",
        "  indented",
        "def f(:",
        "print('a'\n",
        "'\\x00'",
        "x\x00y",
        "return 5",
        "yield 5",
        "\ufeffprint('bom')",
        "print('ok')  # \u202e",
    ),
    case(
        "syntax errors that are raised",
        "raise SyntaxError('made', ('f.py', 3, 4, 'text'))",
        "raise IndentationError('made')",
        "compile('x = = 1', 'f.py', 'exec')",
        "eval('1 +')",
    ),
    case(
        "chained exceptions",
        "try: 1 / 0\nexcept Exception as e: raise ValueError('v') from e",
        "try: 1 / 0\nexcept Exception: raise ValueError('during')",
        "e = ValueError('loop'); e.__cause__ = e\nraise e",
        "e = ValueError('note'); e.add_note('a note'); raise e",
    ),
    case(
        "exception groups",
        "raise ExceptionGroup('g', [ValueError(1), TypeError(2)])",
        """
        try:
            raise ExceptionGroup('g', [ValueError(1), TypeError(2)])
        except* ValueError as e: print('v', e.exceptions)
        """,
        "raise BaseExceptionGroup('b', [KeyboardInterrupt(), ValueError(1)])",
        "print('ok')",
    ),
    case(
        "base exceptions",
        "class K(KeyboardInterrupt): pass\nraise K('mine')",
        "raise KeyboardInterrupt",
        "raise GeneratorExit",
        "class B(BaseException): pass\nraise B('b')",
        "raise StopIteration(4)",
        "raise StopAsyncIteration",
        "print('ok')",
    ),
    case(
        "base exceptions after an await",
        "import asyncio\nclass K(KeyboardInterrupt): pass\nawait asyncio.sleep(0)\nraise K('mine')",
        "await asyncio.sleep(0)\nraise KeyboardInterrupt",
        "await asyncio.sleep(0)\nraise GeneratorExit",
        "class B(BaseException): pass\nawait asyncio.sleep(0)\nraise B('b')",
        "await asyncio.sleep(0)\nraise StopIteration(4)",
        "print('ok')",
    ),
    case(
        "SystemExit",
        "raise SystemExit(3)",
        "import sys; sys.exit('message')",
        "sys.exit(0)",
        "import asyncio; await asyncio.sleep(0); sys.exit('m')",
        "try: sys.exit(2)\nexcept SystemExit as e: print(e.code)",
        "print('ok')",
    ),
    case("exit(keep_kernel=True)", "exit(keep_kernel=True)", "print('ok')"),
    case(
        "objects that break while they are shown",
        "class E(Exception):\n    def __str__(self): raise ValueError('no str')\nraise E()",
        "class R(Exception):\n    def __repr__(self): raise ValueError('no repr')\nraise R(1)",
        "class S(Exception):\n    def __str__(self): return 5\nraise S()",
        "class C:\n    __class__ = property(lambda s: 1 / 0)\nC()",
        "print('ok')",
        differs=Differs(
            "the error is the one that the cell raised, and what is shown in the end is no error",
            ours=(
                '[1] error ename: "E"',
                '[3] error ename: "S"',
                '[4] execute_result {"data": {"text/plain": "<__main__.C object',
                '[4] reply status: "ok"',
            ),
        ),
    ),
    case(
        "a __str__ that raises a base exception",
        "class E(Exception):\n    def __str__(self): raise KeyboardInterrupt\nraise E()",
        "print('ok')",
    ),
    case(
        "a __str__ that exits",
        "class E(Exception):\n    def __str__(self): raise SystemExit(3)\nraise E()",
        "print('ok')",
    ),
    case(
        "a broken __repr__",
        "class B:\n    def __repr__(self): raise ValueError('no repr')\nB()",
        "print(B())",
        "[B()]",
        "print('ok')",
    ),
    case(
        "a repr that prints, interrupts or exits",
        "class P:\n    def __repr__(self): print('side'); return 'P()'\nP()",
        "class K:\n    def __repr__(self): raise KeyboardInterrupt\nK()",
        "class S:\n    def __repr__(self): raise SystemExit(1)\nS()",
        "print('ok')",
    ),
    case(
        "broken rich representations",
        "class H:\n    def _repr_html_(self): raise RuntimeError('html')\nH()",
        """
        class M:
            def _repr_mimebundle_(self, **k): return {'text/plain': 'm', 'x': object()}
        M()
        """,
        "class G:\n    def __getattr__(self, n): return lambda *a, **k: 'trap'\nG()",
        "class N:\n    def __getattr__(self, n): raise RuntimeError(n)\nN()",
        "print('ok')",
    ),
    case(
        "objects that refuse everything",
        """
        class X:
            def __eq__(self, o): raise RuntimeError("eq")
            def __bool__(self): raise RuntimeError("bool")
            def __len__(self): raise RuntimeError("len")
            def __hash__(self): raise RuntimeError("hash")
        X()
        """,
        "x = X()\nx",
        "raise ValueError(X())",
        "print('ok')",
    ),
    case(
        "recursion",
        "def f(): f()\n%xmode Minimal",
        "f()",
        "%xmode Context",
        "x = []; x.append(x); x",
        "d = {}; d['d'] = d; d",
    ),
    case(
        "a repr without end",
        """
        class R:
            def __repr__(self): return repr(self)
        try:
            repr(R())
        except RecursionError:
            print("too deep")
        """,
        "print('ok')",
    ),
    case("no memory", "raise MemoryError('m')", "x = bytearray(1 << 62)", "print('ok')"),
    case(
        "tracebacks of code that was compiled",
        "exec(compile('def q():\\n  1 / 0\\nq()', '<string>', 'exec'))",
        "exec(compile('1 / 0', '/nonexistent/file.py', 'exec'))",
        "exec('def r():\\n  1 / 0')\nr()",
        "import linecache; linecache.clearcache(); 1 / 0",
    ),
    case(
        "traceback modes",
        "def f():\n    x = 1\n    1 / 0",
        "%xmode Minimal\nf()",
        "%xmode Plain\nf()",
        "%xmode Docs\nf()",
        "%xmode Verbose\nf()",
        "%xmode Context\nf()",
        "%tb",
    ),
    case(
        "traceback by hand",
        "import sys, traceback\ntry: 1 / 0\nexcept Exception: traceback.print_exc()",
        "try: 1 / 0\nexcept Exception: print(traceback.format_exc())",
        "def f(): traceback.print_stack(limit=1)\nf()",
        "try: 1 / 0\nexcept Exception: get_ipython().showtraceback()",
    ),
    case(
        "an exception that was handled is not published",
        "def f():\n    try: 1 / 0\n    except ZeroDivisionError as e: return repr(e)\nf()",
        "import sys; print(sys.exc_info(), hasattr(sys, 'last_value'))",
        "1 / 0",
        "print(sys.last_type, sys.last_value)",
    ),
    case(
        "sys.excepthook",
        """
        import sys
        old = sys.excepthook
        def hook(*a): print('hook', a[0].__name__)
        sys.excepthook = hook
        1 / 0
        """,
        "2 / 0",
        "sys.excepthook = old",
        "3 / 0",
    ),
    case(
        "custom exception handler",
        """
        def show(shell, etype, value, tb, tb_offset=None): print("custom", etype.__name__)
        get_ipython().set_custom_exc((ZeroDivisionError,), show)
        """,
        "1 / 0",
        "int('x')",
        "get_ipython().set_custom_exc((), None)",
        "1 / 0",
    ),
    case(
        "sys.displayhook",
        "import sys\nold = sys.displayhook\nsys.displayhook = lambda v: print('DH', v)\n5",
        "6",
        "sys.displayhook = old",
        "7",
    ),
    case(
        "exceptions that nobody can raise",
        "class D:\n    def __del__(self): raise ValueError('in del')\nd = D(); del d; print('ok')",
        """
        import sys
        old = sys.unraisablehook
        sys.unraisablehook = lambda args: print("unraisable", args.exc_type.__name__)
        d = D(); del d
        sys.unraisablehook = old
        """,
    ),
    case(
        "user expressions",
        cell("x = 1", expressions={"a": "x", "b": "nosuch", "c": "'t' * 3", "d": "1 / 0"}),
        cell("1 / 0", expressions={"a": "2"}),
    ),
    case(
        "silent",
        cell("print('printed'); 5", silent=True),
        cell("1 / 0", silent=True),
        "print('ok'); 6",
    ),
    case(
        "asserts and warnings as errors",
        "assert 1 == 2, 'not equal'",
        """
        import warnings
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            warnings.warn('as an error')
        """,
    ),
    case(
        "errors with suggestions",
        "nosuchname",
        "import nosuchmodule",
        "[].appnd",
        "open('nosuchfile')",
        "from os import nosuch",
    ),
    case(
        "patched builtins in an error",
        "import builtins\nold = builtins.open\nbuiltins.open = None\n1 / 0",
        "builtins.open = old; print('z')",
    ),
    case(
        "generators",
        """
        def h():
            try: yield 1
            finally: print('generator closed')
        it = h(); next(it); it.close()
        """,
        "next(it)",
        "it = h(); next(it); it.throw(ValueError('thrown'))",
    ),
)

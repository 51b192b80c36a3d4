"""The cells' namespace, ``__main__``, pickling and annotations."""

from __future__ import annotations

from parity.case import case

CASES = (
    case(
        "which shell this is",
        "print(get_ipython().__class__.__name__, get_ipython().__class__.__module__)",
        "'IPKernelApp' in get_ipython().config",
        """
        from ipykernel.zmqshell import ZMQInteractiveShell
        isinstance(get_ipython(), ZMQInteractiveShell)
        """,
        "type(get_ipython()).__mro__[0].__name__, get_ipython().kernel.__class__.__name__",
    ),
    case(
        "connection file",
        """
        import os
        from ipykernel.connect import get_connection_file
        print(os.path.exists(get_connection_file()))
        """,
        "from ipykernel.connect import get_connection_info; type(get_connection_info()).__name__",
        "from ipykernel import kernelapp; kernelapp.IPKernelApp.initialized()",
    ),
    case(
        "parent process",
        "import ipykernel; print(ipykernel.kernelapp.IPKernelApp.instance() is not None)",
    ),
    case(
        "__main__",
        "import __main__\nx = 5\nprint(__main__.x)",
        "print('x' in dir(__main__), 'x' in vars(__main__), hasattr(__main__, 'x'))",
        "__main__.y = 6\nprint(y)",
        "from __main__ import x as z; print(z)",
        """
        import sys
        print(sys.modules["__main__"] is __main__, __name__)
        print(sys.modules[__name__].__dict__ is globals())
        """,
        "del __main__.y; y",
        "__main__.nosuch",
    ),
    case(
        "__file__ of __main__",
        "import __main__; print(getattr(__main__, '__file__', 'none'), '__file__' in globals())",
        "__main__",
        "print(__main__.__spec__, __main__.__loader__, __main__.__package__, __main__.__doc__)",
    ),
    case(
        "names that are there",
        "sorted(name for name in dir() if not name.startswith('_i'))",
        "print(__name__, __doc__ is not None, __package__, __builtin__, __builtins__)",
    ),
    case(
        "timeit with __main__",
        "x = 5\nimport timeit; print(timeit.timeit('x', 'from __main__ import x', number=1) > 0)",
    ),
    case(
        "runpy and exec",
        "exec('a = 3'); print(a)",
        "exec('b = 4', globals()); print(b, eval('a + b'))",
        "def f():\n    exec('c = 5')\n    return 'c' in globals()\nf()",
    ),
    case(
        "type hints of forward references",
        """
        import typing
        class A:
            x: "B"
        class B: pass
        print(typing.get_type_hints(A))
        """,
        """
        class N(typing.NamedTuple):
            a: "B"
        class TD(typing.TypedDict):
            a: "B"
        print(typing.get_type_hints(N), typing.get_type_hints(TD))
        """,
        "def f(a: 'A') -> 'B': ...\nprint(typing.get_type_hints(f))",
    ),
    case(
        "annotations from the future",
        "from __future__ import annotations",
        """
        import dataclasses, typing
        @dataclasses.dataclass
        class E:
            k: typing.ClassVar[int] = 3
            y: int = 0
        print([field.name for field in dataclasses.fields(E)], E.__annotations__)
        """,
    ),
    case(
        "dataclasses with string annotations",
        """
        import dataclasses
        from dataclasses import InitVar
        from typing import ClassVar
        @dataclasses.dataclass
        class E:
            y: int
            k: "ClassVar[int]" = 3
            z: "InitVar[int]" = 3
            def __post_init__(self, z): self.w = z
        e = E(1)
        print(e.w, [field.name for field in dataclasses.fields(E)], e)
        """,
    ),
    case(
        "inspect with eval_str",
        """
        import inspect
        class A:
            x: "int"
            def m(self, y: "A") -> "A": ...
        print(inspect.get_annotations(A, eval_str=True))
        print(inspect.signature(A.m, eval_str=True))
        """,
    ),
    case(
        "inspect's source",
        """
        import inspect
        class A:
            def m(self):
                return 1
        def f():
            return 2
        print(inspect.getsource(f)); print(inspect.getsource(A.m))
        """,
        "print(inspect.getsource(A))",
        "inspect.getmodule(A), inspect.getmodule(f)",
        "inspect.getfile(f)",
        "inspect.getfile(A)",
    ),
    case(
        "enum and pickle",
        """
        import enum, pickle
        class Color(enum.Enum):
            R = 1
        print(pickle.loads(pickle.dumps(Color.R)) is Color.R)
        """,
        "class P: pass\nprint(type(pickle.loads(pickle.dumps(P()))) is P)",
        """
        import collections
        Pt = collections.namedtuple("Pt", "x y")
        print(pickle.loads(pickle.dumps(Pt(1, 2))), Pt.__module__)
        """,
        "pickle.dumps(lambda: 1)",
        """
        class Outer:
            class Inner: pass
        type(pickle.loads(pickle.dumps(Outer.Inner()))) is Outer.Inner
        """,
    ),
    case(
        "pickle of names of the host's program",
        """
        import pickle
        class manager: pass
        class app: pass
        class MODE: pass
        for each in manager, app, MODE:
            print(type(pickle.loads(pickle.dumps(each()))) is each)
        """,
    ),
    case(
        "copy and deepcopy",
        """
        import copy
        class A:
            def __init__(self): self.x = [1]
        a = A(); b = copy.deepcopy(a); print(b.x == a.x, b.x is a.x)
        """,
        "copy.copy(a).x is a.x",
    ),
    case(
        "singledispatch",
        """
        import functools
        @functools.singledispatch
        def f(a): return "o"
        @f.register
        def _(a: "int"): return "i"
        print(f(1), f("x"))
        """,
    ),
    case(
        "abstract classes and super",
        """
        import abc
        class A(abc.ABC):
            @abc.abstractmethod
            def m(self): ...
        A()
        """,
        "class B(A):\n    def m(self): return super().__repr__()[:12]\nB().m()",
        "A.__module__, A.__qualname__, A",
    ),
    case(
        "reset",
        "x = 1\n%reset -f",
        "x",
        "print('ok')",
        "%who",
        "y = 2\n%who",
        "%whos",
        "%reset_selective -f y\ny",
    ),
    case(
        "input and output history",
        "1 + 1",
        "_, Out[1], In[1]",
        "__, _1, _i1, _i",
        "_ = 5; _",
        "del _; _",
        "len(In), len(Out)",
    ),
    case(
        "names of IPython that cells take",
        "In = None; Out = None; _ = 7; _oh = None",
        "1 + 1",
        "del In, Out; print('ok')",
        "exit = 5; get_ipython = None; display = 1",
        "3 + 3",
    ),
    case(
        "builtins that cells take",
        "print = 5; list = dict = str = None\n1 / 0",
        "del print, list, dict, str; print('ok')",
    ),
    case("globals cleared", "globals().clear()", "1 + 1", "print('ok')"),
    case(
        "globals and locals",
        "globals() is locals()",
        "x = 1; globals()['x'] = 2; x",
        "vars() is globals(), get_ipython().user_ns is globals()",
    ),
    case(
        "modules of the kernel removed",
        """
        import sys
        for name in "json", "traceback", "asyncio", "re", "IPython", "ipykernel", "zmq":
            sys.modules.pop(name, None)
        print("gone")
        """,
        "1 / 0",
        "import asyncio; await asyncio.sleep(0.01); print('await')",
        "import json; json.dumps({})",
    ),
    case(
        "a module that changes",
        """
        import importlib, pathlib, sys
        sys.dont_write_bytecode = True
        sys.path.insert(0, ".")
        pathlib.Path("changing.py").write_text("def f(): return 1\\n")
        import changing; print(changing.f())
        """,
        """
        pathlib.Path("changing.py").write_text("def f(): return 22\\n")
        importlib.reload(changing); print(changing.f())
        """,
        "sys.path.remove('.'); del sys.modules['changing']; sys.dont_write_bytecode = False",
    ),
    case(
        "autoreload",
        """
        %load_ext autoreload
        %autoreload 2
        import os, pathlib, sys
        sys.path.insert(0, ".")
        pathlib.Path("loaded.py").write_text("def f(): return 1\\n")
        import loaded; print(loaded.f())
        """,
        """
        pathlib.Path("loaded.py").write_text("def f(): return 22\\n")
        os.utime("loaded.py", (10, 2**31))
        """,
        "print(loaded.f())",
        "%autoreload 0\n%unload_ext autoreload\nsys.path.remove('.'); del sys.modules['loaded']",
    ),
    case(
        "script run by %run",
        r"""
        open("s.py", "w").write('''
        import pickle, sys
        print(__name__, sys.argv)
        class K: pass
        print(type(pickle.loads(pickle.dumps(K()))).__name__)
        z = 9
        ''')
        %run s.py a b
        """,
        "print(z, __name__)",
        "%run -i s.py",
        "%run nosuch.py",
        "import __main__; print(hasattr(__main__, 'K'))",
    ),
    case(
        "script that exits, and one that fails",
        "open('e.py', 'w').write('import sys\\nprint(1)\\nsys.exit(3)\\n')\n%run e.py",
        "open('b.py', 'w').write('def q():\\n  1 / 0\\nq()\\n')\n%run b.py",
        "print('ok')",
    ),
    case(
        "garbage",
        """
        import gc, weakref
        class A: pass
        a = A(); ref = weakref.ref(a); del a
        ref() is None
        """,
        "b = A(); ref = weakref.ref(b); b.self = b; del b; gc.collect(); ref() is None",
        """
        class D:
            def __del__(self): print("finalized")
        d = D(); del d; print("after")
        """,
    ),
    case(
        "sys.path and modules",
        "import sys; print(sys.argv[0].endswith('.py'), sys.path[0] == '', sys.flags.interactive)",
        "import os; print(os.getcwd() == os.path.abspath('.'))",
    ),
    case("ps1", "import sys; print(sys.ps1, sys.ps2)"),
    case(
        "sys.executable",
        "import os, sys; print(os.path.basename(sys.executable), sys.prefix == sys.base_prefix)",
    ),
)

"""Libraries that look closely at the process they run in."""

from __future__ import annotations

from parity.case import case, cell

CASES = (
    case(
        "wurlitzer's pipes",
        """
        import ctypes
        from wurlitzer import pipes
        c = ctypes.CDLL(None)
        with pipes() as (out, err):
            r = c.puts(b"from C"); r = c.fflush(None)
        print(repr(out.read()))
        """,
    ),
    case(
        "wurlitzer's sys_pipes",
        """
        import ctypes
        from wurlitzer import sys_pipes
        c = ctypes.CDLL(None)
        with sys_pipes():
            r = c.puts(b"from C"); r = c.fflush(None)
        print("after")
        """,
    ),
    case(
        "wurlitzer's extension",
        "%load_ext wurlitzer",
        "import os; r = os.system('echo from a child')",
        "print('python')",
        "%unload_ext wurlitzer",
        "print('x')",
    ),
    case(
        "pydantic with forward references",
        """
        from pydantic import BaseModel
        class A(BaseModel):
            b: "B"
        class B(BaseModel):
            x: int
        print(A(b={"x": 1}))
        """,
        "A(b=5)",
        "A.model_json_schema()",
    ),
    case(
        "pydantic with annotations from the future",
        "from __future__ import annotations\nimport typing\nfrom pydantic import BaseModel",
        """
        class C(BaseModel):
            d: typing.Optional[D] = None
        class D(BaseModel):
            x: int
        C.model_rebuild()
        print(C(d={"x": 2}))
        """,
    ),
    case(
        "dill",
        """
        import dill
        def f(): return g()
        def g(): return 4
        h = dill.loads(dill.dumps(f)); print(h())
        """,
        "class K: pass\ntype(dill.loads(dill.dumps(K()))) is K",
        "dill.source.getsource(f)",
    ),
    case(
        "dill's session",
        "import dill\nx = 7\nt = lambda: x",
        "dill.dump_module('s.pkl')",
        "del x, t",
        "dill.load_module('s.pkl'); print(x, t())",
    ),
    case(
        "cloudpickle",
        """
        import cloudpickle, pickle, subprocess, sys
        k = 3
        def f(): return g() + k
        def g(): return 4
        data = cloudpickle.dumps(f)
        print(cloudpickle.loads(data)())
        """,
        """
        code = "import pickle, sys; print(pickle.load(sys.stdin.buffer)())"
        subprocess.run([sys.executable, "-c", code], input=data, capture_output=True).stdout
        """,
        """
        class K:
            def m(self): return k
        type(pickle.loads(cloudpickle.dumps(K()))) is K
        """,
    ),
    case(
        "click",
        """
        import click
        from click.testing import CliRunner
        @click.command()
        @click.option("--n", prompt=True)
        def c(n): click.echo("n=" + n)
        print(CliRunner().invoke(c, input="5\\n").output)
        """,
        "c(['--n', '3'])",
        cell("c([], standalone_mode=False)", "9"),
        "click.secho('red', fg='red'); click.echo('err', err=True)",
        "r = click.get_text_stream('stdout').write('text\\n')",
    ),
    case(
        "typer",
        """
        import typer
        app = typer.Typer()
        @app.command()
        def main(name: str = "world"): typer.echo(f"hello {name}")
        app([], standalone_mode=False)
        """,
        "app(['--nosuch'], prog_name='program')",
    ),
    case(
        "freezegun",
        """
        import datetime
        from freezegun import freeze_time
        with freeze_time("2020-01-01"): print(datetime.date.today())
        """,
        "freezer = freeze_time('2020-01-01'); r = freezer.start(); print(datetime.date.today())",
        "print(datetime.date.today())",
        "import time; time.sleep(0.01); print('slept')",
        "freezer.stop(); print(datetime.date.today().year > 2020)",
        "import asyncio; await asyncio.sleep(0.01); print('a')",
    ),
    case(
        "freezegun around an await",
        """
        import asyncio
        from freezegun import freeze_time
        freezer = freeze_time("2020-01-01", real_asyncio=True); r = freezer.start()
        await asyncio.sleep(0.01); print("awaited")
        """,
        "freezer.stop(); print('ok')",
    ),
    case(
        "clocks that are patched",
        "import time; old = time.time; time.time = lambda: 0.0; print(time.time())",
        "print('still')",
        "time.time = old; print(time.time() > 1)",
    ),
    case(
        "a monotonic clock that stands still",
        "import time; old = time.monotonic; time.monotonic = lambda: 5.0",
        "print('still')",
        "time.monotonic = old; print('thawed')",
        "import asyncio; await asyncio.sleep(0.01); print('a')",
    ),
    case(
        "numpy",
        "import numpy as np\nnp.arange(3)",
        "np.array([1.0, np.nan])",
        "np.zeros((100, 100))",
        "np.int64(4), np.float64(1) / 3",
        "np.array([1]) / 0",
        "np.array([1, 2]) + np.array([1, 2, 3])",
    ),
    case(
        "requests to a server in a thread",
        """
        import http.server, threading, urllib.request
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                print("a request")
                self.send_response(200); self.end_headers(); self.wfile.write(b"hi")
            def log_message(self, *a): pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever); thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        for n in range(2): print(urllib.request.urlopen(url).read())
        """,
        "server.shutdown(); thread.join(); server.server_close(); print('down')",
    ),
    case(
        "tornado",
        """
        from tornado import httpclient, httpserver, ioloop, web
        class Main(web.RequestHandler):
            def get(self): print("handler"); self.write("hi")
        server = web.Application([("/", Main)], log_function=lambda h: None).listen(0, "127.0.0.1")
        port = next(iter(server._sockets.values())).getsockname()[1]
        """,
        "(await httpclient.AsyncHTTPClient().fetch(f'http://127.0.0.1:{port}/')).body",
        "server.stop(); await server.close_all_connections(); print('down')",
        "ioloop.IOLoop.current().asyncio_loop is __import__('asyncio').get_running_loop()",
    ),
    case(
        "httpx",
        """
        import httpx
        transport = httpx.MockTransport(lambda request: httpx.Response(200, text="hi"))
        async with httpx.AsyncClient(transport=transport) as client:
            print((await client.get('http://x/')).text)
        """,
    ),
    case(
        "IPython's parallel names",
        "from IPython import get_ipython as g; g() is get_ipython()",
        """
        from IPython.core.interactiveshell import InteractiveShell
        InteractiveShell.instance() is get_ipython(), InteractiveShell.initialized()
        """,
    ),
    case(
        "traitlets' config",
        """
        from traitlets.config import Application
        Application.initialized(), type(Application.instance()).__name__
        """,
        "get_ipython().config.get('nosuch')",
    ),
    case(
        "threadpoolctl and friends",
        """
        import concurrent.futures, multiprocessing
        multiprocessing.current_process().name, multiprocessing.parent_process()
        """,
    ),
    case(
        "prompt_toolkit",
        "from prompt_toolkit import print_formatted_text; print_formatted_text('pt')",
    ),
    case("pexpect", "import pexpect\npexpect.run('echo hi')"),
    case("psutil", "import os, psutil; psutil.Process().pid == os.getpid()"),
    case(
        "jinja2 and yaml",
        "import jinja2; jinja2.Template('{{ a }}').render(a=1)",
        "jinja2.Template('{{ a.b.c }}').render()",
    ),
    case(
        "locale",
        """
        import locale
        old = locale.setlocale(locale.LC_ALL)
        r = locale.setlocale(locale.LC_ALL, 'C')
        print(1.5)
        """,
        "r = locale.setlocale(locale.LC_ALL, old)",
    ),
    case(
        "random and hashing",
        "import random; random.seed(1); random.random()",
        "hash('a') == hash('a'), id(None) == id(None)",
    ),
)

"""Results, displays, figures and widgets."""

from __future__ import annotations

from parity.case import case, cell

CASES = (
    case("a backend that is not installed", "%matplotlib widget", "print('on')"),
    case(
        "rich results",
        "from IPython.display import *\nHTML('<b>x</b>')",
        "Image(data=b'\\x89PNG\\r\\n\\x1a\\n' + b'0' * 20, format='png')",
        "Latex('$x$')",
        "Markdown('*a*')",
        "SVG('<svg/>')",
        "JSON({'a': 1})",
        "Audio(data=b'0' * 44, rate=100)",
        "IFrame('http://x', 1, 2)",
        "Pretty('p')",
        "Code('x = 1', language='python')",
        "FileLink('nofile')",
        "Math('x^2'), ProgressBar(3)",
    ),
    case(
        "magics that display",
        "%%javascript\nalert(1)",
        "%%html\n<i>h</i>",
        "%%latex\n$y$",
        "%%markdown\n*m*",
        "%%svg\n<svg></svg>",
    ),
    case(
        "methods that display",
        """
        class C:
            def _repr_html_(self): return "<c>"
            def _repr_mimebundle_(self, include=None, exclude=None):
                return {"text/plain": "mb"}, {"meta": 1}
        C()
        """,
        "class D:\n    def _ipython_display_(self): print('own')\nD()",
        "display(1, 2, [3])",
        "display({'text/plain': 'raw'}, raw=True, metadata={'a': 1})",
    ),
    case(
        "clear_output and updates",
        """
        from IPython.display import clear_output, display, update_display
        for i in range(3): clear_output(wait=True); print(i)
        """,
        "clear_output(); display('x', display_id='d1'); update_display('y', display_id='d1')",
        "h = display('a', display_id='d2'); h.update('b')",
        "update_display('z', display_id='nosuch')",
    ),
    case(
        "odd display data",
        """
        from IPython.display import publish_display_data
        publish_display_data({'text/plain': 'x'}, metadata={'m': {1: 2}})
        """,
        "publish_display_data({'text/plain': b'bytes'})",
        """
        transient = {"display_id": "q"}
        publish_display_data({"x/y": [1, (2,)]}, metadata={"t": (1, 2)}, transient=transient)
        """,
        "publish_display_data('notadict')",
        "publish_display_data({'text/plain': 'a'}, metadata=5)",
        "print('ok')",
    ),
    case(
        "not a number",
        # The warning names a file of the kernel's.
        """
        import warnings
        with warnings.catch_warnings(action="ignore"):
            display({"application/json": {"a": float("nan"), "b": float("inf")}}, raw=True)
        """,
        "float('nan'), float('inf')",
        "print('ok')",
    ),
    case(
        "dates and numbers of numpy in display data",
        """
        import datetime, numpy as np
        display({"application/json": {"d": datetime.datetime(2020, 1, 1)}}, raw=True)
        """,
        "display({'application/json': {'n': np.int64(4)}}, raw=True)",
        "display({'application/json': {'s': {1}}}, raw=True)",
        "display({'text/plain': object()}, raw=True)",
        # Its traceback has a thousand frames.
        "%xmode Minimal\nd = {}; d['d'] = d\ndisplay({'application/json': d}, raw=True)",
        "%xmode Context\nprint('ok')",
    ),
    case(
        "several results in a cell",
        "get_ipython().ast_node_interactivity = 'all'",
        "1\n2\nNone\n'three'",
        "get_ipython().ast_node_interactivity = 'last_expr'",
        "1\n2;",
    ),
    case(
        "pretty printing",
        "dict.fromkeys(range(60))",
        "[list(range(40))] * 3",
        "{'a', 'b'}, (1,), frozenset(), range(3), ..., NotImplemented",
        "print, len, str.join, type, int, [].append, lambda: 0",
        "b'bytes', 'é\\n', 1e100, 1j, 10 ** 40",
        "import types; types.SimpleNamespace(a=1)",
        """
        import collections
        collections.OrderedDict(a=1), collections.Counter('aab'), collections.deque([1])
        """,
    ),
    case(
        "own formatters",
        """
        formatter = get_ipython().display_formatter.formatters["text/plain"]
        class A: pass
        old = formatter.for_type(A, lambda obj, p, cycle: p.text("an A"))
        A()
        """,
        "formatter.pop(A); print('ok')",
        "%precision 3\n3.14159",
        "%precision\n3.14159",
    ),
    case(
        "pandas",
        "import pandas as pd\npd.DataFrame({'a': [1, None], 'b': ['x', 'y']})",
        "print(pd.Series([1, 2]))",
        "pd.Series([1, 2], name='s')",
        "pd.DataFrame({'a': range(100)})",
        "pd.DataFrame({'a': [1]}).style.set_uuid('u')",
        "pd.DataFrame({'a': [1]})['nosuch']",
        "with pd.option_context('display.max_rows', 4): display(pd.DataFrame({'a': range(9)}))",
    ),
    case(
        "plotly",
        "import plotly.graph_objects as go, plotly.io as pio; print(pio.renderers.default)",
        "figure = go.Figure(go.Scatter(y=[1, 2]))\nsorted(figure._repr_mimebundle_())",
        "pio.renderers['plotly_mimetype']; figure.show('plotly_mimetype')",
        "figure.show('json')",
    ),
    case(
        "matplotlib",
        """
        import matplotlib, matplotlib.pyplot as plt
        plt.rcParams["figure.figsize"] = 1, 1
        plt.plot([1, 2]); print(matplotlib.get_backend())
        """,
        "plt.figure(); plt.plot([3]); plt.show(); print('x')",
        "fig, ax = plt.subplots()\nfig",
        "plt.close('all'); print(len(plt.get_fignums()))",
        "for i in range(2): plt.figure(); plt.plot([i])",
        "plt.plot([1]); 1 / 0",
        "plt.rcdefaults()",
    ),
    case(
        "matplotlib's backends by magic",
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1])",
        "%matplotlib agg\nplt.plot([1]); print('agg')",
        "plt.show()",
        "plt.close('all')",
        "%matplotlib nosuch",
        "%matplotlib inline",
        "plt.figure(figsize=(1, 1)).savefig('f.png'); plt.close('all')",
    ),
    case(
        "matplotlib in a thread",
        """
        import threading, matplotlib.pyplot as plt
        def draw(): plt.figure(figsize=(1, 1)); plt.plot([1])
        thread = threading.Thread(target=draw); thread.start(); thread.join(); print("ok")
        """,
        "plt.close('all')",
    ),
    case(
        "matplotlib around awaits",
        """
        import asyncio
        await asyncio.sleep(0.01)
        import matplotlib.pyplot as plt
        plt.plot([1]); await asyncio.sleep(0.01); plt.title("t")
        """,
        """
        go = asyncio.Event()
        async def draw():
            await go.wait()
            plt.figure(figsize=(1, 1)); plt.show(); print("drawn")
        task = asyncio.create_task(draw())
        """,
        cell("go.set(); await task"),
    ),
    case(
        "matplotlib's interactive mode",
        "import matplotlib.pyplot as plt; plt.figure(figsize=(1, 1)); plt.close('all')",
        "plt.isinteractive()",
        "plt.ioff(); plt.figure(figsize=(1, 1)); plt.plot([1]); print('off')",
        "plt.ion(); plt.close('all')",
        "with plt.ioff(): figure = plt.figure(figsize=(1, 1))",
        "plt.pause(0.01)",
        "plt.close('all')",
    ),
    case(
        "widgets",
        "import ipywidgets as w\nslider = w.IntSlider(); display(slider)",
        "slider.value = 5; print(slider.comm is not None)",
        "slider",
        "slider.close(); slider",
    ),
    case(
        "output widget",
        "import ipywidgets as w\nout = w.Output(); display(out)\nwith out: print('inside')",
        "@out.capture()\ndef f(): print('captured'); raise ValueError('x')\nf()",
        "print('outside')",
        "with out: 1 / 0",
        "out.append_stdout('appended')",
        "out.clear_output()",
    ),
    case(
        "output widget around an await",
        """
        import asyncio, ipywidgets as w
        out = w.Output(); display(out)
        with out:
            print("a")
            await asyncio.sleep(0.01)
            print("b")
        print("c")
        """,
        "print('d')",
    ),
    case(
        "output widget and a thread",
        """
        import threading, ipywidgets as w
        out = w.Output(); display(out)
        def work():
            out.append_stdout("from the thread")
        thread = threading.Thread(target=work); thread.start(); thread.join()
        """,
    ),
    case(
        "interact",
        "import ipywidgets as w\nw.interact(lambda x: x, x=3)",
        "@w.interact\ndef f(x=(0, 10)): print('x', x)",
    ),
    case(
        "widget set by a thread",
        """
        import threading, ipywidgets as w
        progress = w.IntProgress(); display(progress)
        thread = threading.Thread(target=setattr, args=(progress, "value", 3))
        thread.start(); thread.join(); print(progress.value)
        """,
    ),
    case(
        "observers of a widget",
        """
        import ipywidgets as w
        slider = w.IntSlider()
        slider.observe(lambda change: print("now", change["new"]), "value")
        slider.value = 5
        """,
        "button = w.Button(); button.on_click(lambda b: print('clicked')); button.click()",
        "slider.observe(lambda change: 1 / 0, 'value'); slider.value = 6",
        "w.jslink((slider, 'value'), (w.IntSlider(), 'value'))",
    ),
    case(
        "comms",
        """
        import comm
        c = comm.create_comm(target_name="a target", data={"a": 1}, buffers=[b"xyz"])
        c.send({"b": 2}, metadata={"m": 1}, buffers=[b"12"])
        """,
        "c.close({'c': 3})",
        "comm.get_comm_manager().register_target('t', print); print('ok')",
    ),
    case(
        "tqdm",
        """
        from tqdm import tqdm
        import sys
        how = dict(ascii=True, bar_format="{n}/{total}|", mininterval=0)
        for i in tqdm(range(3), file=sys.stdout, **how): pass
        """,
        "for i in tqdm(range(3), **how): tqdm.write('w')",
        """
        import logging
        from tqdm.contrib.logging import logging_redirect_tqdm
        with logging_redirect_tqdm():
            for i in tqdm(range(2), **how): logging.getLogger("z").warning("x")
        """,
    ),
    case(
        "tqdm.auto",
        "from tqdm.auto import tqdm\nprint(tqdm.__mro__[0].__module__, tqdm.__mro__[1].__module__)",
    ),
    case(
        "tqdm in a notebook",
        """
        from tqdm.notebook import tqdm
        for i in tqdm(range(2), bar_format='{l_bar}{bar}{n}/{total}', mininterval=0): pass
        """,
        """
        import asyncio
        from tqdm.asyncio import tqdm as bar
        how = dict(ascii=True, bar_format="{n}|", mininterval=0)
        async for i in bar(range(2), **how): await asyncio.sleep(0)
        """,
        "await bar.gather(asyncio.sleep(0), asyncio.sleep(0), **how)",
    ),
    case(
        "rich",
        "import rich.console; print(rich.console._is_jupyter())",
        "from rich import print as rp; rp('[bold]x[/bold]')",
        "from rich.table import Table\nt = Table('a'); t.add_row('b'); rp(t)\nt",
        "from rich.console import Console; Console().print('[red]c[/red]')",
    ),
    case(
        "rich's progress",
        "from rich.progress import track\nfor i in track(range(2), refresh_per_second=0.01): pass",
        "print('plain')",
    ),
    case(
        "rich's live display over awaits",
        """
        import asyncio, sys
        from rich.live import Live
        before = sys.stdout
        with Live("a", auto_refresh=False) as live:
            print("inside")
            await asyncio.sleep(0.01)
            live.update("b", refresh=True)
            print("still inside")
        print("end", sys.stdout is before)
        """,
        "print('next')",
    ),
    case(
        "rich's tracebacks",
        "from rich.traceback import install; old = install()\ndef f(): 1 / 0",
        "import sys; sys.excepthook = old",
    ),
    case(
        "rich's pretty printing", "from rich import pretty; pretty.install()\n{'a': [1, 2]}", "[1]"
    ),
)

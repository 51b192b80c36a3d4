"""What cells print, and what they put in place of ``sys.stdout``."""

from __future__ import annotations

from parity.case import Differs, case, cell

CASES = (
    case("print and result", "print('hi'); 1 + 1", "import sys; print('e', file=sys.stderr)"),
    case(
        "capture magic",
        """
        %%capture c
        print(1)
        """,
        "print(repr(c.stdout))",
        "print('next')",
    ),
    case(
        "capture magic around an await",
        """
        %%capture out
        import asyncio
        print("a")
        await asyncio.sleep(0.01)
        print("b")
        """,
        "print(repr(out.stdout))",
        "print('next')",
    ),
    case(
        "capture of displays and errors",
        """
        %%capture c
        import sys
        print(1); display(2); print("e", file=sys.stderr); 3
        """,
        "c()",
        "c.show(); print(c.outputs, repr(c.stderr))",
        """
        %%capture --no-stderr d
        print(3); print("seen", file=sys.stderr)
        """,
        "print(repr(d.stdout))",
    ),
    case(
        "capture_output",
        """
        from IPython.utils.capture import capture_output
        with capture_output() as o:
            print("x"); display(2)
        print(repr(o.stdout), len(o.outputs))
        """,
        """
        with capture_output() as o:
            get_ipython().run_cell("print(5)")
        print(repr(o.stdout))
        """,
    ),
    case(
        "redirect_stdout",
        """
        import contextlib, io
        buffer = io.StringIO()
        with contextlib.redirect_stdout(buffer):
            print("inside")
            get_ipython().run_cell("print(6)")
        print(repr(buffer.getvalue()))
        """,
    ),
    case(
        "redirect_stderr and logging",
        """
        import contextlib, io, logging, sys
        buffer = io.StringIO()
        with contextlib.redirect_stderr(buffer):
            print("to stderr", file=sys.stderr)
            logging.getLogger("a").warning("a record")
        print(repr(buffer.getvalue()))
        """,
    ),
    case(
        "redirect around an await",
        """
        import asyncio, contextlib, io, sys
        before, buffer = sys.stdout, io.StringIO()
        with contextlib.redirect_stdout(buffer):
            print("a")
            await asyncio.sleep(0.01)
            print("b")
        print(repr(buffer.getvalue()), sys.stdout is before)
        """,
        "print('next')",
        "print(repr(buffer.getvalue()))",
    ),
    case(
        "tee across cells",
        """
        import sys
        class Tee:
            def __init__(self, stream):
                self.stream, self.log = stream, []
            def write(self, text):
                self.log.append(text)
                return self.stream.write(text)
            def flush(self):
                self.stream.flush()
        tee = sys.stdout = Tee(sys.stdout)
        print("one")
        """,
        "print('two')",
        "sys.stdout = tee.stream",
        "print(tee.log, type(sys.stdout) is type(tee.stream))",
        differs=Differs(
            "what a tee passes on is shown under the cell that prints it, not under the cell that"
            " made the tee",
            ours=("[2] stdout 'two",),
        ),
    ),
    case(
        "stdout is a file for some cells",
        """
        import sys
        old = sys.stdout
        sys.stdout = open("log.txt", "w")
        print("in the file")
        """,
        "print('in the file too')",
        "sys.stdout.close(); sys.stdout = old",
        "print(open('log.txt').read())",
    ),
    case(
        "stdout is None for a while",
        """
        import sys
        old = sys.stdout
        sys.stdout = None
        print('gone')
        sys.stdout = old
        print('a')
        """,
        "print('seen')",
    ),
    case(
        "stdout is a StringIO and stays one",
        "import io, sys; old = sys.stdout; sys.stdout = io.StringIO(); print('kept')",
        "'a result is shown'",
        "print('kept too'); text = sys.stdout.getvalue(); sys.stdout = old",
        "print(repr(text))",
    ),
    case(
        "stdout is set in a function that awaits",
        """
        import asyncio, io, sys
        old = sys.stdout
        async def quiet():
            sys.stdout = io.StringIO()
            await asyncio.sleep(0.01)
            print("not seen")
            sys.stdout = old
        await quiet()
        print("seen")
        """,
    ),
    case(
        "stdout closed",
        "import sys; print('a'); sys.stdout.close()",
        "print('b')",
        "print('c', file=sys.stderr)",
        "with sys.stdout as f: r = f.write('d')",
        "print('e')",
        differs=Differs(
            "printed text is shown all the same",
            ours=(
                "[1] stdout 'a",
                "[2] stdout 'b",
                '[2] reply status: "ok"',
                "[4] stdout 'd'",
                '[4] reply status: "ok"',
                "[5] stdout 'e",
                '[5] reply status: "ok"',
                "[6] stdout 'healthy",
                '[6] execute_result {"data": {"text/plain": "42"}',
                '[6] reply status: "ok"',
            ),
        ),
    ),
    case(
        "buffer of stdout",
        """
        import io, sys
        old = sys.stdout
        sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", line_buffering=True)
        print("in UTF-8")
        """,
        "sys.stdout = old; print('next')",
        "import codecs\nwriter = codecs.getwriter('utf-8')(sys.stdout.buffer)\nwriter.write('x')",
        "sys.stdout.buffer.write(b'bytes\\n')",
        "import click; click.echo(b'bytes of click')",
        differs=Differs(
            "the stock kernel has no buffer",
            ours=(
                "[1] stdout 'in UTF-8",
                '[1] reply status: "ok"',
                "[3] stdout 'x'",
                '[3] reply status: "ok"',
                "[4] stdout 'bytes",
                '[4] execute_result {"data": {"text/plain": "6"}',
                '[4] reply status: "ok"',
                "[5] stdout 'bytes of click",
                '[5] reply status: "ok"',
            ),
        ),
    ),
    case("reconfigure", "import sys\nsys.stdout.reconfigure(errors='replace')", "print('y')"),
    case("detach", "import sys\nsys.stdout.detach()", "print('y')"),
    case(
        "bytes in place of text",
        "import sys; sys.stdout.write(b'bytes')",
        "sys.stdout.write(5)",
        "sys.stdout.writelines(['a\\n', 'b\\n'])",
        "sys.stdout.write('text')",
    ),
    case(
        "what a stream is",
        """
        import io, sys
        for stream in sys.stdout, sys.stderr:
            print(type(stream).__name__, isinstance(stream, io.TextIOBase), stream.name)
            print(stream.isatty(), stream.writable(), stream.readable(), stream.seekable())
            print(stream.encoding, stream.errors, stream.newlines, stream.closed)
        """,
        "[hasattr(sys.stdout, name) for name in ('mode', 'reconfigure')]",
        "sys.stdout.tell()",
        "sys.stdout.read()",
    ),
    case(
        "a child with stdout=sys.stdout",
        "import subprocess, sys; subprocess.run(['echo', 'x'], stdout=sys.stdout).returncode",
        "type(sys.stdout.fileno()), type(sys.stderr.fileno())",
    ),
    case(
        "dup2 around the descriptor",
        """
        import os, sys
        saved = os.dup(1)
        with open("native.txt", "wb") as file:
            os.dup2(file.fileno(), 1)
            os.system("echo from a child")
            os.dup2(saved, 1)
        os.close(saved)
        print(open("native.txt").read())
        """,
        "print('ok')",
    ),
    case(
        "carriage returns and escapes",
        "for i in range(5): print(i, end='\\r', flush=True)",
        "print('\\x1b[31mred\\x1b[0m\\x08\\x07\\x00end')",
    ),
    case(
        "no newline at the end",
        "print('a', end=''); 1 / 0",
        "print('b', end='')",
        "import sys; sys.stdout.write('c'); sys.stdout.flush(); sys.stderr.write('d')",
    ),
    case(
        "streams between displays",
        """
        import sys
        for i in range(5):
            print("o", i); print("e", i, file=sys.stderr); display(i)
        "result"
        """,
    ),
    case("much output", "print('x' * 1_000_000)", "for i in range(5000): print(i)"),
    case("long result", "'y' * 500_000", "list(range(2000))"),
    case("many flushes", "for i in range(200): print(i, flush=True)"),
    case(
        "lone surrogates",
        "print('\\ud800')",
        "'\\udcff'",
        "import sys; sys.stderr.write('\\udc80\\n')",
        "x = b'\\xff'.decode('utf-8', 'surrogateescape'); print([x], x)",
        "raise ValueError('\\ud800')",
        "class E(Exception):\n    def __str__(self): return '\\ud800 half'\nraise E()",
        "display({'text/plain': '\\ud83d'}, raw=True)",
        "print('ok')",
        differs=Differs(
            "the stock kernel cannot send it",
            ours=(
                "[1] stdout '\\ud800",
                '[5] error ename: "ValueError"',
                '[6] error ename: "E"',
                "[7] display_data",
                '[7] reply status: "ok"',
            ),
        ),
    ),
    case("print is all there is", "print()", "print('')", "print('', end='')"),
    case(
        "print with odd arguments",
        "print(1, 2, sep=None, end=None)",
        "print(1, file=None)",
        "print(1, file=5)",
        "print('a', 'b', sep=5)",
    ),
    case(
        "logging to both streams",
        """
        import logging, sys
        logger = logging.getLogger("y"); logger.propagate = False
        handler = logging.StreamHandler(sys.stdout); logger.addHandler(handler)
        logger.warning("to stdout")
        """,
        "logger.warning('again')",
        "logger.removeHandler(handler); logging.getLogger('z').warning('last resort')",
    ),
    case(
        "logging.basicConfig",
        """
        import logging
        logging.basicConfig(level=logging.INFO)
        logging.info("to stderr")
        """,
        "logging.getLogger('x').info('later')",
        """
        import threading
        thread = threading.Thread(target=logging.warning, args=("in a thread",))
        thread.start(); thread.join()
        logging.root.handlers.clear(); logging.root.setLevel(logging.WARNING)
        """,
    ),
    case(
        "a logger's exception",
        """
        import logging
        try:
            1 / 0
        except ZeroDivisionError:
            logging.getLogger("z").exception("it failed")
        """,
    ),
    case(
        "warnings",
        "import warnings; warnings.warn('careful')",
        "warnings.warn('old', DeprecationWarning)",
        "warnings.warn('old', DeprecationWarning, stacklevel=2)",
        """
        def f(): warnings.warn("in a function", FutureWarning)
        f(); f()
        """,
        """
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            warnings.warn("caught")
        print(len(seen), seen[0].message)
        """,
    ),
    case(
        "warning in a thread",
        """
        import threading, warnings
        t = threading.Thread(target=warnings.warn, args=('t',)); t.start(); t.join()
        """,
    ),
    case(
        "standard input",
        "import sys; print(sys.stdin is None or sys.stdin.isatty())",
        "print(repr(sys.stdin.readline()))",
        "for line in sys.stdin: print(line)",
    ),
    case(
        "input",
        cell("x = input('name? '); print('hi', x)", "bob"),
        cell("a, b = input(), input('b'); print(a, b)", "1", "2"),
        cell("print(repr(input(5)))", "é"),
    ),
    case("getpass", cell("import getpass\nprint(len(getpass.getpass('pw: ')))", "secret")),
    case(
        "input where nobody answers",
        cell("input('nobody')", asks=False),
        cell("import getpass; getpass.getpass()", asks=False),
    ),
    case(
        "input after an await",
        cell("import asyncio\nawait asyncio.sleep(0.01)\nprint(input('after? '))", "w"),
    ),
    case(
        "input of a task",
        cell(
            """
            import asyncio
            async def f(): return input("task? ")
            print(await asyncio.create_task(f()))
            """,
            "z",
        ),
        differs=Differs(
            "a task of a shared loop is a step of the host's program, which has an input() of its"
            " own",
            ours=(
                "[1] stdout 'task? '",
                '[1] error ename: "EOFError"',
                '[1] reply status: "error"',
            ),
            targets=("shared",),
        ),
    ),
    case(
        "input in a thread",
        cell(
            """
            import threading
            answers = []
            def ask():
                try:
                    answers.append(input("t? "))
                except Exception as error:
                    answers.append(type(error).__name__)
            thread = threading.Thread(target=ask); thread.start(); thread.join()
            print(answers)
            """,
            "x",
        ),
        cell("import asyncio\nprint(await asyncio.to_thread(input, 'tt? '))", "y"),
    ),
    case(
        "stdin is replaced",
        cell("import io, sys; old = sys.stdin; sys.stdin = io.StringIO('line\\n')"),
        cell("print(input('y'))", "b"),
        cell("print(sys.stdin.readline()); sys.stdin = old"),
    ),
    case(
        "input is patched",
        "import builtins; real = builtins.input; builtins.input = lambda prompt='': 'patched'",
        "print(input('?'))",
        cell("builtins.input = real; print(input('?'))", "typed"),
    ),
    case(
        "print is patched",
        """
        import builtins
        real = builtins.print
        builtins.print = lambda *a, **k: real("P:", *a, **k)
        print("x")
        """,
        "print('y'); 1 / 0",
        "builtins.print = real; print('z')",
    ),
    case(
        "system's output streams",
        "import sys; print(sys.__stdout__ is None, sys.stdout is sys.__stdout__)",
        "print(sys.stdout.name, sys.stderr.name)",
    ),
    case(
        "pprint and textwrap",
        "import pprint; pprint.pprint({'a': list(range(30)), 'b': {'c': 'x' * 60}})",
        "pprint.pformat({1: 2})",
    ),
)

"""IPython's magics and help."""

from __future__ import annotations

from parity.case import Differs, case

CASES = (
    case("places", "%cd /\n%pwd", "%cd -q nosuch", "%cd -", "%dhist", "%pushd /", "%popd", "%dirs"),
    case(
        "environment magics",
        "%env FOO=bar\nimport os; print(os.environ.pop('FOO'))",
        "%set_env A 1",
        "%env A",
        "del os.environ['A']\n%env A",
    ),
    case(
        "aliases",
        "%alias hello echo hi %s\nhello you",
        "%unalias hello\nhello",
        "%bookmark here\n%bookmark -l",
        "%bookmark -d here",
    ),
    case(
        "files",
        "%%writefile w.txt\nhello",
        "%%writefile -a w.txt\nmore",
        "%%file w.txt\nx",
        "!cat w.txt",
        "%load w.txt",
        "%pfile w.txt",
        "%more w.txt",
        "%less w.txt",
    ),
    case("unknown magics", "%unknown", "%%unknown\nx", "%load_ext nosuch", "%tim", "%%time"),
    case(
        "options",
        "%precision 2\n3.14159",
        "%pprint\n[1]",
        "%pprint",
        "%automagic\n%automagic",
        "%colors NoColor\n1 / 0",
        "%colors Neutral",
        "%config IPCompleter.greedy = False",
    ),
    case(
        "gui magics",
        "%gui",
        "%gui wx",
        "import logging; logging.root.handlers.clear()",
        differs=Differs(
            "the host has its own loop",
            ours=("[2] stderr 'ERROR:root:%gui wx would start a second event loop",),
        ),
    ),
    case("macros", "x = 1; print(x)", "%macro -q m 1\nm", "%macro m2 1", "m2"),
    case(
        "history",
        "x = 1",
        "%history -n 1",
        "%rerun 1",
        "%recall 1",
        "%save -f out.py 1\nopen('out.py').read()",
        "%notebook nb.ipynb",
        "%hist -l 2 -o",
    ),
    case("log", "%logstart -o log.py over\nprint(5)", "%logstate", "%logoff", "%logon", "%logstop"),
    case("store", "x = 1\n%store x", "%store -r x\nx", "%store -d x", "%store"),
    case(
        "edit and page",
        "%edit",
        "%page print",
        "%psource str.join",
        "%pdef len",
        "%pdoc len",
        "%pinfo len",
    ),
    case(
        "help",
        "len?",
        "*int*?",
        "def f(a: int = 3) -> str:\n    '''doc'''\nf?",
        "f??",
        "nosuch?",
        "?f",
        "f.__name__?",
    ),
    case("help()", "help(len)", "def f():\n    '''A docstring.'''\nhelp(f)"),
    case("introspection of magics", "%time?", "%%timeit?", "%psearch str.j*"),
    case(
        "lines of magics",
        "a = %pwd\nimport os; a == os.getcwd()",
        "for i in range(2):\n    %time i",
        "get_ipython().run_line_magic('pwd', '') == os.getcwd()",
        "get_ipython().run_cell_magic('time', '', '1')",
    ),
    case(
        "own magics",
        """
        from IPython.core.magic import register_line_magic, register_cell_magic
        @register_line_magic
        def shout(line): return line.upper()
        %shout abc
        """,
        "@register_cell_magic\ndef twice(line, cell): print(line, cell, cell)\n",
        "%%twice a\nb",
        "%shout?",
    ),
    case(
        "run_cell",
        "r = get_ipython().run_cell('print(7)'); print(r.success)",
        "get_ipython().run_cell('1 / 0'); print('on')",
        "r = get_ipython().run_cell('8'); r.result",
        "get_ipython().ex('y = 3'); get_ipython().ev('y + 1')",
    ),
    case(
        "set_next_input",
        "get_ipython().set_next_input('next cell')",
        "get_ipython().set_next_input('in place', replace=True)",
    ),
    case(
        "input transformers",
        """
        def replace(lines): return [line.replace("@@", "print") for line in lines]
        get_ipython().input_transformers_cleanup.append(replace)
        """,
        "@@('transformed')",
        "get_ipython().input_transformers_cleanup.pop(); print('ok')",
    ),
    case(
        "events",
        "def hook(*a): print('hook')\nget_ipython().events.register('post_run_cell', hook)",
        "1",
        "get_ipython().events.unregister('post_run_cell', hook)",
    ),
    case("autocall", "%autocall 2\nabs -3", "%autocall 0", ",print a b", "/abs 4"),
    case(
        "background scripts",
        "%killbgscripts",
        "%%bash --bg --out o\necho bg",
        "print(await o.read())",
    ),
    case("capture of a magic", "%%capture c\n%time print(1)", "print(c.stdout.splitlines()[0])"),
    case(
        "kernel's magics", "%autosave 0", "%autosave 5", "%clear", "%doctest_mode", "%doctest_mode"
    ),
    case(
        "subshell magic",
        "%%capture c\n%subshell",
        "print(c.stdout.splitlines()[0], c.stdout.splitlines()[-1])",
    ),
    # It prints the key, which no test shows.
    case(
        "connection magic",
        "%%capture c\n%connect_info",
        "print('shell_port' in c.stdout, '--existing' in c.stdout, c.stderr)",
    ),
    case(
        "sandboxed names",
        "%%javascript\nx",
        "%%perl\nprint 'perl'",
        "%%ruby --no-raise-error\nputs 1",
    ),
    case(
        "pip and conda",
        "%pip --version",
        "%conda",
        differs=Differs(
            "a Restart gives a host no other modules",
            ours=("[1] stdout 'pip ",),
            stock="you may need to restart",
        ),
    ),
    case(
        "lsmagic",
        "print(get_ipython().magics_manager.magics['cell'].keys() >= {'time', 'bash', 'capture'})",
    ),
    case("matplotlib list", "%matplotlib --list"),
    case("pylab", "%pylab --no-import-all agg", "type(np).__name__, type(plt).__name__"),
)

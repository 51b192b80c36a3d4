"""Awaits, tasks, callbacks and loops."""

from __future__ import annotations

from parity.case import Differs, case, cell

CASES = (
    case(
        "await",
        "import asyncio; print('a'); await asyncio.sleep(0.01); print('b')",
        "await asyncio.sleep(0, 'value')",
        "async def f(): return 5",
        "await f()",
        "f().close()",
    ),
    case("await of nothing", "await 1", "await None"),
    case(
        "asyncio.run in a cell",
        """
        import asyncio
        async def f(): return 1
        coroutine = f()
        asyncio.run(coroutine)
        """,
        "asyncio.get_event_loop().run_until_complete(coroutine)",
        "loop = asyncio.new_event_loop(); loop.run_until_complete(coroutine)",
        "loop.close(); coroutine.close()",
        "print(asyncio.get_running_loop() is asyncio.get_event_loop())",
    ),
    case(
        "asyncio.run in a thread",
        """
        import asyncio, threading
        async def f():
            await asyncio.sleep(0.01)
            print("in the thread's loop")
            return 1
        results = []
        thread = threading.Thread(target=lambda: results.append(asyncio.run(f())))
        thread.start(); thread.join(); print(results)
        """,
    ),
    case(
        "nest_asyncio",
        """
        import asyncio, nest_asyncio
        nest_asyncio.apply()
        async def f():
            await asyncio.sleep(0.02)
            return 5
        print(asyncio.get_event_loop().run_until_complete(f()))
        """,
        "print(asyncio.run(f()))",
        "await asyncio.sleep(0.01); print('await')",
        """
        def deep(n):
            async def g():
                await asyncio.sleep(0.01)
                return deep(n - 1) if n else 0
            return asyncio.run(g())
        print(deep(3))
        """,
        """
        async def h():
            task = asyncio.create_task(f())
            return asyncio.run(f()) + await task
        await h()
        """,
    ),
    case(
        "task that prints later",
        """
        import asyncio
        go = asyncio.Event()
        async def work():
            await go.wait()
            print("from the task")
        task = asyncio.create_task(work())
        """,
        cell("go.set()", late="from the task\n"),
        "await task; print('end')",
    ),
    case(
        "task that prints between cells",
        cell(
            """
            import asyncio
            async def work():
                for n in range(3):
                    await asyncio.sleep(0.01)
                    print("step", n)
            task = asyncio.create_task(work())
            """,
            late="step 2\n",
        ),
        "await task; print('end')",
    ),
    case(
        "callbacks that print later",
        cell(
            """
            import asyncio
            loop = asyncio.get_running_loop()
            handle = loop.call_later(0.05, print, "later")
            handle = loop.call_soon_threadsafe(print, "soon")
            """,
            late="later\n",
        ),
    ),
    case(
        "callbacks that fail",
        cell(
            """
            import asyncio
            loop = asyncio.get_running_loop()
            handle = loop.call_later(0.01, lambda: 1 / 0)
            """,
            late="ZeroDivisionError",
        ),
        "loop.set_exception_handler(lambda loop, context: print('H', context['message']))",
        cell("handle = loop.call_soon(lambda: 1 / 0)", late="H Exception"),
        "loop.set_exception_handler(None)",
        differs=Differs(
            "it is shown under the cell",
            ours=(
                "[1] stderr 'Exception in callback <lambda>()",
                "[3] stdout 'H Exception in callback <lambda>()",
            ),
        ),
    ),
    case(
        "task that fails and is awaited",
        """
        import asyncio
        async def f(): raise ValueError('in the task')
        task = asyncio.create_task(f())
        """,
        "await task",
        "print('ok')",
    ),
    case(
        "task that fails and is dropped",
        """
        import asyncio, gc
        async def f(): raise ValueError('in the task')
        task = asyncio.create_task(f())
        """,
        "await asyncio.sleep(0.01)",
        cell("del task; gc.collect(); None", late="in the task"),
        "print('ok')",
    ),
    case(
        "coroutine that is never awaited",
        "import gc\nasync def f(): pass",
        "f(); None",
        "gc.collect(); print('ok')",
    ),
    case(
        "task factory",
        """
        import asyncio
        loop, made = asyncio.get_running_loop(), []
        def factory(loop, coroutine, **how):
            made.append(1)
            return asyncio.Task(coroutine, loop=loop, **how)
        old = loop.get_task_factory(); loop.set_task_factory(factory)
        await asyncio.create_task(asyncio.sleep(0))
        loop.set_task_factory(old)
        print(len(made))
        """,
    ),
    case(
        "gather and TaskGroup",
        """
        import asyncio
        async def f(n):
            await asyncio.sleep(0)
            print(n)
            return n
        await asyncio.gather(*map(f, range(3)))
        """,
        """
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(f(n)) for n in range(3)]
        print([task.result() for task in tasks])
        """,
        """
        async def bad(): raise ValueError("one fails")
        async with asyncio.TaskGroup() as group:
            group.create_task(bad()); group.create_task(asyncio.sleep(50))
        """,
    ),
    case(
        "timeouts",
        """
        import asyncio
        try:
            async with asyncio.timeout(0.01): await asyncio.sleep(50)
        except TimeoutError:
            print("timeout")
        """,
        "await asyncio.wait_for(asyncio.sleep(50), 0.01)",
        "print('ok')",
    ),
    case(
        "a cell that cancels itself",
        "import asyncio\nasyncio.current_task().cancel()\nawait asyncio.sleep(10)",
        "print('ok')",
    ),
    case(
        "await of what is cancelled",
        "import asyncio\nf = asyncio.get_running_loop().create_future(); f.cancel()\nawait f",
        "raise asyncio.CancelledError('c')",
        "print(asyncio.current_task() is not None, asyncio.current_task().cancelling())",
    ),
    case(
        "every other task cancelled",
        """
        import asyncio
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task(): task.cancel()
        print("cancelled")
        """,
        "asyncio.current_task().cancel()\nprint('its own task, at the end')",
        "await asyncio.sleep(0); print('ok')",
        differs=Differs("the stock kernel logs that its own tasks are gone", stock="ZMQStream"),
        # In a shared loop they are the host's tasks.
        targets=("pumped", "served", "thread", "qt"),
    ),
    case(
        "loop stopped",
        "import asyncio\nloop = asyncio.get_running_loop(); loop.stop(); print('stopped')",
        cell("handle = loop.call_soon(loop.stop)", seconds=3),
        "print('three')",
        differs=Differs(
            "the stock kernel never answers again",
            ours=(
                '[2] reply status: "ok"',
                "[3] stdout 'three",
                '[3] reply status: "ok"',
                "[4] stdout 'healthy",
                '[4] execute_result {"data": {"text/plain": "42"}',
                '[4] reply status: "ok"',
            ),
        ),
        targets=("pumped", "served", "thread", "qt"),  # a shared loop is the host's
    ),
    case("loop closed", "import asyncio\nasyncio.get_running_loop().close()", "print('two')"),
    case(
        "another event loop is set",
        """
        import asyncio
        loop = asyncio.new_event_loop(); asyncio.set_event_loop(loop)
        print(asyncio.get_event_loop() is asyncio.get_running_loop())
        """,
        "print(asyncio.get_event_loop() is asyncio.get_running_loop())",
        "await asyncio.sleep(0.01); loop.close(); print('a')",
    ),
    case(
        "no event loop is set",
        "import asyncio; asyncio.set_event_loop(None)",
        "await asyncio.sleep(0.01); print('a')",
        "asyncio.get_event_loop() is asyncio.get_running_loop()",
    ),
    case(
        "asynchronous generators",
        """
        import asyncio, contextlib
        async def g():
            try:
                for n in range(5): yield n; await asyncio.sleep(0)
            finally:
                print("closed")
        async for n in g(): print(n)
        """,
        "[n async for n in g()]",
        """
        async with contextlib.aclosing(g()) as values:
            async for n in values: break
        print("z")
        """,
    ),
    case(
        "asynchronous generator that is left",
        """
        import asyncio, gc
        async def g():
            try:
                yield 1; yield 2
            finally:
                print("closed")
        async for n in g(): break
        gc.collect(); await asyncio.sleep(0.01); print("after")
        """,
    ),
    case(
        "context of a task",
        """
        import asyncio, contextvars
        v = contextvars.ContextVar("v", default=0)
        async def f():
            v.set(1); await asyncio.sleep(0); return v.get()
        print(await asyncio.create_task(f()), v.get())
        """,
        "async with asyncio.timeout(5): v.set(7)",
        "v.get()",
    ),
    case(
        "producer and consumer",
        """
        import asyncio
        queue = asyncio.Queue()
        async def consume():
            while (item := await queue.get()) is not None: print("got", item)
        consumer = asyncio.create_task(consume())
        """,
        "await queue.put(1); await asyncio.sleep(0.01)",
        "for item in (2, 3, None): await queue.put(item)\nawait consumer",
    ),
    case(
        "server and client",
        """
        import asyncio, socket
        async def serve(reader, writer):
            writer.write((await reader.readline()).upper())
            await writer.drain(); writer.close()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        """,
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\\n"); print(await reader.readline()); writer.close()
        """,
        """
        def talk():
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"sync\\n"); print(connection.recv(99))
        await asyncio.to_thread(talk)
        """,
        "server.close(); await server.wait_closed(); print('closed')",
    ),
    case(
        "subprocess of asyncio",
        """
        import asyncio
        from asyncio.subprocess import PIPE
        p = await asyncio.create_subprocess_exec("echo", "hi", stdout=PIPE)
        print((await p.communicate())[0], p.returncode)
        """,
        """
        p = await asyncio.create_subprocess_shell("cat", stdin=PIPE, stdout=PIPE)
        print(await p.communicate(b"in"))
        """,
    ),
    case(
        "debug mode of the loop",
        "import asyncio; loop = asyncio.get_running_loop(); loop.set_debug(True)",
        "await asyncio.sleep(0.01); print('x')",
        "loop.set_debug(False)",
    ),
    case(
        "anyio",
        """
        import anyio
        async def f():
            await anyio.sleep(0.01)
            return 3
        print(await f())
        """,
        "anyio.run(f)",
        """
        async with anyio.create_task_group() as group: group.start_soon(anyio.sleep, 0.01)
        print(await anyio.to_thread.run_sync(lambda: 5))
        """,
        """
        with anyio.move_on_after(0.01) as scope: await anyio.sleep(50)
        print(scope.cancelled_caught)
        """,
    ),
    case(
        "trio",
        """
        import trio
        async def f():
            await trio.sleep(0.01)
            return 3
        print(trio.run(f))
        """,
        "%autoawait trio",
        "await trio.sleep(0.01)",
        "%autoawait asyncio",
        "import asyncio; await asyncio.sleep(0.01); print('ok')",
    ),
    case(
        "autoawait off",
        "%autoawait off\nimport asyncio",
        "await asyncio.sleep(0)",
        "%autoawait on",
        "await asyncio.sleep(0)",
        "%autoawait",
    ),
)

"""A real Jupyter server, driven by its REST API and websockets as a browser does."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import requests
import websocket

from support.runs import need, need_module
from support.world import SECONDS, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from support.world import World

TOKEN = "a-token"
_EXTENSIONS = ("jupyter_lsp", "jupyter_server_terminals", "jupyterlab", "notebook_shim")


HOSTS = ("python", "qt")
QT_PROGRAM = """
from PySide6.QtWidgets import QApplication, QLabel
app = QApplication([])
label = QLabel("a window")
label.show()
app.exec()
"""


def host_options(host: str, folder: Path) -> tuple[str, ...]:
    """What follows ``--host NAME``; a host's program is put into ``folder``."""
    if host == "qt":
        need_module("PySide6")
        (folder / "program.py").write_text(QT_PROGRAM)
        return ("--set", "hosts.qt.env={QT_QPA_PLATFORM = 'offscreen'}", "program.py")
    if host == "blender":
        need_module("bpy")
        return ("--set", "hosts.blender.executable=bpy")
    if host == "blender-background":
        program = need(shutil.which("blender"), "Blender on PATH")
        own = f"executable={program}", "background=true", "factory_startup=true"
        return tuple(word for each in own for word in ("--set", f"hosts.blender.{each}"))
    return ()


class Server:
    """``jupyter server`` in the home of ``world``."""

    def __init__(self, world: World, *options: str, app: str = "server", **env: str) -> None:
        self.world = world
        command = ("-m", "jupyter", app, "--no-browser", "--allow-root")
        place = ("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0")
        extensions = dict.fromkeys(_EXTENSIONS, False) if app == "server" else {}
        given = (
            *place,
            f"--ServerApp.jpserver_extensions={extensions}",
            f"--IdentityProvider.token={TOKEN}",
            f"--ServerApp.root_dir={world.folder / 'work'}",
        )
        (world.folder / "work").mkdir(exist_ok=True)
        self.command = world.start(*given, *options, python=command, **env)
        self._notebooks: list[Notebook] = []
        self._api = requests.Session()
        self._api.headers["Authorization"] = f"token {TOKEN}"
        # It says where it is before it is there.
        self.command.until("Use Control-C")
        found = re.search(r"http://127\.0\.0\.1:\d+", self.command.stderr)
        assert found is not None
        self.url = found[0]
        wait_for(self._answers, "an answer of the server")

    def _answers(self) -> bool:
        try:
            return self._api.get(f"{self.url}/api", timeout=SECONDS).ok
        except requests.ConnectionError:
            return False

    def ask(self, method: str, path: str, body: object = None, status: int = 200) -> Any:
        """One request to the REST API; what it answers."""
        reply = self._api.request(
            method, f"{self.url}/api/{path}", json=body, timeout=SECONDS, allow_redirects=False
        )
        assert reply.status_code == status, f"{reply.status_code} {reply.text}"
        return reply.json() if reply.text else None

    def start(self, name: str) -> Notebook:
        """Open a notebook with a kernelspec."""
        return self.open(self.ask("POST", "kernels", {"name": name}, 201)["id"])

    def open(self, kernel_id: str) -> Notebook:
        """Open a notebook on one of the server's kernels."""
        notebook = Notebook(self, kernel_id)
        self._notebooks.append(notebook)
        return notebook

    def refused(self, name: str) -> str:
        """Why a notebook cannot be opened with a kernelspec, as its user reads it."""
        body = {
            "name": "",
            "path": f"{uuid.uuid4()}.ipynb",
            "type": "notebook",
            "kernel": {"name": name},
        }
        return str(self.ask("POST", "sessions", body, 500)["message"])

    def kernels(self) -> dict[str, str]:
        """The kernels that the server has: id and kernelspec."""
        return {each["id"]: each["name"] for each in self.ask("GET", "kernels")}

    def _connections(self) -> int:
        return sum(each["connections"] for each in self.ask("GET", "kernels"))

    def end(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal."""
        for notebook in self._notebooks:
            notebook.close()
        if self.command.process.poll() is None:
            # Its signal handler logs. While it logs that a notebook was closed, the handler fails
            # for that, and the server goes on.
            wait_for(lambda: not self._connections(), "the end of the notebooks' connections")
            self.command.signal(number)
        self._api.close()
        wait_for(self._has_ended, lambda: f"the end of the server\n{self.command.stderr}")

    def _has_ended(self) -> bool:
        # A signal that comes just before the loop waits is heard of at the loop's next event:
        # tornado sets no wakeup descriptor.
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2])), 1).close()
        return self.command.process.poll() is not None


class Notebook:
    """One client of one of the server's kernels."""

    def __init__(self, server: Server, kernel_id: str) -> None:
        self.server = server
        self.id = kernel_id
        self.session = uuid.uuid4().hex
        address = server.url.replace("http", "ws", 1)
        self._socket = websocket.create_connection(
            f"{address}/api/kernels/{kernel_id}/channels?session_id={self.session}",
            header=[f"Authorization: token {TOKEN}"],
            timeout=SECONDS,
        )

    def send(self, code: str) -> str:
        """Have a cell run; the request's id."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "username": "a user",
            "session": self.session,
            "date": datetime.now(UTC).isoformat(),
            "version": "5.4",
        }
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "buffers": [],
            "channel": "shell",
        }
        self._socket.send(json.dumps(message))
        return str(header["msg_id"])

    def next(self) -> dict[str, Any]:
        """The next message of any channel."""
        message: dict[str, Any] = json.loads(self._socket.recv())
        return message

    def until(self, kind: str, parent: str | None = None, **content: object) -> dict[str, Any]:
        """Read until a message of a kind, with that parent and content; its content."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            message = self.next()
            found = message["content"]
            if (
                message["msg_type"] == kind
                and (parent is None or message["parent_header"].get("msg_id") == parent)
                and content.items() <= found.items()
            ):
                return dict(found)
        raise AssertionError(f"no {kind} came")

    def run(self, code: str) -> tuple[dict[str, Any], str]:
        """Run a cell to its end; its reply, and all the text it gave."""
        request = self.send(code)
        reply: dict[str, Any] = {}
        text: list[str] = []
        idle = False
        while not (reply and idle):
            message = self.next()
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            if message["msg_type"] == "execute_reply":
                reply = content
            elif message["msg_type"] == "status":
                idle = content["execution_state"] == "idle"
            elif message["msg_type"] == "stream":
                text.append(content["text"])
            elif message["msg_type"] == "execute_result":
                text.append(content["data"]["text/plain"])
        return reply, "".join(text).strip()

    def result(self, code: str) -> str:
        """What a cell that must succeed gave."""
        reply, text = self.run(code)
        assert reply["status"] == "ok", reply
        return text

    def start_endless(self) -> str:
        """Run a cell that never ends, until it is under way; the request's id."""
        request = self.send("print('under way', flush=True)\nwhile True: pass")
        self.until("stream", request)
        return request

    def interrupt(self) -> None:
        self.server.ask("POST", f"kernels/{self.id}/interrupt", status=204)

    def restart(self) -> None:
        self.server.ask("POST", f"kernels/{self.id}/restart")

    def shut_down(self) -> None:
        self.server.ask("DELETE", f"kernels/{self.id}", status=204)
        wait_for(lambda: self.id not in self.server.kernels(), "the end of the kernel")

    def close(self) -> None:
        self._socket.close()

"""The connection file as a typed model.

The format is Jupyter's: https://jupyter-client.readthedocs.io/en/stable/kernels.html#connection-files
with hostkernel's own facts under one extra key, ``hostkernel``, which clients ignore.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
import tempfile
from hashlib import algorithms_guaranteed
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from .errors import ConnectionFileError
from .private import others_may_write, stranger, why_not_ours

__all__ = [
    "ConnectionInfo",
    "HostFacts",
    "Port",
    "check_place",
    "connection_file_name",
    "kernel_id_of",
]

Port = Annotated[int, Field(ge=0, le=65535, strict=True)]
_PREFIX, _SUFFIX = "kernel-", ".json"


def connection_file_name(kernel_id: str) -> str:
    """The file name that Jupyter clients look for when told ``--existing <id>``."""
    return f"{_PREFIX}{kernel_id}{_SUFFIX}"


def kernel_id_of(file: Path) -> str:
    """The kernel id in a connection file's name, or the bare name of a launcher's file."""
    return file.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)


class HostFacts(BaseModel):
    """The owner of a connection file, so that a stale file can be distinguished from a live one.

    Attributes:
        host: the adapter's name.
        pid: process id of the host.
        started: start time of that process, in the unit of :mod:`hostkernel.processes`.
        machine: machine, boot and process namespace in which ``pid`` means something.
        title: the document that was open when the kernel last looked: at its start, after
            each cell, and when a client asked.
        kernel_id: the kernel's id; a launcher may name the file as it likes.
        owned: True if hostkernel chose the ports and the key, False if a launcher did.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str
    pid: int
    started: float
    machine: str
    kernel_id: str
    title: str | None = None
    owned: bool = True

    def same_kernel(self, other: HostFacts | None) -> bool:
        """Whether ``other`` describes the same kernel, whichever document is open now."""
        return other is not None and self == other.model_copy(update={"title": self.title})


class ConnectionInfo(BaseModel):
    """Everything a client needs to reach a kernel.

    The key and the CURVE secret are secrets: ``repr``, ``str`` and :meth:`to_json` mask them.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    transport: Literal["tcp", "ipc"] = "tcp"
    ip: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    shell_port: Port = 0
    iopub_port: Port = 0
    stdin_port: Port = 0
    control_port: Port = 0
    hb_port: Port = 0
    key: SecretStr = SecretStr("")
    signature_scheme: Annotated[str, Field(pattern=r"^hmac-\w+$")] = "hmac-sha256"
    kernel_name: str = ""
    curve_publickey: str | None = None
    curve_secretkey: SecretStr | None = None
    hostkernel: HostFacts | None = None

    @field_validator("key")
    @classmethod
    def _has_bytes(cls, value: SecretStr) -> SecretStr:
        value.get_secret_value().encode()
        return value

    @field_validator("signature_scheme")
    @classmethod
    def _is_a_digest(cls, value: str) -> str:
        if value.removeprefix("hmac-") not in _DIGESTS:
            message = f"there is no digest {value.removeprefix('hmac-')!r}; use hmac-sha256"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _curve_keys_are_a_pair(self) -> Self:
        if (self.curve_publickey is None) != (self.curve_secretkey is None):
            message = "curve_publickey and curve_secretkey come together or not at all"
            raise ValueError(message)
        if self.curve_publickey is None or self.curve_secretkey is None:
            return self
        keys = (self.curve_publickey, self.curve_secretkey.get_secret_value())
        if not all(re.fullmatch(_Z85_KEY, key) for key in keys):
            message = "curve_publickey and curve_secretkey must be 40 characters of Z85 each"
            raise ValueError(message)
        return self

    @classmethod
    def fresh(cls, ip: str = "127.0.0.1", *, encrypted: bool = False) -> Self:
        """Make one for tcp with a random key, CURVE keys if ``encrypted``, and no ports yet."""
        curve: dict[str, str] = {}
        if encrypted:
            import zmq

            public, secret = zmq.curve_keypair()
            curve = {"curve_publickey": public.decode(), "curve_secretkey": secret.decode()}
        return cls.model_validate({"ip": ip, "key": secrets.token_hex(32), **curve})

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a connection file.

        Raises:
            ConnectionFileError: the file is missing, unreadable, another user's or not JSON,
                other users may write to it, or a field is missing or wrong.
        """
        try:
            content = json.loads(_read_regular(file))
        except FileNotFoundError:
            raise ConnectionFileError(file, "there is no such file") from None
        except OSError as error:
            raise ConnectionFileError(file, error.strerror or str(error)) from error
        except (ValueError, RecursionError) as error:
            raise ConnectionFileError(file, f"this is not JSON: {error}") from None
        if not isinstance(content, dict):
            raise ConnectionFileError(file, "expected a JSON object")
        return cls._checked(file, content)

    @classmethod
    def _checked(cls, file: Path, content: dict[str, object]) -> Self:
        absent = [name for name in _REQUIRED if name not in content]
        if absent:
            raise ConnectionFileError(file, "this field is missing", absent[0])
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            raise ConnectionFileError(file, first["msg"].lower(), key) from None

    def to_json(self, *, reveal: bool = False) -> str:
        """The content of the connection file, as JSON.

        Args:
            reveal: write the key and the CURVE secret in clear, not masked.
        """
        content = self.model_dump(mode="json", exclude_none=True)
        if reveal:
            content["key"] = self.key.get_secret_value()
            if self.curve_secretkey is not None:
                content["curve_secretkey"] = self.curve_secretkey.get_secret_value()
        return json.dumps(content, indent=2)

    def client_info(self) -> dict[str, object]:
        """The input of :meth:`jupyter_client.KernelClient.load_connection_info`, with the key."""
        info: dict[str, object] = json.loads(self.to_json(reveal=True))
        info.pop("hostkernel", None)
        info["key"] = self.key.get_secret_value().encode()
        for name in ("curve_publickey", "curve_secretkey"):
            if name in info:
                info[name] = str(info[name]).encode()
        return info

    def write(self, file: Path) -> None:
        """Write the file atomically, readable by the owner only.

        Raises:
            ConnectionFileError: the directory cannot be made or written to, other users may write
                to it, the file is a link or another user's, or would not be private there.
        """
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            check_place(file)
            _write_private(file, self.to_json(reveal=True) + "\n")
        except OSError as error:
            reason = f"cannot be written: {error.strerror or error}"
            raise ConnectionFileError(file, reason) from error
        _check_private(file)

    @property
    def ports(self) -> dict[str, int]:
        """The five ports by channel: shell, iopub, stdin, control, hb."""
        return {channel: getattr(self, f"{channel}_port") for channel in _CHANNELS}

    def url(self, channel: str) -> str:
        """The ZeroMQ address of a channel: ``shell iopub stdin control hb``."""
        port = self.ports[channel]
        if self.transport == "ipc":
            return f"ipc://{self.ip}-{port}"
        return f"tcp://[{self.ip}]:{port}" if ":" in self.ip else f"tcp://{self.ip}:{port}"


_CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
_DIGESTS = frozenset(name for name in algorithms_guaranteed if not name.startswith("shake"))
_Z85_KEY = r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}"
_REQUIRED = (*(f"{channel}_port" for channel in _CHANNELS), "ip", "transport", "key")


def _read_regular(file: Path) -> str:
    # Check the open descriptor, not the path, which may have been swapped. O_NONBLOCK: opening a
    # pipe, and reading it, would wait for a writer.
    handle = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        _check_opened(file, os.fstat(handle))
    except BaseException:
        os.close(handle)
        raise
    with os.fdopen(handle, encoding="utf-8") as stream:
        return stream.read()


def _check_opened(file: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConnectionFileError(file, "this is not a file")
    for each in (status, file.lstat()):  # of the file, and of the link that led to it
        _check_owner(file, each)
    if others_may_write(status):
        raise ConnectionFileError(file, f"other users may write to it; run: chmod 600 {file}")


def _write_private(file: Path, text: str) -> None:
    # mkstemp makes the file 0600 and new: a link planted after the check is not followed.
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def check_place(file: Path) -> None:
    """Refuse a place for a connection file where another user has put, or could put, a file.

    Raises:
        ConnectionFileError: the place is not safe.
    """
    try:
        reason = why_not_ours(file.parent)
    except OSError:
        reason = None  # The folder is missing or not accessible: making it will show which.
    if reason is not None:
        raise ConnectionFileError(file, reason)
    if file.is_symlink():
        reason = "this is a symbolic link, and may have been planted; remove it"
        raise ConnectionFileError(file, reason)
    if file.exists():
        _check_owner(file, file.stat())


def _check_owner(file: Path, status: os.stat_result) -> None:
    if (owner := stranger(status)) is not None:
        raise ConnectionFileError(file, f"this belongs to another user (uid {owner})")


def _check_private(file: Path) -> None:
    if os.name != "posix":
        return
    found = file.lstat()
    if not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) & 0o077:
        file.unlink(missing_ok=True)
        raise ConnectionFileError(file, "this file system does not keep files private (mode 0600)")

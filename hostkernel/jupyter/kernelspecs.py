"""Outside: the kernelspecs by which Jupyter's launchers show hosts."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hostkernel.errors import KernelspecError

from .start import CONNECTION_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hostkernel.host import Host

    from .choose import Attach

__all__ = ["PROVISIONER", "Installed", "Kernelspec", "attaching", "for_host", "installed"]

PROVISIONER = "hostkernel-provisioner"
_MARK = "hostkernel"  # the key in the metadata of hostkernel's kernelspecs
_LOGO = Path(__file__).with_name("logo.svg")
_POLICY = "kernel.on_shutdown"
_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Kernelspec:
    """One kernelspec, not written yet.

    Attributes:
        name: the NAME in ``--kernel NAME`` of papermill and similar tools.
        display_name: what launchers show.
        argv: the command line for clients that start kernels themselves.
        config: the keyword arguments of the provisioner.
        logo: an SVG or PNG file.
    """

    name: str
    display_name: str
    argv: tuple[str, ...]
    config: dict[str, str] = field(default_factory=dict)
    logo: Path = _LOGO

    def content(self) -> dict[str, Any]:
        """The content of ``kernel.json``."""
        return {
            "argv": list(self.argv),
            "display_name": self.display_name,
            "language": "python",
            "interrupt_mode": "message",
            "metadata": {
                "debugger": True,
                "supported_encryption": ["curve"],
                "kernel_provisioner": {"provisioner_name": PROVISIONER, "config": self.config},
                _MARK: {"host": self.config.get("host")},
            },
        }

    def install(self, prefix: Path | None = None) -> Path:
        """Write the kernelspec in one step, and replace an older one of hostkernel's.

        Args:
            prefix: an environment's prefix, None for the user's own kernelspecs.

        Returns:
            The kernelspec's folder.

        Raises:
            KernelspecError: the name is not valid, another program's kernelspec has it, or the
                folder cannot be written to.
        """
        folder = _directory(prefix) / self.name
        if not _NAME.fullmatch(self.name):
            reason = "a name is made of ASCII letters, digits, and the signs - . _"
            raise KernelspecError(self.name, folder.parent, reason)
        if folder.exists() and _read(folder) is None:
            raise KernelspecError(self.name, folder, "this is not a kernelspec of hostkernel's")
        try:
            self._write(folder)
        except OSError as error:
            reason = f"cannot be written: {error.strerror or error}"
            raise KernelspecError(self.name, folder, reason) from error
        return folder

    def _write(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".hostkernel-", dir=folder.parent) as place:
            new, old = Path(place, "new"), Path(place, "old")
            new.mkdir()
            text = json.dumps(self.content(), indent=2) + "\n"
            (new / "kernel.json").write_text(text, encoding="utf-8")
            for source, name in _logos(self.logo):
                shutil.copyfile(source, new / name)
            if folder.exists():
                folder.rename(old)
            new.rename(folder)


@dataclass(frozen=True)
class Installed:
    """An installed kernelspec of hostkernel's.

    Attributes:
        name: the kernelspec's name.
        display_name: what launchers show.
        host: the host that it is for, None for any.
        folder: the kernelspec's folder.
        python: the Python that it starts.
    """

    name: str
    display_name: str
    host: str | None
    folder: Path
    python: str

    @property
    def python_is_there(self) -> bool:
        """Whether the Python that the kernelspec starts still exists."""
        return shutil.which(self.python) is not None

    def remove(self) -> None:
        """Remove the kernelspec.

        Raises:
            KernelspecError: its folder cannot be removed.
        """
        try:
            shutil.rmtree(self.folder)
        except OSError as error:
            reason = f"cannot be removed: {error.strerror or error}"
            raise KernelspecError(self.name, self.folder, reason) from error


def for_host(
    host: type[Host],
    overrides: Sequence[str] = (),
    args: Sequence[str] = (),
    *,
    attach: Attach = "never",
) -> Kernelspec:
    """The kernelspec that starts a host, or attaches to an open one and else starts it.

    Args:
        host: the host's adapter.
        overrides: the values of ``--set``, stored in the kernelspec.
        args: the host's own arguments, stored in the kernelspec.
        attach: ``never`` or ``if-open``.
    """
    own = f"{_POLICY}=exit-host"
    given = next((text for text in reversed(overrides) if _is_policy(text)), own)
    policy = given.partition("=")[2].strip().strip("\"'")
    sets = [word for text in (own, *overrides) for word in ("--set", text)]
    relay = ("--attach",) if attach == "if-open" else ()
    argv = (*_base(), "run", "--host", host.name, *relay, "-f", CONNECTION_FILE, *sets, *args)
    suffix, label = ("-attach", "attach") if attach == "if-open" else ("", "hostkernel")
    return Kernelspec(
        name=f"hostkernel-{host.name}{suffix}",
        display_name=f"{host.name.replace('_', ' ').title()} ({label})",
        argv=argv,
        config={"host": host.name, "attach": attach, "on_shutdown": policy},
        logo=host.logo or _LOGO,
    )


def attaching(kernel: str | None = None) -> Kernelspec:
    """The kernelspec that attaches to an open kernel.

    Args:
        kernel: names the kernel, None for the only one.
    """
    config = {"attach": "always"} | ({"kernel": kernel} if kernel else {})
    argv = (*_base(), "relay", "-f", CONNECTION_FILE, *(("-k", kernel) if kernel else ()))
    return Kernelspec("hostkernel", "hostkernel: running kernel", argv, config)


def installed() -> Iterator[Installed]:
    """The kernelspecs of hostkernel that a Jupyter started from this environment sees."""
    from jupyter_core.paths import jupyter_path

    seen: set[str] = set()
    for directory in map(Path, jupyter_path("kernels")):
        for folder in sorted(directory.glob("*")):
            content = _read(folder)
            if content is not None and folder.name not in seen:
                seen.add(folder.name)
                yield _installed(folder, content)


def _installed(folder: Path, content: dict[str, Any]) -> Installed:
    host = content["metadata"][_MARK].get("host")
    argv = content.get("argv") or [""]
    return Installed(folder.name, content["display_name"], host, folder, argv[0])


def _read(folder: Path) -> dict[str, Any] | None:
    """The content of a kernelspec of hostkernel's, None for any other."""
    try:
        content = json.loads((folder / "kernel.json").read_text(encoding="utf-8"))
        mark = content["metadata"][_MARK]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return content if isinstance(mark, dict) and "display_name" in content else None


def _base() -> tuple[str, ...]:
    # Not "hostkernel": some clients recognise a Python kernel only by such a command line.
    return (sys.executable, "-m", "hostkernel")


def _is_policy(override: str) -> bool:
    return override.partition("=")[0].strip() == _POLICY


def _directory(prefix: Path | None) -> Path:
    if prefix is not None:
        return prefix.expanduser().absolute() / "share" / "jupyter" / "kernels"
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "kernels"


def _logos(logo: Path) -> Iterator[tuple[Path, str]]:
    """The logo files to copy, each with the name that launchers look for."""
    if logo.suffix == ".svg":
        yield logo, "logo-svg.svg"
        logo = logo.with_suffix(".png")
    if logo.suffix == ".png" and logo.exists():
        yield logo, "logo-64x64.png"

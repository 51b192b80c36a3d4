"""The commands ``hostkernel blender ...``; loaded when one is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(add_completion=False, no_args_is_help=True)

_Python = Annotated[
    str, typer.Option(metavar="3.11|3.13", help="Blender's Python: 3.13 from Blender 5.1 on.")
]
_Wheels = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where wheels are kept; missing ones are fetched into it."),
]


@app.callback()
def blender() -> None:
    """Blender's add-on with a button that starts the kernel."""


@app.command()
def build_extension(
    platform: Annotated[
        list[str] | None,
        typer.Option(help="Such as windows-x64; may be repeated. This machine's by default."),
    ] = None,
    classic: Annotated[
        bool, typer.Option("--classic", help="For Blenders older than 4.2, for one platform.")
    ] = False,
    python: _Python = "3.11",
    wheels: _Wheels = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Where to put the zip.")
    ] = Path(),
) -> None:
    """Build the add-on as a zip, with all that it needs, and print its path.

    Without --classic for Blender 4.2 and newer. With it for older ones whose Python is 3.11:
    4.1, and Debian's 3.4.
    """
    from .package import build_classic
    from .package import build_extension as build
    from .wheels import here

    platforms = _checked(platform or [here()], python)
    if classic and (len(platforms) > 1 or python != "3.11"):
        message = "a classic add-on is for one platform and Python 3.11"
        raise typer.BadParameter(message)
    folder = wheels or _cache()
    if classic:
        typer.echo(build_classic(platforms[0], python, folder, output))
    else:
        typer.echo(build(platforms, python, folder, output))


@app.command()
def install_extension(
    executable: Annotated[
        Path | None,
        typer.Option("--blender", metavar="PATH", help="The Blender; the one found by default."),
    ] = None,
    wheels: _Wheels = None,
) -> None:
    """Build the add-on that fits a Blender, install it there for you, and enable it."""
    from .find import choose
    from .install import install

    found = choose(executable, None)
    typer.echo(f"{install(found, wheels or _cache())} is installed in {found.path}")


def _checked(platforms: list[str], python: str) -> list[str]:
    from .wheels import PLATFORMS

    unknown = [name for name in platforms if name not in PLATFORMS]
    if unknown:
        message = f"{unknown[0]!r} is not a platform of Blender; choose from {', '.join(PLATFORMS)}"
        raise typer.BadParameter(message)
    if python not in {"3.11", "3.13"}:
        message = f"no Blender has Python {python}; 4.2 to 5.0 have 3.11, newer ones 3.13"
        raise typer.BadParameter(message)
    return list(dict.fromkeys(platforms))


def _cache() -> Path:
    from hostkernel_blender.adapter import BlenderHost, BlenderSettings

    return BlenderHost(BlenderSettings()).paths().cache / "wheels"

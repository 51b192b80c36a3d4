"""What a plugin may define, and what its hooks may return."""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hostkernel import hookspecs
from hostkernel.host import Host, HostLoop, HostPaths, HostSettings

if TYPE_CHECKING:
    import pluggy

    from .sources import PluginInfo

__all__ = ["RESULTS", "WrongResultError", "check_hooks", "nearest"]

HOOKS = {
    name: inspect.signature(function)
    for name, function in vars(hookspecs).items()
    if name.startswith(f"{hookspecs.PROJECT}_")
}


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that was probably meant by ``word``."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(known), 1)), None)


def check_hooks(info: PluginInfo, plugin: object, manager: pluggy.PluginManager) -> None:
    """Check every function of a plugin before any is registered.

    Raises:
        PluginError: for the first function that would not be called as its author expects.
    """
    for name in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, name)
        if options is not None:
            _check_hook(info, options, name, getattr(plugin, name))
        elif _looks_like_hook(plugin, name):
            reason = "is named like a hook but not marked: put @hookimpl above it or rename it"
            raise info.blame(reason, name)


def _looks_like_hook(plugin: object, name: str) -> bool:
    static = inspect.getattr_static(plugin, name, None)
    return name.startswith(f"{hookspecs.PROJECT}_") and inspect.isroutine(static)


def _check_hook(
    info: PluginInfo, options: Mapping[str, Any], name: str, function: Callable[..., object]
) -> None:
    hook = options["specname"] or name
    if options["wrapper"] or options["hookwrapper"]:
        raise info.blame("is a wrapper; plugins are called one by one, so use a plain one", hook)
    if options["optionalhook"] and hook not in HOOKS:
        return
    if hook not in HOOKS:
        guess = nearest(hook, HOOKS)
        raise info.blame(f"is no hook{f'; did you mean {guess}?' if guess else ''}", hook)
    if inspect.iscoroutinefunction(function):
        raise info.blame("is async; hooks are called, never awaited", hook)
    signature = inspect.signature(function)
    if not all(_is_plain(parameter, hook) for parameter in signature.parameters.values()):
        arguments = ", ".join(HOOKS[hook].parameters) or "none"
        reason = f"has the wrong arguments, {signature}; they may be {arguments}, without defaults"
        raise info.blame(reason, hook)


def _is_plain(parameter: inspect.Parameter, hook: str) -> bool:
    positional = parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    known = parameter.name in HOOKS[hook].parameters
    return positional and known and parameter.default is parameter.empty


_repr = reprlib.Repr()
_repr.maxother = _repr.maxstring = 100


class WrongResultError(Exception):
    """A hook returned a value of the wrong kind."""

    def __init__(self, result: object, expected: str) -> None:
        super().__init__(f"returned {_repr.repr(result)}; it should return {expected}")


def _hosts(result: object) -> tuple[type[Host], ...]:
    if not isinstance(result, Iterable):
        raise WrongResultError(result, "a list of Host classes")
    return tuple(dict.fromkeys(_host(item) for item in result))


def _host(item: object) -> type[Host]:
    if not (isinstance(item, type) and issubclass(item, Host)):
        raise WrongResultError(item, "a list of Host classes")
    if not isinstance(getattr(item, "name", None), str):
        raise WrongResultError(item, "Host classes that have a name")
    model = item.settings_model
    if not (isinstance(model, type) and issubclass(model, HostSettings)):
        raise WrongResultError(item, "Host classes whose settings_model is a HostSettings class")
    return item


def _paths(result: object) -> HostPaths | None:
    if result is not None and not isinstance(result, HostPaths):
        raise WrongResultError(result, "a HostPaths or None")
    for field in fields(result) if result else ():
        if not isinstance(getattr(result, field.name), Path):
            raise WrongResultError(result, f"a HostPaths whose {field.name} is a pathlib.Path")
    return result


def _loop(result: object) -> HostLoop | None:
    if result is not None and not isinstance(result, HostLoop):
        raise WrongResultError(result, "a HostLoop or None")
    return result


def _namespace(result: object) -> dict[str, object]:
    if not isinstance(result, Mapping) or not all(isinstance(name, str) for name in result):
        raise WrongResultError(result, "a mapping of names to values")
    return dict(result)


def _extensions(result: object) -> tuple[str, ...]:
    if isinstance(result, str) or not isinstance(result, Iterable):
        raise WrongResultError(result, "a list of module names")
    names = tuple(result)
    if not all(isinstance(name, str) for name in names):
        raise WrongResultError(names, "a list of module names")
    return names


def _nothing(result: object) -> None:
    if result is not None:
        raise WrongResultError(result, "nothing")


RESULTS: dict[str, Callable[[object], Any]] = {
    "hostkernel_hosts": _hosts,
    "hostkernel_paths": _paths,
    "hostkernel_loop": _loop,
    "hostkernel_namespace": _namespace,
    "hostkernel_extensions": _extensions,
    "hostkernel_started": _nothing,
    "hostkernel_stopped": _nothing,
    "hostkernel_pre_run_cell": _nothing,
    "hostkernel_post_run_cell": _nothing,
    "hostkernel_pre_comm_message": _nothing,
    "hostkernel_post_comm_message": _nothing,
}
"""By hook: the function that makes its result usable, or raises WrongResultError."""

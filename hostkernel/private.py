"""Who owns files, and who else may write to them."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from .errors import StartError

__all__ = ["folder_for_sockets", "others_may_write", "stranger", "why_not_ours"]

# Bytes in a socket's path on Linux, macOS and the BSDs, less those of the socket's own name.
_ROOM = 103 - len("/s-5")


def stranger(status: os.stat_result) -> int | None:
    """The user id of an owner who is neither this user nor root; None if there is none."""
    if not hasattr(os, "getuid") or status.st_uid in {os.getuid(), 0}:
        return None
    return status.st_uid


def why_not_ours(folder: Path) -> str | None:
    """Why another user could put files into ``folder``, or swap those that are there.

    None where only this user and root can. In a folder with the sticky bit, such as ``/tmp``,
    nobody can touch the files of others.
    """
    status = folder.stat()
    if (owner := stranger(status)) is not None:
        return f"{folder} belongs to another user (uid {owner})"
    if others_may_write(status) and not status.st_mode & stat.S_ISVTX:
        return f"other users may write to {folder}; run: chmod go-w {folder}"
    return None


def folder_for_sockets() -> Path:
    """Make a folder that nobody else can look into, with a path short enough for sockets.

    Raises:
        StartError: there is no place for it.
    """
    reasons = []
    for place in _places_for_sockets():
        # Made by mkdtemp, which gives it the mode 0700.
        reason = _why_no_place(place)
        if reason is None:
            return Path(tempfile.mkdtemp(prefix="hostkernel-", dir=place))
        reasons.append(reason)
    raise StartError(f"no folder for its sockets: {'; '.join(reasons)}")


def _places_for_sockets() -> list[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    places = [Path(place) for place in (runtime, tempfile.gettempdir()) if place]
    return [place for place in places if place.is_dir()]


def _why_no_place(folder: Path) -> str | None:
    if len(os.fsencode(folder / "hostkernel-12345678")) > _ROOM:
        return f"{folder} is too long a path for sockets"
    return why_not_ours(folder)


def others_may_write(status: os.stat_result) -> bool:
    """Whether a user other than the owner may write there, as far as the mode tells."""
    if not hasattr(os, "getuid"):
        return False
    return bool(status.st_mode & stat.S_IWOTH) or _strangers_in_group_may_write(status)


def _strangers_in_group_may_write(status: os.stat_result) -> bool:
    """Whether the group may write and may have members besides the owner.

    Many systems give each user a group of their own and let that group write by default.
    """
    if not status.st_mode & stat.S_IWGRP:
        return False
    import grp
    import pwd

    try:
        group, owner = grp.getgrgid(status.st_gid), pwd.getpwuid(status.st_uid)
    except KeyError:
        return True
    return group.gr_name != owner.pw_name or bool(set(group.gr_mem) - {owner.pw_name})

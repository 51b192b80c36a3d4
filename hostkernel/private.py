"""Whose files are these, and who else may write to them."""

from __future__ import annotations

import os
import stat

__all__ = ["others_may_write", "stranger"]


def stranger(status: os.stat_result) -> int | None:
    """The user id of an owner who is neither this user nor root; None if there is none."""
    if not hasattr(os, "getuid") or status.st_uid in {os.getuid(), 0}:
        return None
    return status.st_uid


def others_may_write(status: os.stat_result) -> bool:
    """Whether a user other than the owner may write there, as far as the mode tells."""
    if not hasattr(os, "getuid"):
        return False
    return bool(status.st_mode & stat.S_IWOTH) or _strangers_in_group_may_write(status)


def _strangers_in_group_may_write(status: os.stat_result) -> bool:
    """Many systems give each user a group of their own and let it write by default."""
    if not status.st_mode & stat.S_IWGRP:
        return False
    import grp
    import pwd

    try:
        group, owner = grp.getgrgid(status.st_gid), pwd.getpwuid(status.st_uid)
    except KeyError:
        return True
    return group.gr_name != owner.pw_name or bool(set(group.gr_mem) - {owner.pw_name})

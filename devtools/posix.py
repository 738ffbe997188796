"""
Calls of the operating system that Python does not offer.

Everything works on Linux; elsewhere the calls that do not exist are left out and the supervisor falls back to polling.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True) if _LINUX else None


def exit_with_parent(signum: int, *, parent: int | None = None) -> None:
    """Ask the kernel for `signum` when our parent exits; exit at once if it is already gone."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(127)


def exit_with_parent_hook(signum: int) -> Callable[[], None]:
    """Make a `preexec_fn`. Popen calls it after setuid, which would otherwise clear the request."""
    parent = os.getpid()
    return lambda: exit_with_parent(signum, parent=parent)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent exits, so that none escapes."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def find_unprivileged_account() -> pwd.struct_passwd | None:
    """Return the account the servers run as when we are root (PostgreSQL refuses root), else None."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def build_popen_arguments(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """Return the Popen arguments that start a child as `account`."""
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def can_reach(path: Path, account: pwd.struct_passwd | None, mode: int) -> bool:
    """Return whether `account` may use `path`, by trying it as that account: mode bits alone do not show every rule."""
    if account is None:
        return os.access(path, mode)
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            code = 0 if os.access(path, mode) else 1
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _parents() -> dict[int, int]:
    """Return the parent of every process of the machine."""
    if not _LINUX:
        listing = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, timeout=5, check=False)
        return {int(pid): int(ppid) for pid, ppid in (line.split() for line in listing.stdout.splitlines())}
    parents = {}
    for entry in _list_proc():
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The name in parentheses may have spaces and parentheses; the fields that count follow the last one.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            parents[int(entry.name)] = int(fields[1])
    return parents


def list_descendants(root: int, *, without: Iterable[int] = ()) -> list[int]:
    """Return the processes below `root`, nearest first, leaving out the trees of `without`."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents().items():
        children.setdefault(parent, []).append(pid)
    left_out, found, level = set(without), [], [root]
    while level:
        level = [pid for parent in level for pid in children.get(parent, []) if pid not in left_out]
        found += level
    return found


def list_processes_in(directory: Path) -> list[int]:
    """Return the processes whose working directory is `directory`: how a server that lost its supervisor is found."""
    found = []
    for entry in _list_proc() if _LINUX else []:
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink() == directory:
                found.append(int(entry.name))
    return found


def _list_proc() -> list[Path]:
    """Return the directory of each process under /proc."""
    return [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def open_pidfd(pid: int) -> int | None:
    """Return a descriptor that becomes readable when `pid` ends, or None where there is no such thing."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None

"""The processor time that the kernel has charged to processes, and how busy the machine is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
#: Fields of /proc/PID/stat behind the name of the program, from 0: parent, and time of itself and of its ended children.
_PARENT, _TIMES = 1, slice(11, 15)
_OWN_TIMES = slice(11, 13)


def read_cpu(roots: Mapping[str, int]) -> dict[str, float]:
    """
    Return, by role, the CPU seconds of a process and of all that descend from it, ended ones included.

    The kernel counts in hundredths of a second a process: measure over seconds.

    :param roots: role -> process id
    """
    stats = _read_stats()
    children = _children(stats)
    return {
        role: sum(_seconds(stats[pid]) for pid in _tree(root, children) if pid in stats) for role, root in roots.items()
    }


def list_processes(root: int) -> list[int]:
    """Return a process and all that descend from it."""
    return _tree(root, _children(_read_stats()))


def own_cpu() -> float:
    """Return the CPU seconds of this process, all its threads."""
    fields = _fields((_PROC / "self" / "stat").read_text())
    return sum(int(ticks) for ticks in fields[_OWN_TIMES]) / _TICKS_PER_SECOND


def _children(stats: Mapping[int, list[str]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for pid, fields in stats.items():
        found.setdefault(int(fields[_PARENT]), []).append(pid)
    return found


def _read_stats() -> dict[int, list[str]]:
    found = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = _fields((entry / "stat").read_text())
            except OSError:
                continue  # it ended meanwhile
    return found


def _fields(stat: str) -> list[str]:
    # The name of the program, in parentheses, may hold spaces and parentheses.
    return stat.rpartition(")")[2].split()


def _tree(root: int, children: Mapping[int, Iterable[int]]) -> list[int]:
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def _seconds(fields: list[str]) -> float:
    return sum(int(ticks) for ticks in fields[_TIMES]) / _TICKS_PER_SECOND


def load_average() -> float:
    """Return how many processes wanted a core in the last minute, on average."""
    return os.getloadavg()[0]

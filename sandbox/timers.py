"""What falls due by the sandbox's own clock, which can be moved forward: names and ids, so that a file can hold them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable


class Timers:
    """
    Timers in order of their time, in Unix seconds; of two at one time, the one that was set first goes off first.

    The action of a timer first checks whether it still applies. Callers hold the world's lock.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str, str]] = []
        self._known: set[tuple[float, str, str]] = set()
        self._count = 0

    def set(self, due: float, kind: str, entity_id: str = "") -> None:
        """Set a timer, unless the same one is set already."""
        if (due, kind, entity_id) in self._known:
            return
        self._known.add((due, kind, entity_id))
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, kind, entity_id))

    def next_due(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> tuple[str, str] | None:
        """Remove the first timer that is due and return its kind and id, or None if none is due."""
        if not self._heap or self._heap[0][0] > now:
            return None
        due, _, kind, entity_id = heapq.heappop(self._heap)
        self._known.discard((due, kind, entity_id))
        return kind, entity_id

    def dump(self) -> list[tuple[float, str, str]]:
        return [(due, kind, entity_id) for due, _, kind, entity_id in sorted(self._heap)]

    def load(self, rows: Iterable[tuple[float, str, str]]) -> None:
        for due, kind, entity_id in rows:
            self.set(due, kind, entity_id)

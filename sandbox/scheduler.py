"""Things that happen a little later, in background threads."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class Scheduler:
    """
    A few daemon threads that run actions when they fall due.

    Actions are measured on the monotonic clock of the machine: moving the sandbox's own clock does not hurry them.
    """

    def __init__(self, workers: int = 8) -> None:
        self._condition = threading.Condition()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = itertools.count()
        self._running = 0
        self._stopping = False
        self._workers = [
            threading.Thread(target=self._work, name=f"sandbox-worker-{n}", daemon=True) for n in range(workers)
        ]

    def start(self) -> None:
        for worker in self._workers:
            worker.start()

    def stop(self, grace: float = 1.0) -> None:
        """Run nothing more; wait up to `grace` seconds for what is running."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        deadline = time.monotonic() + grace
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        with self._condition:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._sequence), action))
            self._condition.notify()

    def clear(self) -> None:
        """Forget everything that is not running yet."""
        with self._condition:
            self._due.clear()
            self._condition.notify_all()

    def wait_idle(self, timeout: float) -> bool:
        """Wait until nothing runs and nothing is due any more; return whether that came true in time (seconds)."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._due and not self._running, timeout)

    def _work(self) -> None:
        while (action := self._next()) is not None:
            try:
                action()
            except Exception:
                log.exception("a background action of the sandbox failed")
            with self._condition:
                self._running -= 1
                self._condition.notify_all()

    def _next(self) -> Callable[[], None] | None:
        with self._condition:
            while not self._stopping:
                if not self._due:
                    self._condition.wait()
                elif (wait := self._due[0][0] - time.monotonic()) > 0:
                    self._condition.wait(wait)
                else:
                    self._running += 1
                    return heapq.heappop(self._due)[2]
            return None

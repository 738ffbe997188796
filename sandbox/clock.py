"""The sandbox's own time, which can be moved forward without waiting."""

from __future__ import annotations

import time


class Clock:
    """Real time plus an offset that only grows; seconds since the epoch, UTC."""

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset

    def now(self) -> float:
        return time.time() + self.offset

    def unix(self) -> int:
        """Return whole seconds, as the imitated services write their times."""
        return int(self.now())

    def advance(self, seconds: float) -> None:
        """
        Move time forward.

        :raises ValueError: if `seconds` is negative; a gateway's clock does not run backwards
        """
        if seconds < 0:
            raise ValueError("The clock can only be moved forward.")
        self.offset += seconds

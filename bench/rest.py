"""What Bahi takes while nobody asks it for anything."""

from __future__ import annotations

import time

from bench.measures import measured
from bench.shop import Shop

_SETTLES_SECONDS = 10.0


def measure_rest(shop: Shop, *, seconds: float) -> dict[str, float]:
    """Return how many seconds of CPU each role of Bahi needs for a minute of rest; it is measured for `seconds`."""
    time.sleep(_SETTLES_SECONDS)  # what was begun before is done by then
    with measured(shop) as usage:
        time.sleep(seconds)
    return {role: cpu * 60 / usage.seconds for role, cpu in usage.cpu.items() if role != "sandbox"}

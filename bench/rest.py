"""What Bahi takes while nobody asks it for anything."""

from __future__ import annotations

import time

from bench.cpu import read_cpu
from bench.shop import Shop

ROLES = ("web", "worker", "relay", "beat", "postgres", "valkey")
_SETTLES_SECONDS = 10.0


def measure_rest(shop: Shop, *, seconds: float) -> dict[str, float]:
    """Return how many seconds of CPU each role needs for a minute of rest; it is measured for `seconds`."""
    time.sleep(_SETTLES_SECONDS)  # what was begun before is done by then
    pids = {role: shop.pids[role] for role in ROLES}
    before, began = read_cpu(pids), time.monotonic()
    time.sleep(seconds)
    minutes, after = (time.monotonic() - began) / 60, read_cpu(pids)
    return {role: (after[role] - before[role]) / minutes for role in ROLES}

"""How much disk and time a generated shop takes, from a small one that is made, measured and rolled back."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import connection
from django.db.utils import DatabaseError

from devtools.generate.rehearsal import Repertoire
from devtools.generate.run import fill
from devtools.generate.shop import Plan

_SAMPLE: Final = 1_000
_GIB: Final = 1 << 30
#: Indexes and sorts need room while they are made, and the log of the database is written before it is thrown away.
_ROOM: Final = 1.3


@dataclass(frozen=True)
class Estimate:
    """
    What a plan takes, by a sample of it.

    :param bytes_per_order: with indexes, and with what customers and products take
    :param bytes_needed: on the disk of the database, with room for sorts and for its log
    :param bytes_free: on that disk, or None if it cannot be seen from here
    :param place: the directory of the database, if it can be seen
    """

    orders: int
    bytes_per_order: float
    bytes_needed: int
    bytes_free: int | None
    seconds: float
    place: Path | None

    @property
    def is_enough(self) -> bool | None:
        """Whether there is disk enough, or None if it is not known."""
        return None if self.bytes_free is None else self.bytes_free >= self.bytes_needed

    @property
    def text(self) -> str:
        """The estimate in a sentence."""
        free = "" if self.bytes_free is None else f" of {format_bytes(self.bytes_free)} that are free in {self.place}"
        return (
            f"{self.bytes_per_order / 1024:.0f} KiB an order: {format_bytes(self.bytes_needed)} of disk{free}, and about"
            f" {format_seconds(self.seconds)} on this machine as busy as it is now"
        )


def estimate(plan: Plan, repertoire: Repertoire) -> Estimate:
    """
    Make a sample of a plan in a transaction that is rolled back, and return what all of it takes.

    It is of as many days as the whole, as an old order has more rows than a young one.
    """
    orders = min(plan.orders, _SAMPLE)
    share = orders / plan.orders
    sample = replace(
        plan,
        orders=orders,
        customers=max(1, round(plan.customers * share)),
        products=max(len(repertoire.kinds), round(plan.products * share)),
    )
    # What the sample has besides its rows: an empty table and an empty index have a page or two.
    least = replace(sample, orders=1, customers=1, products=len(repertoire.kinds))
    empty = fill(least, repertoire, on_step=_say_nothing, is_sample=True)
    filled = fill(sample, repertoire, on_step=_say_nothing, is_sample=True)
    bytes_per_order = max(0, filled.bytes - empty.bytes) / orders
    seconds = max(0.0, filled.total_seconds - empty.total_seconds) / orders * plan.orders + empty.total_seconds
    place = find_data_directory()
    return Estimate(
        orders=plan.orders,
        bytes_per_order=bytes_per_order,
        bytes_needed=int(bytes_per_order * plan.orders * _ROOM) + empty.bytes + _read_log_limit(),
        bytes_free=None if place is None else shutil.disk_usage(place).free,
        seconds=seconds,
        place=place,
    )


def _say_nothing(_step: str, _done: int, _total: int) -> None:
    """Show no progress of a sample: it is over in a moment."""


def is_local() -> bool:
    """Test if the database is on this machine, by how it is connected to."""
    host = str(settings.DATABASES["default"]["HOST"])
    return host == "" or host.startswith("/") or host in {"localhost", "127.0.0.1", "::1"}


def find_data_directory() -> Path | None:
    """Return the directory of the database, or one above it that may be looked at; None if it cannot be known from here."""
    if not is_local():
        return None
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('data_directory', true)")
            (text,) = cursor.fetchone()
    except DatabaseError:
        return None  # only who may read all settings sees where the data is
    if not text:
        return None
    return next((each for each in (Path(text), *Path(text).parents) if os.access(each, os.X_OK)), None)


def _read_log_limit() -> int:
    """Return how many bytes of its log the database keeps at most, and as much again for what it has not thrown away yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 2 * pg_size_bytes(current_setting('max_wal_size'))")
        return int(cursor.fetchone()[0])


def format_bytes(number: int) -> str:
    """Return a number of bytes in words."""
    return f"{number / _GIB:.1f} GiB" if number >= _GIB else f"{number / (1 << 20):.0f} MiB"


def format_seconds(seconds: float) -> str:
    """Return a duration in words, as exact as an estimate is."""
    minutes = seconds / 60
    return f"{seconds:.0f} seconds" if minutes < 2 else f"{minutes:.0f} minutes"  # noqa: PLR2004 - two minutes are read best as such

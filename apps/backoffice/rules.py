"""Which days a period of the sales dashboard has, and which days it gains and loses when the day changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from apps.backoffice.states import Period

_ONE_DAY = timedelta(days=1)
_DAYS = {Period.TODAY: 1, Period.LAST_7_DAYS: 7, Period.LAST_30_DAYS: 30}


@dataclass(frozen=True)
class Days:
    """The days from `first` to `last`, both included."""

    first: date
    last: date

    def __iter__(self) -> Iterator[date]:
        day = self.first
        while day <= self.last:
            yield day
            day += _ONE_DAY


@dataclass(frozen=True)
class Move:
    """Days whose sales a period gains (`sign` 1) or loses (-1)."""

    period: Period
    days: Days
    sign: int


def days_of(period: Period, today: date) -> Days:
    """Return the days of a period that ends today."""
    first = today.replace(day=1) if period is Period.THIS_MONTH else today - timedelta(days=_DAYS[period] - 1)
    return Days(first, today)


def moves_between(before: date | None, after: date) -> list[Move]:
    """
    Return what the periods gain and lose when they no longer end with the day `before` but with a later day.

    With `before` None they were empty.
    """
    return [move for period in Period for move in _moves_of(period, before, after)]


def _moves_of(period: Period, before: date | None, after: date) -> Iterator[Move]:
    new = days_of(period, after)
    if before is None:
        yield Move(period, new, 1)
        return
    old = days_of(period, before)
    lost = Days(old.first, min(old.last, new.first - _ONE_DAY))
    gained = Days(max(new.first, old.last + _ONE_DAY), new.last)
    if lost.first <= lost.last:
        yield Move(period, lost, -1)
    if gained.first <= gained.last:
        yield Move(period, gained, 1)

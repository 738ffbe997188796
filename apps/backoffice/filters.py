"""Parameters of the reports of sales, and what they refuse."""

import re
from collections.abc import Callable
from datetime import date
from typing import Any

from apps.backoffice.states import Period
from apps.core.api import QueryField, RequestSerializer
from apps.core.dates import YEARS
from apps.core.errors import Invalid

# fromisoformat alone would also read weeks, such as 2026-W47-6.
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class InvalidDay(Invalid):
    """The parameter is not a day of the years 2000 to 2199. Send one such as 2026-11-21."""

    message = "{0} must be a day such as 2026-11-21."


class InvalidPeriod(Invalid):
    """`period` names no period. Choose one of those that the message names."""

    message = "There is no period {0}. There are: {1}."


def _day_reader(name: str) -> Callable[[str], date]:
    def read(text: str) -> date:
        try:
            day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
        except ValueError:
            day = None
        if day is None or day.year not in YEARS:
            raise InvalidDay(name, param=name)
        return day

    return read


def _read_period(text: str) -> Period:
    if text not in Period.values:
        raise InvalidPeriod(text[:40], ", ".join(Period.values), param="period")
    return Period(text)


def _day_field(name: str, help_text: str) -> QueryField:
    schema: dict[str, Any] = {"type": "string", "format": "date"}
    return QueryField(read=_day_reader(name), schema=schema, required=False, help_text=help_text)


class DailySalesQuery(RequestSerializer):
    """The days of a report, in India; the last 30 if none are given."""

    def get_fields(self) -> dict[str, Any]:
        """Return the fields by the names of their parameters, which Python could not write as attributes."""
        return {
            "day[gte]": _day_field("day[gte]", "The first day; 29 days before the last if it is not given."),
            "day[lte]": _day_field("day[lte]", "The last day; today if it is not given."),
        }


class RankingQuery(RequestSerializer):
    """The period of a ranking."""

    period = QueryField(
        read=_read_period,
        schema={"type": "string", "enum": Period.values, "default": Period.LAST_30_DAYS.value},
        required=False,
        help_text="The last 30 days if it is not given.",
    )

"""The sales of the shop by day and period, its best-sellers and its top customers, read from projections alone."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta

from django.db.models import QuerySet

from apps.backoffice.models import BestSeller, DailySales, ProjectionState, TopCustomer
from apps.backoffice.rules import Days, days_of
from apps.backoffice.sql import projections as sql
from apps.backoffice.states import Period
from apps.core import clock
from apps.core.errors import Conflict, Invalid
from apps.core.money import half_up

#: The days of the picture and of a report that names none.
SHOWN_DAYS = 30
#: The days of one report, at most.
MAX_DAYS = 366
#: The places of a ranking that a report names.
RANKED = 100


class DaysReversed(Invalid):
    """The first day of a report is after its last. Exchange them."""

    message = "day[gte] is after day[lte]."


class ReportTooLong(Invalid):
    """A report has 366 days at most. Request it in parts."""

    message = "A report has 366 days at most; you requested {0}."


class ProjectionsNotBuilt(Conflict):
    """The figures are being put together for the first time. Try again after `Retry-After` seconds."""

    message = "The figures of this shop are being put together. Try again in {wait}."


@dataclass(frozen=True)
class Figures:
    """What happened in some days: numbers of orders, and amounts in paise."""

    placed: int = 0
    confirmed: int = 0
    cancelled: int = 0
    expired: int = 0
    sales_amount: int = 0
    captured_amount: int = 0
    refunded_amount: int = 0

    @property
    def average_order_amount(self) -> int:
        """The average total of a confirmed order, rounded to the paisa; 0 without one."""
        return half_up(self.sales_amount, self.confirmed) if self.confirmed else 0


@dataclass(frozen=True)
class DaySales:
    """The figures of one day in India."""

    day: date
    figures: Figures


@dataclass(frozen=True)
class PeriodSales:
    """The figures of a period and its days."""

    period: Period
    days: Days
    figures: Figures


@dataclass(frozen=True)
class Sales:
    """
    All that the dashboard shows of sales.

    `as_of` is the instant up to which all events are counted: now, unless some still wait for it. `days` are the last 30.
    """

    as_of: datetime
    periods: tuple[PeriodSales, ...]
    days: tuple[DaySales, ...]

    @property
    def today(self) -> date:
        """The day with which the periods end."""
        return self.days[-1].day


def get_sales(*, now: datetime) -> Sales:
    """
    Return the sales of all periods and of the last 30 days.

    :raises ProjectionsNotBuilt: before the first refresh has ended
    """
    today = _get_day()
    as_of = _find_as_of(today, now=now)  # before the figures, which a refresh may bring further meanwhile
    first = min(days_of(period, today).first for period in Period)
    by_day = {each.day: each for each in list_daily_sales(Days(first, today))}
    periods = []
    for period in Period:
        days = days_of(period, today)
        periods.append(PeriodSales(period, days, _sum(by_day[day].figures for day in days)))
    return Sales(
        as_of=as_of,
        periods=tuple(periods),
        days=tuple(by_day[day] for day in Days(today - timedelta(days=SHOWN_DAYS - 1), today)),
    )


def choose_days(first: date | None, last: date | None) -> Days:
    """
    Return the days of a report: up to today if `last` is None, and 30 days if `first` is None.

    :raises ProjectionsNotBuilt: before the first refresh has ended
    :raises DaysReversed: if the first is after the last
    :raises ReportTooLong: if there are more than 366
    """
    today = _get_day()
    last = last or max(first or today, today)
    days = Days(first or last - timedelta(days=SHOWN_DAYS - 1), last)
    if days.first > days.last:
        raise DaysReversed(param="day[gte]")
    count = (days.last - days.first).days + 1
    if count > MAX_DAYS:
        raise ReportTooLong(count, param="day[gte]")
    return days


def list_daily_sales(days: Days) -> list[DaySales]:
    """Return the figures of each of some days, also of those on which nothing happened, oldest first."""
    rows = DailySales.objects.filter(day__range=(days.first, days.last)).values_list(
        "day", *(field.name for field in fields(Figures))
    )
    found = {day: Figures(*figures) for day, *figures in rows}
    return [DaySales(day, found.get(day, Figures())) for day in days]


def list_best_sellers(period: Period) -> "QuerySet[BestSeller]":
    """Return the variants that sold best in a period, by units and then by amount, with their products."""
    ranked = BestSeller.objects.filter(period=period).select_related("variant__product")
    return ranked.order_by("-quantity_milli", "-sales_amount", "variant_id")


def list_top_customers(period: Period) -> "QuerySet[TopCustomer]":
    """Return the customers who bought for most in a period, then in most orders."""
    ranked = TopCustomer.objects.filter(period=period).select_related("customer")
    ranked = ranked.only("period", "customer_id", "orders", "sales_amount", "customer__name")
    return ranked.order_by("-sales_amount", "-orders", "customer_id")


def _get_day() -> date:
    day = ProjectionState.objects.values_list("day", flat=True).first()
    if day is None:
        raise ProjectionsNotBuilt(retry_after=10)
    return day


def _find_as_of(today: date, *, now: datetime) -> datetime:
    """Return up to when all is counted. At midnight the periods end with yesterday until the next refresh."""
    end = datetime.combine(today + timedelta(days=1), time(), tzinfo=clock.IST)
    return min(each for each in (now, end, sql.find_oldest_uncounted()) if each is not None)


def _sum(figures: Iterable[Figures]) -> Figures:
    found = list(figures)
    return Figures(**{field.name: sum(getattr(each, field.name) for each in found) for field in fields(Figures)})

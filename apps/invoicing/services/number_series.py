"""How a document takes its number: from a counter row that is locked last of all, so that its series has no gap."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from apps.core import clock
from apps.core.errors import Conflict
from apps.core.events import Actor, create
from apps.core.row_writes import update_row
from apps.invoicing import locks, rules
from apps.invoicing.models import Invoice, NumberSeries


class NumberSeriesUnavailable(Conflict):
    """
    The number series of this financial year is used up, or its prefix belongs to another one.

    Staff set another prefix.
    """

    message = "No number can be taken from series {0} of {1}: {2}."


def assign_number(document: Invoice, *, prefix: str, now: datetime, started: float) -> None:
    """
    Give a document the next number of its registration's series of its type, and the moment and date that go with it.

    `started` is the monotonic clock (seconds) at `now`.

    :raises NumberSeriesUnavailable: if the series is used up, or another one of that year has its prefix
    """
    series = _lock_series(document, prefix, rules.financial_year_at(now))
    # What counts is the clock after the wait for the lock; it runs on from `now`, so that a test's clock rules too.
    reached = clock.to_milliseconds(now + timedelta(seconds=time.monotonic() - started))
    issued_at = rules.next_issued_at(reached, series.last_issued_at)
    if rules.financial_year_at(issued_at) != series.financial_year:
        # The wait went past midnight of 31 March in India.
        series = _lock_series(document, prefix, rules.financial_year_at(issued_at))
        issued_at = rules.next_issued_at(issued_at, series.last_issued_at)
    if series.last_number >= rules.MAX_SEQUENCE:
        raise NumberSeriesUnavailable(series.prefix, series.financial_year, "it is used up")

    series.last_number += 1
    series.last_issued_at = issued_at
    update_row(series, "last_number", "last_issued_at")

    document.series = series
    document.sequence = series.last_number
    document.number = rules.document_number(
        prefix=series.prefix, financial_year=series.financial_year, sequence=series.last_number
    )
    document.financial_year = series.financial_year
    document.issued_at = issued_at
    document.invoice_date = rules.invoice_date_at(issued_at)


def _lock_series(document: Invoice, prefix: str, financial_year: str) -> NumberSeries:
    wanted: dict[str, Any] = {
        "registration_id": document.registration_id,
        "document_type": document.type,
        "financial_year": financial_year,
    }
    series = locks.lock_series(**wanted)
    if series is None:
        # The first document of a year opens its series; of several at once, one makes the row and the others find it.
        NumberSeries.objects.bulk_create([NumberSeries(prefix=prefix, **wanted)], ignore_conflicts=True)
        series = locks.lock_series(**wanted)
    if series is None:
        raise NumberSeriesUnavailable(prefix, financial_year, "another series already has this prefix")
    return series


def create_document(
    document: Invoice, event_type: str, *, actor: Actor, now: datetime, event_values: Mapping[str, Any] | None = None
) -> None:
    """
    Insert a document that has its number, and record its issue.

    Of the persons on it, whom no event names, the event keeps a fingerprint by which a later change of them is found.
    """
    fingerprint = rules.fingerprint_of_parties(document.buyer, document.shipping_address)
    create(
        document,
        event_type,
        root=document.order_id,
        actor=actor,
        event_values={"parties_sha256": fingerprint, **(event_values or {})},
        now=now,
    )

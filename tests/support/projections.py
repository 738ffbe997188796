"""The projections of sales in tests: brought up to date as relay and clock do it, and written out to be compared."""

from datetime import datetime
from typing import Any

from django.db import connection

from apps.backoffice.services.projections import refresh_projections
from apps.core import clock, relay

TABLES = ("orderday", "dailysales", "dailyvariantsales", "bestseller", "topcustomer", "projectionstate")


def relay_events(now: datetime | None = None) -> None:
    """Have the relay claim all that is in the outbox; no handler runs."""
    while relay.claim_outbox(now=now or clock.now()):
        pass


def refresh(now: datetime | None = None) -> int:
    """Relay all events and bring the projections up to date, and return how many orders were counted."""
    relay_events(now)
    return refresh_projections(now=now or clock.now())


def dump_projections() -> dict[str, str]:
    """Return all rows of each table of the projections, as text, in an order of their own."""
    with connection.cursor() as cursor:
        return {table: _dump(cursor, table) for table in TABLES}


def _dump(cursor: Any, table: str) -> str:
    cursor.execute(f"SELECT coalesce(string_agg(it::text, chr(10) ORDER BY it::text), '') FROM backoffice_{table} it")
    return str(cursor.fetchone()[0])

"""Finding out how a downloaded report is written, by its rows and by what we hold of the same payments."""

from datetime import datetime
from typing import IO

from apps.core import clock
from apps.settlements import selectors
from apps.settlements.gateways.razorpay_report_files import inspect_report
from apps.settlements.gateways.report_formats import ReportFormat
from apps.settlements.gateways.report_recognition import resolve_format


def recognise_report(stream: IO[bytes], *, gateway: str, date_order: str | None, now: datetime) -> ReportFormat:
    """
    Return the format of a report after one look at all of its rows; `date_order` is what the user says of it, or None.

    :raises UnreadableFacts: if it is no report that can be read, or its unit or date order cannot be decided
    """
    inspection = inspect_report(stream)
    known = selectors.find_known_facts(gateway=gateway, gateway_ids=[sample.id for sample in inspection.samples])
    return resolve_format(inspection, known=known, date_order=date_order, today=clock.ist_date(now))

"""Finding out how a downloaded report is written, by its rows and by what we hold of the same payments."""

from datetime import datetime
from typing import IO

from apps.core import clock
from apps.payments import selectors
from apps.payments.gateways import Gateway
from apps.payments.gateways.report_formats import ReportFormat
from apps.payments.gateways.report_recognition import resolve_format


def recognise_report(stream: IO[bytes], *, gateway: Gateway, date_order: str | None, now: datetime) -> ReportFormat:
    """
    Return the format of a report after one look at all of its rows; `date_order` is what the user says of it, or None.

    :raises UnreadableFacts: if it is no report that can be read, or its unit or date order cannot be decided
    """
    inspection = gateway.inspect_report(stream)
    known = selectors.find_known_facts(gateway=gateway.name, gateway_ids=[sample.id for sample in inspection.samples])
    return resolve_format(inspection, known=known, date_order=date_order, today=clock.ist_date(now))

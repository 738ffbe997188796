"""Event handlers of settlements."""

from datetime import datetime

from apps.core.models import Event
from apps.core.relay import calls_external
from apps.settlements.services import report_imports


def request_reported_settlement(*, event: Event, now: datetime) -> None:
    """Request the import of the settlement report of a day that a webhook of the gateway names."""
    report_imports.request_reported_settlement(webhook_id=event.subject_id, now=now)


@calls_external
def import_settlements(*, event: Event, now: datetime) -> None:
    """Import a requested settlement report from the API; a file is imported by the process that opened it."""
    report_imports.run_import_if_waiting(import_id=event.subject_id, now=now)

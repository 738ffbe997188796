"""Scheduled tasks of settlements."""

from celery import shared_task

from apps.core import clock
from apps.settlements.services import matching, receivables, report_imports


@shared_task(name="settlements.import_settlements")
def import_settlements(**_: object) -> None:
    """Request the import of the settlement reports of yesterday and today."""
    report_imports.request_recent_imports(now=clock.now())


@shared_task(name="settlements.open_missing_line_exceptions")
def open_missing_line_exceptions(**_: object) -> None:
    """Open exceptions about payments and refunds that should have been settled and were not."""
    matching.open_missing_line_exceptions(now=clock.now())


@shared_task(name="settlements.open_overdue_receivable_exceptions")
def open_overdue_receivable_exceptions(**_: object) -> None:
    """Open exceptions about overdue receivables that no open exception explains."""
    receivables.open_overdue_receivable_exceptions(now=clock.now())

"""Reconciliation with the gateway of every payment, refund, dispute and settlement that is open or recent."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError

from apps.core import clock
from apps.core.events import Actor
from apps.ledger import selectors as ledger
from apps.payments import selectors as payments
from apps.payments import services as payment_services
from apps.payments.services import GatewayFailure
from apps.settlements import selectors
from apps.settlements.services.import_claims import ImportInProgress
from apps.settlements.services.matching import (
    open_missing_line_exceptions,
    open_sum_mismatch_exceptions,
)
from apps.settlements.services.receivables import open_overdue_receivable_exceptions
from apps.settlements.services.report_imports import import_settlements, request_settlement_import
from apps.settlements.services.transfers import record_transfer

log = structlog.get_logger(__name__)

_OPERATOR = Actor(kind="operator", id="reconcile")
#: After this many failures in a row the gateway is taken to be down, and the rest are not attempted.
_MAX_FAILURES_PER_ROUND = 5
_BATCH_SIZE = 500

OnProgress = Callable[[str, int], None]

_LISTS: Mapping[str, Callable[..., list[UUID]]] = {
    "payments": payments.list_payments_to_reconcile,
    "refunds": payments.list_refunds_to_reconcile,
    "disputes": payments.list_disputes_to_reconcile,
    "settlements": selectors.list_settlement_ids_to_reconcile,
}


@dataclass
class Reconciliation:
    """
    The result of a reconciliation: how many rows of each kind were polled, what was new, and what is open now.

    `unanswered` rows got no answer. `not_attempted` rows were left out because the gateway had stopped answering.
    """

    payments: int = 0
    refunds: int = 0
    disputes: int = 0
    settlements: int = 0
    reports: int = 0
    unanswered: int = 0
    not_attempted: int = 0
    new_disputes: int = 0
    new_lines: int = 0
    missing_lines: int = 0
    overdue_receivables: int = 0
    open_exceptions: dict[str, int] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        return not self.unanswered and not self.not_attempted and not self.open_exceptions


def reconcile(*, now: datetime, since: datetime | None = None, on_progress: OnProgress | None = None) -> Reconciliation:
    """
    Poll every payment, refund, dispute and settlement that is open or newer than `since`. Calls the gateway.

    Its answers are applied as in any poll. Disputes that no webhook reported are added, and settlement reports that
    were not read are imported. Then exceptions are opened for captured money that should have been settled.
    """
    result = Reconciliation()
    show = on_progress or (lambda _kind, _count: None)
    _sync_all(
        result, "payments", lambda pk: payment_services.sync_payment(payment_id=pk, now=now), since=since, show=show
    )
    _sync_all(result, "refunds", lambda pk: payment_services.sync_refund(refund_id=pk, now=now), since=since, show=show)
    _poll_disputes(result, now=now)
    _sync_all(
        result, "disputes", lambda pk: payment_services.sync_dispute(dispute_id=pk, now=now), since=since, show=show
    )
    _read_reports(result, since=since, now=now, show=show)
    _sync_all(result, "settlements", lambda pk: _sync_settlement(pk, now=now), since=since, show=show)
    result.missing_lines = open_missing_line_exceptions(now=now)
    result.overdue_receivables = open_overdue_receivable_exceptions(now=now)
    result.open_exceptions = ledger.count_open_exceptions()
    return result


def _sync_all(
    result: Reconciliation, kind: str, ask: Callable[[UUID], object], *, since: datetime | None, show: OnProgress
) -> None:
    """Poll all rows of a kind, in batches, until the gateway stops answering."""
    failures = asked = 0
    for row_id in _walk(_LISTS[kind], since):
        if failures >= _MAX_FAILURES_PER_ROUND:
            result.not_attempted += 1
            continue
        asked += 1
        has_answer = _try_sync(ask, row_id, kind=kind)
        failures = 0 if has_answer else failures + 1
        result.unanswered += not has_answer
        show(kind, asked)
    setattr(result, kind, asked)


def _walk(list_some: Callable[..., list[UUID]], since: datetime | None) -> Iterator[UUID]:
    after: UUID | None = None
    while batch := list_some(since, after=after, limit=_BATCH_SIZE):
        yield from batch
        after = batch[-1]


def _try_sync(ask: Callable[[UUID], object], row_id: UUID, *, kind: str) -> bool:
    try:
        return ask(row_id) is not False
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        # A row whose poll fails must not block the others.
        log.exception("reconciliation_failed", kind=kind, id=str(row_id))
        return False


def _poll_disputes(result: Reconciliation, *, now: datetime) -> None:
    try:
        result.new_disputes = payment_services.poll_new_disputes(now=now)
    except GatewayFailure as failure:
        log.warning("dispute_list_failed", failure=str(failure)[:200])
        result.unanswered += 1


def _read_reports(result: Reconciliation, *, since: datetime | None, now: datetime, show: OnProgress) -> None:
    """Read the settlement reports of yesterday, of today, and of each day since `since` that is not fully read."""
    today = clock.ist_date(now)
    yesterday = today - timedelta(days=1)
    began = payments.first_captured_at()
    # Nothing can have been settled before the first capture.
    first = min(yesterday, max(clock.ist_date(since), clock.ist_date(began))) if since and began else yesterday
    read = selectors.list_days_read(first=first)
    failures = 0
    for day in (first + timedelta(days=count) for count in range((today - first).days + 1)):
        if day < yesterday and day in read:
            continue
        if failures >= _MAX_FAILURES_PER_ROUND:
            result.not_attempted += 1
            continue
        lines = _read_report(day, now=now)
        failures = 0 if lines is not None else failures + 1
        result.unanswered += lines is None
        result.new_lines += lines or 0
        result.reports += 1
        show("days' settlement reports", result.reports)


def _read_report(day: date, *, now: datetime) -> int | None:
    """Return how many lines a day's report added, or None if it could not be read."""
    try:
        asked = request_settlement_import(day=day, actor=_OPERATOR, now=now)
        return import_settlements(import_id=asked.pk, now=now).lines_added
    except ImportInProgress:
        return 0
    except GatewayFailure as failure:
        log.warning("settlement_report_failed", day=str(day), failure=str(failure)[:200])
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("settlement_report_failed", day=str(day))
    return None


def _sync_settlement(settlement_id: UUID, *, now: datetime) -> bool:
    settlement = selectors.get_settlement(settlement_id)
    try:
        facts = payment_services.fetch_settlement(
            gateway=settlement.gateway, gateway_settlement_id=settlement.gateway_settlement_id
        )
    except GatewayFailure:
        return False
    record_transfer(settlement_id=settlement.pk, facts=facts, now=now)
    open_sum_mismatch_exceptions(settlement_ids=[settlement.pk], now=now)
    return True

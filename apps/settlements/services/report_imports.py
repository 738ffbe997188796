"""
Import of reports of settlements (at Stripe: payouts), which are read in batches, staged, and booked one by one.

An interrupted import continues at the row where it stopped. A report or a line that was imported before changes
nothing. Each settlement is booked in a transaction of its own.
"""

import hashlib
from datetime import date, datetime, timedelta
from typing import IO, Any
from uuid import UUID

import structlog

from apps.core import clock
from apps.core.errors import Invalid
from apps.core.events import SYSTEM, Actor, change, create_if_absent, gateway_actor
from apps.core.transactions import atomic, transactional
from apps.payments import services as payments
from apps.payments.facts import GatewaySettlement, UnreadableFacts
from apps.payments.services import GatewayFailure
from apps.settlements import events, locks, rules, selectors
from apps.settlements.models import SettlementImport
from apps.settlements.services.bank_lines import assign_waiting_lines
from apps.settlements.services.fee_audit import audit_imported_fees
from apps.settlements.services.import_claims import ImportClaim
from apps.settlements.services.matching import book_settlement, open_sum_mismatch_exceptions
from apps.settlements.services.overdue_transfers import open_overdue_transfer_exceptions
from apps.settlements.services.report_rows import OnProgress, stage_day, stage_file
from apps.settlements.services.transfers import record_transfer
from apps.settlements.sql import report_lines as sql
from apps.settlements.states import ImportStatus, ReportSource

log = structlog.get_logger(__name__)

#: An import fetches at most this many unknown payments, and at most as many unknown refunds and disputes each.
_MAX_ASKED = 200
_MAX_POLL_FAILURES = 3


class ReportUnreadable(Invalid):
    """The settlement report is not in a format that Bahi knows. The message says what is wrong with it."""

    message = "The report cannot be read: {0}."


class ReportDateInFuture(Invalid):
    """A settlement report was requested for a future day. Choose today or an earlier day."""

    message = "There is no report of {0} yet."


@transactional
def request_settlement_import(*, day: date, actor: Actor, now: datetime, gateway: str = "razorpay") -> SettlementImport:
    """
    Have a worker import the report of a day (in India), or return the import that is waiting or running.

    An import that failed, or whose worker crashed, is requested again.

    :raises ReportDateInFuture: if the day has not begun
    """
    if day > clock.ist_date(now):
        raise ReportDateInFuture(day, param="day")
    fresh = SettlementImport(
        gateway=gateway,
        source=ReportSource.API,
        fingerprint=day.isoformat(),
        day=day,
        requested_by=str(actor),
    )
    found = _insert_or_find(fresh, actor=actor, now=now)
    if found is fresh:
        return fresh

    found = locks.lock_settlement_import(found.pk)
    if _is_abandoned(found, now=now):
        again = {"status": ImportStatus.WAITING, "error": "", "claimed_until": None}
        change(found, events.SETTLEMENT_IMPORT_REQUESTED, again, actor=actor, now=now)

    return found


def _is_abandoned(report: SettlementImport, *, now: datetime) -> bool:
    """Return whether an import was interrupted and no worker is running it."""
    has_dead_reader = report.claimed_until is not None and report.claimed_until <= now
    return report.status == ImportStatus.FAILED or (report.status == ImportStatus.WAITING and has_dead_reader)


def _insert_or_find(fresh: SettlementImport, *, actor: Actor, now: datetime) -> SettlementImport:
    """Insert an import and record that it was requested, or return the one that is there."""
    found = selectors.find_settlement_import(fresh)
    if found is not None:
        return found
    if create_if_absent(fresh, events.SETTLEMENT_IMPORT_REQUESTED, actor=actor, now=now) is not None:
        return fresh
    found = selectors.find_settlement_import(fresh)
    assert found is not None  # noqa: S101 - it is what refused the new one, and imports are never deleted
    return found


def request_reported_settlement(*, webhook_id: UUID, now: datetime) -> None:
    """Request the import of the day of the settlement that a webhook reports, if it reports one."""
    gateway, day = payments.read_settlement_webhook(webhook_id)
    if day is not None:
        day = min(day, clock.ist_date(now))
        request_settlement_import(day=day, actor=gateway_actor(gateway), now=now, gateway=gateway)


def request_recent_imports(*, now: datetime, gateway: str = "razorpay") -> None:
    """Request the import of yesterday's and today's reports, in case a webhook about a settlement was lost."""
    today = clock.ist_date(now)
    for day in (today - timedelta(days=1), today):
        request_settlement_import(day=day, actor=SYSTEM, now=now, gateway=gateway)


def import_settlement_file(
    *,
    stream: IO[bytes],
    name: str,
    actor: Actor,
    now: datetime,
    gateway: str = "razorpay",
    on_progress: OnProgress | None = None,
    date_order: str | None = None,
) -> SettlementImport:
    """
    Import a report from a CSV file. Calls the gateway for what the file does not contain.

    A file that was imported before, recognised by its hash, changes nothing. An interrupted import continues where it
    stopped. `date_order` (day-first, month-first) is needed only if the dates in the file are ambiguous.

    :raises ReportUnreadable: if it is no settlement report, or its unit or date order is ambiguous
    :raises ImportInProgress: if another worker is importing it
    """
    fresh = SettlementImport(
        gateway=gateway,
        source=ReportSource.CSV,
        fingerprint=_sha256_of(stream),
        file_name=name[:200],
        requested_by=str(actor),
    )
    stream.seek(0)
    with atomic(savepoint=False):
        report = _insert_or_find(fresh, actor=actor, now=now)
    return _import(report, stream=stream, now=now, on_progress=on_progress, date_order=date_order)


def _sha256_of(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := stream.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def import_settlements(*, import_id: UUID, now: datetime, on_progress: OnProgress | None = None) -> SettlementImport:
    """
    Import a day's report from the gateway's API. Calls the gateway.

    :raises ReportUnreadable: if the gateway's answer cannot be read
    :raises ImportInProgress: if another worker is importing it
    """
    return _import(selectors.get_settlement_import(import_id), stream=None, now=now, on_progress=on_progress)


def run_import_if_waiting(*, import_id: UUID, now: datetime) -> None:
    """Import a day's report if it awaits a worker; a file is imported by its caller instead. Calls the gateway."""
    report = selectors.get_settlement_import(import_id)
    if report.source == ReportSource.API and report.status == ImportStatus.WAITING:
        _import(report, stream=None, now=now, on_progress=None)


def _import(
    report: SettlementImport,
    *,
    stream: IO[bytes] | None,
    now: datetime,
    on_progress: OnProgress | None,
    date_order: str | None = None,
) -> SettlementImport:
    if report.status == ImportStatus.COMPLETED:
        return report
    claim = ImportClaim(report, now=now)
    if not claim.take():
        return report
    show = on_progress or _show_nothing
    try:
        if stream is None:
            stage_day(claim=claim, on_progress=show)
        else:
            stage_file(stream, date_order=date_order, claim=claim, now=now, on_progress=show)
        _fetch_unknown_entities(claim=claim, now=now)
        _book(claim=claim, now=now, on_progress=show)
        return _complete(report, now=now)
    except UnreadableFacts as failure:
        kept = rules.without_cells(str(failure))
        _fail(report, kept, now=now)
        if stream is None:  # a worker logs what it raises, with its cause
            raise ReportUnreadable(kept) from None
        raise ReportUnreadable(failure) from failure
    except GatewayFailure as failure:
        _fail(report, str(failure), now=now)
        raise
    except BaseException as failure:
        _fail(report, type(failure).__name__, now=now)
        raise


def _show_nothing(step: str, count: int) -> None:
    """Show no progress: nobody is waiting at a terminal."""


def _fetch_unknown_entities(*, claim: ImportClaim[SettlementImport], now: datetime) -> None:
    """
    Fetch the settled payments that we do not know as captured, and the refunds and disputes that we do not know.

    Their webhooks were lost, or they are not ours.
    """
    failures = 0
    for kind, gateway_id in _list_unknown_entities(claim.report):
        if failures >= _MAX_POLL_FAILURES:
            break
        claim.renew()
        try:
            _recover(kind, gateway_id, gateway=claim.report.gateway, now=now)
            failures = 0
        except GatewayFailure:
            failures += 1


def _list_unknown_entities(report: SettlementImport) -> list[tuple[str, str]]:
    """Return the kind and the gateway's id of each entity to fetch; payments first, since the others belong to one."""
    gateway, limit = report.gateway, _MAX_ASKED
    return [
        *(("payment", one) for one in sql.list_staged_uncaptured_payments(report.pk, gateway=gateway, limit=limit)),
        *(("refund", one) for one in sql.list_staged_unknown_refunds(report.pk, gateway=gateway, limit=limit)),
        *(("dispute", one) for one in sql.list_staged_unknown_disputes(report.pk, limit=limit)),
    ]


def _recover(kind: str, gateway_id: str, *, gateway: str, now: datetime) -> None:
    """Fetch what a report names and we do not know. Calls the gateway."""
    if kind == "payment":
        payments.fetch_and_apply_payment(gateway=gateway, gateway_payment_id=gateway_id, now=now)
    elif kind == "refund":
        payments.fetch_and_apply_refund(gateway=gateway, gateway_refund_id=gateway_id, now=now)
    else:
        payments.fetch_and_apply_dispute(gateway=gateway, gateway_dispute_id=gateway_id, now=now)


def _book(*, claim: ImportClaim[SettlementImport], now: datetime, on_progress: OnProgress) -> None:
    """Book each settlement, then compare the sum of its lines with the amount transferred."""
    report = claim.report
    booked: dict[UUID, int] = {}
    for gateway_settlement_id, utr, settled_at, currency in sql.list_staged_settlements(report.pk):
        amount = _fetch_transfer_amount(report.gateway, gateway_settlement_id)
        with atomic(savepoint=False):
            settlement, lines, opened = book_settlement(
                report=report,
                gateway_settlement_id=gateway_settlement_id,
                utr=utr,
                settled_at=settled_at,
                currency=currency,
                now=now,
            )
            if amount is not None:
                record_transfer(settlement_id=settlement.pk, facts=amount, now=now)
        booked[settlement.pk] = lines
        report.lines_added += lines
        report.exceptions_opened += opened
        claim.renew()
        on_progress("booked", report.lines_added)
    report.exceptions_opened += open_sum_mismatch_exceptions(settlement_ids=booked, now=now)
    assign_waiting_lines(now=now)
    report.exceptions_opened += open_overdue_transfer_exceptions(now=now)
    audited = audit_imported_fees(report_id=report.pk, lines_added=booked, gateway=report.gateway, now=now)
    report.exceptions_opened += audited.claims_opened


def _fetch_transfer_amount(gateway: str, gateway_settlement_id: str) -> GatewaySettlement | None:
    try:
        return payments.fetch_settlement(gateway=gateway, gateway_settlement_id=gateway_settlement_id)
    except (GatewayFailure, UnreadableFacts) as failure:
        # The lines are booked anyway; their sum is checked once the amount is known.
        log.warning(
            "settlement_amount_unavailable",
            settlement=gateway_settlement_id,
            failure=rules.without_cells(str(failure))[:200],
        )
        return None


@transactional
def _complete(report: SettlementImport, *, now: datetime) -> SettlementImport:
    kept = locks.lock_settlement_import(report.pk)

    sql.delete_staged(kept.pk)
    completed = {"status": ImportStatus.COMPLETED, "error": "", "completed_at": now, **_results_of(report)}
    change(kept, events.SETTLEMENT_IMPORT_COMPLETED, completed, actor=SYSTEM, now=now)

    return kept


@transactional
def _fail(report: SettlementImport, why: str, *, now: datetime) -> None:
    kept = locks.lock_settlement_import(report.pk)

    if kept.status == ImportStatus.COMPLETED:
        return

    failed = {"status": ImportStatus.FAILED, "error": why[:300], **_results_of(report)}
    change(kept, events.SETTLEMENT_IMPORT_FAILED, failed, actor=SYSTEM, now=now)
    log.error("settlement_import_failed", report=kept.public_id, why=why[:300])


def _results_of(report: SettlementImport) -> dict[str, Any]:
    """Return what an import has come to, with the end of its claim."""
    counts = {"lines_added": report.lines_added, "exceptions_opened": report.exceptions_opened}
    return {**counts, "claimed_until": None}

"""
Import of settlement reports: a report is read in batches, staged, and then booked settlement by settlement.

An interrupted import continues at the row where it stopped. A report or a line that was imported before changes
nothing. Each settlement is booked in a transaction of its own.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import IO, Any
from uuid import UUID

import structlog
from django.db import transaction

from apps.core import clock
from apps.core.errors import Conflict, Invalid
from apps.core.events import SYSTEM, Actor, change, create_if_absent, gateway_actor
from apps.payments import services as payments
from apps.payments.facts import GatewaySettlement, SettlementRow, UnreadableFacts
from apps.payments.services import GatewayFailure
from apps.settlements import events, locks, selectors
from apps.settlements.gateways import razorpay_report_files as report_files
from apps.settlements.gateways.report_formats import TRANSFERS
from apps.settlements.models import SettlementImport
from apps.settlements.services.matching import book_settlement, check_settlements, record_transfer_amount
from apps.settlements.services.report_formats import recognise_report
from apps.settlements.sql import report_lines as sql
from apps.settlements.states import ImportStatus, ReportSource

log = structlog.get_logger(__name__)

_BATCH = 5_000
#: A claim that no batch extends in this time expires: its worker has crashed, and the relay has an attempt left for it.
_CLAIM_TTL = timedelta(minutes=4)
#: An import fetches at most this many unknown payments, and at most as many unknown refunds and disputes each.
_MAX_ASKED = 200
_MAX_POLL_FAILURES = 3

OnProgress = Callable[[str, int], None]


class ImportInProgress(Conflict):
    """Another process is reading the same report. Try again in a few minutes."""

    message = "This report is being read by somebody else. Try again in a few minutes."


class ReportUnreadable(Invalid):
    """The settlement report is not in a format that Bahi knows. The message says what is wrong with it."""

    message = "The report cannot be read: {0}."


class ReportDateInFuture(Invalid):
    """A settlement report was requested for a day to come. Choose today or an earlier day."""

    message = "There is no report of {0} yet."


@transaction.atomic
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
    gateway, day = payments.find_settlement_day(webhook_id)
    if day is not None:
        day = min(day, clock.ist_date(now))
        request_settlement_import(day=day, actor=gateway_actor(gateway), now=now, gateway=gateway)


def import_recent_settlements(*, now: datetime, gateway: str = "razorpay") -> None:
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
    with transaction.atomic():
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


def import_requested_settlements(*, import_id: UUID, now: datetime) -> None:
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
    run = _ImportRun(report, now=now, on_progress=on_progress or (lambda step, count: None), date_order=date_order)
    if not run.claim():
        return run.report
    try:
        run.stage(stream)
        run.fetch_unknown_entities()
        run.book()
    except UnreadableFacts as failure:
        run.fail(str(failure))
        raise ReportUnreadable(failure) from failure
    except GatewayFailure as failure:
        run.fail(str(failure))
        raise
    except BaseException as failure:
        run.fail(type(failure).__name__)
        raise
    return run.report


def _recover(kind: str, gateway_id: str, *, gateway: str, now: datetime) -> None:
    """Fetch what a report names and we do not know. Calls the gateway."""
    if kind == "payment":
        payments.recover_payment(gateway=gateway, gateway_payment_id=gateway_id, now=now)
    elif kind == "refund":
        payments.recover_refund(gateway=gateway, gateway_refund_id=gateway_id, now=now)
    else:
        payments.recover_dispute(gateway=gateway, gateway_dispute_id=gateway_id, now=now)


class _ImportRun:
    """One run of one import, from claim to completion."""

    def __init__(
        self, report: SettlementImport, *, now: datetime, on_progress: OnProgress, date_order: str | None = None
    ) -> None:
        self.report = report
        self.date_order = date_order
        self.now = now
        self.on_progress = on_progress
        self._began = time.monotonic()

    def claim(self) -> bool:
        """
        Claim the report, and return whether it still has to be imported.

        :raises ImportInProgress: if another worker is importing it
        """
        rows = SettlementImport.objects.filter(pk=self.report.pk).exclude(status=ImportStatus.COMPLETED)
        is_claimed = rows.claim(now=self.now, ttl=_CLAIM_TTL)
        self.report.refresh_from_db()
        if not is_claimed and self.report.status != ImportStatus.COMPLETED:
            raise ImportInProgress
        return is_claimed

    def stage(self, stream: IO[bytes] | None) -> None:
        """Stage the rows of the report, from the first one that is not staged yet."""
        if stream is None:
            assert self.report.day is not None  # noqa: S101 - an import by API has its day
            while rows := payments.fetch_settlement_report(
                gateway=self.report.gateway, day=self.report.day, skip=self.report.rows_read
            ):
                self._keep(list(rows))
            sql.analyse_staged()
            return
        report_format = recognise_report(stream, gateway=self.report.gateway, date_order=self.date_order, now=self.now)
        if report_format.content == TRANSFERS:
            self._record_transfers(report_files.transfers_from_report(stream, report_format))
            return
        read_line = partial(payments.read_report_line, gateway=self.report.gateway)
        lines = report_files.rows_from_report(stream, report_format, read_line=read_line)
        for _ in range(self.report.rows_read):
            next(lines, None)
        for batch in sql.batched(lines, _BATCH):
            self._keep(batch)
        sql.analyse_staged()

    def _record_transfers(self, transfers: Iterator[GatewaySettlement]) -> None:
        """Record the transferred amount of each settlement whose lines we have; the others are logged."""
        named, without_lines = [], []
        for count, facts in enumerate(transfers, 1):
            settlement = selectors.find_settlement(gateway=facts.gateway, gateway_settlement_id=facts.id)
            if settlement is None:
                without_lines.append(facts.id)
            else:
                record_transfer_amount(settlement_id=settlement.pk, facts=facts, now=self.now)
                named.append(settlement.pk)
            self.report.rows_read = count
            self.on_progress("read", count)
        self._extend_claim(rows_read=self.report.rows_read)
        if without_lines:
            log.warning("settlement_lines_missing", count=len(without_lines), settlements=without_lines[:20])
        self.report.exceptions_opened += check_settlements(settlement_ids=named, now=self.now)

    @transaction.atomic
    def _keep(self, rows: list[SettlementRow | None]) -> None:
        sql.stage(self.report.pk, position=self.report.rows_read, rows=rows)
        self.report.rows_read += len(rows)
        self._extend_claim(rows_read=self.report.rows_read)
        self.on_progress("read", self.report.rows_read)

    def _extend_claim(self, **fields: int) -> None:
        elapsed = timedelta(seconds=time.monotonic() - self._began)
        rows = SettlementImport.objects.filter(pk=self.report.pk)
        rows.update(claimed_until=clock.to_milliseconds(self.now + elapsed) + _CLAIM_TTL, **fields)

    def fetch_unknown_entities(self) -> None:
        """
        Fetch the settled payments that we do not know as captured, and the refunds and disputes that we do not know.

        Their webhooks were lost, or they are not ours.
        """
        failures = 0
        report, gateway = self.report.pk, self.report.gateway
        # A refund or dispute belongs to a payment, so payments are fetched first.
        missing = (
            *(
                ("payment", one)
                for one in sql.list_staged_uncaptured_payments(report, gateway=gateway, limit=_MAX_ASKED)
            ),
            *(("refund", one) for one in sql.list_staged_unknown_refunds(report, gateway=gateway, limit=_MAX_ASKED)),
            *(("dispute", one) for one in sql.list_staged_unknown_disputes(report, limit=_MAX_ASKED)),
        )
        for kind, gateway_id in missing:
            if failures >= _MAX_POLL_FAILURES:
                break
            self._extend_claim()
            try:
                _recover(kind, gateway_id, gateway=gateway, now=self.now)
                failures = 0
            except GatewayFailure:
                failures += 1

    def book(self) -> None:
        """Book each settlement, then compare the sum of its lines with the amount transferred."""
        booked = []
        for gateway_settlement_id, utr, settled_at, currency in sql.list_staged_settlements(self.report.pk):
            amount = self._fetch_transfer_amount(gateway_settlement_id)
            settlement, lines, opened = book_settlement(
                report=self.report,
                gateway_settlement_id=gateway_settlement_id,
                utr=utr,
                settled_at=settled_at,
                currency=currency,
                now=self.now,
            )
            if amount is not None:
                record_transfer_amount(settlement_id=settlement.pk, facts=amount, now=self.now)
            booked.append(settlement.pk)
            self.report.lines_added += lines
            self.report.exceptions_opened += opened
            self._extend_claim()
            self.on_progress("booked", self.report.lines_added)
        self.report.exceptions_opened += check_settlements(settlement_ids=booked, now=self.now)
        self._complete()

    def _fetch_transfer_amount(self, gateway_settlement_id: str) -> GatewaySettlement | None:
        try:
            return payments.fetch_settlement(gateway=self.report.gateway, gateway_settlement_id=gateway_settlement_id)
        except (GatewayFailure, UnreadableFacts) as failure:
            # The lines are booked anyway; their sum is checked once the amount is known.
            log.warning("settlement_amount_unavailable", settlement=gateway_settlement_id, failure=str(failure)[:200])
            return None

    @transaction.atomic
    def _complete(self) -> None:
        kept = locks.lock_settlement_import(self.report.pk)
        sql.delete_staged(kept.pk)
        completed = {"status": ImportStatus.COMPLETED, "error": "", "completed_at": self.now, **self._results()}
        change(kept, events.SETTLEMENT_IMPORT_COMPLETED, completed, actor=SYSTEM, now=self.now)
        self.report = kept

    @transaction.atomic
    def fail(self, why: str) -> None:
        kept = locks.lock_settlement_import(self.report.pk)
        if kept.status == ImportStatus.COMPLETED:
            return
        failed = {"status": ImportStatus.FAILED, "error": why[:300], **self._results()}
        change(kept, events.SETTLEMENT_IMPORT_FAILED, failed, actor=SYSTEM, now=self.now)
        log.error("settlement_import_failed", report=kept.public_id, why=why[:300])

    def _results(self) -> dict[str, Any]:
        """Return what the import has come to, with the end of its claim."""
        counts = {"lines_added": self.report.lines_added, "exceptions_opened": self.report.exceptions_opened}
        return {**counts, "claimed_until": None}

"""Rows of a settlement report, staged in batches: an interrupted import continues at the row where it stopped."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from functools import partial
from typing import IO

import structlog

from apps.core.transactions import transactional
from apps.payments import services as payments
from apps.payments.facts import GatewaySettlement, SettlementRow
from apps.settlements import selectors
from apps.settlements.gateways import razorpay_report_files as report_files
from apps.settlements.gateways.report_formats import TRANSFERS
from apps.settlements.models import SettlementImport
from apps.settlements.services.import_claims import ImportClaim
from apps.settlements.services.matching import open_sum_mismatch_exceptions
from apps.settlements.services.report_formats import recognise_report
from apps.settlements.services.transfers import record_transfer
from apps.settlements.sql import report_lines as sql

log = structlog.get_logger(__name__)

_BATCH = 5_000

OnProgress = Callable[[str, int], None]


def stage_day(*, claim: ImportClaim[SettlementImport], on_progress: OnProgress) -> None:
    """Stage the rows of a day's report, from the first one that is not staged yet. Calls the gateway."""
    report = claim.report
    assert report.day is not None  # noqa: S101 - an import by API has its day
    while rows := payments.fetch_settlement_report(gateway=report.gateway, day=report.day, skip=report.rows_read):
        _stage_batch(list(rows), claim=claim, on_progress=on_progress)
    sql.analyse_staged()


def stage_file(
    stream: IO[bytes],
    *,
    date_order: str | None,
    claim: ImportClaim[SettlementImport],
    now: datetime,
    on_progress: OnProgress,
) -> None:
    """Stage the rows of a file, from the first one that is not staged yet; a file of transfers is recorded at once."""
    report = claim.report
    report_format = recognise_report(stream, gateway=report.gateway, date_order=date_order, now=now)
    if report_format.content == TRANSFERS:
        with closing(report_files.transfers_from_report(stream, report_format)) as transfers:
            _record_transfers(transfers, claim=claim, now=now, on_progress=on_progress)
        return
    read_line = partial(payments.read_report_line, gateway=report.gateway)
    # A reader that is left in the middle is closed here, while its file is open.
    with closing(report_files.rows_from_report(stream, report_format, read_line=read_line)) as lines:
        for _ in range(report.rows_read):
            next(lines, None)
        for batch in sql.batched(lines, _BATCH):
            _stage_batch(batch, claim=claim, on_progress=on_progress)
    sql.analyse_staged()


@transactional
def _stage_batch(
    rows: list[SettlementRow | None], *, claim: ImportClaim[SettlementImport], on_progress: OnProgress
) -> None:
    report = claim.report
    sql.stage(report.pk, position=report.rows_read, rows=rows)
    report.rows_read += len(rows)
    claim.extend(rows_read=report.rows_read)
    on_progress("read", report.rows_read)


def _record_transfers(
    transfers: Iterator[GatewaySettlement],
    *,
    claim: ImportClaim[SettlementImport],
    now: datetime,
    on_progress: OnProgress,
) -> None:
    """Record the transferred amount of each settlement whose lines we have; the others are logged."""
    report = claim.report
    named, without_lines = [], []
    for count, facts in enumerate(transfers, 1):
        settlement = selectors.find_settlement(gateway=facts.gateway, gateway_settlement_id=facts.id)
        if settlement is None:
            without_lines.append(facts.id)
        else:
            record_transfer(settlement_id=settlement.pk, facts=facts, now=now)
            named.append(settlement.pk)
        report.rows_read = count
        on_progress("read", count)
    claim.extend(rows_read=report.rows_read)
    if without_lines:
        log.warning("settlement_lines_missing", count=len(without_lines), settlements=without_lines[:20])
    report.exceptions_opened += open_sum_mismatch_exceptions(settlement_ids=named, now=now)

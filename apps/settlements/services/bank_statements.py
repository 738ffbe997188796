"""
Import of files with statements of a bank account: checked as a whole, then booked line by line.

An interrupted import continues where it stopped. A file, or a line, that was imported before changes nothing.
"""

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime
from typing import IO, Any

import structlog

from apps.core import clock
from apps.core.dates import format_day
from apps.core.errors import Invalid
from apps.core.events import SYSTEM, Actor, change, create_if_absent
from apps.core.transactions import transactional
from apps.payments.facts import UnreadableFacts
from apps.settlements import events, locks, rules, selectors
from apps.settlements.gateways.bank_statements import Inspection, inspect_statement, read_lines
from apps.settlements.gateways.bank_statements.facts import BankFact
from apps.settlements.models import BankLine, BankStatementImport
from apps.settlements.services.bank_lines import assign_waiting_lines, book_bank_lines
from apps.settlements.services.import_claims import ImportClaim
from apps.settlements.services.overdue_transfers import open_overdue_transfer_exceptions
from apps.settlements.states import ImportStatus

log = structlog.get_logger(__name__)

#: The number of lines that are booked together; then the claim is extended, and the import could continue there.
_BATCH = 500

OnProgress = Callable[[str, int], None]


class StatementUnreadable(Invalid):
    """The bank's statement cannot be read, is ambiguous or contradicts itself. The message says how."""

    message = "The statement cannot be imported: {0}."


def inspect_bank_statement(*, stream: IO[bytes], account: str, mapping: bytes | None, now: datetime) -> Inspection:
    """
    Check a file without importing it, and return its layout, account, days and closing balance.

    :raises StatementUnreadable: if it cannot be imported
    """
    try:
        return _inspect(stream, account=account, mapping=mapping, now=now)
    except UnreadableFacts as failure:
        raise StatementUnreadable(failure) from failure


def import_bank_statement(
    *,
    stream: IO[bytes],
    name: str,
    actor: Actor,
    now: datetime,
    account: str = "",
    mapping: bytes | None = None,
    on_progress: OnProgress | None = None,
) -> BankStatementImport:
    """
    Import a file with statements of one account: `account` is its number, if the file does not name it.

    `mapping` is the content of a mapping file for the CSV of a bank that Bahi does not know.

    :raises StatementUnreadable: if it cannot be imported; nothing of it is booked then
    :raises ImportInProgress: if another process is importing it
    :raises BankLineNotAssignable: if another line was booked for the same settlement or refund meanwhile
    """
    report = _find_or_insert(_sha256_of(stream), name=name, actor=actor, now=now)
    if report.status == ImportStatus.COMPLETED:
        return report
    claim = ImportClaim(report, now=now)
    if not claim.take():
        return report
    try:
        seen = _inspect(stream, account=account, mapping=mapping, now=now)
        # A reader that is left in the middle is closed here, while its file is open.
        with closing(read_lines(stream, mapping=mapping)) as facts:
            lines = _lines(report, seen, facts)
            _book(lines, claim=claim, now=now, on_progress=on_progress or (lambda _step, _count: None))
        return _complete(report, seen, now=now)
    except UnreadableFacts as failure:
        # The caller may see what is in a cell; what is stored, logged and in events has no words of the bank.
        _fail(report, rules.without_cells(str(failure)), now=now)
        raise StatementUnreadable(failure) from failure
    except BaseException as failure:
        _fail(report, type(failure).__name__, now=now)
        raise


def _sha256_of(stream: IO[bytes]) -> str:
    stream.seek(0)
    digest = hashlib.sha256()
    while piece := stream.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


@transactional
def _find_or_insert(fingerprint: str, *, name: str, actor: Actor, now: datetime) -> BankStatementImport:
    found = selectors.find_bank_statement_import(fingerprint)
    if found is not None:
        return found
    fresh = BankStatementImport(fingerprint=fingerprint, file_name=name[:200], requested_by=str(actor))
    if create_if_absent(fresh, events.BANK_STATEMENT_IMPORT_REQUESTED, actor=actor, now=now) is not None:
        return fresh
    found = selectors.find_bank_statement_import(fingerprint)
    assert found is not None  # noqa: S101 - it is what refused the new one, and imports are never deleted
    return found


def _inspect(stream: IO[bytes], *, account: str, mapping: bytes | None, now: datetime) -> Inspection:
    """Look at a file, and refuse it if its account is one of several, or its days were imported from a file in another layout."""
    seen = inspect_statement(stream, account=account, mapping=mapping, today=clock.ist_date(now))
    number = rules.find_account(seen.account, selectors.list_bank_accounts())
    if not number:
        raise UnreadableFacts(
            f"statements of several accounts whose numbers end with {seen.account} were imported: give the whole number with"
            " --account"
        )
    if seen.first_on is None or seen.last_on is None:
        return seen
    other = selectors.find_other_layout(account=number, layout=seen.layout, first=seen.first_on, last=seen.last_on)
    if other:
        raise UnreadableFacts(
            f"days from {format_day(seen.first_on)} to {format_day(seen.last_on)} of this account were imported as {other}, and this"
            f" file is {seen.layout}: the same line cannot be recognised in both. Go on with {other}"
        )
    return seen


def _lines(report: BankStatementImport, seen: Inspection, facts: Iterator[BankFact]) -> Iterator[BankLine]:
    """Yield the lines of a file with their fingerprints; equal lines of a day are distinguished by their number."""
    account = rules.find_account(seen.account, selectors.list_bank_accounts())
    today: date | None = None
    counts: Counter[tuple[Any, ...]] = Counter()
    for fact in facts:
        if fact.booked_on != today:
            today, counts = fact.booked_on, Counter()
        known_by = (account, fact.booked_on.isoformat(), fact.amount, fact.reference, fact.balance)
        counts[known_by] += 1
        identity = (*known_by, counts[known_by])
        yield BankLine(
            report=report,
            fingerprint=hashlib.sha256(repr(identity).encode()).hexdigest(),
            account=account,
            booked_on=fact.booked_on,
            amount=fact.amount,
            reference=fact.reference,
            description=fact.description,
            balance=fact.balance,
            occurrence=counts[known_by],
        )


def _book(
    lines: Iterator[BankLine], *, claim: ImportClaim[BankStatementImport], now: datetime, on_progress: OnProgress
) -> None:
    report = claim.report
    rest = itertools.islice(lines, report.rows_read, None)
    while batch := list(itertools.islice(rest, _BATCH)):
        booked = book_bank_lines(batch, now=now)
        report.lines_added += len(booked)
        report.exceptions_opened += sum(line.exception_id is not None for line in booked)
        report.rows_read += len(batch)
        claim.extend(rows_read=report.rows_read)
        on_progress("booked", report.rows_read)
    assign_waiting_lines(now=now)
    report.exceptions_opened += open_overdue_transfer_exceptions(now=now)


@transactional
def _complete(report: BankStatementImport, seen: Inspection, *, now: datetime) -> BankStatementImport:
    # The claim of this run may have expired, and another run may have completed the import.
    kept = locks.lock_bank_statement_import(report.pk)

    if kept.status == ImportStatus.COMPLETED:
        return kept

    completed = {
        "status": ImportStatus.COMPLETED,
        "error": "",
        "completed_at": now,
        "account": seen.account,
        "layout": seen.layout,
        "first_on": seen.first_on,
        "last_on": seen.last_on,
        "closing_balance": seen.closing_balance,
        **_results_of(report),
    }
    change(kept, events.BANK_STATEMENT_IMPORT_COMPLETED, completed, actor=SYSTEM, now=now)

    return kept


@transactional
def _fail(report: BankStatementImport, why: str, *, now: datetime) -> None:
    kept = locks.lock_bank_statement_import(report.pk)

    if kept.status == ImportStatus.COMPLETED:
        return

    failed = {"status": ImportStatus.FAILED, "error": why[:300], **_results_of(report)}
    change(kept, events.BANK_STATEMENT_IMPORT_FAILED, failed, actor=SYSTEM, now=now)
    log.error("bank_statement_import_failed", report=kept.public_id, why=why[:300])


def _results_of(report: BankStatementImport) -> dict[str, Any]:
    """Return the counts of an import, and that its claim has ended."""
    counts = {"lines_added": report.lines_added, "exceptions_opened": report.exceptions_opened}
    return {**counts, "claimed_until": None}

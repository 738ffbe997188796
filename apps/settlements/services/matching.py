"""
Holding what a gateway paid out against our books, and the queue of what does not agree.

Every rupee of a settlement is booked: it clears what the gateway owed us, or it is held in suspense by an exception, until somebody
has decided and the decision is recorded.
"""

import itertools
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings

from apps.core.events import SYSTEM, Actor, change, current_values, gateway_actor
from apps.core.models import subject_type_of
from apps.core.money import rupees
from apps.core.transactions import atomic, transactional
from apps.ledger import locks as ledger_locks
from apps.ledger import services as ledger
from apps.ledger.services import SUSPENSE, NewException
from apps.ledger.states import ExceptionReason, Resolution
from apps.payments import locks as payment_locks
from apps.payments.services import gateway_receivable
from apps.settlements import events, locks, rules, selectors
from apps.settlements.models import Settlement, SettlementImport, SettlementLine
from apps.settlements.services.ledger_accounts import INPUT_GST, SETTLEMENT_IN_TRANSIT, TRANSFERS_PAYABLE, gateway_fees
from apps.settlements.services.transfers import return_failed_part, transfer_account
from apps.settlements.sql import receivables, report_lines
from apps.settlements.sql.receivables import Unsettled
from apps.settlements.sql.report_lines import Added

if TYPE_CHECKING:
    from apps.ledger.models import ReconciliationException

#: A payment belongs to a settlement whose other payments were made around the same time.
_AROUND = timedelta(hours=1)
_MAX_CANDIDATES = 25
_EXCEPTIONS_AT_ONCE = 500
_MAX_MISSED = 1_000


# Booking -------------------------------------------------------------------------------------------------------------


@transactional
def book_settlement(
    *,
    report: SettlementImport,
    gateway_settlement_id: str,
    utr: str,
    settled_at: datetime,
    currency: str,
    now: datetime,
) -> tuple[Settlement, int, int]:
    """
    Add the staged lines of one settlement that it does not have yet, and book them in one posting.

    Returns the settlement, how many lines it got, and how many exceptions they opened.
    """
    locks.lock_line_booking()
    settlement = _open_settlement(
        Settlement(
            gateway=report.gateway,
            gateway_settlement_id=gateway_settlement_id,
            utr=utr,
            settled_at=settled_at,
            currency=currency,
            created_at=now,
        )
    )

    part = settlement.parts + 1
    added = report_lines.add_lines(report_id=report.pk, settlement=settlement, part=part, now=now)
    if not added.count:
        return settlement, 0, 0
    is_new = settlement.version == 0
    change(
        settlement,
        events.SETTLEMENT_IMPORTED if is_new else events.SETTLEMENT_UPDATED,
        _sums(settlement, added, utr=utr, part=part),
        actor=gateway_actor(settlement.gateway),
        event_values=current_values(settlement) if is_new else None,
        now=now,
    )
    _post_part(settlement, added)
    return_failed_part(settlement, amount=added.bank, now=now)
    _close_explained_exceptions(settlement, part=part, now=now)

    return settlement, added.count, _open_line_exceptions(settlement, part=part, now=now)


def _open_settlement(fresh: Settlement) -> Settlement:
    Settlement.objects.bulk_create([fresh], ignore_conflicts=True)
    settlement = locks.lock_settlement(gateway=fresh.gateway, gateway_settlement_id=fresh.gateway_settlement_id)
    assert settlement is not None  # noqa: S101 - it was made above, if it was not there
    return settlement


def _sums(settlement: Settlement, added: Added, *, utr: str, part: int) -> dict[str, Any]:
    """Return what a settlement comes to with a further part."""
    return {
        "utr": settlement.utr or utr,
        "lines_amount": settlement.lines_amount + added.bank,
        "fee_amount": settlement.fee_amount + added.fee,
        "tax_amount": settlement.tax_amount + added.tax,
        "line_count": settlement.line_count + added.count,
        "parts": part,
    }


def _post_part(settlement: Settlement, added: Added) -> None:
    """Book a part as one fact: posting each line by itself would take an hour for a month, and say no more."""
    entries = {
        SETTLEMENT_IN_TRANSIT: added.bank,
        # What prepaid credits paid was a cost when they were bought; of the fee only its GST is new then.
        gateway_fees(settlement.gateway): added.fee - added.tax - added.fee_credit,
        INPUT_GST: added.tax,
        TRANSFERS_PAYABLE: added.transferred,
        gateway_receivable(settlement.gateway): -added.cleared,
        SUSPENSE: added.held,
    }
    if not any(entries.values()):
        return
    ledger.post_to_ledger(
        source_type=subject_type_of(settlement),
        source_id=settlement.pk,
        kind="settlement" if settlement.parts == 1 else f"settlement:{settlement.parts}",
        order_id=None,
        entries=entries,
        currency=settlement.currency,
        description=f"{settlement.gateway_settlement_id} {settlement.utr}".strip(),
        occurred_at=settlement.settled_at,
    )


def _open_line_exceptions(settlement: Settlement, *, part: int, now: datetime) -> int:
    lines = SettlementLine.objects.filter(settlement=settlement, part=part).exclude(problem="")
    # Read as they are opened: a settlement of any size may have a problem in each line.
    rest = lines.select_related("attempt", "refund").order_by("pk").iterator(_EXCEPTIONS_AT_ONCE)
    opened = 0
    while some := [_exception_of(line, settlement) for line in itertools.islice(rest, _EXCEPTIONS_AT_ONCE)]:
        opened += ledger.open_exceptions(some, now=now)
    return opened


def _exception_of(line: SettlementLine, settlement: Settlement) -> NewException:
    expected, actual = _differing_amounts(line)
    return NewException(
        gateway=settlement.gateway,
        reason=ExceptionReason(line.problem),
        settlement_id=settlement.pk,
        line_id=line.pk,
        attempt_id=line.attempt_id,
        entity_id=line.entity_id,
        description=_describe(line),
        expected_amount=expected,
        actual_amount=actual,
        held_amount=line.held_amount,
        currency=line.currency,
    )


def _describe(line: SettlementLine) -> str:
    """Return for staff what a line says of itself that we cannot attribute, or nothing."""
    said = f" The gateway describes it as “{line.description}”." if line.description else ""
    if line.problem == ExceptionReason.UNKNOWN_ADJUSTMENT:
        return f"This adjustment of {rupees(line.credit - line.debit)} names no payment or dispute in Bahi.{said}"
    if line.problem == ExceptionReason.UNKNOWN_KIND:
        return f"The report calls this line of {rupees(line.credit - line.debit)} “{line.reported_kind}”.{said}"
    return ""


def _differing_amounts(line: SettlementLine) -> tuple[int | None, int]:
    """Return what we expected and what was reported, in paise, of that which differs."""
    ours = line.attempt or line.refund
    if line.problem == ExceptionReason.FEE_MISMATCH:
        return line.fee_amount, line.reported_fee_amount
    if line.problem == ExceptionReason.CREDIT_MISMATCH:
        return line.cleared_amount - line.fee_amount, line.credit - line.debit
    if line.problem == ExceptionReason.AMOUNT_MISMATCH:
        return (ours.amount if ours else None), line.amount
    return None, line.credit - line.debit


def _close_explained_exceptions(settlement: Settlement, *, part: int, now: datetime) -> None:
    """Close what was missed and has come: its money was booked as transferred in advance, and now came with its line."""
    explained = selectors.list_exceptions_explained_by(settlement.pk, part=part)
    # A transfer that fails moves what the exceptions of its settlement hold, and none of them may change meanwhile.
    locks.lock_settlements(selectors.list_settlement_ids_of_exceptions(explained))
    for exception_id in explained:
        _close_if_open(exception_id, note=f"in {settlement.gateway_settlement_id}", now=now)


def _close_if_open(exception_id: UUID, *, note: str, now: datetime) -> None:
    """Close an exception, unless staff or the search for what is overdue have closed it since it was found."""
    exception = ledger_locks.lock_exception(exception_id)
    if exception.resolved_at is None:
        ledger.close_exception(exception, resolution=Resolution.ARRIVED, note=note, actor=SYSTEM, now=now)


# Sums ----------------------------------------------------------------------------------------------------------------


def open_sum_mismatch_exceptions(*, settlement_ids: Iterable[UUID], now: datetime) -> int:
    """
    Hold the transfer of each settlement against its lines, and return how many exceptions that opened.

    What is more than the lines is first explained by captured payments of that time which no line has brought: to the paisa if
    possible, and then as near as may be by those that are overdue. What is left is a sum that does not agree. What agrees is not
    locked: what changes it afterwards holds it against its lines again.
    """
    left = list(settlement_ids)
    opened = 0
    for must_be_whole in (True, False):
        for settlement_id in report_lines.list_unexplained(left):
            opened += _check_sum(settlement_id, must_be_whole=must_be_whole, now=now)
    return opened


@transactional
def _check_sum(settlement_id: UUID, *, must_be_whole: bool, now: datetime) -> int:
    settlement = selectors.get_settlement(settlement_id)
    locks.lock_settlement(gateway=settlement.gateway, gateway_settlement_id=settlement.gateway_settlement_id)
    settlement.refresh_from_db()
    difference = _reopen_difference(settlement, note="lines came", now=now)
    if difference == 0:
        return 0

    missed = _find_unsettled(settlement, difference, must_be_whole=must_be_whole, now=now)
    for one in missed:
        _open_missing_line_exception(one, settlement=settlement, now=now)
        difference -= one.credit
    if difference == 0 or must_be_whole:
        return len(missed)
    _open_sum_mismatch(settlement, difference, actor=SYSTEM, now=now)
    return len(missed) + 1


def hold_bank_difference(settlement: Settlement, *, description: str, actor: Actor, now: datetime) -> None:
    """
    Hold the difference between what the bank received of a locked settlement and its lines, with an exception that says so.

    It is explained by no payments: the caller knows that the bank's line differs.
    """
    difference = _reopen_difference(settlement, note="the bank's statement shows another amount", now=now)
    if difference:
        _open_sum_mismatch(settlement, difference, actor=actor, description=description, now=now)


def _reopen_difference(settlement: Settlement, *, note: str, now: datetime) -> int:
    """Return what is unexplained of a locked settlement, in paise; an open exception about another difference is closed first."""
    difference = _unexplained_amount(settlement)
    stale = selectors.find_open_sum_mismatch_id(settlement.pk) if difference else None
    if stale is not None:
        _close_if_open(stale, note=note, now=now)
        difference = _unexplained_amount(settlement)
    return difference


def _open_sum_mismatch(
    settlement: Settlement, difference: int, *, actor: Actor, now: datetime, description: str = ""
) -> None:
    mismatch = ledger.open_exception(
        gateway=settlement.gateway,
        reason=ExceptionReason.SUM_MISMATCH,
        settlement_id=settlement.pk,
        entity_id=settlement.gateway_settlement_id,
        description=description,
        expected_amount=(settlement.amount or 0) - difference,
        actual_amount=settlement.amount,
        held_amount=-difference,
        currency=settlement.currency,
        actor=actor,
        now=now,
    )
    _post_difference(mismatch, settlement)


def _unexplained_amount(settlement: Settlement) -> int:
    """Return by how many paise the transfer is more than lines and exceptions say; 0 while we do not know it."""
    if settlement.amount is None:
        return 0
    return settlement.amount - settlement.lines_amount + selectors.sum_held_outside_lines(settlement.pk)


def _find_unsettled(settlement: Settlement, difference: int, *, must_be_whole: bool, now: datetime) -> list[Unsettled]:
    span = report_lines.span_of_payments(settlement.pk)
    since, until = span or (settlement.settled_at - settings.SETTLEMENT_OVERDUE_AFTER, settlement.settled_at)
    until = min(until + _AROUND, settlement.settled_at)
    if not must_be_whole:
        until = min(until, now - settings.SETTLEMENT_OVERDUE_AFTER)
    candidates = [
        one
        for one in receivables.list_unsettled(
            gateway=settlement.gateway, since=since - _AROUND, until=until, limit=_MAX_CANDIDATES
        )
        if one.currency == settlement.currency
    ]
    places = rules.find_subset_sum(difference, [one.credit for one in candidates], must_be_whole=must_be_whole)
    return [candidates[place] for place in places]


def _open_missing_line_exception(one: Unsettled, *, settlement: Settlement | None, now: datetime) -> None:
    """Open an exception for a payment without a line; with a settlement, its money is in that and held in suspense."""
    exception = ledger.open_exception(
        gateway=settlement.gateway if settlement else settings.PAYMENT_GATEWAY,
        reason=ExceptionReason.MISSING_LINE,
        settlement_id=settlement.pk if settlement else None,
        attempt_id=one.id,
        entity_id=one.gateway_payment_id,
        expected_amount=one.credit,
        held_amount=-one.credit if settlement else 0,
        currency=one.currency,
        now=now,
    )
    if settlement is not None:
        _post_difference(exception, settlement)


def _post_difference(exception: "ReconciliationException", settlement: Settlement) -> None:
    ledger.post_to_ledger(
        source_type=subject_type_of(exception),
        source_id=exception.pk,
        kind="difference",
        order_id=None,
        entries={transfer_account(settlement): -exception.held_amount, SUSPENSE: exception.held_amount},
        currency=exception.currency,
        description=f"{settlement.gateway_settlement_id}: transfer and lines differ",
        occurred_at=settlement.settled_at,
    )


def open_missing_line_exceptions(*, now: datetime, gateway: str = "razorpay") -> int:
    """
    Open an exception for each captured payment and refund that should have been settled and was not; return how many.

    Should have been: it is older than the setting says, and something later than it was settled.
    """
    latest = selectors.latest_settled_at(gateway)
    if latest is None:
        return 0
    until = min(latest, now - settings.SETTLEMENT_OVERDUE_AFTER)
    since = until - timedelta(days=400)
    missed = receivables.list_unsettled(gateway=gateway, since=since, until=until, limit=_MAX_MISSED)
    with atomic(savepoint=False):
        for one in missed:
            _open_missing_line_exception(one, settlement=None, now=now)
    refunds = receivables.list_unsettled_refunds(gateway=gateway, since=since, until=until, limit=_MAX_MISSED)
    return len(missed) + sum(_open_missing_refund_line_exception(refund_id, now=now) for refund_id in refunds)


@transactional
def _open_missing_refund_line_exception(refund_id: UUID, *, now: datetime) -> bool:
    """Open an exception for a refund without a line. Its money went back all the same, so that nothing is held."""
    refund = payment_locks.lock_refund(refund_id)
    if refund.gateway_refund_id is None or selectors.has_missing_line_exception(refund.gateway_refund_id):
        return False
    ledger.open_exception(
        gateway=refund.attempt.gateway,
        reason=ExceptionReason.MISSING_LINE,
        entity_id=refund.gateway_refund_id,
        expected_amount=-refund.amount,
        currency=refund.currency,
        now=now,
    )
    return True

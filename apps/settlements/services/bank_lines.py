"""
Lines of a bank's statement: matched by UTR and amount, and each with a posting of its own; what nothing explains is in suspense.

Only such a line debits the bank. A line of a refund that staff have transferred posts nothing: it was booked when they
confirmed the transfer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from uuid import UUID

from django.conf import settings

from apps.core import clock, ids
from apps.core.clock import IST
from apps.core.dates import format_day
from apps.core.errors import Conflict
from apps.core.events import SYSTEM, Actor, change, create_all, create_if_absent
from apps.core.models import subject_type_of
from apps.core.money import rupees
from apps.core.transactions import atomic, transactional
from apps.ledger import locks as ledger_locks
from apps.ledger import services as ledger
from apps.ledger.services import SUSPENSE, NewException, NewPosting
from apps.ledger.states import ExceptionReason, Resolution
from apps.payments import selectors as payments
from apps.payments.services import BANK
from apps.settlements import events, locks, rules, selectors
from apps.settlements.models import BankLine, Settlement
from apps.settlements.services.ledger_accounts import BANK_CHARGES, INPUT_GST, SETTLEMENT_IN_TRANSIT
from apps.settlements.services.matching import hold_bank_difference
from apps.settlements.services.transfers import expected_amount, mark_transfer_banked
from apps.settlements.sql import bank_lines as sql
from apps.settlements.states import BankLineKind, TransferStatus

#: The permission to assign a line in suspense to a settlement.
ASSIGN_PERMISSION = "ledger.change_reconciliationexception"
#: The maximum number of lines in suspense that are matched again after an import.
_MAX_WAITING = 1_000


class BankLineNotAssignable(Conflict):
    """The line of the bank's statement is not in suspense any more. Look at how it is booked."""

    message = "The line {0} is not in suspense, so it cannot be assigned."


class SettlementNotInTransit(Conflict):
    """The settlement failed, or a line of the bank's statement shows it already. Choose another settlement."""

    message = "The settlement {0} is not in transit."


class BankLineAmountDiffers(Conflict):
    """
    The line of the bank's statement has another amount than the settlement, and not by the difference that was accepted.

    Choose another settlement, or look at the difference again and accept it.
    """

    message = "The bank's line is of {0}, the settlement {1} of {2}."


@dataclass(frozen=True)
class _Match:
    """What a line is booked as; with a reason, it is in suspense. `settlement` is locked."""

    kind: BankLineKind
    settlement: Settlement | None = None
    refund_id: UUID | None = None
    tax_amount: int = 0
    reason: ExceptionReason | None = None


def book_bank_lines(lines: Sequence[BankLine], *, now: datetime) -> list[BankLine]:
    """
    Book the lines that are not stored yet, and return them.

    Those that name no settlement and no refund are booked together, the others one by one: each of these is a decision about a row
    that is locked, and two imports that lock several rows could wait for each other.
    """
    known = selectors.list_known_fingerprints([line.fingerprint for line in lines])
    fresh = [line for line in lines if line.fingerprint not in known]
    references = [rules.list_references(line.reference, line.description) for line in fresh]
    named = sql.find_references({reference for some in references for reference in some})
    alone = [not named.isdisjoint(some) for some in references]
    booked = _book_without_reference(
        [line for line, is_alone in zip(fresh, alone, strict=True) if not is_alone], now=now
    )
    singly = (book_bank_line(line, now=now) for line, is_alone in zip(fresh, alone, strict=True) if is_alone)
    return [*booked, *(line for line in singly if line is not None)]


@transactional
def _book_without_reference(lines: list[BankLine], *, now: datetime) -> list[BankLine]:
    """Store and book lines that name no settlement and no refund: charges of the bank, and what is in suspense until it is explained."""
    matches = {line.pk: _set_match(line, _match_without_reference(line)) for line in lines}
    # In one order: two imports with the same lines wait for each other at the first of them, and never crosswise.
    in_order = sorted(lines, key=lambda line: line.fingerprint)

    stored = create_all(in_order, events.BANK_LINE_IMPORTED, actor=SYSTEM, now=now, ignore_conflicts=True)
    ledger.post_all_to_ledger([_posting_of(line) for line in stored])
    booked = [(line, matches[line.pk]) for line in stored]
    opened = [_exception_of(line, match.settlement, match.reason) for line, match in booked if match.reason is not None]
    ledger.open_exceptions(opened, now=now)

    return stored


@transactional
def book_bank_line(line: BankLine, *, now: datetime) -> BankLine | None:
    """Match, store and book a line that is not stored yet, in one posting; return None if it was imported before."""
    match = _store_matched(line, now=now)
    if match is None and not selectors.has_bank_line(line.fingerprint):
        # Another import has booked a line of the same refund since it was looked for: this one repeats it.
        match = _store_matched(line, now=now)
    if match is None:
        return None

    if line.settlement is not None:
        mark_transfer_banked(line.settlement, amount=line.amount, actor=SYSTEM, now=now)
    if line.kind != BankLineKind.REFUND:
        ledger.post_to_ledger(**_posting_of(line)._asdict())
    if match.reason is not None:
        ledger.open_exception(**_exception_of(line, match.settlement, match.reason)._asdict(), now=now)

    return line


def _store_matched(line: BankLine, *, now: datetime) -> _Match | None:
    """Match a line and store it; return None if a line like it is stored, or another one of the same refund."""
    match = _set_match(line, _find_match(line))

    stored = create_if_absent(line, events.BANK_LINE_IMPORTED, actor=SYSTEM, now=now)
    return None if stored is None else match


def _set_match(line: BankLine, match: _Match) -> _Match:
    """Set on a line that is not stored yet what it is booked as."""
    line.kind, line.tax_amount, line.refund_id = match.kind, match.tax_amount, match.refund_id
    line.settlement = match.settlement if match.kind == BankLineKind.SETTLEMENT else None
    line.exception_id = ids.new() if match.reason else None
    return match


def _find_match(line: BankLine) -> _Match:
    references = rules.list_references(line.reference, line.description)
    named = selectors.list_settlements_of_references(references)
    if len(named) > 1:
        return _Match(BankLineKind.SUSPENSE, reason=ExceptionReason.BANK_LINE_UNKNOWN)
    if named:
        return _match_settlement(line, named[0])
    if line.amount < 0:
        refunds = payments.list_transferred_refunds(references)
        if refunds:
            is_whole = sum(refund.amount for refund in refunds) == -line.amount
            is_first = not selectors.is_refund_on_statement(refunds[0].pk)
            if is_whole and is_first:
                return _Match(BankLineKind.REFUND, refund_id=refunds[0].pk)
            reason = ExceptionReason.BANK_AMOUNT_MISMATCH if is_first else ExceptionReason.BANK_LINE_REPEATED
            return _Match(BankLineKind.SUSPENSE, reason=reason)
    return _match_without_reference(line)


def _match_without_reference(line: BankLine) -> _Match:
    if rules.is_bank_charge(amount=line.amount, description=line.description, reference=line.reference):
        tax = rules.gst_of_charge(amount=line.amount, description=line.description)
        return _Match(BankLineKind.CHARGE, tax_amount=tax)
    return _Match(BankLineKind.SUSPENSE, reason=ExceptionReason.BANK_LINE_UNKNOWN)


def _match_settlement(line: BankLine, named: Settlement) -> _Match:
    settlement = locks.lock_settlement(gateway=named.gateway, gateway_settlement_id=named.gateway_settlement_id)
    assert settlement is not None  # noqa: S101 - settlements are never deleted
    if settlement.transfer_status == TransferStatus.FAILED:
        reason = ExceptionReason.FAILED_SETTLEMENT_BANKED
    elif settlement.transfer_status == TransferStatus.BANKED:
        reason = ExceptionReason.BANK_LINE_REPEATED
    elif (line.amount, line.currency) != (expected_amount(settlement), settlement.currency):
        reason = ExceptionReason.BANK_AMOUNT_MISMATCH
    else:
        return _Match(BankLineKind.SETTLEMENT, settlement=settlement)
    return _Match(BankLineKind.SUSPENSE, settlement=settlement, reason=reason)


def _posting_of(line: BankLine) -> NewPosting:
    """Return the posting of a line, which is not one of a refund."""
    if line.kind == BankLineKind.CHARGE:
        other = {BANK_CHARGES: -line.amount - line.tax_amount, INPUT_GST: line.tax_amount}
    else:
        other = {SETTLEMENT_IN_TRANSIT if line.kind == BankLineKind.SETTLEMENT else SUSPENSE: -line.amount}
    return NewPosting(
        source_type=subject_type_of(line),
        source_id=line.pk,
        kind="bank_line",
        entries={BANK: line.amount, **other},
        currency=line.currency,
        # The bank's words may name a person, and no posting is ever changed.
        description=f"bank line of {format_day(line.booked_on)} {line.reference}".strip(),
        occurred_at=clock.to_milliseconds(datetime.combine(line.booked_on, time(), tzinfo=IST)),
    )


def _exception_of(line: BankLine, settlement: Settlement | None, reason: ExceptionReason) -> NewException:
    return NewException(
        id=line.exception_id,
        gateway=settlement.gateway if settlement else settings.PAYMENT_GATEWAY,
        reason=reason,
        entity_id=line.public_id,
        description=_describe(line, settlement),
        expected_amount=expected_amount(settlement) if settlement else None,
        actual_amount=line.amount,
        held_amount=-line.amount,
        currency=line.currency,
    )


def _describe(line: BankLine, settlement: Settlement | None) -> str:
    day, amount = format_day(line.booked_on), rupees(abs(line.amount))
    kind = "credit" if line.amount > 0 else "debit"
    if settlement is None:
        return f"The bank's statement of {day} has a {kind} of {amount}. It is in suspense until it is explained."
    return (
        f"The bank's statement of {day} has a {kind} of {amount} with the UTR of {settlement.gateway_settlement_id}."
        " It is in suspense until it is explained."
    )


# Later -----------------------------------------------------------------------------------------------------------------


def assign_waiting_lines(*, now: datetime) -> int:
    """Assign the credits in suspense whose settlement was imported later, by UTR and amount, and return how many."""
    waiting = selectors.list_unexplained_credits(limit=_MAX_WAITING)
    said = [(line, rules.list_references(line.reference, line.description)) for line in waiting]
    known = sql.find_references({reference for _, references in said for reference in references})
    assigned = 0
    for line, references in said:
        if known.isdisjoint(references):
            continue
        named = selectors.list_settlements_of_references(references)
        if len(named) == 1 and _is_assignable(line, named[0]):
            assigned += _assign_waiting_line(line, named[0], now=now)
    return assigned


def _assign_waiting_line(line: BankLine, settlement: Settlement, *, now: datetime) -> bool:
    try:
        with atomic():
            assign_bank_line(line_id=line.pk, settlement_id=settlement.pk, actor=SYSTEM, now=now)
    except (BankLineNotAssignable, SettlementNotInTransit, BankLineAmountDiffers):
        return False  # staff or another import were faster
    return True


def _is_assignable(line: BankLine, settlement: Settlement) -> bool:
    return settlement.transfer_status == TransferStatus.IN_TRANSIT and line.amount == expected_amount(settlement)


@transactional
def assign_bank_line(
    *,
    line_id: UUID,
    settlement_id: UUID,
    actor: Actor,
    now: datetime,
    accepted_difference: int = 0,
    note: str = "",
) -> BankLine:
    """
    Assign a line in suspense to a settlement in transit: its money is posted from suspense to what was in transit.

    A credit of another amount is assigned only if the caller accepts its difference (paise, positive if the bank received
    more), with a note that says why. The difference stays in suspense, with an exception about the settlement
    (`sum_mismatch`).

    :raises SettlementNotFound: if there is no such settlement
    :raises BankLineNotFound: if there is no such line
    :raises BankLineNotAssignable: if the line is not in suspense any more
    :raises SettlementNotInTransit: if the settlement failed or is on a statement already
    :raises BankLineAmountDiffers: if the amounts differ, and not by the accepted difference; or if the line is a debit
    :raises NoteRequired: if there is a difference and no note
    """
    named = selectors.get_settlement(settlement_id)
    settlement = locks.lock_settlement(gateway=named.gateway, gateway_settlement_id=named.gateway_settlement_id)
    line = selectors.get_bank_line(line_id)
    assert settlement is not None  # noqa: S101 - settlements are never deleted
    if line.kind != BankLineKind.SUSPENSE or line.exception_id is None:
        raise BankLineNotAssignable(line.public_id)
    # A line changes only while its exception is open, so that the lock of that is enough.
    exception = ledger_locks.lock_exception(line.exception_id)

    if exception.resolved_at is not None:
        raise BankLineNotAssignable(line.public_id)
    if settlement.transfer_status != TransferStatus.IN_TRANSIT:
        raise SettlementNotInTransit(settlement.gateway_settlement_id)
    expected = expected_amount(settlement)
    if line.amount - expected != accepted_difference or line.amount <= 0 or line.currency != settlement.currency:
        raise BankLineAmountDiffers(rupees(line.amount), settlement.gateway_settlement_id, rupees(expected))
    if accepted_difference and not note.strip():
        raise ledger.NoteRequired(param="note")

    assigned = {"kind": BankLineKind.SETTLEMENT, "settlement_id": settlement.pk}
    change(line, events.BANK_LINE_ASSIGNED, assigned, actor=actor, event_reason=note.strip(), now=now)
    mark_transfer_banked(settlement, amount=line.amount, actor=actor, now=now)
    decided = f"assigned to {settlement.gateway_settlement_id}. {note.strip()}".strip()
    ledger.close_exception(exception, resolution=Resolution.BOOKED, note=decided, actor=actor, now=now)
    if accepted_difference:
        description = _describe_difference(line, settlement, expected=expected)
        hold_bank_difference(settlement, description=description, actor=actor, now=now)

    return line


def _describe_difference(line: BankLine, settlement: Settlement, *, expected: int) -> str:
    difference = line.amount - expected
    return (
        f"The bank's statement of {format_day(line.booked_on)} brought {rupees(line.amount)} of {settlement.gateway_settlement_id},"
        f" {rupees(abs(difference))} {'more' if difference > 0 else 'less'} than the {rupees(expected)} of the settlement."
        f" The line {line.public_id} was assigned to it all the same."
    )

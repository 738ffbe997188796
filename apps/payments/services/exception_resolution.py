"""Resolution of exceptions: a recorded decision, which also posts the money that the exception is about."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.accounts import selectors as accounts
from apps.core.errors import Conflict, Invalid
from apps.core.events import Actor, change
from apps.core.models import is_staff_with, subject_type_of
from apps.core.money import rupees
from apps.payments import events, locks, selectors, sql
from apps.payments.models import ReconciliationException
from apps.payments.services.postings import SUSPENSE, gateway_receivable, post_to_ledger
from apps.payments.states import ExceptionReason, Resolution

BANK = "bank"
INPUT_GST = "input_gst"
#: Reasons of exceptions about money that a gateway owes us.
_OWED = (ExceptionReason.MISSING_LINE, ExceptionReason.RECEIVABLE_OVERDUE)
#: Resolutions that staff may choose; the rest are set by the system.
STAFF_RESOLUTIONS = (Resolution.NOTED, Resolution.WRITTEN_OFF, Resolution.CLEARED, Resolution.PAID_OUTSIDE)


class ExceptionAlreadyResolved(Conflict):
    """The exception was resolved before. Nothing needs to be done."""

    message = "This exception was resolved before."


class ExceptionHasSuspenseBalance(Conflict):
    """The exception still holds money in suspense. Choose a resolution that says where it goes."""

    message = "It holds {0} in suspense. Say where the money goes: written_off, cleared or paid_outside."


class ReceivableOutstanding(Conflict):
    """
    The gateway still owes the amount of the exception.

    Leave it open, or choose a resolution that says where the money went.
    """

    message = (
        "{0} of {1} is still owed. Leave the exception open until it comes, or say where the money went: written_off or"
        " paid_outside."
    )


class ReceivableChanged(Conflict):
    """
    The gateway owes another amount than when the exception was opened.

    Wait: this exception closes by itself, and a new one opens.
    """

    message = "The gateway now owes {1} of {0}, no longer {2}. This exception closes by itself; a new one opens for what is left."


class SettlementsNotImported(Conflict):
    """No settlement of the gateway was imported, so nobody knows what it still owes. Import its settlements."""

    message = (
        "No settlement of {0} has been imported yet, so that nothing shows what it still owes. Import its settlements: this"
        " exception closes by itself."
    )


class AssigneeLacksPermission(Invalid):
    """The person may not decide about exceptions, so cannot own one. Choose another person."""

    message = "Only staff who may decide about exceptions can own one."


class NoteRequired(Invalid):
    """The resolution came without a note. Say in it why."""

    message = "Say in a note why."


class InvalidResolution(Invalid):
    """
    Exceptions have no such resolution, or it is not for staff to choose.

    Choose from those that the message names.
    """

    message = "There is no resolution {0}. There are: {1}."


def gateway_fees(gateway: str) -> str:
    """Return the code of the account of a gateway's fees."""
    return f"gateway_fees:{gateway}"


@transaction.atomic
def assign_exception(*, exception_id: UUID, owner_id: UUID, actor: Actor, now: datetime) -> ReconciliationException:
    """
    Assign an exception to a member of staff, who owns it from then on.

    :raises ReconciliationExceptionNotFound: if there is none
    :raises UserNotFound: if there is no such user
    :raises AssigneeLacksPermission: if the user is not staff who may resolve exceptions
    :raises ExceptionAlreadyResolved: if it is resolved
    """
    owner = accounts.get_user(owner_id)
    exception = locks.lock_exception(exception_id)

    if not is_staff_with(owner, "payments.change_reconciliationexception"):
        raise AssigneeLacksPermission(param="owner_id")
    if exception.resolved_at is not None:
        raise ExceptionAlreadyResolved
    if exception.owner_id == owner_id:
        return exception

    change(exception, events.EXCEPTION_ASSIGNED, {"owner_id": owner_id}, actor=actor, now=now)

    return exception


@transaction.atomic
def resolve_exception(
    *, exception_id: UUID, resolution: str, note: str, actor: Actor, now: datetime
) -> ReconciliationException:
    """
    Resolve an exception: post the money that it holds in suspense, or that is owed, and keep the reason in a note.

    :raises ReconciliationExceptionNotFound: if there is none
    :raises ExceptionAlreadyResolved: if it is resolved
    :raises InvalidResolution: if it is not a resolution that staff may choose
    :raises NoteRequired: if the note is empty
    :raises ExceptionHasSuspenseBalance: if it holds money, and the resolution is only `noted`
    :raises ReceivableOutstanding: if the gateway owes money, and the resolution does not say where that went
    :raises SettlementsNotImported: if its reason is that no settlement has been imported
    :raises ReceivableChanged: if the gateway now owes another amount than the exception states
    """
    if selectors.get_exception(exception_id).reason in _OWED:
        # Its settlement line must not be booked at the same time.
        locks.lock_line_booking()
    exception = locks.lock_exception(exception_id)

    if exception.resolved_at is not None:
        raise ExceptionAlreadyResolved
    if resolution not in STAFF_RESOLUTIONS:
        raise InvalidResolution(resolution[:40], ", ".join(STAFF_RESOLUTIONS), param="resolution")
    if not note.strip():
        raise NoteRequired(param="note")
    if exception.reason == ExceptionReason.SETTLEMENTS_NOT_IMPORTED:
        raise SettlementsNotImported(exception.gateway.capitalize())
    if resolution == Resolution.NOTED and exception.held_amount:
        raise ExceptionHasSuspenseBalance(rupees(exception.held_amount), param="resolution")
    owed = owed_amount(exception)
    if exception.reason == ExceptionReason.RECEIVABLE_OVERDUE and owed != exception.expected_amount:
        raise ReceivableChanged(exception.entity_id, rupees(owed), rupees(exception.expected_amount or 0))
    if owed and resolution in (Resolution.NOTED, Resolution.CLEARED):
        raise ReceivableOutstanding(rupees(owed), exception.entity_id, param="resolution")

    close(exception, resolution=Resolution(resolution), note=note.strip(), actor=actor, now=now, owed=owed)

    return exception


def owed_amount(exception: ReconciliationException) -> int:
    """Return the receivable (paise) that an open exception is about, or 0 if it is about none."""
    if exception.reason not in _OWED or exception.held_amount or exception.resolved_at is not None:
        return 0
    if exception.reason == ExceptionReason.MISSING_LINE:
        return exception.attempt.amount if exception.attempt else exception.expected_amount or 0
    return sql.receivable_of(exception.attempt_id, gateway=exception.gateway, currency=exception.currency)


def close(
    exception: ReconciliationException, *, resolution: Resolution, note: str, actor: Actor, now: datetime, owed: int = 0
) -> None:
    """Close a locked exception and post the money that it holds, or that the gateway owes."""
    entries: dict[str, int] = {}
    if exception.held_amount:
        entries = {SUSPENSE: -exception.held_amount, **_destination(exception, resolution)}
    elif owed:
        entries = {gateway_receivable(exception.gateway): -owed, **_destination_of_owed(exception, resolution, owed)}
    if entries:
        post_to_ledger(
            source_type=subject_type_of(exception),
            source_id=exception.pk,
            kind="resolution",
            order_id=None,
            entries=entries,
            currency=exception.currency,
            description=f"{exception.entity_id} {resolution}: {note}"[:200],
            occurred_at=now,
        )
    change(
        exception,
        events.EXCEPTION_RESOLVED,
        {"resolved_at": now, "resolved_by": str(actor), "resolution": resolution, "note": note[:500]},
        actor=actor,
        event_reason=note,
        now=now,
    )


def _destination(exception: ReconciliationException, resolution: Resolution) -> dict[str, Any]:
    """Return the entries that balance what an exception held in suspense, debits positive."""
    held = exception.held_amount
    if resolution == Resolution.WRITTEN_OFF:
        return {gateway_fees(exception.gateway): held}
    if resolution in (Resolution.PAID_OUTSIDE, Resolution.ARRIVED):
        return {BANK: held}
    owed = gateway_receivable(exception.gateway)
    attempt = exception.attempt
    if exception.reason != ExceptionReason.MISSING_LINE or attempt is None:
        return {owed: held}
    # The missing line would have cleared the whole payment, including its fee.
    fee, tax = attempt.fee_amount or 0, attempt.fee_tax_amount or 0
    return {owed: held - fee, gateway_fees(exception.gateway): fee - tax, INPUT_GST: tax}


def _destination_of_owed(exception: ReconciliationException, resolution: Resolution, owed: int) -> dict[str, int]:
    """Return the entries that balance the cleared receivable, debits positive."""
    if resolution == Resolution.WRITTEN_OFF:
        return {gateway_fees(exception.gateway): owed}
    attempt = exception.attempt if exception.reason == ExceptionReason.MISSING_LINE else None
    fee, tax = (attempt.fee_amount or 0, attempt.fee_tax_amount or 0) if attempt else (0, 0)
    return {BANK: owed - fee, gateway_fees(exception.gateway): fee - tax, INPUT_GST: tax}

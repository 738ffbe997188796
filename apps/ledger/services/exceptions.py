"""
Exceptions: each difference between a gateway's data and our books stays open until somebody decides.

The decision is recorded, and it posts the money that the exception holds in suspense, or that is owed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from apps.accounts import selectors as accounts
from apps.core import ids
from apps.core.errors import Conflict, Invalid
from apps.core.events import SYSTEM, Actor, change, create, create_all, create_if_absent
from apps.core.models import is_staff_with, subject_type_of
from apps.core.money import rupees
from apps.core.transactions import transactional
from apps.ledger import events, locks
from apps.ledger.models import ReconciliationException
from apps.ledger.selectors import exceptions as selectors
from apps.ledger.services.postings import post_to_ledger
from apps.ledger.services.resolvers import get_resolver
from apps.ledger.states import ExceptionReason, Resolution

#: Resolutions that staff may choose; the rest are set by the system.
STAFF_RESOLUTIONS = (Resolution.NOTED, Resolution.WRITTEN_OFF, Resolution.CLEARED, Resolution.PAID_OUTSIDE)
#: The permission to own and to resolve exceptions.
RESOLVE_PERMISSION = "ledger.change_reconciliationexception"


class ExceptionAlreadyResolved(Conflict):
    """The exception is already resolved. No action is needed."""

    message = "This exception is already resolved."


class ExceptionHasSuspenseBalance(Conflict):
    """The exception still holds money in suspense. Choose a resolution that says where it goes."""

    message = "This exception holds {0} in suspense. Choose where the money goes: written_off, cleared or paid_outside."


class AssigneeLacksPermission(Invalid):
    """The person may not decide about exceptions, so cannot own one. Choose another person."""

    message = "Only staff who may resolve exceptions can own one."


class NoteRequired(Invalid):
    """The resolution has no note. Enter a note with the reason."""

    message = "Enter a note with the reason."


class InvalidResolution(Invalid):
    """
    Exceptions have no such resolution, or it is not for staff to choose.

    Choose from those that the message names.
    """

    message = "There is no resolution {0}. There are: {1}."


@transactional
def open_exception(
    *, gateway: str, reason: ExceptionReason, entity_id: str, now: datetime, actor: Actor = SYSTEM, **fields: Any
) -> ReconciliationException:
    """
    Open an exception for staff, in the caller's transaction.

    `fields` are further fields of `ReconciliationException`: what it is about (ids of rows of apps above), amounts in
    paise, `held_amount` (in suspense, debit positive) and a `description` that is a whole sentence for staff.
    """
    exception = _new_exception(gateway=gateway, reason=reason, entity_id=entity_id, now=now, **fields)
    create(exception, events.EXCEPTION_OPENED, actor=actor, now=now)

    return exception


class NewException(NamedTuple):
    """
    What `open_exception` is given of one difference; amounts are in paise, `held_amount` debit positive.

    :param id: the id of its row, if something names it already
    """

    gateway: str
    reason: ExceptionReason
    entity_id: str
    description: str = ""
    fingerprint: str = ""
    expected_amount: int | None = None
    actual_amount: int | None = None
    held_amount: int = 0
    currency: str = "INR"
    settlement_id: UUID | None = None
    line_id: UUID | None = None
    attempt_id: UUID | None = None
    id: UUID | None = None


@transactional
def open_exceptions(exceptions: Sequence[NewException], *, now: datetime, actor: Actor = SYSTEM) -> int:
    """Do what `open_exception` does for each of some differences, in one statement, and return how many were opened."""
    return len(create_all(_new_exceptions(exceptions, now=now), events.EXCEPTION_OPENED, actor=actor, now=now))


@transactional
def open_exceptions_once(exceptions: Sequence[NewException], *, now: datetime, actor: Actor = SYSTEM) -> int:
    """
    Open exceptions as `open_exceptions` does, but for those of a fact that has one; return how many were opened.

    A unique constraint decides: those that it refuses are open already, or were decided.
    """
    fresh = _new_exceptions(exceptions, now=now)
    return len(create_all(fresh, events.EXCEPTION_OPENED, actor=actor, now=now, ignore_conflicts=True))


@transactional
def open_exception_once(
    *, gateway: str, reason: ExceptionReason, entity_id: str, now: datetime, actor: Actor = SYSTEM, **fields: Any
) -> tuple[ReconciliationException | None, bool]:
    """
    Open an exception unless there is one of the same fact, and return the exception and whether it was opened.

    The same fact has the same `fingerprint`. Without one, a unique constraint decides, and None is returned for the
    exception that is open already.
    """
    fingerprint = fields.get("fingerprint", "")
    if fingerprint:
        found = selectors.find_exception_of_fact(gateway=gateway, fingerprint=fingerprint)
        if found is not None:
            return found, False

    exception = _new_exception(gateway=gateway, reason=reason, entity_id=entity_id, now=now, **fields)
    if create_if_absent(exception, events.EXCEPTION_OPENED, actor=actor, now=now) is not None:
        return exception, True

    # Another process has opened it meanwhile.
    found = selectors.find_exception_of_fact(gateway=gateway, fingerprint=fingerprint) if fingerprint else None
    return found, False


def _new_exception(
    *, gateway: str, reason: ExceptionReason, entity_id: str, now: datetime, **fields: Any
) -> ReconciliationException:
    return ReconciliationException(gateway=gateway, reason=reason, entity_id=entity_id[:40], opened_at=now, **fields)


def _new_exceptions(exceptions: Sequence[NewException], *, now: datetime) -> list[ReconciliationException]:
    return [_new_exception(now=now, **new._replace(id=new.id or ids.new())._asdict()) for new in exceptions]


@transactional
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

    if not is_staff_with(owner, RESOLVE_PERMISSION):
        raise AssigneeLacksPermission(param="owner_id")
    if exception.resolved_at is not None:
        raise ExceptionAlreadyResolved
    if exception.owner_id == owner_id:
        return exception

    change(exception, events.EXCEPTION_ASSIGNED, {"owner_id": owner_id}, actor=actor, now=now)

    return exception


@transactional
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
    :raises Conflict: of the app that registered how its reason is resolved, such as `ReceivableOutstanding`
    """
    resolver = get_resolver(selectors.get_exception(exception_id).reason)
    resolver.lock()
    exception = locks.lock_exception(exception_id)

    if exception.resolved_at is not None:
        raise ExceptionAlreadyResolved
    if resolution not in STAFF_RESOLUTIONS:
        raise InvalidResolution(resolution[:40], ", ".join(STAFF_RESOLUTIONS), param="resolution")
    if not note.strip():
        raise NoteRequired(param="note")
    if resolution == Resolution.NOTED and exception.held_amount:
        raise ExceptionHasSuspenseBalance(rupees(exception.held_amount), param="resolution")
    owed = resolver.owed_amount(exception)
    resolver.check(exception, Resolution(resolution), owed=owed)

    close_exception(exception, resolution=Resolution(resolution), note=note.strip(), actor=actor, now=now, owed=owed)

    return exception


def owed_amount(exception: ReconciliationException) -> int:
    """Return the receivable (paise) that an open exception is about, or 0 if it is about none."""
    return get_resolver(exception.reason).owed_amount(exception)


def close_exception(
    exception: ReconciliationException, *, resolution: Resolution, note: str, actor: Actor, now: datetime, owed: int = 0
) -> None:
    """Close a locked exception and post the money (paise) that it holds, or that is `owed`."""
    entries = get_resolver(exception.reason).entries(exception, resolution, owed=owed)
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

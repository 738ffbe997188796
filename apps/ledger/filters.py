"""Filters of the list of exceptions."""

from uuid import UUID

from apps.core import ids
from apps.core.errors import Invalid, NotFound
from apps.ledger.states import ExceptionReason

_MAX_VALUES = 50


class UnknownExceptionReason(Invalid):
    """`reason` names a reason that exceptions do not have. Choose from those that the message names."""

    message = "There is no reason {0}. There are: {1}."


class UnknownExceptionState(Invalid):
    """`state` is neither open nor resolved. Send one of the two."""

    message = "state is open or resolved."


class InvalidOwner(Invalid):
    """`owner_id` is no id of a person, `me` or `none`. Send one of these."""

    message = "owner_id is an id of the form cus_..., me, or none."


def read_exception_reasons(text: str | None) -> tuple[str, ...]:
    """
    Return the reasons of exceptions in a list separated by commas.

    :raises UnknownExceptionReason: if one is none of ours
    """
    wanted = () if text is None else tuple(sorted(set(text.split(",", _MAX_VALUES))))
    for one in wanted:
        if one not in ExceptionReason.values:
            raise UnknownExceptionReason(one[:40], ", ".join(sorted(ExceptionReason.values)), param="reason")
    return wanted


def read_owner(text: str | None, *, me: UUID) -> tuple[UUID | None, bool]:
    """
    Return the owner to filter exceptions by, or None, and whether owned exceptions are included.

    The text is an owner's id, `me` for the caller, or `none` for exceptions without an owner.

    :raises InvalidOwner: if it is not the id of a user
    """
    if text is None:
        return None, True
    if text == "none":
        return None, False
    if text == "me":
        return me, True
    try:
        return ids.decode("cus", text), True
    except NotFound:
        raise InvalidOwner(param="owner_id")


def read_exception_state(text: str | None) -> bool | None:
    """
    Return whether open exceptions are wanted, or resolved ones, or None for all.

    :raises UnknownExceptionState: if it is neither
    """
    if text is None:
        return None
    if text not in ("open", "resolved"):
        raise UnknownExceptionState(param="state")
    return text == "open"

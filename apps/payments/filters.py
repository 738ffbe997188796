"""Filters of the lists of payments, refunds, disputes and exceptions."""

from collections.abc import Sequence
from uuid import UUID

from apps.core import ids
from apps.core.errors import Invalid, NotFound
from apps.payments.states import DisputeStatus, ExceptionReason, PaymentStatus, RefundStatus

_MAX_VALUES = 50


class UnknownPaymentStatus(Invalid):
    """`status` names a state that payments do not have. Choose from those that the message names."""

    message = "There is no payment status {0}. There are: {1}."


class UnknownRefundStatus(Invalid):
    """`status` names a state that refunds do not have. Choose from those that the message names."""

    message = "There is no refund status {0}. There are: {1}."


class UnknownExceptionReason(Invalid):
    """`reason` names a reason that exceptions do not have. Choose from those that the message names."""

    message = "There is no reason {0}. There are: {1}."


class UnknownExceptionState(Invalid):
    """`state` is neither open nor resolved. Send one of the two."""

    message = "state is open or resolved."


class UnknownDisputeStatus(Invalid):
    """`status` names a state that disputes do not have. Choose from those that the message names."""

    message = "There is no dispute status {0}. There are: {1}."


class InvalidOwner(Invalid):
    """`owner_id` is no id of a person, `me` or `none`. Send one of these."""

    message = "owner_id is an id of the form cus_..., me, or none."


class InvalidOrderId(Invalid):
    """`order_id` does not have the form of an order's id. Send an id that begins with `ord_`."""

    message = "order_id is an id of the form ord_..."


def read_statuses(text: str | None) -> tuple[str, ...]:
    """
    Return the statuses in a list separated by commas.

    :raises UnknownPaymentStatus: if one is none of ours
    """
    return _read_many(text, PaymentStatus.values, refusal=UnknownPaymentStatus, param="status")


def read_refund_statuses(text: str | None) -> tuple[str, ...]:
    """
    Return the statuses of refunds in a list separated by commas.

    :raises UnknownRefundStatus: if one is none of ours
    """
    return _read_many(text, RefundStatus.values, refusal=UnknownRefundStatus, param="status")


def read_dispute_statuses(text: str | None) -> tuple[str, ...]:
    """
    Return the statuses of disputes in a list separated by commas.

    :raises UnknownDisputeStatus: if one is none of ours
    """
    return _read_many(text, DisputeStatus.values, refusal=UnknownDisputeStatus, param="status")


def read_order_id(text: str | None) -> UUID | None:
    """
    Return the order whose payments are wanted, or None for all.

    :raises InvalidOrderId: if it is not the id of an order
    """
    if text is None:
        return None
    try:
        return ids.decode("ord", text)
    except NotFound:
        raise InvalidOrderId(param="order_id")


def read_exception_reasons(text: str | None) -> tuple[str, ...]:
    """
    Return the reasons of exceptions in a list separated by commas.

    :raises UnknownExceptionReason: if one is none of ours
    """
    return _read_many(text, ExceptionReason.values, refusal=UnknownExceptionReason, param="reason")


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


def _read_many(text: str | None, known: Sequence[str], *, refusal: type[Invalid], param: str) -> tuple[str, ...]:
    wanted = () if text is None else tuple(sorted(set(text.split(",", _MAX_VALUES))))
    for one in wanted:
        if one not in known:
            raise refusal(one[:40], ", ".join(sorted(known)), param=param)
    return wanted

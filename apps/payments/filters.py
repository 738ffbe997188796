"""Filters of the lists of payments, refunds and disputes."""

from collections.abc import Sequence
from uuid import UUID

from apps.core import ids
from apps.core.errors import Invalid, NotFound
from apps.payments.states import DisputeStatus, PaymentStatus, RefundStatus

_MAX_VALUES = 50


class UnknownPaymentStatus(Invalid):
    """`status` names a state that payments do not have. Choose from those that the message names."""

    message = "There is no payment status {0}. There are: {1}."


class UnknownRefundStatus(Invalid):
    """`status` names a state that refunds do not have. Choose from those that the message names."""

    message = "There is no refund status {0}. There are: {1}."


class UnknownDisputeStatus(Invalid):
    """`status` names a state that disputes do not have. Choose from those that the message names."""

    message = "There is no dispute status {0}. There are: {1}."


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


def _read_many(text: str | None, known: Sequence[str], *, refusal: type[Invalid], param: str) -> tuple[str, ...]:
    wanted = () if text is None else tuple(sorted(set(text.split(",", _MAX_VALUES))))
    for one in wanted:
        if one not in known:
            raise refusal(one[:40], ", ".join(sorted(known)), param=param)
    return wanted

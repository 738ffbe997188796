"""What lists of payments can be narrowed by."""

from uuid import UUID

from apps.core import ids
from apps.core.errors import Invalid, NotFound
from apps.payments.states import PaymentStatus, RefundStatus

_STATUSES = frozenset(PaymentStatus.values)
_REFUND_STATUSES = frozenset(RefundStatus.values)


class UnknownStatus(Invalid):
    message = "There is no payment status {0}. There are: {1}."


class UnknownRefundStatus(Invalid):
    message = "There is no refund status {0}. There are: {1}."


class NotAnOrderId(Invalid):
    message = "order_id is an id of the form ord_..."


def read_statuses(text: str | None) -> tuple[str, ...]:
    """
    Return the statuses in a list separated by commas.

    :raises UnknownStatus: if one is none of ours
    """
    if text is None:
        return ()
    wanted = tuple(sorted(set(text.split(",")[:50])))
    for status in wanted:
        if status not in _STATUSES:
            raise UnknownStatus(status[:40], ", ".join(sorted(_STATUSES)), param="status")
    return wanted


def read_refund_statuses(text: str | None) -> tuple[str, ...]:
    """
    Return the statuses of refunds in a list separated by commas.

    :raises UnknownRefundStatus: if one is none of ours
    """
    if text is None:
        return ()
    wanted = tuple(sorted(set(text.split(",")[:50])))
    for status in wanted:
        if status not in _REFUND_STATUSES:
            raise UnknownRefundStatus(status[:40], ", ".join(sorted(_REFUND_STATUSES)), param="status")
    return wanted


def read_order_id(text: str | None) -> UUID | None:
    """
    Return the order whose payments are wanted, or None for all.

    :raises NotAnOrderId: if it is no id of an order
    """
    if text is None:
        return None
    try:
        return ids.decode("ord", text)
    except NotFound:
        raise NotAnOrderId(param="order_id")

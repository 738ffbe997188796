"""What lists of payments can be narrowed by."""

from uuid import UUID

from apps.core import ids
from apps.core.errors import Invalid, NotFound
from apps.payments.states import DisputeStatus, ExceptionReason, PaymentStatus, RefundStatus

_STATUSES = frozenset(PaymentStatus.values)
_REFUND_STATUSES = frozenset(RefundStatus.values)
_MOST_STATUSES = 50


class UnknownStatus(Invalid):
    message = "There is no payment status {0}. There are: {1}."


class UnknownRefundStatus(Invalid):
    message = "There is no refund status {0}. There are: {1}."


class UnknownReason(Invalid):
    message = "There is no reason {0}. There are: {1}."


class UnknownState(Invalid):
    message = "state is open or resolved."


class UnknownDisputeStatus(Invalid):
    message = "There is no dispute status {0}. There are: {1}."


class NotAnOrderId(Invalid):
    message = "order_id is an id of the form ord_..."


def read_statuses(text: str | None) -> tuple[str, ...]:
    """
    Return the statuses in a list separated by commas.

    :raises UnknownStatus: if one is none of ours
    """
    if text is None:
        return ()
    wanted = tuple(sorted(set(text.split(",", _MOST_STATUSES))))
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


def read_dispute_statuses(text: str | None) -> tuple[str, ...]:
    """
    Return the statuses of disputes in a list separated by commas.

    :raises UnknownDisputeStatus: if one is none of ours
    """
    wanted = () if text is None else tuple(sorted(set(text.split(",")[:50])))
    for status in wanted:
        if status not in DisputeStatus.values:
            raise UnknownDisputeStatus(status[:40], ", ".join(DisputeStatus.values), param="status")
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


def read_exception_reasons(text: str | None) -> tuple[str, ...]:
    """
    Return the reasons of exceptions in a list separated by commas.

    :raises UnknownReason: if one is none of ours
    """
    if text is None:
        return ()
    wanted = tuple(sorted(set(text.split(",")[:50])))
    for reason in wanted:
        if reason not in ExceptionReason.values:
            raise UnknownReason(reason[:40], ", ".join(sorted(ExceptionReason.values)), param="reason")
    return wanted


def read_exception_state(text: str | None) -> bool | None:
    """
    Return whether open exceptions are wanted, or resolved ones, or None for all.

    :raises UnknownState: if it is neither
    """
    if text is None:
        return None
    if text not in ("open", "resolved"):
        raise UnknownState(param="state")
    return text == "open"

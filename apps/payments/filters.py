"""Filters of the lists of payments, refunds and disputes."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from apps.core import ids
from apps.core.api import QueryFilterSet, ReadFilter
from apps.core.api.filters import choices_schema, id_schema
from apps.core.errors import Invalid, NotFound
from apps.payments.states import DisputeStatus, PaymentStatus, RefundStatus

_MAX_VALUES = 50


class InvalidPaymentStatus(Invalid):
    """`status` names a state that payments do not have. Choose from those that the message names."""

    message = "There is no payment status {0}. There are: {1}."


class InvalidRefundStatus(Invalid):
    """`status` names a state that refunds do not have. Choose from those that the message names."""

    message = "There is no refund status {0}. There are: {1}."


class InvalidDisputeStatus(Invalid):
    """`status` names a state that disputes do not have. Choose from those that the message names."""

    message = "There is no dispute status {0}. There are: {1}."


class InvalidOrderId(Invalid):
    """`order_id` does not have the form of an order's id. Send an id that begins with `ord_`."""

    message = "order_id is an id of the form ord_..."


def _read_many(text: str | None, known: Sequence[str], *, refusal: type[Invalid], param: str) -> tuple[str, ...]:
    wanted = () if text is None else tuple(sorted(set(text.split(",", _MAX_VALUES))))
    for one in wanted:
        if one not in known:
            raise refusal(one[:40], ", ".join(sorted(known)), param=param)
    return wanted


def _read_order_id(text: str) -> UUID:
    try:
        return ids.decode("ord", text)
    except NotFound as error:
        raise InvalidOrderId(param="order_id") from error


def _status_filter(statuses: Sequence[str], refusal: type[Invalid]) -> ReadFilter:
    return ReadFilter(
        field_name="status",
        lookup_expr="in",
        read=partial(_read_many, known=statuses, refusal=refusal, param="status"),
        schema=choices_schema(statuses),
        description="One or more states, separated by commas.",
    )


class PaymentFilterSet(QueryFilterSet):
    """Filters of payments by state and order."""

    status = _status_filter(PaymentStatus.values, InvalidPaymentStatus)
    order_id = ReadFilter(read=_read_order_id, schema=id_schema("ord"), description="Those of one order.")


class RefundFilterSet(QueryFilterSet):
    """Filters of refunds by state and order."""

    status = _status_filter(RefundStatus.values, InvalidRefundStatus)
    order_id = ReadFilter(read=_read_order_id, schema=id_schema("ord"), description="Those of one order.")


class DisputeFilterSet(QueryFilterSet):
    """Filters of disputes by state and order."""

    status = _status_filter(DisputeStatus.values, InvalidDisputeStatus)
    order_id = ReadFilter(read=_read_order_id, schema=id_schema("ord"), description="Only those of this order.")

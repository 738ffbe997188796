"""Request and response schemas of refunds, and of cancelling an order with its refunds."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api import (
    IdField,
    RequestSerializer,
    ResponseSerializer,
    StrictCharField,
    StrictIntegerField,
)
from apps.orders import selectors as orders
from apps.orders.states import OrderPaymentStatus, OrderStatus
from apps.payments.models import Refund
from apps.payments.states import USER_REFUND_REASONS, RefundReason, RefundSpeed, RefundStatus

_USER_REASONS = [(reason.value, reason.label) for reason in USER_REFUND_REASONS]
_MAX_PAISE = 10**12

# Requests -------------------------------------------------------------------------------------------------------------


class RefundLineRequest(RequestSerializer):
    """A number of units of an order line."""

    order_line_id = IdField("line")
    quantity = StrictIntegerField(min_value=1, max_value=1_000_000)


class RequestRefundRequest(RequestSerializer):
    """
    What to refund: an `amount`, returned `lines`, or neither for everything that is left.

    Returned units are refunded at their value, less earlier refunds of their lines. Staff may enter another `amount`
    for them: it is taken from these lines first. No refund may leave less than ₹1.00 of a payment.

    A payment of another amount than requested is refunded only if its `payment_id` is given.
    """

    order_id = IdField("ord")
    payment_id = IdField("pay", required=False)
    amount = StrictIntegerField(min_value=1, max_value=_MAX_PAISE, required=False, help_text="Paise.")
    lines = RefundLineRequest(many=True, allow_empty=False, max_length=100, required=False)  # type: ignore[call-arg]
    reason = serializers.ChoiceField(choices=_USER_REASONS, default=RefundReason.CUSTOMER_REQUEST.value)
    note = StrictCharField(
        max_length=200, required=False, allow_blank=True, default="", help_text="The buyer can read it."
    )
    speed = serializers.ChoiceField(choices=RefundSpeed.choices, default=RefundSpeed.NORMAL.value)


class RefundReasonRequest(RequestSerializer):
    """Why the refund is rejected or cancelled."""

    reason = StrictCharField(max_length=200, required=False, allow_blank=True, default="")


class ConfirmTransferRequest(RequestSerializer):
    """The bank's reference of our own transfer."""

    reference = StrictCharField(max_length=80)


class CancelOrderRequest(RequestSerializer):
    """Why the order is cancelled."""

    reason = StrictCharField(max_length=200, required=False, allow_blank=True, default="")


# Responses ------------------------------------------------------------------------------------------------------------


class RefundLineResponse(ResponseSerializer):
    """The units of an order line that are refunded."""

    object = serializers.CharField(default="refund_line")
    order_line_id = IdField("line")
    quantity = serializers.IntegerField()
    amount = serializers.IntegerField(
        help_text="Paise, with tax: the value of the units, less what earlier refunds took of their line."
    )


class RefundErrorResponse(ResponseSerializer):
    """Why a refund failed: a message for the buyer, and the gateway's codes for programs."""

    message = serializers.CharField(help_text="May be shown to the buyer.")
    code = serializers.CharField()
    reason = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    step = serializers.CharField()


class RefundResponse(ResponseSerializer):
    """A refund of one payment to its payer."""

    id = IdField("rfnd")
    object = serializers.CharField(default="refund")
    number = serializers.CharField()
    order_id = IdField("ord")
    payment_id = IdField("pay")
    status = serializers.ChoiceField(choices=RefundStatus.choices)
    amount = serializers.IntegerField(help_text="Paise.")
    currency = serializers.CharField()
    reason = serializers.ChoiceField(choices=RefundReason.choices)
    note = serializers.CharField()
    speed_requested = serializers.ChoiceField(choices=RefundSpeed.choices)
    speed_processed = serializers.CharField(help_text="Empty until the gateway has reported it.")
    gateway_refund_id = serializers.CharField(allow_null=True, help_text="Null until the gateway has responded.")
    arn = serializers.CharField(help_text="The bank's reference, for enquiries at the bank.")
    transfer_reference = serializers.CharField(help_text="The reference of a bank transfer made by staff.")
    retry_of = serializers.SerializerMethodField()
    remainder_of = serializers.SerializerMethodField(
        help_text="The refund that was decided and is now made in two parts, because a refund at the gateway used some of it."
    )
    error = serializers.SerializerMethodField()
    lines = RefundLineResponse(many=True)
    approved_at = serializers.DateTimeField(allow_null=True)
    processed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()

    @extend_schema_field(IdField("rfnd", allow_null=True))
    def get_retry_of(self, refund: Refund) -> Any:
        return IdField("rfnd").to_representation(refund.retry_of_id) if refund.retry_of_id else None

    @extend_schema_field(IdField("rfnd", allow_null=True))
    def get_remainder_of(self, refund: Refund) -> Any:
        return IdField("rfnd").to_representation(refund.remainder_of_id) if refund.remainder_of_id else None

    @extend_schema_field(RefundErrorResponse(allow_null=True))
    def get_error(self, refund: Refund) -> Any:
        if not refund.error:
            return None
        words = {name: refund.error.get(name, "") for name in ("code", "reason", "source", "step")}
        return {"message": "The bank rejected the refund. The shop will send it again or contact you.", **words}


class CancelledOrderResponse(ResponseSerializer):
    """A cancelled order with its refunds."""

    id = IdField("ord")
    object = serializers.CharField(default="order")
    number = serializers.CharField()
    status = serializers.ChoiceField(choices=OrderStatus.choices)
    payment_status = serializers.SerializerMethodField()
    customer_id = IdField("cus")
    currency = serializers.CharField()
    total_amount = serializers.IntegerField()
    paid_amount = serializers.IntegerField()
    refunded_amount = serializers.IntegerField(help_text="The amount that has already been refunded.")
    cancelled_at = serializers.DateTimeField(allow_null=True)
    cancel_reason = serializers.CharField()
    refunds = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()

    @extend_schema_field(serializers.ChoiceField(choices=OrderPaymentStatus.choices))
    def get_payment_status(self, order: Any) -> str:
        return str(orders.derive_order_payment_status(order))

    @extend_schema_field(RefundResponse(many=True))
    def get_refunds(self, order: Any) -> Any:
        return RefundResponse(self.context["refunds"], many=True).data

"""Request and response schemas of payments."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer

from apps.core.api import IdField, RequestSerializer, ResponseSerializer, StrictCharField
from apps.payments import rules
from apps.payments.models import Payment, PaymentAttempt
from apps.payments.serializers.downtimes import DowntimeWarningResponse, current_downtimes, downtime_warnings
from apps.payments.states import (
    AnotherAttempt,
    AttemptStatus,
    DifferenceReason,
    FailedBy,
    PaymentChannel,
    PaymentStatus,
    ReviewReason,
)

# Requests -------------------------------------------------------------------------------------------------------------


class StartPaymentRequest(RequestSerializer):
    """The order to pay. The amount is what is due of it."""

    order_id = IdField("ord")


class VerifyPaymentRequest(RequestSerializer):
    """The result of Checkout: `razorpay_payment_id`, `razorpay_signature` and, optionally, `razorpay_order_id`."""

    gateway_payment_id = StrictCharField(max_length=40)
    signature = StrictCharField(max_length=128)
    gateway_order_id = StrictCharField(max_length=40, required=False)


class AcceptAttemptRequest(RequestSerializer):
    """Why the payer was charged another amount than requested, and a note for the order's history."""

    reason = serializers.ChoiceField(choices=DifferenceReason.choices)
    note = StrictCharField(max_length=200, required=False, allow_blank=True, default="")


class EmptyRequest(RequestSerializer):
    """No fields."""


# Responses ------------------------------------------------------------------------------------------------------------


class PaymentErrorResponse(ResponseSerializer):
    """Why an attempt or a payment failed: a message for the buyer, and the gateway's codes for programs."""

    message = serializers.CharField(help_text="May be shown to the buyer.")
    failed_by = serializers.ChoiceField(choices=FailedBy.choices)
    another_attempt = serializers.ChoiceField(
        choices=AnotherAttempt.choices,
        help_text="Whether another attempt can help; `wait` says that this one may still succeed.",
    )
    offer = serializers.ListField(
        child=serializers.CharField(), help_text="The methods to offer next, best first; none if no method would help."
    )
    code = serializers.CharField()
    reason = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    step = serializers.CharField()


class UpiActionResponse(ResponseSerializer):
    """A UPI link that the payer's app opens, and the URL of the same link as a QR code."""

    link = serializers.CharField()
    qr_url = serializers.CharField()
    gateway_payment_id = serializers.CharField()


class NextActionResponse(ResponseSerializer):
    """
    What the buyer's device must do next, by `type`.

    `razorpay_checkout`: open Razorpay Checkout with `key_id` and `gateway_order_id`; or, where `upi` is there, open its link or
    show its QR code. `payment_link`: open `url`. `qr_code`: show `image_url` to the payer.
    """

    type = serializers.CharField()
    key_id = serializers.CharField(required=False)
    gateway_order_id = serializers.CharField(required=False)
    amount = serializers.IntegerField(required=False, help_text="Paise.")
    currency = serializers.CharField(required=False)
    upi = UpiActionResponse(required=False)
    url = serializers.CharField(required=False)
    image_url = serializers.CharField(required=False)
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="After this time nobody can pay by the link or QR code."
    )
    warnings = DowntimeWarningResponse(
        many=True, required=False, help_text="Methods that may fail at the moment; absent if there are none."
    )


def _error(error: dict[str, Any], context: Any) -> dict[str, Any] | None:
    if not error:
        return None
    words = {name: error.get(name, "") for name in ("code", "reason", "source", "step")}
    failure = rules.explain_failure(error)
    return {
        "message": failure.buyer_message,
        "failed_by": failure.failed_by,
        "another_attempt": failure.another_attempt,
        "offer": rules.methods_to_offer(failure.offer, current_downtimes(context)),
        **words,
    }


class PaymentAttemptResponse(ResponseSerializer):
    """One attempt of the customer to pay: one payment at the gateway."""

    id = IdField("att")
    object = serializers.CharField(default="payment_attempt")
    gateway_payment_id = serializers.CharField()
    status = serializers.ChoiceField(choices=AttemptStatus.choices)
    amount = serializers.IntegerField(help_text="The amount that the payer was charged, in paise.")
    currency = serializers.CharField()
    payer_amount = serializers.IntegerField(
        allow_null=True,
        help_text="The same in the payer's own currency, in its smallest unit; null if that is the rupee.",
    )
    payer_currency = serializers.CharField(help_text="Empty if it is the rupee.")
    accepted_amount = serializers.IntegerField(
        allow_null=True, help_text="The part that counts for the order, in paise, where it is not the amount requested."
    )
    difference_reason = serializers.ChoiceField(choices=DifferenceReason.choices, allow_blank=True)
    is_under_review = serializers.BooleanField(help_text="The money has arrived, and staff will accept or refund it.")
    review_reason = serializers.ChoiceField(choices=[("", ""), *ReviewReason.choices])
    method = serializers.CharField(help_text="upi, card, netbanking, wallet ...")
    payer = serializers.CharField(help_text="Masked.")
    rrn = serializers.CharField(help_text="The bank's reference number, for enquiries at the bank.")
    error = serializers.SerializerMethodField()
    authorized_at = serializers.DateTimeField(allow_null=True)
    captured_at = serializers.DateTimeField(allow_null=True)
    failed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()

    @extend_schema_field(PaymentErrorResponse(allow_null=True))
    def get_error(self, attempt: PaymentAttempt) -> Any:
        return _error(attempt.error, self.context)


class PaymentResponse(ResponseSerializer):
    """An intent to collect an order's amount, with every attempt of the customer."""

    id = IdField("pay")
    object = serializers.CharField(default="payment")
    order_id = IdField("ord")
    customer_id = IdField("cus")
    status = serializers.ChoiceField(choices=PaymentStatus.choices)
    amount = serializers.IntegerField(help_text="Paise.")
    currency = serializers.CharField()
    gateway = serializers.CharField()
    channel = serializers.ChoiceField(choices=PaymentChannel.choices)
    gateway_order_id = serializers.CharField(
        allow_null=True, help_text="Null until the gateway has responded; a QR code has none."
    )
    gateway_link_id = serializers.CharField(
        allow_null=True, help_text="Of the payment link or QR code; null until the gateway has responded."
    )
    next_action = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    live_until = serializers.DateTimeField(help_text="If it is not paid by then, it expires.")
    succeeded_at = serializers.DateTimeField(allow_null=True)
    attempts = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()

    @extend_schema_field(NextActionResponse(allow_null=True))
    def get_next_action(self, payment: Payment) -> Any:
        if not payment.next_action:
            return None
        warnings = downtime_warnings(self.context)
        return {**payment.next_action, "warnings": warnings} if warnings else payment.next_action

    @extend_schema_field(PaymentErrorResponse(allow_null=True))
    def get_error(self, payment: Payment) -> Any:
        """The gateway's rejection of the payment, or the failure of the last attempt while another one is possible."""  # noqa: D401 - the API describes the field by it
        if payment.error or payment.status != PaymentStatus.REQUIRES_PAYMENT:
            return _error(payment.error, self.context)
        failed = [attempt for attempt in payment.attempts.all() if attempt.status == AttemptStatus.FAILED]
        return _error(failed[-1].error, self.context) if failed else None

    @extend_schema_field(PaymentAttemptResponse(many=True))
    def get_attempts(self, payment: Payment) -> Any:
        return PaymentAttemptResponse(payment.attempts.all(), many=True, context=self.context).data


class WebhookAcknowledgementResponse(ResponseSerializer):
    """The webhook is stored; a worker will process it."""

    id = IdField("whk")
    object = serializers.CharField(default="webhook")


class SvgRenderer(BaseRenderer):
    """An SVG image."""

    media_type = "image/svg+xml"
    format = "svg"
    charset = "utf-8"
    render_style = "text"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> Any:
        return data

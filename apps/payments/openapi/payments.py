"""How the description of the API presents payments, their attempts and webhooks: summaries, errors and examples."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema_view

from apps.core.api.schema import operation, page_example
from apps.orders import selectors as orders
from apps.payments.selectors.payments import UpiLinkNotFound
from apps.payments.serializers.payments import PaymentAttemptResponse, PaymentResponse, WebhookAcknowledgementResponse
from apps.payments.services import checkout_signatures, decision_rights, payment_acceptance, payments, webhooks

_LINK = "upi://pay?pa=bahi.sandbox@sandbox&pn=Bahi%20Sandbox&tr=RZPNQxlPq2WmR8sTz&am=1179.00&cu=INR&mc=5411"
_PAYMENT_ID = "pay_01jf3z8k4qe7tv2w9x0y1z2a3b"
STARTED_EXAMPLE: dict[str, Any] = {
    "id": _PAYMENT_ID,
    "object": "payment",
    "order_id": "ord_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "customer_id": "cus_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "status": "requires_payment",
    "amount": 117900,
    "currency": "INR",
    "gateway": "razorpay",
    "channel": "checkout",
    "gateway_order_id": None,
    "gateway_link_id": None,
    "next_action": None,
    "error": None,
    "live_until": "2026-11-21T05:45:00.000Z",
    "succeeded_at": None,
    "attempts": [],
    "created_at": "2026-11-21T05:30:00.000Z",
    "updated_at": "2026-11-21T05:30:00.000Z",
    "version": 1,
    "metadata": {},
}
ATTEMPT_EXAMPLE: dict[str, Any] = {
    "id": "att_01jf3z8m2ce7tv2w9x0y1z2a3b",
    "object": "payment_attempt",
    "gateway_payment_id": "pay_NQxlPq2WmR8sTz",
    "status": "captured",
    "amount": 117900,
    "currency": "INR",
    "payer_amount": None,
    "payer_currency": "",
    "accepted_amount": None,
    "difference_reason": "",
    "is_under_review": False,
    "review_reason": "",
    "method": "upi",
    "payer": "ga***@upi",
    "rrn": "322206890934",
    "error": None,
    "authorized_at": "2026-11-21T05:31:10.000Z",
    "captured_at": "2026-11-21T05:31:10.000Z",
    "failed_at": None,
    "created_at": "2026-11-21T05:30:01.000Z",
    "updated_at": "2026-11-21T05:31:10.000Z",
    "version": 2,
    "metadata": {},
}
ACCEPTED_ATTEMPT_EXAMPLE: dict[str, Any] = {
    **ATTEMPT_EXAMPLE,
    "amount": 119900,
    "accepted_amount": 117900,
    "difference_reason": "surcharge",
    "version": 4,
}
READY_EXAMPLE: dict[str, Any] = {
    **STARTED_EXAMPLE,
    "gateway_order_id": "order_NQxk3a7bGfD1Ye",
    "next_action": {
        "type": "razorpay_checkout",
        "key_id": "rzp_test_BahiSandbox001",
        "gateway_order_id": "order_NQxk3a7bGfD1Ye",
        "amount": 117900,
        "currency": "INR",
        "upi": {
            "link": _LINK,
            "qr_url": f"/api/v1/payments/{_PAYMENT_ID}/qr.svg",
            "gateway_payment_id": "pay_NQxlPq2WmR8sTz",
        },
    },
    "version": 2,
}
FAILED_EXAMPLE: dict[str, Any] = {
    **READY_EXAMPLE,
    "next_action": {
        **READY_EXAMPLE["next_action"],
        "warnings": [
            {
                "method": "upi",
                "instrument": {"vpa_handle": "oksbi"},
                "severity": "high",
                "message": "UPI payments from IDs that end in @oksbi may fail at the moment. Use a card or net banking instead.",
                "offer": ["card", "netbanking"],
            }
        ],
    },
    "error": {
        "message": "The bank declined the payment. Try another payment method, or contact your bank.",
        "failed_by": "bank",
        "another_attempt": "other_method",
        "offer": ["card", "netbanking"],
        "code": "GATEWAY_ERROR",
        "reason": "payment_declined",
        "source": "issuer_bank",
        "step": "payment_debit_request",
    },
    "version": 2,
}
SUCCEEDED_EXAMPLE: dict[str, Any] = {
    **READY_EXAMPLE,
    "status": "succeeded",
    "next_action": None,
    "succeeded_at": "2026-11-21T05:31:10.000Z",
    "attempts": [ATTEMPT_EXAMPLE],
    "version": 4,
}
CANCELLED_EXAMPLE: dict[str, Any] = {**READY_EXAMPLE, "status": "cancelled", "next_action": None, "version": 3}
_SIGNATURE = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_EVENT_ID = {"type": "string", "maxLength": 80}
_WAITING = {
    **ATTEMPT_EXAMPLE,
    "amount": 2500000,
    "difference_reason": "surcharge",
    "is_under_review": True,
    "review_reason": "amount_mismatch",
}

describe_payments = extend_schema_view(
    create=operation(
        "start_payment",
        "Start a payment",
        description="Starts to collect the amount due of an order and returns at once; follow `Location` until `next_action` is set."
        " If a payment of the order is already open, that payment is returned.",
        responses={202: PaymentResponse},
        examples=[
            OpenApiExample("An order", request_only=True, value={"order_id": STARTED_EXAMPLE["order_id"]}),
            OpenApiExample("Started", response_only=True, status_codes=["202"], value=STARTED_EXAMPLE),
        ],
        raises=[
            orders.OrderNotFound(),
            payments.OrderNotPayable("ORD-2627-000123", "cancelled"),
            payments.NothingToPay("ORD-2627-000123"),
        ],
    ),
    list=operation(
        "list_payments",
        "List payments",
        description="Newest first, each with its attempts. Customers see their own, staff all.",
        examples=[page_example(SUCCEEDED_EXAMPLE)],
    ),
    retrieve=operation(
        "get_payment",
        "Read a payment",
        description="With its attempts, and with what the buyer's device does next.",
        examples=[
            OpenApiExample("Waiting for the buyer", response_only=True, value=READY_EXAMPLE),
            OpenApiExample("An attempt has failed", response_only=True, value=FAILED_EXAMPLE),
            OpenApiExample("Paid", response_only=True, value=SUCCEEDED_EXAMPLE),
        ],
    ),
    verify=operation(
        "verify_payment",
        "Confirm a Checkout payment",
        description="Checks the signature and has a worker query the gateway, whose response alone decides. Follow `Location`; "
        "the payment also completes without this call.",
        responses={202: PaymentResponse},
        examples=[
            OpenApiExample(
                "From Checkout",
                request_only=True,
                value={
                    "gateway_order_id": "order_NQxk3a7bGfD1Ye",
                    "gateway_payment_id": "pay_NQxlPq2WmR8sTz",
                    "signature": "b28b3b1cf11aae4ef55eae124e6c88b095949cbffe7aa624916fac870061a92b",
                },
            ),
            OpenApiExample("Check requested", response_only=True, status_codes=["202"], value=READY_EXAMPLE),
        ],
        raises=[checkout_signatures.InvalidCheckoutSignature(param="signature")],
    ),
    cancel=operation(
        "cancel_payment",
        "Cancel a payment",
        description="Possible until money is authorised; staff do it for any customer. A payment link or QR code is closed at the "
        "gateway. Money that still arrives is posted and shown as late.",
        examples=[
            OpenApiExample("Empty body", request_only=True, value={}),
            OpenApiExample("Cancelled", response_only=True, value=CANCELLED_EXAMPLE),
        ],
        raises=[payments.PaymentNotCancellable("succeeded")],
    ),
    sync=operation(
        "sync_payment",
        "Check a payment with the gateway",
        description="For the buyer and for staff, when a payment seems to be stuck. A worker queries the gateway; follow `Location`.",
        responses={202: PaymentResponse},
        examples=[
            OpenApiExample("Empty body", request_only=True, value={}),
            OpenApiExample("Check requested", response_only=True, status_codes=["202"], value=READY_EXAMPLE),
        ],
    ),
)

describe_payment_qr = extend_schema_view(
    retrieve=operation(
        "get_payment_qr",
        "Read the UPI link as a QR code",
        description="The link of `next_action.upi`, unchanged, as an SVG image.",
        responses={(200, "image/svg+xml"): OpenApiTypes.STR},
        examples=[OpenApiExample("An image", response_only=True, media_type="image/svg+xml", value="<svg>...</svg>")],
        raises=[UpiLinkNotFound()],
    ),
)

describe_razorpay_webhooks = extend_schema_view(
    create=operation(
        "receive_razorpay_webhook",
        "Receive a Razorpay webhook",
        description="Signed with `X-Razorpay-Signature` over the raw body. It is stored before the response; a repeated webhook "
        "changes nothing.",
        request={"application/json": OpenApiTypes.OBJECT},
        responses={200: WebhookAcknowledgementResponse},
        parameters=[
            OpenApiParameter("X-Razorpay-Signature", _SIGNATURE, OpenApiParameter.HEADER, required=True),
            OpenApiParameter("X-Razorpay-Event-Id", _EVENT_ID, OpenApiParameter.HEADER, required=False),
        ],
        examples=[
            OpenApiExample(
                "A captured payment",
                request_only=True,
                value={"entity": "event", "event": "payment.captured", "contains": ["payment"], "payload": {}},
            ),
            OpenApiExample(
                "Stored", response_only=True, value={"id": "whk_01jf3z8k4qe7tv2w9x0y1z2a3b", "object": "webhook"}
            ),
        ],
        raises=[webhooks.InvalidWebhookSignature()],
    ),
)

describe_attempts = extend_schema_view(
    accept=operation(
        "accept_attempt",
        "Accept another amount as the full payment",
        description="For finance. The order is paid and confirmed; its invoice is for the order's amount, and the difference"
        " is posted by its reason. Returns 202 if the difference is above the approval limit: a second person then accepts"
        " it in the same way. The alternative is a refund of the payment.",
        responses={200: PaymentAttemptResponse, 202: PaymentAttemptResponse},
        examples=[
            OpenApiExample(
                "A surcharge", request_only=True, value={"reason": "surcharge", "note": "₹20.00 for a credit card"}
            ),
            OpenApiExample("Accepted", response_only=True, status_codes=["200"], value=ACCEPTED_ATTEMPT_EXAMPLE),
            OpenApiExample("Waits for a second person", response_only=True, status_codes=["202"], value=_WAITING),
        ],
        raises=[
            decision_rights.SecondPersonRequired("ORD-2627-000123"),
            payment_acceptance.AttemptNotAcceptable("pay_NQxlPq2WmR8sTz"),
        ],
    ),
)

"""How the description of the API presents refunds and cancellations of orders: summaries, errors and examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_view

from apps.core.api import list_response
from apps.core.api.pagination import whole_list
from apps.core.api.schema import operation, page_example
from apps.orders import selectors as orders
from apps.orders.services import OrderNotCancellable
from apps.payments.permissions import RefundNotPermitted
from apps.payments.serializers.refunds import CancelledOrderResponse, RefundResponse
from apps.payments.services import decision_rights
from apps.payments.services.refunds import amounts, approvals, bank_transfers, requests

_LINE_ID = "line_01jf3z8k4qe7tv2w9x0y1z2a3b"
REFUND_LINE_ASKED: dict[str, Any] = {"order_line_id": _LINE_ID, "quantity": 1}
REFUND_EXAMPLE: dict[str, Any] = {
    "id": "rfnd_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "object": "refund",
    "number": "ORD-2627-000123-R1",
    "order_id": "ord_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "payment_id": "pay_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "status": "pending",
    "amount": 49900,
    "currency": "INR",
    "reason": "goods_returned",
    "note": "Too small",
    "speed_requested": "normal",
    "speed_processed": "",
    "gateway_refund_id": None,
    "arn": "",
    "transfer_reference": "",
    "retry_of": None,
    "remainder_of": None,
    "error": None,
    "lines": [{"object": "refund_line", "order_line_id": _LINE_ID, "quantity": 1, "amount": 49900}],
    "approved_at": None,
    "processed_at": None,
    "created_at": "2026-11-21T06:30:00.000Z",
    "updated_at": "2026-11-21T06:30:00.000Z",
    "version": 1,
    "metadata": {},
}
WAITING_EXAMPLE: dict[str, Any] = {**REFUND_EXAMPLE, "status": "requires_approval"}
APPROVED_EXAMPLE: dict[str, Any] = {**REFUND_EXAMPLE, "approved_at": "2026-11-21T06:40:00.000Z", "version": 2}
CANCELLED_REFUND_EXAMPLE: dict[str, Any] = {**REFUND_EXAMPLE, "status": "cancelled", "version": 2}
PROCESSED_EXAMPLE: dict[str, Any] = {
    **REFUND_EXAMPLE,
    "status": "processed",
    "speed_processed": "normal",
    "gateway_refund_id": "rfnd_FP8QHiV938haTz",
    "arn": "10000000000000000000001",
    "processed_at": "2026-11-21T06:30:02.000Z",
    "version": 2,
}
HELD_EXAMPLE: dict[str, Any] = {
    **REFUND_EXAMPLE,
    "status": "awaiting_transfer",
    "approved_at": "2026-11-21T07:30:00.000Z",
    "version": 3,
}
TRANSFERRED_EXAMPLE: dict[str, Any] = {
    **REFUND_EXAMPLE,
    "status": "processed",
    "transfer_reference": "NEFT N326261234567",
    "processed_at": "2026-11-21T08:00:00.000Z",
    "version": 4,
}
RETRIED_EXAMPLE: dict[str, Any] = {
    **REFUND_EXAMPLE,
    "id": "rfnd_01jf3z9a4qe7tv2w9x0y1z2a3b",
    "number": "ORD-2627-000123-R2",
    "retry_of": REFUND_EXAMPLE["id"],
}
CANCELLED_ORDER_EXAMPLE: dict[str, Any] = {
    "id": REFUND_EXAMPLE["order_id"],
    "object": "order",
    "number": "ORD-2627-000123",
    "status": "cancelled",
    "payment_status": "paid",
    "customer_id": "cus_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "currency": "INR",
    "total_amount": 99800,
    "paid_amount": 99800,
    "refunded_amount": 0,
    "cancelled_at": "2026-11-21T05:40:00.000Z",
    "cancel_reason": "Ordered by mistake",
    "refunds": [{**REFUND_EXAMPLE, "amount": 99800, "reason": "order_cancelled", "lines": []}],
    "created_at": "2026-11-21T05:30:00.000Z",
    "updated_at": "2026-11-21T05:40:00.000Z",
    "version": 4,
    "metadata": {},
}

_NOTHING = OpenApiExample("Empty body", request_only=True, value={})

describe_refunds = extend_schema_view(
    create=operation(
        "request_refund",
        "Request a refund",
        description="Refunds an `amount` of an order, `lines`, or the full remaining amount; staff may give an `amount` for `lines`."
        " The refund awaits approval if the caller may not decide alone: customers, support, staff for an order of their own, and"
        " finance above the limit of an order. The response has one refund for each payment that money is taken from, usually"
        " one.",
        responses={202: list_response(RefundResponse)},
        examples=[
            OpenApiExample(
                "A line",
                request_only=True,
                value={
                    "order_id": REFUND_EXAMPLE["order_id"],
                    "lines": [REFUND_LINE_ASKED],
                    "reason": "goods_returned",
                    "note": "Too small",
                },
            ),
            OpenApiExample(
                "Awaits approval",
                response_only=True,
                status_codes=["202"],
                value=whole_list([WAITING_EXAMPLE]),
            ),
        ],
        raises=[
            orders.OrderNotFound(),
            amounts.RefundExceedsPayment("ORD-2627-000123", "₹499.00", "₹500.00", param="amount"),
            amounts.NothingToRefund("ORD-2627-000123"),
        ],
    ),
    list=operation(
        "list_refunds",
        "List refunds",
        description="Newest first. Customers see those of their own orders, staff all.",
        examples=[page_example(PROCESSED_EXAMPLE)],
    ),
    retrieve=operation(
        "get_refund",
        "Read a refund",
        examples=[OpenApiExample("Processed", response_only=True, value=PROCESSED_EXAMPLE)],
    ),
    approve=operation(
        "approve_refund",
        "Approve a refund",
        description="For finance. 403 `self_approval_forbidden` for the person who requested it, and for the customer of the order.",
        responses={202: RefundResponse},
        examples=[
            _NOTHING,
            OpenApiExample("On its way", response_only=True, status_codes=["202"], value=APPROVED_EXAMPLE),
        ],
        raises=[
            decision_rights.SelfApprovalForbidden("ORD-2627-000123-R1"),
            approvals.RefundNotAwaitingApproval("ORD-2627-000123-R1", "processed"),
        ],
    ),
    reject=operation(
        "reject_refund",
        "Reject a refund",
        description="For finance: one that awaits approval, or is held for a bank transfer that will not be made. Its amount"
        " can be refunded again.",
        examples=[
            OpenApiExample("A reason", request_only=True, value={"reason": "The goods were not returned"}),
            OpenApiExample("Rejected", response_only=True, value=CANCELLED_REFUND_EXAMPLE),
        ],
        raises=[
            RefundNotPermitted(),
            approvals.RefundNotAwaitingApproval("ORD-2627-000123-R1", "processed"),
            approvals.RefundOfClosedOrder("ORD-2627-000123", "cancelled", "ORD-2627-000123-R1"),
        ],
    ),
    retry=operation(
        "retry_refund",
        "Retry a failed refund",
        description="For finance. A new refund with a new key; the failed one does not change.",
        responses={202: RefundResponse},
        examples=[
            _NOTHING,
            OpenApiExample("Retried", response_only=True, status_codes=["202"], value=RETRIED_EXAMPLE),
        ],
        raises=[RefundNotPermitted(), requests.RefundNotFailed("ORD-2627-000123-R1", "processed")],
    ),
    cancel=operation(
        "cancel_refund",
        "Cancel a refund",
        description="For the person who requested it and for finance, until it has been submitted to the gateway.",
        examples=[
            OpenApiExample("A reason", request_only=True, value={"reason": "I keep it after all"}),
            OpenApiExample("Cancelled", response_only=True, value=CANCELLED_REFUND_EXAMPLE),
        ],
        raises=[
            RefundNotPermitted(),
            approvals.RefundNotCancellable("ORD-2627-000123-R1", "processed"),
            approvals.RefundOfClosedOrder("ORD-2627-000123", "cancelled", "ORD-2627-000123-R1"),
        ],
    ),
    hold_for_transfer=operation(
        "hold_refund_for_transfer",
        "Hold a failed refund for a bank transfer",
        description="For finance. The amount stays reserved until the transfer is confirmed or the refund is rejected. 403 "
        "`second_person_required` for the person who requested the refund.",
        examples=[
            _NOTHING,
            OpenApiExample("Held", response_only=True, value=HELD_EXAMPLE),
        ],
        raises=[
            decision_rights.SecondPersonRequired("ORD-2627-000123"),
            bank_transfers.RefundNotTransferable("ORD-2627-000123-R1", "processed"),
        ],
    ),
    confirm_transfer=operation(
        "confirm_refund_transfer",
        "Confirm the bank transfer of a failed refund",
        description="For finance, after the transfer was made. The refund is processed. 403 `second_person_required` for the person "
        "who requested the refund, and above the approval threshold for the person who held it for the transfer.",
        examples=[
            OpenApiExample("A transfer", request_only=True, value={"reference": "NEFT N326261234567"}),
            OpenApiExample("Paid by transfer", response_only=True, value=TRANSFERRED_EXAMPLE),
        ],
        raises=[
            decision_rights.SecondPersonRequired("ORD-2627-000123"),
            bank_transfers.RefundNotTransferable("ORD-2627-000123-R1", "processed"),
        ],
    ),
)

describe_order_cancellations = extend_schema_view(
    create=operation(
        "cancel_order",
        "Cancel an order",
        description="Possible while nothing was sent and no payment is open. The stock is released and the payments are refunded, "
        "see `refunds`: at once if the caller may decide alone about the amount, otherwise after approval.",
        responses={200: CancelledOrderResponse},
        examples=[
            OpenApiExample("A reason", request_only=True, value={"reason": "Ordered by mistake"}),
            OpenApiExample("Cancelled", response_only=True, value=CANCELLED_ORDER_EXAMPLE),
        ],
        raises=[orders.OrderChangeForbidden(), OrderNotCancellable("ORD-2627-000123")],
    ),
)

"""How the description of the API presents timelines, ledgers, evidence and sales: summaries, errors and examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_view

from apps.backoffice.selectors.sales import ProjectionsNotBuilt
from apps.backoffice.serializers import DisputeEvidenceResponse, EvidencePdfResponse
from apps.core.api.pdf import PDF_RESPONSES
from apps.core.api.schema import operation, page_example
from apps.invoicing.selectors import DocumentNotReady

TIMELINE_EXAMPLE: list[dict[str, Any]] = [
    {
        "id": "evt_01jf3z8k4qe7tv2w9x0y1z2a3b",
        "object": "timeline_entry",
        "type": "order.placed",
        "at": "2026-11-21T05:30:00.000Z",
        "text": "The order was placed.",
        "actor": "customer",
        "money": None,
        "document": None,
        "message": None,
    },
    {
        "id": "evt_01jf3z8k4qe7tv2w9x0y1z2a3c",
        "object": "timeline_entry",
        "type": "payment.succeeded",
        "at": "2026-11-21T05:31:00.000Z",
        "text": "The payment was received.",
        "actor": "gateway",
        "money": {
            "id": "pay_01jf3z8k4qe7tv2w9x0y1z2a3b",
            "object": "payment",
            "amount": 99800,
            "currency": "INR",
        },
        "document": None,
        "message": None,
    },
]


STATEMENT_EXAMPLE: dict[str, Any] = {
    "id": "evd_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "object": "dispute_evidence",
    "kind": "shipping",
    "text": "The courier handed the parcel over at the door; the buyer signed for it.",
    "carrier": "India Post",
    "tracking_number": "EK123456789IN",
    "created_at": "2026-11-22T05:30:00.000Z",
}


EVIDENCE_PDF_EXAMPLE: dict[str, Any] = {
    "object": "dispute_evidence_pdf",
    "dispute_id": "disp_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "status": "pending",
}


EVIDENCE_EXAMPLE: dict[str, Any] = {
    "object": "dispute_evidence",
    "dispute_id": "disp_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "order_id": "ord_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "order_number": "ORD-2627-000123",
    "payment": {
        "payment_id": "pay_01jf3z8k4qe7tv2w9x0y1z2a3b",
        "gateway_payment_id": "pay_NQxlPq2WmR8sTz",
        "amount": 99800,
        "refunded_amount": 0,
        "method": "upi",
        "payer": "ga***@upi",
        "rrn": "322206890934",
        "captured_at": "2026-11-21T05:31:00.000Z",
        "payer_ip": "203.0.113.9",
        "payer_user_agent": "Mozilla/5.0",
    },
    "buyer": {
        "customer_id": "cus_01jf3z8k4qe7tv2w9x0y1z2a3b",
        "name": "Asha Rao",
        "phone": "+91******3210",
        "phone_confirmed_at": "2026-11-01T05:30:00.000Z",
        "email": "a***@example.com",
        "email_confirmed_at": None,
        "signed_up_at": "2026-11-01T05:30:00.000Z",
        "log_ins": [{"at": "2026-11-21T05:20:00.000Z", "ip": "203.0.113.9", "user_agent": "Mozilla/5.0"}],
    },
    "delivery": {
        "address": {"name": "Asha Rao", "line1": "12 MG Road", "city": "Bengaluru", "state": "29", "pin": "560001"},
        "order_status": "confirmed",
        "shipments": [],
    },
    "documents": [
        {
            "id": "inv_01jf3z8k4qe7tv2w9x0y1z2a3b",
            "type": "tax_invoice",
            "number": "INV260000123",
            "total_amount": 99800,
            "currency": "INR",
        }
    ],
    "messages": [
        {
            "at": "2026-11-21T05:31:02.000Z",
            "channel": "sms",
            "recipient": "+91******3210",
            "title": "Order ORD-2627-000123 is confirmed",
            "status": "sent",
            "sent_at": "2026-11-21T05:31:03.000Z",
        }
    ],
    "timeline": [{"at": "2026-11-21T05:30:00.000Z", "text": "The order was placed.", "actor": "customer"}],
    "statements": [STATEMENT_EXAMPLE],
}


CAPTURE_ENTRY_EXAMPLE: dict[str, Any] = {
    "object": "ledger_entry",
    "transaction_id": "ltx_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "kind": "capture",
    "account": "gateway_receivable:razorpay",
    "amount": 117900,
    "currency": "INR",
    "description": "pay_NQxlPq2WmR8sTz captured for ORD-2627-000123",
    "occurred_at": "2026-11-21T05:31:00.000Z",
}

describe_ledger = extend_schema_view(
    list=operation(
        "list_order_ledger",
        "Read an order's ledger entries",
        description="Debits positive, credits negative; the entries of each transaction sum to zero. For finance.",
        examples=[page_example(CAPTURE_ENTRY_EXAMPLE, name="Captured")],
    ),
)

describe_timeline = extend_schema_view(
    list=operation(
        "get_order_timeline",
        "Read the timeline of an order",
        description="The events of the order and of its payments, refunds, documents and messages, oldest first, each with the money,"
        " the document or the message that it is about. Staff see more events.",
        examples=[page_example(*TIMELINE_EXAMPLE, name="Placed and paid")],
    ),
)


describe_evidence = extend_schema_view(
    retrieve=operation(
        "get_dispute_evidence",
        "Read the evidence for a dispute",
        description="What is sent to the bank when a dispute is contested: payment, buyer, delivery, documents,"
        " messages, and statements of staff.",
        examples=[OpenApiExample("A sale", response_only=True, value=EVIDENCE_EXAMPLE)],
    ),
    create=operation(
        "add_dispute_evidence",
        "Add evidence to a dispute",
        description="A statement of staff, such as how the parcel was handed over. It is sent to the bank when the dispute is contested.",
        responses={201: DisputeEvidenceResponse},
        examples=[
            OpenApiExample(
                "How it was delivered",
                request_only=True,
                value={name: STATEMENT_EXAMPLE[name] for name in ("kind", "text", "carrier", "tracking_number")},
            ),
            OpenApiExample("Added", response_only=True, status_codes=["201"], value=STATEMENT_EXAMPLE),
        ],
    ),
)


describe_evidence_pdf = extend_schema_view(
    retrieve=operation(
        "get_dispute_evidence_pdf",
        "Download the evidence for a dispute",
        description="The PDF of the evidence as it stands now. A worker renders it when the dispute is reported or changes,"
        " when a statement is added, and when it is requested by POST. Without it 409 `document_not_ready` with Retry-After."
        " A download by staff who see contacts masked is recorded.",
        responses=PDF_RESPONSES,
        raises=[DocumentNotReady("the evidence for dispute disp_QxT7bZ1mN4kP2s", retry_after=2)],
    ),
    create=operation(
        "request_dispute_evidence_pdf",
        "Request the evidence for a dispute as a PDF",
        description="A worker renders the PDF of the evidence as it stands now: 202, and GET of the Location gives it in a moment."
        " 200 if there is one already. Requesting it again before the worker has rendered it changes nothing.",
        responses={200: EvidencePdfResponse, 202: EvidencePdfResponse},
        examples=[
            OpenApiExample(
                name, response_only=True, status_codes=[code], value={**EVIDENCE_PDF_EXAMPLE, "status": status}
            )
            for name, code, status in (("Already available", "200", "ready"), ("Requested", "202", "pending"))
        ],
    ),
)


SALES_EXAMPLE: dict[str, Any] = {
    "orders_placed": 31,
    "orders_confirmed": 27,
    "orders_cancelled": 1,
    "orders_expired": 3,
    "sales_amount": 3183300,
    "average_order_amount": 117900,
    "captured_amount": 3183300,
    "refunded_amount": 99800,
    "currency": "INR",
}
DAILY_SALES_EXAMPLE: dict[str, Any] = {**SALES_EXAMPLE, "object": "daily_sales", "day": "2026-11-21"}
SALES_DASHBOARD_EXAMPLE: dict[str, Any] = {
    "object": "sales_dashboard",
    "as_of": "2026-11-21T08:35:10.000Z",
    "periods": [{**SALES_EXAMPLE, "period": "today", "first_day": "2026-11-21", "last_day": "2026-11-21"}],
    "days": [DAILY_SALES_EXAMPLE],
    "attention": {"open_exceptions": 2, "payment_reviews": 1, "failed_refunds": 0},
}
BEST_SELLER_EXAMPLE: dict[str, Any] = {
    "object": "best_seller",
    "variant_id": "var_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "product_id": "prod_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "sku": "KURTA-RED-M",
    "name": "Cotton kurta",
    "title": "Red, M",
    "quantity": 48,
    "sales_amount": 2395200,
    "currency": "INR",
}
TOP_CUSTOMER_EXAMPLE: dict[str, Any] = {
    "object": "top_customer",
    "customer_id": "cus_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "name": "Asha Rao",
    "orders": 4,
    "sales_amount": 471600,
    "currency": "INR",
}
_NOT_BUILT = ProjectionsNotBuilt(retry_after=10)

describe_sales_dashboard = extend_schema_view(
    retrieve=operation(
        "get_sales_dashboard",
        "Read the sales dashboard",
        description="Sales of today, the last 7 and 30 days and this month, by the calendar of India, the last 30 days one by one,"
        " and how much needs a decision. It is a few seconds late; `as_of` says up to when all is counted. For finance.",
        examples=[OpenApiExample("A day", response_only=True, value=SALES_DASHBOARD_EXAMPLE)],
        raises=[_NOT_BUILT],
    ),
)

describe_daily_sales = extend_schema_view(
    list=operation(
        "list_daily_sales",
        "List sales by day",
        description="The sales of each day in India, oldest first, at most 366. Days on which nothing happened are there as well. The"
        " list is whole: it has no pages.",
        examples=[page_example(DAILY_SALES_EXAMPLE, name="A day")],
        raises=[_NOT_BUILT],
    ),
)

describe_best_sellers = extend_schema_view(
    list=operation(
        "list_best_sellers",
        "List best-sellers",
        description="The 100 variants of which most units were sold in a period that ends today, then by amount. An order counts on the"
        " day on which it was confirmed, and no longer once it is cancelled. Refunds do not change it.",
        examples=[page_example(BEST_SELLER_EXAMPLE, name="The best-seller")],
    ),
)

describe_top_customers = extend_schema_view(
    list=operation(
        "list_top_customers",
        "List top customers",
        description="The 100 customers who bought for most in a period that ends today, then in most orders. Orders count as in the list"
        " of best-sellers.",
        examples=[page_example(TOP_CUSTOMER_EXAMPLE, name="The top customer")],
    ),
)

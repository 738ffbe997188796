"""How the description of the API presents disputes: summaries, errors and examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_view

from apps.core.api.schema import operation, page_example
from apps.payments.serializers.disputes import DisputeResponse

DISPUTE_EXAMPLE: dict[str, Any] = {
    "id": "disp_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "object": "dispute",
    "order_id": "ord_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "payment_id": "pay_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "gateway_dispute_id": "disp_NQxlPq2WmR8sTz",
    "amount": 99800,
    "amount_deducted": 0,
    "currency": "INR",
    "reason_code": "goods_or_services_not_received_or_partially_received",
    "phase": "chargeback",
    "status": "open",
    "respond_by": "2026-11-28T05:30:00.000Z",
    "response": "",
    "summary": "",
    "responded_at": None,
    "decided_at": None,
    "created_at": "2026-11-21T05:30:00.000Z",
    "updated_at": "2026-11-21T05:30:00.000Z",
    "version": 1,
    "metadata": {},
}
_SUMMARY = "The parcel was delivered to the buyer on 20 November; the signed receipt is attached."

describe_disputes = extend_schema_view(
    list=operation(
        "list_disputes", "List disputes", description="Newest first.", examples=[page_example(DISPUTE_EXAMPLE)]
    ),
    retrieve=operation(
        "get_dispute",
        "Read a dispute",
        examples=[OpenApiExample("To be answered", response_only=True, value=DISPUTE_EXAMPLE)],
    ),
    accept=operation(
        "accept_dispute",
        "Accept a dispute",
        description="The payer keeps the money. This cannot be undone.",
        responses={202: DisputeResponse},
        examples=[
            OpenApiExample(
                "Accepted",
                response_only=True,
                status_codes=["202"],
                value={
                    **DISPUTE_EXAMPLE,
                    "response": "accepted",
                    "responded_at": "2026-11-21T06:00:00.000Z",
                    "version": 2,
                },
            )
        ],
    ),
    contest=operation(
        "contest_dispute",
        "Contest a dispute",
        description="Sends the bank our statement with the evidence of the sale: `GET /disputes/{id}/evidence`, the"
        " invoice and the credit notes.",
        responses={202: DisputeResponse},
        examples=[
            OpenApiExample("Our statement", request_only=True, value={"summary": _SUMMARY}),
            OpenApiExample(
                "Contested",
                response_only=True,
                status_codes=["202"],
                value={
                    **DISPUTE_EXAMPLE,
                    "response": "contested",
                    "summary": _SUMMARY,
                    "responded_at": "2026-11-21T06:00:00.000Z",
                    "version": 2,
                },
            ),
        ],
    ),
)

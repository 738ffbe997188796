"""How the description of the API presents settlements: summaries, errors and examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_view

from apps.core.api.schema import operation, page_example
from apps.settlements.serializers import SettlementImportResponse

_TIMES: dict[str, Any] = {"created_at": "2026-11-24T05:31:00.000Z", "updated_at": "2026-11-24T05:31:00.000Z"}
IMPORT_EXAMPLE: dict[str, Any] = {
    "id": "simp_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "object": "settlement_import",
    "gateway": "razorpay",
    "source": "api",
    "day": "2026-04-30",
    "status": "waiting",
    "rows_read": 0,
    "lines_added": 0,
    "exceptions_opened": 0,
    "error": "",
    "completed_at": None,
    **_TIMES,
    "version": 1,
    "metadata": {},
}
SETTLEMENT_EXAMPLE: dict[str, Any] = {
    "id": "stl_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "object": "settlement",
    "gateway": "razorpay",
    "gateway_settlement_id": "setl_NQxlPq2WmR8sTz",
    "utr": "1795411800vxp0rj",
    "status": "processed",
    "amount": 115118,
    "currency": "INR",
    "lines_amount": 115118,
    "fee_amount": 2782,
    "tax_amount": 424,
    "line_count": 1,
    "settled_at": "2026-11-24T05:00:00.000Z",
    "transfer_status": "in_transit",
    "failed_at": None,
    **_TIMES,
    "version": 2,
    "metadata": {},
}
LINE_EXAMPLE: dict[str, Any] = {
    "id": "stln_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "object": "settlement_line",
    "kind": "payment",
    "reported_kind": "payment",
    "entity_id": "pay_NQxlPq2WmR8sTz",
    "amount": 117900,
    "debit": 0,
    "credit": 115118,
    "fee_amount": 2782,
    "tax_amount": 424,
    "credit_type": "default",
    "fee_credit_amount": 0,
    "transfer_amount": 0,
    "currency": "INR",
    "attempt_id": "att_01jf3z8m2ce7tv2w9x0y1z2a3b",
    "refund_id": None,
    "dispute_id": "",
    "description": "",
    "problem": "",
    "held_amount": 0,
    "created_at": "2026-11-24T05:31:00.000Z",
}

BANK_STATEMENT_EXAMPLE: dict[str, Any] = {
    "id": "bsi_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "object": "bank_statement",
    "account": "50100012345678",
    "layout": "HDFC CSV",
    "file_name": "november.csv",
    "status": "completed",
    "first_on": "2026-11-01",
    "last_on": "2026-11-24",
    "closing_balance": 1115118,
    "rows_read": 1,
    "lines_added": 1,
    "exceptions_opened": 0,
    "error": "",
    "completed_at": "2026-11-25T04:00:00.000Z",
    **_TIMES,
    "version": 2,
    "metadata": {},
}
BANK_LINE_EXAMPLE: dict[str, Any] = {
    "id": "bln_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "object": "bank_line",
    "account": "50100012345678",
    "booked_on": "2026-11-24",
    "amount": 115118,
    "currency": "INR",
    "reference": "1795411800vxp0rj",
    "description": "NEFT CR-RAZORPAY SOFTWARE PVT LTD-1795411800vxp0rj",
    "balance": 1115118,
    "kind": "settlement",
    "tax_amount": 0,
    "settlement_id": "stl_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "refund_id": None,
    "exception_id": None,
    **_TIMES,
    "version": 1,
    "metadata": {},
}

describe_settlements = extend_schema_view(
    list=operation(
        "list_settlements",
        "List settlements",
        description="Transfers of the gateway to our bank, newest first. For finance.",
        examples=[page_example(SETTLEMENT_EXAMPLE)],
    ),
    retrieve=operation(
        "get_settlement",
        "Read a settlement",
        description="With its sums and the bank's reference (UTR). For finance.",
        examples=[OpenApiExample("A settlement", response_only=True, value=SETTLEMENT_EXAMPLE)],
    ),
    lines=operation(
        "list_settlement_lines",
        "List the lines of a settlement",
        description="As the gateway reported them, in its order, each with how it was booked. For finance.",
        examples=[page_example(LINE_EXAMPLE)],
    ),
)

describe_settlement_imports = extend_schema_view(
    create=operation(
        "import_settlements",
        "Import a settlement report",
        description="A worker imports the report of a day from the gateway. Importing it again changes nothing. For finance.",
        responses={202: SettlementImportResponse},
        examples=[
            OpenApiExample("A day", request_only=True, value={"day": "2026-04-30"}),
            OpenApiExample("Waiting", response_only=True, status_codes=["202"], value=IMPORT_EXAMPLE),
        ],
    ),
)

describe_bank_statements = extend_schema_view(
    list=operation(
        "list_bank_statements",
        "List imports of bank statements",
        description="Newest first. Files are imported with `manage.py import_bank_statement`. For finance.",
        examples=[page_example(BANK_STATEMENT_EXAMPLE)],
    ),
    retrieve=operation(
        "get_bank_statement",
        "Read an import of a bank statement",
        description="With its account, days and closing balance, and what came of it. For finance.",
        examples=[OpenApiExample("A bank statement", response_only=True, value=BANK_STATEMENT_EXAMPLE)],
    ),
    lines=operation(
        "list_bank_lines",
        "List the lines that an import added",
        description="In the order of the file, each with how it is booked; lines of an earlier file are in that. For finance.",
        examples=[page_example(BANK_LINE_EXAMPLE)],
    ),
)

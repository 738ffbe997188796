"""How the description of the API presents exceptions: summaries, errors and examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_view

from apps.core.api.schema import operation, page_example

_TIMES: dict[str, Any] = {"created_at": "2026-11-24T05:31:00.000Z", "updated_at": "2026-11-24T05:31:00.000Z"}


EXCEPTION_EXAMPLE: dict[str, Any] = {
    "id": "rex_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "object": "reconciliation_exception",
    "reason": "fee_mismatch",
    "entity_id": "pay_NQxlPq2WmR8sTz",
    "settlement_id": "stl_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "line_id": "stln_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "attempt_id": "att_01jf3z8m2ce7tv2w9x0y1z2a3b",
    "refund_id": None,
    "dispute_id": None,
    "webhook_id": None,
    "description": "",
    "expected_amount": 2782,
    "actual_amount": 2882,
    "actual_currency": "",
    "held_amount": 100,
    "currency": "INR",
    "owner_id": None,
    "opened_at": "2026-11-24T05:31:00.000Z",
    "resolved_at": None,
    "resolved_by": "",
    "resolution": "",
    "note": "",
    **_TIMES,
    "version": 1,
    "metadata": {},
}


ASSIGNED_EXAMPLE: dict[str, Any] = {
    **EXCEPTION_EXAMPLE,
    "owner_id": "cus_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "updated_at": "2026-11-24T06:00:00.000Z",
    "version": 2,
}


RESOLVED_EXAMPLE: dict[str, Any] = {
    **EXCEPTION_EXAMPLE,
    "resolved_at": "2026-11-25T06:00:00.000Z",
    "resolved_by": "user:cus_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "resolution": "written_off",
    "note": "Their price list of October; not worth a dispute.",
    "version": 2,
}

describe_exceptions = extend_schema_view(
    list=operation(
        "list_reconciliation_exceptions",
        "List exceptions",
        description="Newest first, each with its reason, age and owner. For finance.",
        examples=[page_example(EXCEPTION_EXAMPLE)],
    ),
    retrieve=operation(
        "get_reconciliation_exception",
        "Read an exception",
        description="With what was expected, what was reported, and what is held in suspense. For finance.",
        examples=[OpenApiExample("An exception", response_only=True, value=EXCEPTION_EXAMPLE)],
    ),
    assign=operation(
        "assign_reconciliation_exception",
        "Assign an exception",
        description="To yourself, or to another member of staff who may resolve it. For finance.",
        examples=[
            OpenApiExample("To yourself", request_only=True, value={}),
            OpenApiExample("To another", request_only=True, value={"owner_id": ASSIGNED_EXAMPLE["owner_id"]}),
            OpenApiExample("Assigned", response_only=True, value=ASSIGNED_EXAMPLE),
        ],
    ),
    resolve=operation(
        "resolve_reconciliation_exception",
        "Resolve an exception",
        description="`written_off`: a cost or gain of the gateway; `cleared`: counted against what the gateway owes us; `paid_outside`: "
        "paid by or to our bank outside of settlements; `noted`: explained, where no money is held. What did not come (`missing_line`, "
        "`receivable_overdue`) is written off or paid outside, else 409 `receivable_outstanding`. For finance.",
        examples=[
            OpenApiExample(
                "Written off",
                request_only=True,
                value={"resolution": "written_off", "note": RESOLVED_EXAMPLE["note"]},
            ),
            OpenApiExample("Resolved", response_only=True, value=RESOLVED_EXAMPLE),
        ],
    ),
)

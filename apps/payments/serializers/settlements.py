"""Request and response schemas of settlements and of reconciliation exceptions."""

from typing import Any

from rest_framework import serializers

from apps.core.api import IdField, RequestSerializer, ResponseSerializer, StrictCharField, list_response
from apps.payments.states import ExceptionReason, ImportStatus, LineKind, ReportSource, Resolution


class ImportSettlementsRequest(RequestSerializer):
    """The day (in India) whose report to import."""

    day = serializers.DateField(help_text="As 2026-04-30.")


class ResolveExceptionRequest(RequestSerializer):
    """The resolution: where the amount that the exception holds in suspense is posted, and why."""

    resolution = StrictCharField(max_length=20, help_text="noted, written_off, cleared or paid_outside.")
    note = StrictCharField(max_length=500)


class AssignExceptionRequest(RequestSerializer):
    """The new owner of the exception; the caller if no `owner_id` is given."""

    owner_id = IdField("cus", required=False)


class SettlementImportResponse(ResponseSerializer):
    """An import of a settlement report."""

    id = IdField("simp")
    object = serializers.CharField(default="settlement_import")
    gateway = serializers.CharField()
    source = serializers.ChoiceField(choices=ReportSource.choices)  # type: ignore[assignment]
    day = serializers.DateField(allow_null=True)
    status = serializers.ChoiceField(choices=ImportStatus.choices)
    rows_read = serializers.IntegerField()
    lines_added = serializers.IntegerField()
    exceptions_opened = serializers.IntegerField()
    error = serializers.CharField()
    completed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()


class SettlementResponse(ResponseSerializer):
    """One transfer of the gateway to our bank. Amounts in paise."""

    id = IdField("stl")
    object = serializers.CharField(default="settlement")
    gateway = serializers.CharField()
    gateway_settlement_id = serializers.CharField()
    utr = serializers.CharField(help_text="The bank's reference.")
    status = serializers.CharField(help_text="In the gateway's words.")
    amount = serializers.IntegerField(allow_null=True, help_text="What was transferred; null until the gateway said.")
    currency = serializers.CharField()
    lines_amount = serializers.IntegerField(help_text="The sum of its lines.")
    fee_amount = serializers.IntegerField(help_text="With its GST.")
    tax_amount = serializers.IntegerField(help_text="The GST in the fee.")
    line_count = serializers.IntegerField()
    settled_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()


class SettlementLineResponse(ResponseSerializer):
    """One line of a settlement as the gateway reported it, and how it was booked. Amounts in paise."""

    id = IdField("stln")
    object = serializers.CharField(default="settlement_line")
    kind = serializers.ChoiceField(choices=LineKind.choices)
    reported_kind = serializers.CharField(help_text="In the gateway's words.")
    entity_id = serializers.CharField(help_text="The gateway's id of the payment, refund or adjustment.")
    amount = serializers.IntegerField()
    debit = serializers.IntegerField()
    credit = serializers.IntegerField()
    fee_amount = serializers.IntegerField(source="reported_fee_amount")
    tax_amount = serializers.IntegerField(source="reported_tax_amount")
    credit_type = serializers.CharField(
        help_text="What the fee was paid from: default, or prepaid credits (fee, amount)."
    )
    fee_credit_amount = serializers.IntegerField(help_text="Of the fee, what prepaid credits paid.")
    transfer_amount = serializers.IntegerField(help_text="To a linked account of Route; negative if it came back.")
    currency = serializers.CharField()
    attempt_id = IdField(
        "att", allow_null=True, help_text="The payment that it settles, or that an adjustment corrects."
    )
    refund_id = IdField("rfnd", allow_null=True)
    dispute_id = serializers.CharField()
    description = serializers.CharField()
    problem = serializers.CharField(help_text="The reason of its exception, or nothing.")
    held_amount = serializers.IntegerField(help_text="In suspense; debit positive.")
    created_at = serializers.DateTimeField()


class ReconciliationExceptionResponse(ResponseSerializer):
    """A difference between the gateway's data and our books. Amounts in paise."""

    id = IdField("rex")
    object = serializers.CharField(default="reconciliation_exception")
    reason = serializers.ChoiceField(choices=ExceptionReason.choices)
    entity_id = serializers.CharField(help_text="The gateway's id of what it is about.")
    settlement_id = IdField("stl", allow_null=True)
    line_id = IdField("stln", allow_null=True)
    attempt_id = IdField("att", allow_null=True)
    refund_id = IdField("rfnd", allow_null=True)
    dispute_id = IdField("disp", allow_null=True)
    webhook_id = IdField("whk", allow_null=True, help_text="Which webhook said so first, if one did.")
    description = serializers.CharField(help_text="A sentence for staff.")
    expected_amount = serializers.IntegerField(allow_null=True)
    actual_amount = serializers.IntegerField(allow_null=True)
    actual_currency = serializers.CharField(help_text="Of the actual amount, where it is not `currency`.")
    held_amount = serializers.IntegerField(help_text="In suspense; debit positive.")
    currency = serializers.CharField()
    owner_id = IdField("cus", allow_null=True, help_text="Who owns it.")
    opened_at = serializers.DateTimeField(help_text="Its age counts from here.")
    resolved_at = serializers.DateTimeField(allow_null=True)
    resolved_by = serializers.CharField()
    resolution = serializers.ChoiceField(choices=[("", "Open"), *Resolution.choices])
    note = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()


SettlementListResponse = list_response(SettlementResponse)
SettlementLineListResponse = list_response(SettlementLineResponse)
ReconciliationExceptionListResponse = list_response(ReconciliationExceptionResponse)

# Examples -------------------------------------------------------------------------------------------------------------

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

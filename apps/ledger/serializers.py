"""Request and response schemas of exceptions."""

from rest_framework import serializers

from apps.core.api import IdField, RequestSerializer, ResponseSerializer, StrictCharField
from apps.ledger.states import ExceptionReason, Resolution


class ResolveExceptionRequest(RequestSerializer):
    """The resolution: where the amount that the exception holds in suspense is posted, and why."""

    resolution = StrictCharField(max_length=20, help_text="noted, written_off, cleared or paid_outside.")
    note = StrictCharField(max_length=500)


class AssignExceptionRequest(RequestSerializer):
    """The new owner of the exception; the caller if no `owner_id` is given."""

    owner_id = IdField("cus", required=False)


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
    webhook_id = IdField("whk", allow_null=True, help_text="The webhook that first reported it, if any.")
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

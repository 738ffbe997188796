"""Request and response shapes of disputes."""

from rest_framework import serializers

from apps.core.api import IdField, RequestSerializer, ResponseSerializer, StrictCharField
from apps.payments.states import DisputePhase, DisputeResponseKind, DisputeStatus


class ContestDisputeRequest(RequestSerializer):
    """Our statement to the bank. The order's documents are attached automatically."""

    summary = StrictCharField(max_length=1000, multiline=True)


class DisputeResponse(ResponseSerializer):
    """A challenge by the payer's bank to a payment (a chargeback or retrieval, for example)."""

    id = serializers.CharField(source="public_id")
    object = serializers.CharField(default="dispute")
    order_id = IdField("ord")
    payment_id = IdField("pay")
    gateway_dispute_id = serializers.CharField()
    amount = serializers.IntegerField(help_text="Paise.")
    amount_deducted = serializers.IntegerField(help_text="Paise that the bank has deducted and not returned.")
    currency = serializers.CharField()
    reason_code = serializers.CharField()
    phase = serializers.ChoiceField(choices=DisputePhase.choices)
    status = serializers.ChoiceField(choices=DisputeStatus.choices)
    respond_by = serializers.DateTimeField(allow_null=True, help_text="Without a response by then, it is lost.")
    response = serializers.ChoiceField(choices=DisputeResponseKind.choices, allow_blank=True)
    summary = serializers.CharField()
    responded_at = serializers.DateTimeField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()

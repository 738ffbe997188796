"""Response shapes of downtimes of payment methods."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core import clock
from apps.core.api import IdField, ResponseSerializer
from apps.payments import rules
from apps.payments.messages.downtimes import downtime_warning
from apps.payments.models import PaymentDowntime
from apps.payments.selectors import downtimes as selectors
from apps.payments.states import DowntimeSeverity, DowntimeStatus

#: Where a response keeps the current downtimes, so that they are read once however many payments it has.
_CONTEXT = "method_downtimes"


class DowntimeWarningResponse(ResponseSerializer):
    """What may fail at the moment, and the methods to offer instead."""

    method = serializers.CharField(help_text="upi, card, netbanking ...")
    instrument = serializers.DictField(
        child=serializers.CharField(),
        help_text="What of the method is down: bank, issuer, network, card_type, psp, vpa_handle, flow; empty for all of it.",
    )
    severity = serializers.ChoiceField(choices=DowntimeSeverity.choices)
    message = serializers.CharField(help_text="May be shown to the buyer.")
    offer = serializers.ListField(child=serializers.CharField(), help_text="The methods to offer instead, best first.")


class PaymentDowntimeResponse(ResponseSerializer):
    """A time in which a payment method, or an instrument of it, fails more often than usual."""

    id = IdField("dwn")
    object = serializers.CharField(default="payment_downtime")
    method = serializers.CharField(help_text="upi, card, netbanking ...")
    instrument = serializers.DictField(
        child=serializers.CharField(),
        help_text="What of the method is down: bank, issuer, network, card_type, psp, vpa_handle, flow; empty for all of it.",
    )
    severity = serializers.ChoiceField(choices=DowntimeSeverity.choices)
    status = serializers.ChoiceField(choices=DowntimeStatus.choices)
    is_scheduled = serializers.BooleanField(help_text="It was announced before it began.")
    message = serializers.SerializerMethodField()
    offer = serializers.SerializerMethodField()
    begins_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True, help_text="Null while nobody knows the end.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()

    @extend_schema_field(serializers.CharField(help_text="May be shown to the buyer."))
    def get_message(self, downtime: PaymentDowntime) -> str:
        return downtime_warning(downtime.method, downtime.instrument, offer=self.get_offer(downtime))

    @extend_schema_field(
        serializers.ListField(child=serializers.CharField(), help_text="The methods to offer instead.")
    )
    def get_offer(self, downtime: PaymentDowntime) -> list[str]:
        current = current_downtimes(self.context)
        return rules.methods_to_offer(rules.OFFERED_METHODS, current, instead_of=downtime.method)


def current_downtimes(context: Any) -> list[rules.MethodDowntime]:
    """Return the current downtimes, which are read once for each response and kept in the context of its serializers."""
    if _CONTEXT not in context:
        context[_CONTEXT] = selectors.list_method_downtimes(now=clock.now())
    found: list[rules.MethodDowntime] = context[_CONTEXT]
    return found


def downtime_warnings(context: Any) -> list[dict[str, Any]]:
    """Return the warnings for a buyer who is about to pay: of high and medium downtimes."""
    current = current_downtimes(context)
    warnings = []
    for row in current:
        if row.severity not in rules.WARNED_SEVERITIES:
            continue
        offer = rules.methods_to_offer(rules.OFFERED_METHODS, current, instead_of=row.method)
        message = downtime_warning(row.method, row.instrument, offer=offer)
        warnings.append({**row._asdict(), "message": message, "offer": offer})
    return warnings

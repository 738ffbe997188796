"""Request and response shapes of tax."""

import re
from datetime import date
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api import QueryField, RequestSerializer, ResponseSerializer
from apps.core.errors import Invalid
from apps.tax import rules
from apps.tax.models import TaxRate

# fromisoformat alone would also read weeks, such as 2026-W47-6.
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class InvalidDate(Invalid):
    """`on` is not a date. Send one such as 2026-11-21."""

    message = "on must be a date such as 2026-11-21."


def _read_day(text: str) -> date:
    if not _DAY.fullmatch(text):
        raise InvalidDate(param="on")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidDate(param="on") from error


class TaxRateQuery(RequestSerializer):
    """Which rates are listed."""

    on = QueryField(
        read=_read_day, schema={"type": "string", "format": "date"}, required=False, help_text="The day, as 2026-11-21."
    )


class GstinCheckResponse(ResponseSerializer):
    """What a GSTIN says by itself; nobody was asked whether it is registered."""

    object = serializers.CharField(default="gstin_check")
    gstin = serializers.CharField(help_text="As it is stored: upper case, no blanks.")
    is_valid = serializers.BooleanField()  # type: ignore[assignment]
    kind = serializers.ChoiceField(choices=[kind.value for kind in rules.GstinKind], allow_null=True)
    refusal = serializers.ChoiceField(
        choices=[refusal.value for refusal in rules.GstinRefusal], allow_null=True, help_text="Why it is not valid."
    )
    state = serializers.CharField(allow_null=True, help_text="Two digits, as GST numbers the states.")
    state_name = serializers.CharField(allow_null=True)


def gstin_check_data(check: rules.GstinCheck) -> dict[str, Any]:
    """Return a verdict in the shape of GstinCheckResponse."""
    state = rules.gstin_state(check.gstin) if check.is_valid else None
    return {
        "object": "gstin_check",
        "gstin": check.gstin,
        "is_valid": check.is_valid,
        "kind": check.kind,
        "refusal": check.refusal,
        "state": state,
        "state_name": rules.state_name(state) if state else None,
    }


class TaxRateResponse(ResponseSerializer):
    """The GST rate of a tax class and the days that it holds, both included."""

    id = serializers.CharField(source="public_id")
    object = serializers.SerializerMethodField()
    tax_class = serializers.CharField()
    description = serializers.SerializerMethodField()
    rate = serializers.IntegerField(help_text="Basis points: 1800 is 18 %.")
    taxability = serializers.SerializerMethodField(help_text="Whether goods of the class bear tax, and if not, why.")
    valid_from = serializers.DateField()
    valid_to = serializers.DateField(allow_null=True)
    notification = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_object(self, _: TaxRate) -> str:
        return "tax_rate"

    @extend_schema_field(serializers.ChoiceField(choices=[one.value for one in rules.Taxability]))
    def get_taxability(self, rate: TaxRate) -> str:
        return rules.taxability_of(rate.tax_class, rate.rate)

    def get_description(self, rate: TaxRate) -> str:
        return rules.TAX_CLASSES.get(rate.tax_class, "")


class GstStateResponse(ResponseSerializer):
    """A state or union territory of GST and the PIN codes that lie in it."""

    object = serializers.CharField(default="state")
    code = serializers.CharField(help_text="Two digits, as GST numbers the states.")
    name = serializers.CharField()
    is_union_territory = serializers.BooleanField()
    levies_utgst = serializers.BooleanField(help_text="UTGST stands for SGST there.")
    pin_prefixes = serializers.ListField(
        child=serializers.CharField(),
        help_text="First three digits of its PIN codes; several states may share one. Those of the army post (9) lie in any.",
    )


def state_data(state: rules.State) -> dict[str, Any]:
    """Return a state in the shape of GstStateResponse."""
    return {
        "object": "state",
        "code": state.code,
        "name": state.name,
        "is_union_territory": state.is_union_territory,
        "levies_utgst": state.levies_utgst,
        "pin_prefixes": list(rules.pin_prefixes(state.code)),
    }

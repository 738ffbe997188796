"""Shapes of addresses."""

from typing import Any

from rest_framework import serializers

from apps.accounts import messages, rules
from apps.accounts.models import Address
from apps.accounts.serializers.fields import (
    PhoneField,
)
from apps.core.api import RequestSerializer, ResponseSerializer, StrictBooleanField, StrictCharField
from apps.core.api.renderer import rfc3339_or_none
from apps.tax import rules as tax

#: More than an address may have: the service says by how much a text is too long, and what to do.
_ADDRESS_TEXT = 300


_STATE_HELP = (
    "The two-digit GST code of the state, such as 29 for Karnataka (`GET /states` lists them)."
    " It may be left out where the PIN code lies in one state only."
)


class AddressRequest(RequestSerializer):
    """An address in India."""

    published_lengths = {field: (limits.fewest, limits.most) for field, limits in rules.ADDRESS_TEXTS.items()}

    name = StrictCharField(max_length=_ADDRESS_TEXT)
    company = StrictCharField(required=False, max_length=_ADDRESS_TEXT, allow_blank=True)
    phone = PhoneField(required=False, max_length=32, allow_blank=True)
    line1 = StrictCharField(max_length=_ADDRESS_TEXT)
    line2 = StrictCharField(required=False, max_length=_ADDRESS_TEXT, allow_blank=True)
    city = StrictCharField(max_length=_ADDRESS_TEXT)
    state = StrictCharField(required=False, max_length=2, allow_blank=True, help_text=_STATE_HELP)
    pin = StrictCharField(max_length=6)
    gstin = StrictCharField(required=False, max_length=15, allow_blank=True)
    is_default = StrictBooleanField(required=False)


class AddressChangeRequest(AddressRequest):
    """The fields of an address that change."""

    name = StrictCharField(required=False, max_length=_ADDRESS_TEXT)
    line1 = StrictCharField(required=False, max_length=_ADDRESS_TEXT)
    city = StrictCharField(required=False, max_length=_ADDRESS_TEXT)
    pin = StrictCharField(required=False, max_length=6)


class AddressWarningResponse(ResponseSerializer):
    """What the buyer should look at again in an address that was accepted."""

    code = serializers.CharField()
    param = serializers.CharField()
    message = serializers.CharField()


class AddressResponse(ResponseSerializer):
    """An address in India."""

    id = serializers.CharField()
    object = serializers.CharField(default="address")
    name = serializers.CharField()
    company = serializers.CharField()
    phone = serializers.CharField()
    line1 = serializers.CharField()
    line2 = serializers.CharField()
    city = serializers.CharField()
    state = serializers.CharField()
    state_name = serializers.CharField()
    pin = serializers.CharField()
    country = serializers.CharField()
    gstin = serializers.CharField()
    is_default = serializers.BooleanField()
    warnings = AddressWarningResponse(many=True, help_text="Empty unless something should be checked.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()

    def to_representation(self, address: Address) -> dict[str, Any]:
        return {
            "id": address.public_id,
            "object": "address",
            "name": address.name,
            "company": address.company,
            "phone": address.phone,
            "line1": address.line1,
            "line2": address.line2,
            "city": address.city,
            "state": address.state,
            "state_name": tax.state_name(address.state),
            "pin": address.pin,
            "country": "IN",
            "gstin": address.gstin,
            "is_default": address.is_default,
            "warnings": [
                {"code": code, "param": param, "message": messages.address_warning(code, pin=address.pin)}
                for param, code in rules.find_address_warnings(pin=address.pin)
            ],
            "created_at": rfc3339_or_none(address.created_at),
            "updated_at": rfc3339_or_none(address.updated_at),
            "version": address.version,
            "metadata": address.metadata,
        }

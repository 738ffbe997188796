"""Shapes of a person's own profile."""

from typing import Any

from rest_framework import serializers

from apps.accounts import selectors
from apps.accounts.models import User
from apps.accounts.serializers.fields import (
    CodeField,
    EmailAddressField,
    PasswordField,
    TransportField,
)
from apps.accounts.states import Transport
from apps.core.api import IdField, RequestSerializer, ResponseSerializer, StrictCharField
from apps.core.api.renderer import rfc3339_or_none


class NameRequest(RequestSerializer):
    """What people may change of themselves at once."""

    name = StrictCharField(max_length=120, allow_blank=True)


class EmailRequest(RequestSerializer):
    """The new e-mail address."""

    email = EmailAddressField(max_length=254)


class ConfirmRequest(RequestSerializer):
    """The code that came."""

    challenge_id = IdField("chal")
    code = CodeField(max_length=6)


class PasswordRequest(ConfirmRequest):
    """The code that came, and the new password."""

    password = PasswordField()
    transport = TransportField(default=Transport.BODY)


class UserResponse(ResponseSerializer):
    """A person, as they see themselves."""

    id = serializers.CharField()
    object = serializers.CharField(default="user")
    name = serializers.CharField()
    phone = serializers.CharField(allow_null=True)
    email = serializers.CharField(allow_null=True)
    email_confirmed_at = serializers.DateTimeField(allow_null=True)
    has_password = serializers.BooleanField()
    roles = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()

    def to_representation(self, user: User) -> dict[str, Any]:
        return {
            "id": user.public_id,
            "object": "user",
            "name": user.name,
            "phone": user.phone,
            "email": user.email,
            "email_confirmed_at": rfc3339_or_none(user.email_confirmed_at),
            "has_password": user.has_usable_password(),
            "roles": selectors.list_roles(user),
            "created_at": rfc3339_or_none(user.created_at),
            "updated_at": rfc3339_or_none(user.updated_at),
            "version": user.version,
            "metadata": user.metadata,
        }

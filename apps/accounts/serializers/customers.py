"""People as staff see them."""

from typing import Any

from rest_framework import serializers

from apps.accounts.models import User
from apps.core.api import ResponseSerializer
from apps.core.api.renderer import rfc3339_or_none
from apps.core.masking import mask


class CustomerResponse(ResponseSerializer):
    """A person as staff see them: phone and e-mail address are masked, except for who may manage people."""

    id = serializers.CharField()
    object = serializers.CharField(default="customer")
    name = serializers.CharField()
    phone = serializers.CharField(allow_null=True)
    email = serializers.CharField(allow_null=True)
    is_masked = serializers.BooleanField(help_text="Whether phone and e-mail address are shown in part only.")
    email_confirmed_at = serializers.DateTimeField(allow_null=True)
    is_active = serializers.BooleanField()
    is_staff = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()

    def to_representation(self, user: User) -> dict[str, Any]:
        is_masked = self.context["is_masked"]
        shown = mask if is_masked else str
        return {
            "id": user.public_id,
            "object": "customer",
            "name": user.name,
            "phone": shown(user.phone) if user.phone else None,
            "email": shown(user.email) if user.email else None,
            "is_masked": is_masked,
            "email_confirmed_at": rfc3339_or_none(user.email_confirmed_at),
            "is_active": user.is_active,
            "is_staff": user.is_staff,
            "created_at": rfc3339_or_none(user.created_at),
            "updated_at": rfc3339_or_none(user.updated_at),
            "version": user.version,
            "metadata": user.metadata,
        }

"""Fields of requests: phone numbers, e-mail addresses, codes and passwords."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from apps.accounts import rules
from apps.accounts.states import Transport
from apps.core.api import StrictCharField


class PhoneField(StrictCharField):
    """A mobile number as people write it; E.164 inside."""

    default_error_messages = {"phone": "Enter a mobile number of a supported country, such as +919876543210."}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not text and self.allow_blank:
            return ""
        try:
            return rules.normalise_phone(text, countries=settings.SIGN_UP_COUNTRIES)
        except ValueError:
            self.fail("phone")


class EmailAddressField(StrictCharField):
    """An e-mail address; lower case inside."""

    default_error_messages = {"email": "Enter an e-mail address, such as asha@example.in."}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            return rules.normalise_email(text)
        except ValueError:
            self.fail("email")


class CodeField(StrictCharField):
    """Six digits, as text."""

    default_error_messages = {"code": "The code must be a string of six digits."}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not rules.CODE_PATTERN.fullmatch(text):
            self.fail("code")
        return text


class PasswordField(serializers.CharField):
    """A password as it was typed: neither trimmed nor normalised, and never written back."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            min_length=1,
            max_length=256,
            trim_whitespace=False,
            write_only=True,
            style={"input_type": "password"},
            **kwargs,
        )

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class TransportField(serializers.ChoiceField):
    """How the client keeps its refresh token."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            choices=Transport.choices,
            help_text="`cookie`: an httpOnly cookie, for browsers. `body`: in the answer, for mobile apps.",
            **kwargs,
        )

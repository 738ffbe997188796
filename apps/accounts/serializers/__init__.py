"""Shapes of requests and responses of accounts."""

from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework_simplejwt.tokens import AccessToken

from apps.accounts import messages, rules, selectors
from apps.accounts.models import Address, Challenge, RefreshToken, Session, User
from apps.accounts.states import ChallengePurpose, Channel, SendStatus, Transport
from apps.core.api import IdField, RequestSerializer, ResponseSerializer, StrictBooleanField, StrictCharField
from apps.core.api.renderer import rfc3339_or_none
from apps.core.masking import mask
from apps.tax import rules as tax


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


class _PhoneOrEmail(RequestSerializer):
    phone = PhoneField(required=False, max_length=32)
    email = EmailAddressField(required=False, max_length=254)

    default_error_messages = {"one_of": "Give either phone or email."}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("phone" in attrs) == ("email" in attrs):
            self.fail("one_of")
        return attrs


class TransportField(serializers.ChoiceField):
    """How the client keeps its refresh token."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            choices=Transport.choices,
            help_text="`cookie`: an httpOnly cookie, for browsers. `body`: in the answer, for mobile apps.",
            **kwargs,
        )


class CodeRequest(_PhoneOrEmail):
    """Where the code goes."""


class VerifyRequest(RequestSerializer):
    """The code that came, and how to log in with it."""

    challenge_id = IdField("chal")
    code = CodeField(max_length=6)
    transport = TransportField(default=Transport.BODY)
    name = StrictCharField(required=False, max_length=120, help_text="The name of a new account.")


class LogInRequest(_PhoneOrEmail):
    """Phone number or e-mail address, and password."""

    password = PasswordField()
    transport = TransportField(default=Transport.BODY)


class RefreshRequest(RequestSerializer):
    """The refresh token, unless it is in the cookie."""

    refresh_token = StrictCharField(required=False, max_length=4096, help_text="Leave it out to use the cookie.")
    transport = TransportField(required=False)


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


class ChallengeFailureResponse(ResponseSerializer):
    """Why a code was not sent, or may not have been, and what to do."""

    code = serializers.ChoiceField(choices=sorted(rules.SEND_FAILURE_MESSAGES))
    message = serializers.CharField()


class ChallengeResponse(ResponseSerializer):
    """
    A code on its way, and how far it has come.

    `failure` is null while nothing has failed. After a failure another code may be requested at `resend_after`, which is
    at once if the code was certainly not sent.
    """

    id = serializers.CharField()
    object = serializers.CharField(default="challenge")
    purpose = serializers.ChoiceField(choices=ChallengePurpose.choices)
    channel = serializers.ChoiceField(choices=Channel.choices)
    sent_to = serializers.CharField()
    expires_at = serializers.DateTimeField()
    resend_after = serializers.DateTimeField()
    status = serializers.ChoiceField(choices=SendStatus.choices)
    failure = ChallengeFailureResponse(allow_null=True)
    created_at = serializers.DateTimeField()

    def to_representation(self, challenge: Challenge) -> dict[str, Any]:
        status, failure = rules.derive_send_status(
            status=challenge.send_status,
            failure=challenge.send_failure,
            is_expired=challenge.expires_at <= self.context.get("now", challenge.created_at),
        )
        requested_at = rules.requested_at(challenge.expires_at)
        return {
            "id": challenge.public_id,
            "object": "challenge",
            "purpose": challenge.purpose,
            "channel": challenge.channel,
            "sent_to": mask(challenge.destination),
            "expires_at": rfc3339_or_none(challenge.expires_at),
            "resend_after": rfc3339_or_none(
                requested_at if challenge.send_failure else requested_at + rules.RESEND_INTERVAL
            ),
            "status": status,
            "failure": {"code": failure, "message": rules.SEND_FAILURE_MESSAGES[failure]} if failure else None,
            "created_at": rfc3339_or_none(challenge.created_at),
        }


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


class TokensResponse(ResponseSerializer):
    """Access to the API; `refresh_token` is null where it went into the cookie."""

    object = serializers.CharField(default="tokens")
    token_type = serializers.CharField(default="Bearer")
    access_token = serializers.CharField()
    expires_in = serializers.IntegerField()
    refresh_token = serializers.CharField(allow_null=True)
    refresh_expires_at = serializers.DateTimeField()
    session = serializers.CharField()
    is_new_user = serializers.BooleanField()
    user = UserResponse()

    @staticmethod
    def shape(
        *, user: User, token: RefreshToken, session: Session, access: str, refresh: str | None, is_new: bool
    ) -> Any:
        """Return the answer to a log-in."""
        return {
            "object": "tokens",
            "token_type": "Bearer",
            "access_token": access,
            "expires_in": int(AccessToken.lifetime.total_seconds()),
            "refresh_token": refresh,
            "refresh_expires_at": rfc3339_or_none(token.expires_at),
            "session": session.public_id,
            "is_new_user": is_new,
            "user": UserResponse(user).data,
        }


class SessionResponse(ResponseSerializer):
    """One log-in on one device."""

    id = serializers.CharField()
    object = serializers.CharField(default="session")
    is_current = serializers.BooleanField()
    transport = serializers.ChoiceField(choices=Transport.choices)
    user_agent = serializers.CharField()
    ip = serializers.CharField(allow_null=True)
    last_used_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()

    def to_representation(self, session: Session) -> dict[str, Any]:
        return {
            "id": session.public_id,
            "object": "session",
            "is_current": session.pk == self.context.get("current"),
            "transport": session.transport,
            "user_agent": session.user_agent,
            "ip": session.ip,
            "last_used_at": rfc3339_or_none(session.last_used_at),
            "created_at": rfc3339_or_none(session.created_at),
            "updated_at": rfc3339_or_none(session.updated_at),
            "version": session.version,
            "metadata": session.metadata,
        }


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

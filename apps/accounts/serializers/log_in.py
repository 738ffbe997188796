"""Shapes of one-time codes, log-in, tokens and sessions."""

from typing import Any

from rest_framework import serializers
from rest_framework_simplejwt.tokens import AccessToken

from apps.accounts import rules
from apps.accounts.models import Challenge, RefreshToken, Session, User
from apps.accounts.serializers.fields import CodeField, EmailAddressField, PasswordField, PhoneField, TransportField
from apps.accounts.serializers.profile import UserResponse
from apps.accounts.states import ChallengePurpose, Channel, SendStatus, Transport
from apps.core.api import IdField, RequestSerializer, ResponseSerializer, StrictCharField
from apps.core.api.renderer import rfc3339_or_none
from apps.core.masking import mask


class PhoneOrEmailRequest(RequestSerializer):
    """Exactly one of a phone number and an e-mail address."""

    phone = PhoneField(required=False, max_length=32)
    email = EmailAddressField(required=False, max_length=254)

    default_error_messages = {"one_of": "Give either phone or email."}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("phone" in attrs) == ("email" in attrs):
            self.fail("one_of")
        return attrs


class CodeRequest(PhoneOrEmailRequest):
    """Where the code goes."""


class VerifyRequest(RequestSerializer):
    """The code that came, and how to log in with it."""

    challenge_id = IdField("chal")
    code = CodeField(max_length=6)
    transport = TransportField(default=Transport.BODY)
    name = StrictCharField(required=False, max_length=120, help_text="The name of a new account.")


class LogInRequest(PhoneOrEmailRequest):
    """Phone number or e-mail address, and password."""

    password = PasswordField()
    transport = TransportField(default=Transport.BODY)


class RefreshRequest(RequestSerializer):
    """The refresh token, unless it is in the cookie."""

    refresh_token = StrictCharField(required=False, max_length=4096, help_text="Leave it out to use the cookie.")
    transport = TransportField(required=False)


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

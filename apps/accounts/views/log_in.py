"""Log-in by code and by password, refreshing, sessions. Nothing here is idempotent by key: answers hold secrets."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.utils.decorators import method_decorator
from django_ratelimit.decorators import ratelimit
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import rules, selectors, services
from apps.accounts.authentication import device_of, session_id_of, user_id_of
from apps.accounts.models import Challenge, Session
from apps.accounts.serializers import (
    ChallengeResponse,
    CodeRequest,
    LogInRequest,
    RefreshRequest,
    SessionResponse,
    TokensResponse,
    VerifyRequest,
)
from apps.accounts.services.log_in import AccountDeactivated, InvalidCredentials
from apps.accounts.services.otp import OtpNotValid
from apps.accounts.services.sessions import RefreshTokenNotValid, RefreshTokenReused
from apps.accounts.views.tokens import clear_refresh_cookie, extract_refresh_token, log_in_response, token_response
from apps.core import clock
from apps.core.api import ApiView, KeysetPagination, accepted, client_ip, get_actor, list_response, with_etag
from apps.core.api.schema import page_example, page_parameters
from apps.core.models import public_pk

CHALLENGE_EXAMPLE = {
    "id": "chal_01kaj7s2d4f0q9x3v6m8n1b5c7",
    "object": "challenge",
    "purpose": "log_in",
    "channel": "sms",
    "sent_to": "+91******3210",
    "expires_at": "2026-11-21T05:35:00.000Z",
    "resend_after": "2026-11-21T05:30:30.000Z",
    "status": "queued",
    "failure": None,
    "created_at": "2026-11-21T05:30:00.000Z",
}
FAILED_CHALLENGE_EXAMPLE = {
    **CHALLENGE_EXAMPLE,
    "resend_after": "2026-11-21T05:30:00.000Z",
    "status": "failed",
    "failure": {"code": "provider_unavailable", "message": rules.SEND_FAILURE_MESSAGES["provider_unavailable"]},
}
USER_EXAMPLE: dict[str, Any] = {
    "id": "cus_01kaj7s2d4f0q9x3v6m8n1b5c8",
    "object": "user",
    "name": "Asha Rao",
    "phone": "+919876543210",
    "email": None,
    "email_confirmed_at": None,
    "has_password": False,
    "roles": [],
    "created_at": "2026-11-21T05:30:20.000Z",
    "updated_at": "2026-11-21T05:30:20.000Z",
    "version": 1,
    "metadata": {},
}
TOKENS_EXAMPLE = {
    "object": "tokens",
    "token_type": "Bearer",
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0eXAiOiJhY2Nlc3MifQ.c2lnbmF0dXJl",
    "expires_in": 900,
    "refresh_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0eXAiOiJyZWZyZXNoIn0.c2lnbmF0dXJl",
    "refresh_expires_at": "2026-11-28T05:30:20.000Z",
    "session": "sess_01kaj7s2d4f0q9x3v6m8n1b5c9",
    "is_new_user": True,
    "user": USER_EXAMPLE,
}
_SESSION_EXAMPLE = {
    "id": "sess_01kaj7s2d4f0q9x3v6m8n1b5c9",
    "object": "session",
    "is_current": True,
    "transport": "body",
    "user_agent": "BahiShop/3.1 (Android 15)",
    "ip": "203.0.113.7",
    "last_used_at": "2026-11-21T05:45:00.000Z",
    "created_at": "2026-11-21T05:30:20.000Z",
    "updated_at": "2026-11-21T05:45:00.000Z",
    "version": 1,
    "metadata": {},
}
_NO_CONTENT = OpenApiResponse(description="Done; there is nothing to say.")


def accepted_challenge(challenge: Challenge) -> Response:
    """Answer 202: a code is on its way; its address says whether it was sent."""
    return accepted(ChallengeResponse(challenge).data, location=f"/api/v1/auth/otp/{challenge.public_id}")


def _client_ip(_group: str, request: HttpRequest) -> str:
    return client_ip(request)


def _throttled(method: Callable[..., Response]) -> Any:
    """Stop a flood from one address before it reaches Postgres; the exact rate limits are counted there."""
    limit = ratelimit(group=f"auth.{method.__name__}", key=_client_ip, rate="120/m")
    return method_decorator(limit)(method)


class LogInView(ApiView):
    """Log-in by code or password, and what keeps it alive."""

    shows_own_contacts = True
    raises = {
        "verify": (
            OtpNotValid(),
            AccountDeactivated(),
        ),
        "log_in": (InvalidCredentials(),),
        "refresh": (
            RefreshTokenNotValid(),
            RefreshTokenReused(),
        ),
        "log_out": (RefreshTokenNotValid(),),
    }

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="request_log_in_code",
        summary="Ask for a log-in code",
        description="Sends six digits to the phone or mailbox, good for 5 minutes. The answer is the same whether the "
        "account exists or not. 429 with `Retry-After` when a rate limit of the destination, the network or the day is exceeded.",
        request=CodeRequest,
        responses={202: ChallengeResponse},
        examples=[
            OpenApiExample("By SMS", request_only=True, value={"phone": "+919876543210"}),
            OpenApiExample("On its way", response_only=True, status_codes=["202"], value=CHALLENGE_EXAMPLE),
        ],
    )
    @_throttled
    def request_code(self, request: Request) -> Response:
        body = self.read(CodeRequest, request)
        challenge = services.request_log_in_code(
            destination=body.get("phone") or body["email"],
            ip=client_ip(request),
            actor=services.ANONYMOUS,
            now=clock.now(),
        )
        return accepted_challenge(challenge)

    @extend_schema(
        operation_id="get_log_in_code",
        summary="See whether a code was sent",
        description="`status` becomes `sent` when the provider has taken the message. A code that was not sent says why in `failure`; "
        "another one may be requested at `resend_after`, at once if it was certainly not sent. The answer is the same whether "
        "or not the account exists.",
        responses={200: ChallengeResponse},
        examples=[
            OpenApiExample("Sent", response_only=True, value={**CHALLENGE_EXAMPLE, "status": "sent"}),
            OpenApiExample("Not sent", response_only=True, value=FAILED_CHALLENGE_EXAMPLE),
        ],
    )
    @_throttled
    def retrieve_code(self, request: Request, challenge_id: str) -> Response:
        challenge = selectors.get_challenge(public_pk(Challenge, challenge_id))
        response = Response(ChallengeResponse(challenge, context={"now": clock.now()}).data)
        response["Cache-Control"] = "no-store"
        return response

    @extend_schema(
        operation_id="verify_log_in_code",
        summary="Log in by code",
        description="The first log-in makes the account. A code has five attempts, whether they come one by one or at once.",
        request=VerifyRequest,
        responses={200: TokensResponse},
        examples=[
            OpenApiExample(
                "The code of the SMS",
                request_only=True,
                value={
                    "challenge_id": CHALLENGE_EXAMPLE["id"],
                    "code": "042917",
                    "transport": "body",
                    "name": "Asha Rao",
                },
            ),
            OpenApiExample("Logged in", response_only=True, value=TOKENS_EXAMPLE),
        ],
    )
    @_throttled
    def verify(self, request: Request) -> Response:
        body = self.read(VerifyRequest, request)
        grant = services.log_in_with_code(
            challenge_id=body["challenge_id"],
            code=body["code"],
            device=device_of(request, body["transport"]),
            name=body.get("name", ""),
            now=clock.now(),
        )
        return log_in_response(request, grant)

    @extend_schema(
        operation_id="log_in_with_password",
        summary="Log in by password",
        description="Five wrong passwords a minute and twenty an hour are checked for one account, and five a minute from one "
        "address; then 429 with `Retry-After`. Successful log-ins do not count. A device on which somebody has logged in before "
        "(we know it by the cookie `bahi_device`) is counted apart for them, so that strangers cannot lock them out.",
        request=LogInRequest,
        responses={200: TokensResponse},
        examples=[
            OpenApiExample(
                "By e-mail address",
                request_only=True,
                value={"email": "asha@example.in", "password": "seven brown buffaloes", "transport": "cookie"},
            ),
            OpenApiExample(
                "Logged in",
                response_only=True,
                value={**TOKENS_EXAMPLE, "refresh_token": None, "is_new_user": False},
            ),
        ],
    )
    @_throttled
    def log_in(self, request: Request) -> Response:
        body = self.read(LogInRequest, request)
        grant = services.log_in_with_password(
            identity=body.get("phone") or body["email"],
            password=body["password"],
            device=device_of(request, body["transport"]),
            now=clock.now(),
        )
        return log_in_response(request, grant)

    @extend_schema(
        operation_id="refresh_tokens",
        summary="Get new tokens",
        description="Rotates the refresh token of the body or of the cookie (send `{}` as JSON then). The same token gets the "
        "same successor for 15 seconds; after that its coming back ends the session, for somebody has copied it.",
        request=RefreshRequest,
        responses={200: TokensResponse},
        examples=[
            OpenApiExample(
                "From the body", request_only=True, value={"refresh_token": TOKENS_EXAMPLE["refresh_token"]}
            ),
            OpenApiExample("Refreshed", response_only=True, value={**TOKENS_EXAMPLE, "is_new_user": False}),
        ],
    )
    @_throttled
    def refresh(self, request: Request) -> Response:
        body = self.read(RefreshRequest, request)
        claims, transport = extract_refresh_token(request, body)
        grant = services.refresh_session(
            token_id=claims.token_id, session_id=claims.session_id, transport=transport, now=clock.now()
        )
        return token_response(grant)

    @extend_schema(
        operation_id="log_out",
        summary="Log out",
        description="Ends the session of the refresh token in the body or in the cookie.",
        request=RefreshRequest,
        responses={204: _NO_CONTENT},
        examples=[
            OpenApiExample("From the body", request_only=True, value={"refresh_token": TOKENS_EXAMPLE["refresh_token"]})
        ],
    )
    @_throttled
    def log_out(self, request: Request) -> Response:
        body = self.read(RefreshRequest, request)
        claims, _ = extract_refresh_token(request, body)
        services.log_out(session_id=claims.session_id, now=clock.now())
        return clear_refresh_cookie(Response(status=204))


class SessionsView(ApiView):
    """Where I am logged in."""

    shows_own_contacts = True
    params = {"list": KeysetPagination.PARAMS}

    @extend_schema(
        operation_id="list_my_sessions",
        summary="List my sessions",
        parameters=[
            *page_parameters("-created_at", "created_at"),
        ],
        responses={200: list_response(SessionResponse)},
        examples=[
            page_example(_SESSION_EXAMPLE, name="One device")
        ],
    )  # fmt: skip
    def list(self, request: Request) -> Response:
        rows = selectors.list_live_sessions(user_id=user_id_of(request))
        pagination = KeysetPagination(
            sorts={"created_at": "created_at"}, default="-created_at", scope=f"sessions:{user_id_of(request)}"
        )
        page = pagination.page(rows, self.query)
        data = SessionResponse(page.rows, many=True, context={"current": session_id_of(request)}).data
        return with_etag(request, page.envelope([*data]))

    @extend_schema(
        operation_id="end_my_session",
        summary="End a session",
        description="Its tokens are dead at once.",
        request=None,
        responses={204: _NO_CONTENT},
    )
    def destroy(self, request: Request, session_id: str) -> Response:
        services.end_session(
            user_id=user_id_of(request),
            session_id=public_pk(Session, session_id),
            actor=get_actor(request),
            now=clock.now(),
        )
        return Response(status=204)

    @extend_schema(
        operation_id="log_out_everywhere",
        summary="Log out everywhere",
        description="Ends every session, this one too; all access tokens are dead at once.",
        request=None,
        responses={204: _NO_CONTENT},
    )
    def destroy_all(self, request: Request) -> Response:
        services.log_out_everywhere(user_id=user_id_of(request), actor=get_actor(request), now=clock.now())
        return clear_refresh_cookie(Response(status=204))

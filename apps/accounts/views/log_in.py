"""Log-in by code and by password, refreshing, sessions. Nothing here is idempotent by key: answers hold secrets."""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.decorators import method_decorator
from django_ratelimit.decorators import ratelimit
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import selectors
from apps.accounts.authentication import device_of, session_id_of, user_id_of
from apps.accounts.models import Challenge, Session
from apps.accounts.openapi.log_in import (
    describe_log_in,
    describe_log_in_codes,
    describe_log_out_everywhere,
    describe_sessions,
)
from apps.accounts.serializers.log_in import (
    ChallengeResponse,
    CodeRequest,
    LogInRequest,
    RefreshRequest,
    SessionResponse,
    TokensResponse,
    VerifyRequest,
)
from apps.accounts.services import otp, sessions
from apps.accounts.services.log_in import ANONYMOUS, log_in_with_code, log_in_with_password
from apps.accounts.views.tokens import clear_refresh_cookie, extract_refresh_token, log_in_response, token_response
from apps.core import clock
from apps.core.api import ApiViewSet, accepted, client_ip, get_actor
from apps.core.models import public_pk


def accepted_challenge(challenge: Challenge) -> Response:
    """Answer 202: a code is on its way; its address says whether it was sent."""
    return accepted(ChallengeResponse(challenge).data, location=f"/api/v1/auth/otp/{challenge.public_id}")


def _client_ip(_group: str, request: HttpRequest) -> str:
    return client_ip(request)


def _throttled(group: str) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """Stop a flood from one address before it reaches Postgres; the exact rate limits are counted there."""

    def decorate(method: Callable[..., Response]) -> Callable[..., Response]:
        limited: Callable[..., Response] = method_decorator(
            ratelimit(group=f"auth.{group}", key=_client_ip, rate="120/m")
        )(method)
        return limited

    return decorate


@describe_log_in_codes
class LogInCodeViewSet(ApiViewSet):
    """Log-in by a code that is sent to a phone or mailbox."""

    shows_own_contacts = True
    authentication_classes = ()
    permission_classes = (AllowAny,)
    serializer_class = ChallengeResponse
    serializer_classes = {"verify": TokensResponse}
    request_serializer_classes = {"create": CodeRequest, "verify": VerifyRequest}
    lookup_url_kwarg = "challenge_id"

    @_throttled("request_code")
    def create(self, request: Request) -> Response:
        body = self.read_body()
        challenge = otp.request_log_in_code(
            destination=body.get("phone") or body["email"],
            ip=client_ip(request),
            actor=ANONYMOUS,
            now=clock.now(),
        )
        return accepted_challenge(challenge)

    @_throttled("retrieve_code")
    def retrieve(self, request: Request, challenge_id: str) -> Response:
        challenge = selectors.get_challenge(public_pk(Challenge, challenge_id))
        response = Response(ChallengeResponse(challenge, context={"now": clock.now()}).data)
        response["Cache-Control"] = "no-store"
        return response

    @action(detail=False, methods=["post"])
    @_throttled("verify")
    def verify(self, request: Request) -> Response:
        body = self.read_body()
        grant = log_in_with_code(
            challenge_id=body["challenge_id"],
            code=body["code"],
            device=device_of(request, body["transport"]),
            name=body.get("name", ""),
            now=clock.now(),
        )
        return log_in_response(request, grant)


@describe_log_in
class LogInViewSet(ApiViewSet):
    """Log-in by password, and what keeps a log-in alive or ends it."""

    shows_own_contacts = True
    authentication_classes = ()
    permission_classes = (AllowAny,)
    serializer_class = TokensResponse
    request_serializer_classes = {"log_in": LogInRequest, "refresh": RefreshRequest, "log_out": RefreshRequest}

    @action(detail=False, methods=["post"], url_path="login")
    @_throttled("log_in")
    def log_in(self, request: Request) -> Response:
        body = self.read_body()
        grant = log_in_with_password(
            identity=body.get("phone") or body["email"],
            password=body["password"],
            device=device_of(request, body["transport"]),
            now=clock.now(),
        )
        return log_in_response(request, grant)

    @action(detail=False, methods=["post"])
    @_throttled("refresh")
    def refresh(self, request: Request) -> Response:
        body = self.read_body()
        claims, transport = extract_refresh_token(request, body)
        grant = sessions.refresh_session(
            token_id=claims.token_id, session_id=claims.session_id, transport=transport, now=clock.now()
        )
        return token_response(grant)

    @action(detail=False, methods=["post"], url_path="logout")
    @_throttled("log_out")
    def log_out(self, request: Request) -> Response:
        body = self.read_body()
        claims, _ = extract_refresh_token(request, body)
        sessions.log_out(session_id=claims.session_id, now=clock.now())
        return clear_refresh_cookie(Response(status=204))


@describe_sessions
class SessionViewSet(ListModelMixin, ApiViewSet):
    """Where I am logged in."""

    shows_own_contacts = True
    serializer_class = SessionResponse
    lookup_url_kwarg = "session_id"

    def get_queryset(self) -> "QuerySet[Session]":
        return selectors.list_live_sessions(user_id=user_id_of(self.request))

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "current": session_id_of(self.request)}

    def destroy(self, request: Request, session_id: str) -> Response:
        sessions.end_session(
            user_id=user_id_of(request),
            session_id=public_pk(Session, session_id),
            actor=get_actor(request),
            now=clock.now(),
        )
        return Response(status=204)

    @describe_log_out_everywhere
    def destroy_all(self, request: Request) -> Response:
        sessions.log_out_everywhere(user_id=user_id_of(request), actor=get_actor(request), now=clock.now())
        return clear_refresh_cookie(Response(status=204))

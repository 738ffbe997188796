"""Who I am, and what I change about it. What takes a code is not idempotent by key: a wrong code must stay counted."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import selectors, services
from apps.accounts.authentication import device_of, user_id_of
from apps.accounts.serializers import (
    ChallengeResponse,
    ConfirmRequest,
    EmailRequest,
    NameRequest,
    PasswordRequest,
    TokensResponse,
    UserResponse,
)
from apps.accounts.services.otp import NoContactChannel, OtpNotValid
from apps.accounts.services.passwords import PasswordTooWeak
from apps.accounts.services.profiles import EmailInUse
from apps.accounts.views.log_in import CHALLENGE_EXAMPLE, TOKENS_EXAMPLE, USER_EXAMPLE, accepted_challenge
from apps.accounts.views.tokens import log_in_response
from apps.core import clock
from apps.core.api import ApiView, check_if_match, client_ip, get_actor, get_etag, idempotent, with_etag
from apps.core.api.schema import IF_MATCH


class MeView(ApiView):
    """The account of the authenticated user."""

    shows_own_contacts = True
    without_body = ("request_password",)
    raises = {
        "confirm_email": (
            OtpNotValid(),
            EmailInUse(),
        ),
        "request_password": (NoContactChannel(),),
        "set_password": (
            OtpNotValid(),
            PasswordTooWeak("This password is too common.", param="password"),
        ),
    }

    @extend_schema(
        operation_id="get_me",
        summary="Read my account",
        responses={200: UserResponse},
        examples=[OpenApiExample("Me", response_only=True, value=USER_EXAMPLE)],
    )
    def retrieve(self, request: Request) -> Response:
        user = selectors.get_user(user_id_of(request))
        return with_etag(request, UserResponse(user).data, etag=get_etag(user))

    @extend_schema(
        operation_id="change_me",
        summary="Change my name",
        parameters=[IF_MATCH],
        request=NameRequest,
        responses={200: UserResponse},
        examples=[
            OpenApiExample("A name", request_only=True, value={"name": "Asha Rao"}),
            OpenApiExample("Changed", response_only=True, value={**USER_EXAMPLE, "version": 2}),
        ],
    )
    @idempotent(required=False)
    def partial_update(self, request: Request) -> Response:
        body = self.read(NameRequest, request)
        seen = selectors.get_user(user_id_of(request))
        check_if_match(request, seen)
        user = services.change_name(
            user_id=seen.pk, name=body["name"], version=seen.version, actor=get_actor(request), now=clock.now()
        )
        return Response(UserResponse(user).data, headers={"ETag": get_etag(user)})

    @extend_schema(
        operation_id="request_email_code",
        summary="Set my e-mail address: ask for a code",
        description="Sends six digits to the mailbox. The answer is the same whether another account has it or not.",
        request=EmailRequest,
        responses={202: ChallengeResponse},
        examples=[
            OpenApiExample("A mailbox", request_only=True, value={"email": "asha@example.in"}),
            OpenApiExample(
                "On its way",
                response_only=True,
                status_codes=["202"],
                value={
                    **CHALLENGE_EXAMPLE,
                    "purpose": "confirm_email",
                    "channel": "email",
                    "sent_to": "a***@example.in",
                },
            ),
        ],
    )
    def request_email(self, request: Request) -> Response:
        body = self.read(EmailRequest, request)
        challenge = services.request_email_code(
            user_id=user_id_of(request),
            email=body["email"],
            ip=client_ip(request),
            actor=get_actor(request),
            now=clock.now(),
        )
        return accepted_challenge(challenge)

    @extend_schema(
        operation_id="confirm_email",
        summary="Set my e-mail address: confirm it",
        request=ConfirmRequest,
        responses={200: UserResponse},
        examples=[
            OpenApiExample(
                "The code of the mail",
                request_only=True,
                value={"challenge_id": CHALLENGE_EXAMPLE["id"], "code": "042917"},
            ),
            OpenApiExample(
                "Confirmed",
                response_only=True,
                value={
                    **USER_EXAMPLE, "email": "asha@example.in", "email_confirmed_at": "2026-11-21T05:32:00.000Z", "version": 2,
                },
            ),
        ],
    )  # fmt: skip
    def confirm_email(self, request: Request) -> Response:
        body = self.read(ConfirmRequest, request)
        user = services.confirm_email(
            user_id=user_id_of(request),
            challenge_id=body["challenge_id"],
            code=body["code"],
            actor=get_actor(request),
            now=clock.now(),
        )
        return Response(UserResponse(user).data, headers={"ETag": get_etag(user)})

    @extend_schema(
        operation_id="request_password_code",
        summary="Set my password: ask for a code",
        description="Sends six digits to my phone, or to my e-mail address if I have no phone.",
        request=None,
        responses={202: ChallengeResponse},
        examples=[
            OpenApiExample(
                "On its way",
                response_only=True,
                status_codes=["202"],
                value={**CHALLENGE_EXAMPLE, "purpose": "set_password"},
            )
        ],
    )
    def request_password(self, request: Request) -> Response:
        challenge = services.request_password_code(
            user_id=user_id_of(request), ip=client_ip(request), actor=get_actor(request), now=clock.now()
        )
        return accepted_challenge(challenge)

    @extend_schema(
        operation_id="set_password",
        summary="Set my password: with the code",
        description="Ends every session and answers with the tokens of a new one.",
        request=PasswordRequest,
        responses={200: TokensResponse},
        examples=[
            OpenApiExample(
                "The code of the SMS",
                request_only=True,
                value={
                    "challenge_id": CHALLENGE_EXAMPLE["id"], "code": "042917", "password": "seven brown buffaloes",
                    "transport": "body",
                },
            ),
            OpenApiExample("Logged in again", response_only=True, value={**TOKENS_EXAMPLE, "is_new_user": False}),
        ],
    )  # fmt: skip
    def set_password(self, request: Request) -> Response:
        body = self.read(PasswordRequest, request)
        grant = services.set_own_password(
            user_id=user_id_of(request),
            challenge_id=body["challenge_id"],
            code=body["code"],
            password=body["password"],
            device=device_of(request, body["transport"]),
            actor=get_actor(request),
            now=clock.now(),
        )
        return log_in_response(request, grant)

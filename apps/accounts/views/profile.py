"""Who I am, and what I change about it. What takes a code is not idempotent by key: a wrong code must stay counted."""

from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import selectors
from apps.accounts.authentication import device_of, user_id_of
from apps.accounts.openapi.profile import describe_email, describe_me, describe_password
from apps.accounts.serializers.log_in import ChallengeResponse, TokensResponse
from apps.accounts.serializers.profile import ConfirmRequest, EmailRequest, NameRequest, PasswordRequest, UserResponse
from apps.accounts.services import otp, profiles
from apps.accounts.views.log_in import accepted_challenge
from apps.accounts.views.tokens import log_in_response
from apps.core import clock
from apps.core.api import ApiViewSet, check_if_match, client_ip, get_actor, get_etag, idempotent


@describe_me
class MeViewSet(ApiViewSet):
    """The account of the authenticated user."""

    shows_own_contacts = True
    serializer_class = UserResponse
    request_serializer_classes = {"partial_update": NameRequest}

    def retrieve(self, request: Request) -> Response:
        user = selectors.get_user(user_id_of(request))
        return self.answer(self.get_serializer(user).data, etag=get_etag(user))

    @idempotent(required=False)
    def partial_update(self, request: Request) -> Response:
        body = self.read_body()
        seen = selectors.get_user(user_id_of(request))
        check_if_match(request, seen)
        user = profiles.change_name(
            user_id=seen.pk, name=body["name"], version=seen.version, actor=get_actor(request), now=clock.now()
        )
        return Response(self.get_serializer(user).data, headers={"ETag": get_etag(user)})


@describe_email
class EmailViewSet(ApiViewSet):
    """My e-mail address: set by a code that is sent to it."""

    shows_own_contacts = True
    serializer_class = UserResponse
    serializer_classes = {"create": ChallengeResponse}
    request_serializer_classes = {"create": EmailRequest, "confirm": ConfirmRequest}

    def create(self, request: Request) -> Response:
        challenge = otp.request_email_code(
            user_id=user_id_of(request),
            email=self.read_body()["email"],
            ip=client_ip(request),
            actor=get_actor(request),
            now=clock.now(),
        )
        return accepted_challenge(challenge)

    @action(detail=False, methods=["post"])
    def confirm(self, request: Request) -> Response:
        body = self.read_body()
        user = profiles.confirm_email(
            user_id=user_id_of(request),
            challenge_id=body["challenge_id"],
            code=body["code"],
            actor=get_actor(request),
            now=clock.now(),
        )
        return Response(self.get_serializer(user).data, headers={"ETag": get_etag(user)})


@describe_password
class PasswordViewSet(ApiViewSet):
    """My password: set with a code that is sent to my phone or mailbox."""

    shows_own_contacts = True
    serializer_class = TokensResponse
    serializer_classes = {"create": ChallengeResponse}
    request_serializer_classes = {"confirm": PasswordRequest}

    def create(self, request: Request) -> Response:
        challenge = otp.request_password_code(
            user_id=user_id_of(request), ip=client_ip(request), actor=get_actor(request), now=clock.now()
        )
        return accepted_challenge(challenge)

    @action(detail=False, methods=["post"])
    def confirm(self, request: Request) -> Response:
        body = self.read_body()
        grant = profiles.change_password_and_log_in(
            user_id=user_id_of(request),
            challenge_id=body["challenge_id"],
            code=body["code"],
            password=body["password"],
            device=device_of(request, body["transport"]),
            actor=get_actor(request),
            now=clock.now(),
        )
        return log_in_response(request, grant)

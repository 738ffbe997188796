"""Who asks: the bearer of an access token whose session version is still the user's."""

from typing import Any

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from apps.accounts import selectors
from apps.accounts.models import User
from apps.core import ids
from apps.core.errors import NotFound, Unauthenticated

MAX_TOKEN_LENGTH = 4096


class TokenNotValid(Unauthenticated):
    message = "The access token is not valid or has expired."


class AccessTokenAuthentication(BaseAuthentication):
    """
    Accept `Authorization: Bearer <access token>`.

    The token carries `sub` (the user), `sid` (the session) and `sv` (the session version): a token of an ended session, of an
    inactive user or of an older session version is refused at once.
    """

    def authenticate(self, request: Request) -> tuple[User, Any] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2 or len(parts[1]) > MAX_TOKEN_LENGTH:
            raise TokenNotValid

        try:
            token = AccessToken(parts[1])  # type: ignore[arg-type]
            user = selectors.find_principal(
                user_id=ids.decode("cus", str(token["sub"])), session_id=ids.decode("sess", str(token["sid"]))
            )
        except (TokenError, NotFound, KeyError) as error:
            raise TokenNotValid from error
        if user is None or user.session_version != token["sv"]:
            raise TokenNotValid
        return user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

"""
Tokens: texts made of rows, and rows found by texts.

Nothing of a token is stored. Access and refresh tokens differ by `typ`; a refresh token is a pure function of its row, so that
the same successor can be handed out twice.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import jwt
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, Token

from apps.accounts import selectors
from apps.accounts.models import RefreshToken, Session, User
from apps.accounts.services import log_in
from apps.accounts.services.sessions import Device, InvalidRefreshToken
from apps.accounts.states import Transport
from apps.core import clock, ids
from apps.core.api.requests import client_ip
from apps.core.errors import NotFound, RateLimited, Unauthenticated

MAX_TOKEN_LENGTH = 4096
#: Of how many tokens a process keeps the claims: a client sends its own with each request, for a quarter of an hour.
_KEPT_TOKENS = 1_024
#: Three parts without padding; the last is 32 bytes in the one way of writing them, for Python's decoder takes others too.
_HS256_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]{42}[AEIMQUYcgkosw048]", re.ASCII)


class InvalidAccessToken(Unauthenticated):
    """The access token is malformed, expired or of an ended session. Refresh it, or log in again."""

    message = "The access token is not valid or has expired."


def key_id(key: str) -> str:
    """Return the `kid` of a signing key: which one it is, and nothing of it."""
    return hashlib.sha256(f"kid\n{key}".encode()).hexdigest()[:16]


class _KeyedBackend(TokenBackend):
    """Signs with one key, and names it in the header."""

    def encode(self, payload: dict[str, Any]) -> str:
        claims, key = {**payload, "aud": self.audience, "iss": self.issuer}, str(self.signing_key)
        return jwt.encode(claims, key, algorithm=self.algorithm, headers={"kid": key_id(key)})


class _KeyRing:
    """
    The present signing key and the earlier ones that are still accepted.

    A token names its key by `kid`.
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._backends = {
            key_id(key): _KeyedBackend(
                api_settings.ALGORITHM,
                key,
                audience=api_settings.AUDIENCE,
                issuer=api_settings.ISSUER,
                leeway=api_settings.LEEWAY,
            )
            for key in keys
        }
        #: What is refused raises an error, and is not kept.
        self._verified = lru_cache(maxsize=_KEPT_TOKENS)(self._decode)

    def encode(self, payload: dict[str, Any]) -> str:
        return next(iter(self._backends.values())).encode(payload)

    def get_leeway(self) -> Any:
        return next(iter(self._backends.values())).get_leeway()

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        """
        Return the claims of a token that we signed.

        What was found of a text is kept, for its signature stays what it is; whether it has expired is asked again by
        `Token.verify`, and its session in the database.

        :raises TokenBackendError: if it has expired, or none of our keys has signed it
        """
        return dict(self._verified(token) if verify else self._decode(token, verify=False))

    def _decode(self, token: Any, *, verify: bool = True) -> dict[str, Any]:
        try:
            named = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError as error:
            raise TokenBackendError("Token is invalid") from error
        backend = self._backends.get(str(named))
        if backend is None:
            raise TokenBackendError("Token is signed by a key that is not known")
        return backend.decode(token, verify=verify)


@lru_cache(maxsize=8)
def _key_ring(*keys: str) -> _KeyRing:
    return _KeyRing(keys)


class _SignedToken(Token):
    def get_token_backend(self) -> Any:
        return _key_ring(settings.JWT_SIGNING_KEY, *settings.JWT_SIGNING_KEY_FALLBACKS)


class _SignedAccessToken(_SignedToken, AccessToken):
    pass


class _SignedRefreshToken(_SignedToken):
    token_type = "refresh"  # noqa: S105 - a kind, not a secret
    lifetime = settings.REFRESH_TOKEN_LIFETIME


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """Which rows a refresh token is of."""

    token_id: UUID
    session_id: UUID


def sign_access_token(*, user: User, session: Session) -> str:
    """Return a new access token of a session: 15 minutes, and no longer than the session and its version."""
    token = _SignedAccessToken()
    token["sub"] = user.public_id
    token["sid"] = session.public_id
    token["sv"] = user.session_version
    return str(token)


def sign_refresh_token(row: RefreshToken, *, user: User) -> str:
    """Return the text of a refresh token: the same for the same row, whenever it is asked for."""
    token = _SignedRefreshToken()
    token.payload = {
        "typ": token.token_type,
        "jti": row.public_id,
        "sub": user.public_id,
        "sid": ids.encode(Session.PREFIX, row.session_id),
        "iat": int(row.created_at.timestamp()),
        "exp": int(row.expires_at.timestamp()),
    }
    return str(token)


def _verify_token(kind: type[Token], text: str) -> Token:
    """
    Return a token that we signed.

    :raises TokenError: if we did not, it has expired, or its instants are none that we write
    """
    try:
        token = kind(text)  # type: ignore[arg-type]
    except (OverflowError, TypeError, ValueError, OSError) as error:  # PyJWT and Python about an instant that is none
        raise TokenError("a claim cannot be read") from error
    if type(token.payload.get("exp")) is not int:
        raise TokenError("the end is no instant in whole seconds")
    return token


def verify_refresh_token(text: str) -> RefreshClaims:
    """
    Return which rows a refresh token is of.

    :raises InvalidRefreshToken: if we did not sign it, it has expired, or it is another kind of token
    """
    if len(text) > MAX_TOKEN_LENGTH or not _HS256_TOKEN.fullmatch(text):
        raise InvalidRefreshToken
    try:
        token = _verify_token(_SignedRefreshToken, text)
        return RefreshClaims(
            token_id=ids.decode(RefreshToken.PREFIX, str(token["jti"])),
            session_id=ids.decode(Session.PREFIX, str(token["sid"])),
        )
    except (TokenError, NotFound, KeyError) as error:
        raise InvalidRefreshToken from error


class AccessTokenAuthentication(BaseAuthentication):
    """
    Accept `Authorization: Bearer <access token>`.

    The token carries `sub` (the user), `sid` (the session) and `sv` (the session version): a token of an ended session, of an
    inactive user or of an older session version is refused at once.
    """

    def authenticate(self, request: Request) -> tuple[User, Any] | None:
        scheme, *tokens = get_authorization_header(request).split() or [b""]
        if scheme.lower() != b"bearer":
            return None
        if len(tokens) != 1 or len(tokens[0]) > MAX_TOKEN_LENGTH:
            raise InvalidAccessToken
        text = tokens[0].decode("latin-1")
        if not _HS256_TOKEN.fullmatch(text):
            raise InvalidAccessToken

        try:
            token = _verify_token(_SignedAccessToken, text)
            user = selectors.find_authenticated_user(
                user_id=ids.decode("cus", str(token["sub"])), session_id=ids.decode("sess", str(token["sid"]))
            )
        except (TokenError, NotFound, KeyError) as error:
            raise InvalidAccessToken from error
        if user is None or user.session_version != token.get("sv"):
            raise InvalidAccessToken
        return user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def user_id_of(request: Request) -> UUID:
    """Return the id of the user who is signed in."""
    user: Any = request.user
    return UUID(str(user.pk))


def session_id_of(request: Request) -> UUID:
    """Return the id of the session whose access token a request bears."""
    token: Any = request.auth
    return ids.decode(Session.PREFIX, str(token["sid"]))


# Devices --------------------------------------------------------------------------------------------------------------

DEVICE_COOKIE = "bahi_device"
_DEVICE_SALT = "accounts.device"
#: A browser of the shop's counter is shared by at most that many people; the one who has been away longest is forgotten.
_MAX_USERS_PER_DEVICE = 8


def device_of(request: HttpRequest | Request, transport: str) -> Device:
    """Return where a request comes from, and who has logged in there before, as our cookie says."""
    user_agent = request.headers.get("User-Agent", "")
    device_id, user_ids = _known_device(request)
    return Device(
        ip=client_ip(request),
        user_agent="".join(character for character in user_agent if character.isprintable())[:300],
        transport=Transport(transport),
        id=device_id,
        user_ids=frozenset(user_ids),
    )


def remember_device(response: HttpResponse, *, request: HttpRequest | Request, user: User) -> None:
    """
    Let the answer to a log-in name the device to us from now on, with the person who has just logged in there.

    The cookie opens nothing: it only says whose attempts are counted apart from those of strangers.
    """
    device_id, user_ids = _known_device(request)
    known = [user.public_id, *(person for person in user_ids if person != user.public_id)][:_MAX_USERS_PER_DEVICE]
    response.set_cookie(
        DEVICE_COOKIE,
        signing.dumps({"id": device_id or secrets.token_urlsafe(16), "user_ids": known}, salt=_DEVICE_SALT),
        max_age=settings.KNOWN_DEVICE_TTL,
        secure=settings.REFRESH_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )


def _known_device(request: HttpRequest | Request) -> tuple[str, list[str]]:
    text = request.COOKIES.get(DEVICE_COOKIE, "")
    try:
        found = signing.loads(text[:MAX_TOKEN_LENGTH], salt=_DEVICE_SALT, max_age=settings.KNOWN_DEVICE_TTL)
    except signing.BadSignature:
        return "", []
    return found["id"], found["user_ids"]


class StaffBackend(ModelBackend):
    """
    The log-in of the back office: e-mail address and password of active staff, under the rate limits of any log-in.

    Permissions are Django's.
    """

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        if request is None or not username or not password:
            return None
        try:
            return log_in.authenticate_staff(
                email=username, password=password, device=device_of(request, Transport.COOKIE), now=clock.now()
            )
        except RateLimited as error:
            # Django takes this for a wrong password; the form of the log-in page looks here for what to say.
            request.rate_limit_error = error  # type: ignore[attr-defined]
            raise PermissionDenied(error.text) from error

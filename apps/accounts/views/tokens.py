"""Handing out tokens and taking them back: in the body, or in a cookie that only /auth sees and no script reads."""

from typing import Any

from django.conf import settings
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.authentication import (
    RefreshClaims,
    remember_device,
    sign_access_token,
    sign_refresh_token,
    verify_refresh_token,
)
from apps.accounts.serializers.log_in import TokensResponse
from apps.accounts.services.sessions import Grant, InvalidRefreshToken
from apps.accounts.states import Transport

REFRESH_COOKIE = "bahi_refresh"
REFRESH_COOKIE_PATH = "/api/v1/auth"


def log_in_response(request: Request, grant: Grant) -> Response:
    """Answer a log-in: with the tokens of its grant, and a cookie by which we know the device again."""
    response = token_response(grant)
    remember_device(response, request=request, user=grant.user)
    return response


def token_response(grant: Grant) -> Response:
    """Answer with the tokens of a grant, the refresh token where its session keeps it."""
    access = sign_access_token(user=grant.user, session=grant.session)
    refresh = sign_refresh_token(grant.refresh_token, user=grant.user)
    in_cookie = grant.session.transport == Transport.COOKIE
    data = TokensResponse.shape(
        user=grant.user,
        token=grant.refresh_token,
        session=grant.session,
        access=access,
        refresh=None if in_cookie else refresh,
        is_new=grant.is_new_user,
    )
    response = Response(data)
    if in_cookie:
        response.set_cookie(
            REFRESH_COOKIE,
            refresh,
            expires=grant.refresh_token.expires_at,
            path=REFRESH_COOKIE_PATH,
            secure=settings.REFRESH_COOKIE_SECURE,
            httponly=True,
            samesite="Strict",
        )
    return response


def clear_refresh_cookie(response: Response) -> Response:
    """Return an answer that makes a browser forget the refresh token."""
    response.delete_cookie(REFRESH_COOKIE, path=REFRESH_COOKIE_PATH, samesite="Strict")
    return response


def extract_refresh_token(request: Request, body: dict[str, Any]) -> tuple[RefreshClaims, Transport]:
    """
    Return which refresh token a request brings, and where it was: in the body, else in the cookie.

    A cookie is accepted only with a JSON content type, which a page of another origin cannot send without our leave;
    SameSite=Strict alone would let pages of sister domains end or rotate sessions.

    :raises InvalidRefreshToken: if there is none, or it was not issued by Bahi
    """
    text = body.get("refresh_token")
    if text:
        transport = Transport.BODY
    else:
        transport = Transport.COOKIE
        text = request.COOKIES.get(REFRESH_COOKIE)
        content_type = (request.content_type or "").partition(";")[0].strip().lower()
        if text and content_type != "application/json":
            raise UnsupportedMediaType(content_type or "none")
    if not text or body.get("transport", transport) != transport:
        raise InvalidRefreshToken
    return verify_refresh_token(text), transport

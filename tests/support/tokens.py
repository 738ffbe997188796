"""Tokens signed as ours are, whatever they claim."""

from typing import Any

import jwt
from django.conf import settings

from apps.accounts.authentication import key_id


def sign(claims: dict[str, Any], *, key: str = "", algorithm: str = "HS256", **header: Any) -> str:
    """Return a token with these claims, signed with our key unless another is given; its header names our key."""
    headers = {"kid": key_id(settings.JWT_SIGNING_KEY), **header}
    return jwt.encode(claims, key or settings.JWT_SIGNING_KEY, algorithm=algorithm, headers=headers)

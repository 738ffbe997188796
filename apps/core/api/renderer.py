"""JSON out, by orjson."""

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from apps.core import clock

_encoder = JSONEncoder()
_ENCODED: Final = "encoded_data"


def _default(value: Any) -> Any:
    if isinstance(value, datetime):
        return clock.rfc3339(value)
    if isinstance(value, UUID):
        return str(value)
    return _encoder.default(value)


class ApiRenderer(JSONRenderer):
    """Render JSON in UTF-8; instants as RFC 3339 in UTC, in milliseconds, with `Z`."""

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        if data is None:
            return b""
        encoded: Any = getattr((renderer_context or {}).get("response"), _ENCODED, None)
        return encoded.body if encoded is not None and encoded.data is data else to_json(data)


class _Encoded(NamedTuple):
    data: Any
    body: bytes


def keep_encoded(response: Response, body: bytes) -> None:
    """Keep the JSON of a response's data with it, so that it is not made again; other data that replace them are."""
    setattr(response, _ENCODED, _Encoded(response.data, body))


def to_json(data: Any) -> bytes:
    """Return data as JSON bytes."""
    return orjson.dumps(data, default=_default, option=orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS)


def rfc3339_or_none(instant: datetime | None) -> str | None:
    """Return an instant as the API writes it: UTC, in milliseconds, with `Z`."""
    return None if instant is None else clock.rfc3339(instant)

"""A JSON parser that refuses whatever two readers could understand in two ways."""

import json
import re
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser

from apps.core.errors import Invalid

MAX_BODY_BYTES = 1_048_576
MAX_DEPTH = 20
MAX_DIGITS = 18
_TOO_DEEP = f"it is nested deeper than {MAX_DEPTH} levels"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class BodyTooLarge(Invalid):
    """The body is larger than 1 MB. Send a smaller one."""

    message = "The body is larger than 1 MB."


class LengthRequired(Invalid):
    """The body was sent without Content-Length. Send it in one piece, not in chunks."""

    message = "Send the body with its Content-Length, not in chunks."


class BodyIncomplete(Invalid):
    """The connection ended before the whole body was received. Send the request again."""

    message = "The body ended before its announced length."


class UnexpectedBody(Invalid):
    """The request has a body, but takes none. Send the request without it."""

    message = "This request takes no body. Send it without one."


class MalformedJson(Invalid):
    """The body is not valid JSON, or is nested too deeply. Correct it."""

    message = "The body is not valid JSON: {0}."


class StrictJSONParser(BaseParser):
    """
    Parse UTF-8 JSON objects.

    Refuses duplicate keys, NaN and infinity, numbers beyond 18 digits, NUL and lone surrogates, nesting over 20 and bodies
    over 1 MB.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        _refuse_other_charset(media_type)
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise BodyTooLarge
        return parse_object(raw)


def parse_object(raw: bytes) -> dict[str, Any]:
    """
    Return the JSON object in `raw`.

    :raises MalformedJson: if it is not one, or one that two readers could understand in two ways
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedJson("it is not UTF-8") from error
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_int=_bounded_int,
            parse_float=_bounded_float,
        )
    except json.JSONDecodeError as error:
        raise MalformedJson(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise MalformedJson(_TOO_DEEP) from error
    if not isinstance(value, dict):
        raise MalformedJson("an object is expected")
    _refuse_unfit(value, depth=1)
    return value


def _refuse_other_charset(media_type: str | None) -> None:
    for parameter in (media_type or "").split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "charset" and value.strip('"').lower() not in {"utf-8", "utf8"}:
            raise MalformedJson("only UTF-8 is accepted")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise MalformedJson(f"the key {twice[:40]!r} is given twice in one object")
    return result


def _refuse_constant(name: str) -> None:
    raise MalformedJson(f"{name} is not a JSON number")


def _bounded_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise MalformedJson("a number is too large")
    return int(digits)


def _bounded_float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise MalformedJson("a number is too large")
    return value


def _refuse_unfit(value: Any, *, depth: int) -> None:
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise MalformedJson("a string contains a character that cannot be stored")
    elif isinstance(value, (dict, list)):
        if depth > MAX_DEPTH:
            raise MalformedJson(_TOO_DEEP)
        for inner in [*value, *value.values()] if isinstance(value, dict) else value:
            _refuse_unfit(inner, depth=depth + 1)

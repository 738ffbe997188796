"""Reads the bodies and queries of control calls; its refusals say what is allowed."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from werkzeug.wrappers import Request

_REQUIRED: Any = object()


class Refused(Exception):
    """A control call that makes no sense; `status` is its HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Body:
    """
    The JSON object or form of a control call, read field by field.

    :raises Refused: if it is no object, or has a field that is not in `allowed`
    """

    def __init__(self, request: Request, *allowed: str) -> None:
        self._fields = _fields(request)
        unknown = sorted(set(self._fields) - set(allowed))
        if unknown:
            raise Refused(f"unknown field {', '.join(unknown)}; this call takes {', '.join(allowed) or 'no fields'}")

    def __contains__(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def text(self, name: str, default: Any = _REQUIRED) -> Any:
        return self._read(name, default, str, "a text")

    def choice(self, name: str, choices: Collection[str], default: Any = _REQUIRED) -> Any:
        value = self.text(name, default)
        if value is not None and value not in choices:
            raise Refused(f"{name} must be one of: {', '.join(choices)}")
        return value

    def integer(self, name: str, default: Any = _REQUIRED, *, lowest: int = 0) -> Any:
        value = self._read(name, default, int, "an integer")
        if isinstance(value, bool) or (value is not None and value < lowest):
            raise Refused(f"{name} must be an integer of at least {lowest}")
        return value

    def number(self, name: str, default: Any = _REQUIRED) -> Any:
        return self._read(name, default, (int, float), "a number")

    def flag(self, name: str, default: Any = _REQUIRED) -> Any:
        return self._read(name, default, bool, "true or false")

    def texts(self, name: str, default: Any = _REQUIRED) -> Any:
        value = self._read(name, default, list, "a list of texts")
        if not all(isinstance(item, str) for item in value):
            raise Refused(f"{name} must be a list of texts")
        return value

    def mapping(self, name: str, default: Any = _REQUIRED) -> Any:
        return self._read(name, default, dict, "an object")

    def _read(self, name: str, default: Any, kind: Any, wanted: str) -> Any:
        value = self._fields.get(name)
        if value is None:
            if default is _REQUIRED:
                raise Refused(f"{name} is missing")
            return default
        if not isinstance(value, kind):
            raise Refused(f"{name} must be {wanted}")
        return value


def is_form(request: Request) -> bool:
    """
    Return whether a button of the index page made this call.

    Its forms have a field `back`; the content type alone says nothing, since curl sends JSON under that of a form.
    """
    request.get_data()  # keeps the bytes, which reading the form first would consume
    return request.mimetype == "application/x-www-form-urlencoded" and "back" in request.form


def _fields(request: Request) -> dict[str, Any]:
    if is_form(request):
        return {name: value for name, value in request.form.items() if name != "back"}
    raw = request.get_data()
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Refused("the body is not JSON") from error
    if not isinstance(body, dict):
        raise Refused("the body must be a JSON object")
    return body


def query_number(request: Request, name: str, default: float, *, highest: float = float("inf")) -> float:
    """
    Return a number of the query string, cut at `highest`.

    :raises Refused: if it is no number
    """
    text = request.args.get(name)
    if text is None:
        return default
    try:
        return min(float(text), highest)
    except ValueError as error:
        raise Refused(f"{name} must be a number") from error

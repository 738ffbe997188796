"""The fields of control calls; an invalid call is refused with a sentence that says what is allowed."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Final, TypeVar, overload

from werkzeug.wrappers import Request

from sandbox.json_types import JsonObject

T = TypeVar("T")
D = TypeVar("D")
Choice = TypeVar("Choice", bound=str)


class _Required:
    """The default of a field that has none."""


_REQUIRED: Final = _Required()


class CallRefused(Exception):
    """A control call that cannot be carried out; `status` is its HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class RequestBody:
    """
    The JSON object or form of a control call, read field by field.

    A field that is missing or null has its default, which may be of any kind; without a default it is required.

    :raises CallRefused: if the body is no object, or has a field that is not in `allowed`
    """

    def __init__(self, request: Request, *allowed: str) -> None:
        self._fields = _read_fields(request)
        unknown = sorted(set(self._fields) - set(allowed))
        if unknown:
            known = ", ".join(allowed) or "no fields"
            raise CallRefused(f"This call accepts {known}, not {', '.join(unknown)}.")

    @overload
    def text(self, name: str) -> str: ...
    @overload
    def text(self, name: str, default: D) -> str | D: ...
    def text(self, name: str, default: object = _REQUIRED) -> object:
        return self._read(name, default, str, "a string")

    @overload
    def choice(self, name: str, choices: Collection[Choice]) -> Choice: ...
    @overload
    def choice(self, name: str, choices: Collection[Choice], default: D) -> Choice | D: ...
    def choice(self, name: str, choices: Collection[Choice], default: object = _REQUIRED) -> object:
        value = self._read(name, default, str, "a string")
        if value is not None and value not in choices:
            raise CallRefused(f"{name} must be one of: {', '.join(choices)}.")
        return value

    @overload
    def integer(self, name: str, *, lowest: int = 0) -> int: ...
    @overload
    def integer(self, name: str, default: D, *, lowest: int = 0) -> int | D: ...
    def integer(self, name: str, default: object = _REQUIRED, *, lowest: int = 0) -> object:
        value = self._read(name, default, int, "an integer")
        if isinstance(value, bool) or (isinstance(value, int) and value < lowest):
            raise CallRefused(f"{name} must be an integer of at least {lowest}.")
        return value

    @overload
    def number(self, name: str) -> float: ...
    @overload
    def number(self, name: str, default: D) -> float | D: ...
    def number(self, name: str, default: object = _REQUIRED) -> object:
        return self._read(name, default, (int, float), "a number")

    @overload
    def flag(self, name: str) -> bool: ...
    @overload
    def flag(self, name: str, default: D) -> bool | D: ...
    def flag(self, name: str, default: object = _REQUIRED) -> object:
        return self._read(name, default, bool, "true or false")

    @overload
    def texts(self, name: str) -> list[str]: ...
    @overload
    def texts(self, name: str, default: D) -> list[str] | D: ...
    def texts(self, name: str, default: object = _REQUIRED) -> object:
        value = self._read(name, default, list, "a list of strings")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise CallRefused(f"{name} must be a list of strings.")
        return value

    @overload
    def mapping(self, name: str) -> JsonObject: ...
    @overload
    def mapping(self, name: str, default: D) -> JsonObject | D: ...
    def mapping(self, name: str, default: object = _REQUIRED) -> object:
        return self._read(name, default, dict, "an object")

    def _read(self, name: str, default: object, kind: type | tuple[type, ...], wanted: str) -> object:
        value = self._fields.get(name)
        if value is None:
            if default is _REQUIRED:
                raise CallRefused(f"{name} is missing.")
            return default
        if not isinstance(value, kind):
            raise CallRefused(f"{name} must be {wanted}.")
        return value


def is_form(request: Request) -> bool:
    """
    Return whether a button of the index page made this call.

    Its forms have a field `back`; the content type alone says nothing, since curl sends JSON under that of a form.
    """
    request.get_data()  # keeps the bytes, which reading the form first would consume
    return request.mimetype == "application/x-www-form-urlencoded" and "back" in request.form


def _read_fields(request: Request) -> JsonObject:
    if is_form(request):
        return {name: value for name, value in request.form.items() if name != "back"}
    raw = request.get_data()
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise CallRefused("The body is not JSON.") from error
    if not isinstance(body, dict):
        raise CallRefused("The body must be a JSON object.")
    return body


def read_query_number(request: Request, name: str, default: float, *, highest: float = float("inf")) -> float:
    """
    Return a number of the query string, cut at `highest`.

    :raises CallRefused: if it is not a number
    """
    text = request.args.get(name)
    if text is None:
        return default
    try:
        return min(float(text), highest)
    except ValueError as error:
        raise CallRefused(f"{name} must be a number.") from error

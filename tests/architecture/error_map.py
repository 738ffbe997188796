"""`docs/api/errors.md`, written from the error classes: every code with its status, when it occurs and what to do."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from rest_framework import serializers

import apps
from apps.core import errors
from apps.core.api.errors import status_of
from apps.core.api.serializers import RequestSerializer

_INTRODUCTION = """\
# Errors of the API

Every error code, when it occurs and what to do. Written by `make maps`; do not edit. Every error that the application
answers under `/api` has one shape:

```json
{"error": {"type": "conflict", "code": "insufficient_stock", "message": "Only 2 units of this item are left.",
           "param": "lines[0].quantity", "request_id": "req_01jf3z8k4q0000000000000000"}}
```

Programs handle errors by `code`, which is stable: a code is never renamed, removed or given another meaning inside
`/api/v1`, and new ones may be added. `message` is a sentence for people and may be reworded. `param` names the field
or parameter that is wrong. `request_id` is also the header `X-Request-Id`: include it when you ask for help. A code
with several rows has several causes; its message says which. Codes of the back office and of `manage.py` commands are
listed too.
"""

_FIELDS = """\
## Fields of a body

A body with wrong fields is a 400 of the type `invalid_request`. `details` names each error with its `param`, `code`
and `message`; those of the error itself are of the first one.
"""

#: Raised through their subclasses only.
_ABSTRACT = {
    errors.Invalid, errors.Unauthenticated, errors.Forbidden, errors.NotFound, errors.Conflict, errors.Unprocessable,
}  # fmt: skip

#: Codes of errors that have no class of ours: the status, when it occurs, what to do.
FRAMEWORK: dict[str, tuple[int, str, str]] = {
    "bad_request": (400, "The request cannot be read.", "Correct the request."),
    "forbidden": (403, "The account lacks the permission.", "Log in with an account that has it."),
    "internal": (500, "Something went wrong on our side.", "Repeat the request with the same Idempotency-Key; report the `request_id`."),
    "malformed_request": (400, "The body cannot be read.", "Correct the body."),
    "method_not_allowed": (405, "The path does not take this method.", "Use one that the header `Allow` names."),
    "not_acceptable": (406, "The client does not accept the type of the response.", "Accept `application/json`."),
    "not_authenticated": (401, "No access token came with the request.", "Log in and send the access token."),
    "not_found": (404, "There is no such path.", "Check the path."),
    "unsupported_media_type": (415, "The body is of a type that is not read.", "Send `application/json`."),
}  # fmt: skip

#: Codes of single fields of a request's body.
FIELD_CODES = {
    "bad_name": "a name in `metadata` or in attributes is not a line of 1 to 40 characters",
    "blank": "the text is empty",
    "code": "a one-time code is not six digits",
    "control": "the text contains a control character, a direction mark or stacked accents",
    "datetime": "a date was expected, not a timestamp",
    "email": "the text is not an e-mail address",
    "empty": "the list or object is empty",
    "invalid": "the value is of another type or form",
    "invalid_choice": "the value is not one of the choices that the message names",
    "max_length": "the text or list is too long",
    "max_string_length": "the number has too many digits",
    "max_value": "the number is too large",
    "min_length": "the text or list is too short",
    "min_value": "the number is too small",
    "not_a_dict": "an object was expected",
    "not_a_list": "a list was expected",
    "not_an_id": "the text is not an id of this kind",
    "null": "the value is null",
    "null_characters_not_allowed": "the text contains a NUL character",
    "one_of": "either a phone number or an e-mail address is expected",
    "phone": "the text is not a mobile number to which messages are sent",
    "required": "the field is missing",
    "surrogate_characters_not_allowed": "the text contains half of a character",
    "too_many": "`metadata` or attributes have too many pairs",
    "unknown_field": "the request has no such field",
}


class Row(NamedTuple):
    """One cause of an error code."""

    app: str
    code: str
    status: int
    when: str
    what_to_do: str


def list_errors() -> list[type[errors.BahiError]]:
    """Return every error class of apps that can be raised, by code; one from which others derive comes first."""
    for module in pkgutil.walk_packages(apps.__path__, "apps."):
        if ".migrations" not in module.name:
            importlib.import_module(module.name)
    found = {kind for kind in _subclasses(errors.BahiError) if kind.__module__.startswith("apps.")} - _ABSTRACT
    return sorted(found, key=lambda kind: (kind.code, len(kind.__mro__), kind.__name__))


def _subclasses(kind: type[errors.BahiError]) -> Iterator[type[errors.BahiError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)


def describe(kind: type[errors.BahiError]) -> tuple[str, str]:
    """Return when an error occurs and what to do: the first sentence of its docstring, and the others."""
    text = " ".join((kind.__dict__.get("__doc__") or "").split())
    when, _, what_to_do = re.sub(r"(?<=\.)\s(?=[A-Z`])", "\n", text, count=1).partition("\n")
    return when, what_to_do


def list_field_codes() -> set[str]:
    """Return the codes that the fields of any request's body can be refused with."""
    return {
        code
        for shape in _subclasses_of_requests(RequestSerializer)
        if shape.__module__.startswith("apps.")
        for code in _codes_of(shape())
    }


def _subclasses_of_requests(shape: type[RequestSerializer]) -> Iterator[type[RequestSerializer]]:
    for each in shape.__subclasses__():
        yield each
        yield from _subclasses_of_requests(each)


def _codes_of(field: Any) -> Iterator[str]:
    yield from field.error_messages
    yield from (validator.code for validator in field.validators if hasattr(validator, "code"))
    if isinstance(field, serializers.Serializer):
        for each in field.fields.values():
            yield from _codes_of(each)
    elif hasattr(field, "child"):
        yield from _codes_of(field.child)


def render_errors() -> str:
    """Return the page of all error codes."""
    rows = [
        Row(kind.__module__.split(".")[1], kind.code, status_of(kind.__new__(kind))[0], *describe(kind))
        for kind in list_errors()
    ]
    rows += [Row("core", code, *answer) for code, answer in FRAMEWORK.items()]
    lines = _INTRODUCTION.splitlines()
    for app in sorted({row.app for row in rows}, key=lambda app: (app != "core", app)):
        lines += ["", "## Any request" if app == "core" else f"## {app}", ""]
        lines += ["| Code | Status | When | What to do |", "|---|---|---|---|"]
        lines += [
            f"| `{row.code}` | {row.status} | {row.when} | {row.what_to_do} |"
            for row in sorted((row for row in rows if row.app == app), key=lambda row: row.code)
        ]
    lines += ["", *_FIELDS.splitlines(), "", "| Code | When |", "|---|---|"]
    lines += [f"| `{code}` | {when} |" for code, when in FIELD_CODES.items()]
    return "\n".join(lines) + "\n"

"""Reading the parameters of requests as MSG91 does."""

from __future__ import annotations

import re

from sandbox.json_types import JsonObject
from sandbox.msg91.errors import Refused


def read_text(params: JsonObject, name: str) -> str:
    """Return a parameter as a text, empty if it is missing."""
    return str(params.get(name) or "")


def read_mobile(params: JsonObject, name: str = "mobile") -> str:
    """
    Return the number: country code and digits, no plus sign.

    :raises Refused: if it is missing or anything else
    """
    mobile = read_text(params, name)
    if not mobile:
        raise Refused("Missing mobile no.", "101")
    if not re.fullmatch(r"[1-9]\d{10,14}", mobile):
        raise Refused("Invalid Mobile no.", "202")
    return mobile


def read_number(params: JsonObject, name: str, default: int, allowed: range, *, error: str) -> int:
    """
    Return a whole number, or `default` if it is missing.

    :raises Refused: with the sentence `error`, if it is not in the range
    """
    text = str(params.get(name) or default)
    if not text.isdecimal() or int(text) not in allowed:
        raise Refused(error)
    return int(text)

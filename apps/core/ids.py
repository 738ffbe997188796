"""
Ids: UUIDv7 inside, prefixed and sortable text outside (`ord_01jf3...`).

The text is the prefix, an underscore and the 128 bits in 26 characters of Crockford's base 32, lower case, so that ids of
one kind sort as they were made. https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
"""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import uuid_utils

from apps.core.errors import NotFound

#: Crockford's base 32 without the letters that look like digits.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_BODY = re.compile(f"[{ALPHABET}]{{26}}")
#: Python's own digits of base 32, which it reads in one step.
_TO_BASE_32 = str.maketrans(ALPHABET, "0123456789abcdefghijklmnopqrstuv")
#: Two characters for each ten bits: an id is written in half as many steps.
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
_HALF = (1 << 60) - 1
_EPOCH = datetime.fromtimestamp(0, tz=UTC)


class IdNotFound(NotFound):
    """The id in the path does not have the form of an id of this kind. Check it."""

    message = "There is no such object."
    code = "not_found"


def new() -> UUID:
    """Return a new UUIDv7: unique, and sorted by the time it was made."""
    return UUID(int=uuid_utils.uuid7().int)


def floor(instant: datetime) -> UUID:
    """Return the least UUIDv7 of an instant: whatever is made from then on sorts at or after it."""
    milliseconds = (instant - _EPOCH) // timedelta(milliseconds=1)  # in integers: a float loses the last one
    return UUID(int=milliseconds << 80)


def encode(prefix: str, value: UUID) -> str:
    """Return the public form of an id, such as `ord_01jf3z...`."""
    return f"{prefix}_{encode_body(value.int)}"


def encode_body(number: int) -> str:
    """Return the 26 characters of the public form of an id whose 128 bits are this number."""
    # Two numbers that fit a machine word, for arithmetic with longer ones takes several times as long.
    pairs, high, low = _PAIRS, number >> 60, number & _HALF
    return (
        f"{pairs[high >> 60]}{pairs[high >> 50 & 1023]}{pairs[high >> 40 & 1023]}{pairs[high >> 30 & 1023]}"
        f"{pairs[high >> 20 & 1023]}{pairs[high >> 10 & 1023]}{pairs[high & 1023]}{pairs[low >> 50]}{pairs[low >> 40 & 1023]}"
        f"{pairs[low >> 30 & 1023]}{pairs[low >> 20 & 1023]}{pairs[low >> 10 & 1023]}{pairs[low & 1023]}"
    )


def decode(prefix: str, text: str) -> UUID:
    """
    Return the UUID behind a public id.

    :raises IdNotFound: if the text is not an id of that kind; a wrong id and an absent object look the same
    """
    head, _, body = text.partition("_")
    if head != prefix or _BODY.fullmatch(body) is None:
        raise IdNotFound

    number = int(body.translate(_TO_BASE_32), 32)
    if number >> 128:
        raise IdNotFound
    return UUID(int=number)

"""
Ids: UUIDv7 inside, prefixed and sortable text outside (`ord_01jf3...`).

The text is the prefix, an underscore and the 128 bits in 26 characters of Crockford's base 32, lower case, so that ids of
one kind sort as they were made. https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import uuid_utils

from apps.core.errors import NotFound

#: Crockford's base 32 without the letters that look like digits.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_LENGTH = 26
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
    number = value.int
    characters = []
    for _ in range(_LENGTH):
        characters.append(ALPHABET[number & 31])
        number >>= 5
    return f"{prefix}_{''.join(reversed(characters))}"


def decode(prefix: str, text: str) -> UUID:
    """
    Return the UUID behind a public id.

    :raises IdNotFound: if the text is not an id of that kind; a wrong id and an absent object look the same
    """
    head, _, body = text.partition("_")
    if head != prefix or len(body) != _LENGTH:
        raise IdNotFound

    number = 0
    for character in body:
        value = _VALUES.get(character)
        if value is None:
            raise IdNotFound
        number = number << 5 | value
    if number >> 128:
        raise IdNotFound
    return UUID(int=number)

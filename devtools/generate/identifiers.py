"""The ids of generated rows: UUIDv7 by instant, place and a number that follows from the seed."""

from __future__ import annotations

import hashlib
from typing import Final
from uuid import UUID

from apps.core.ids import encode_body

_VERSION: Final = 7 << 76
_VARIANT: Final = 2 << 62
#: The bits of a UUIDv7 that say nothing.
FREE_BITS: Final = 62


def base_of(milliseconds: int, place: int) -> int:
    """Return the UUIDv7 of an instant (Unix milliseconds) whose free bits are zero; `place` orders those of one instant."""
    return milliseconds << 80 | _VERSION | place << 64 | _VARIANT


def mix(*parts: object) -> int:
    """Return a number for the free bits that follows from the parts, such as the seed and what the id is of."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - FREE_BITS)


def hyphenated(number: int) -> str:
    """Return a UUID as JSON has it."""
    return str(UUID(int=number))


def id_values(hole: str, number: int) -> dict[str, str]:
    """Return the values of the holes of an id: in a cell, in JSON (`_h`) and in a public id (`_p`)."""
    text = hyphenated(number)
    return {hole: text, f"{hole}_h": text, f"{hole}_p": encode_body(number)}

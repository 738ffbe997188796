"""The ids of generated rows: UUIDv7 by instant, place and a number that follows from the seed, and their public texts."""

from __future__ import annotations

import hashlib
from typing import Final
from uuid import UUID

from apps.core.ids import ALPHABET

_VERSION: Final = 7 << 76
_VARIANT: Final = 2 << 62
#: The bits of a UUIDv7 that say nothing.
FREE_BITS: Final = 62
_CHUNK_BITS, _CHUNKS = 10, 13
_PAIRS: Final = [first + second for first in ALPHABET for second in ALPHABET]


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


def public_text(number: int) -> str:
    """Return the 26 characters of a public id, as `apps.core.ids.encode` writes them, in a third of its time."""
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


_SHIFTS: Final = [(_CHUNKS - 1 - chunk) * _CHUNK_BITS for chunk in range(_CHUNKS)]

"""Identifiers that look like the real ones and are the same in every run of one seed."""

from __future__ import annotations

import hashlib
import string

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


class Ids:
    """
    A family of numbered series, one for each kind of thing.

    The n-th id of a kind depends on the seed, the kind and n alone, so two threads that interleave differently still
    see the same series of orders.
    """

    def __init__(self, seed: int, counters: dict[str, int] | None = None) -> None:
        self.seed = seed
        self.counters: dict[str, int] = dict(counters or {})

    def razorpay(self, prefix: str) -> str:
        """Return the next `<prefix>_<14 base62 characters>`."""
        return f"{prefix}_{self.base62(prefix, 14)}"

    def base62(self, kind: str, length: int) -> str:
        return self._text(kind, length, _BASE62)

    def digits(self, kind: str, length: int) -> str:
        return self._text(kind, length, string.digits)

    def hex(self, kind: str, length: int) -> str:
        return self._text(kind, length, "0123456789abcdef")

    def skip(self, count: int) -> None:
        """Leave a gap in every series, for a sandbox that does not know how far its predecessor came."""
        self.counters = {kind: number + count for kind, number in self.counters.items()}

    def _text(self, kind: str, length: int, alphabet: str) -> str:
        number = self.counters.get(kind, 0) + 1
        self.counters[kind] = number
        value = int.from_bytes(hashlib.sha256(f"{self.seed}:{kind}:{number}".encode()).digest(), "big")
        characters = []
        for _ in range(length):
            value, index = divmod(value, len(alphabet))
            characters.append(alphabet[index])
        return "".join(characters)

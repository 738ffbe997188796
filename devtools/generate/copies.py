"""Copies of a template: the values of its holes at another time, and the text of its rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from apps.core.ids import encode_body
from devtools.generate import calendar
from devtools.generate.identifiers import hyphenated
from devtools.generate.templates import Template

_ID_MASK: Final = (1 << 128) - 1
_GATEWAY_MASK: Final = (1 << 56) - 1
#: Odd, so that different orders have different ids; large, so that these are spread as a gateway's are.
_SPREAD: Final = 0x9E3779B97F4A7D
_PLACES: Final = 64
Values = dict[str, str]


class Copier:
    """
    Fills the holes of one template.

    :param begin: the second at which the played order began
    """

    def __init__(self, template: Template, *, begin: int) -> None:
        holes = template.holes
        self.template = template
        self.begin = begin
        self._ids = tuple(holes.ids.items())
        self._hyphenated = tuple(holes.hyphenated.items())
        self._public = tuple(holes.public.items())
        self._unknown = tuple(holes.unknown.items())
        self._gateway = tuple(holes.gateway.items())
        self._instants = tuple(holes.instants.items())
        self._epochs = tuple(holes.epochs.items())
        self._words = tuple(holes.words.items())
        self._days: tuple[tuple[str, int, Callable[[int], str]], ...] = tuple(
            (name, second, calendar.iso_day if form == "iso" else calendar.day_in_words)
            for name, (second, form) in holes.days.items()
        )
        self._hashes = tuple(sorted(holes.hashes))
        if max(holes.gateway.values(), default=0) >= _PLACES:
            raise ValueError("a template has more ids of the gateway than are told apart")

    def fill(self, values: Values, *, at: int, number: int, bits: int) -> None:
        """
        Add the values of all holes that follow from when and which: ids, instants, days.

        :param at: the second at which the copy begins
        :param number: the number of the order, by which ids of the gateway differ
        :param bits: the free bits of its UUIDs
        """
        self._fill_ids(values, ((at - self.begin) * 1000 << 80) + bits)
        self._fill_times(values, at)
        for name, place in self._gateway:
            values[name] = f"{(number * _PLACES + place) * _SPREAD & _GATEWAY_MASK:014x}"
        for name, place in self._unknown:
            values[name] = hyphenated((number << 64 | bits) * (2 * place + 3) * _SPREAD & _ID_MASK)
        for name in self._hashes:
            values[name] = hashlib.sha256(f"{name} {number} {bits}".encode()).hexdigest()
        values["rrn"] = f"{number % 10**10:010d}"

    def _fill_ids(self, values: Values, add: int) -> None:
        for name, base in self._ids:
            values[name] = f"{base + add:032x}"
        for name, base in self._hyphenated:
            text = f"{base + add:032x}"
            values[name] = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        for name, base in self._public:
            values[name] = encode_body(base + add)

    def _fill_times(self, values: Values, at: int) -> None:
        for name, second in self._instants:
            values[name] = calendar.instant(at + second)
        for name, second, form in self._days:
            values[name] = form(calendar.day_number(at + second))
        for name, second in self._epochs:
            values[name] = str(at + second)
        for name, second in self._words:
            values[name] = calendar.instant_in_words(at + second)

    def fill_hashes(self, values: Values) -> None:
        """Add the hashes of texts whose holes are all filled, and those texts themselves where they are a column."""
        for hole, pattern, is_column in self.template.texts:
            text = (pattern % values).encode()
            values[hole] = hashlib.sha256(text).hexdigest()
            if is_column:
                values[hole.removesuffix("_sha")] = f"\\\\x{text.hex()}"

    def render(self, values: Values, into: dict[str, list[str]]) -> None:
        """Add the rows to the texts of their tables."""
        for table, pattern in self.template.tables:
            into[table].append(pattern % values)

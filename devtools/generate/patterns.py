"""
Rows of a played order as patterns: texts with a hole for whatever differs in another order.

What is an id, an instant, a number or a name is recognised by its form, wherever it stands: in a column, in the values of an
event, in a message. So a table or an event that is added to the product is copied without a change here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from apps.core import ids
from apps.core.clock import IST
from apps.core.dates import format_instant
from devtools.generate.identifiers import base_of
from devtools.generate.played_world import ID_MARK
from devtools.generate.plays import RRN_MARK

#: The fraction of a second of every generated instant, so that their order is that of their seconds.
FRACTION: Final = ".137"
FRACTION_MS: Final = 137
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_FORMS: Final = re.compile(
    r"(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r"|\b(?P<public>[a-z]{2,5}_[0-9a-hjkmnp-tv-z]{26})\b"
    rf"|\b(?P<gateway>[a-z]+_{ID_MARK}[0-9]{{12}})\b"
    rf"|(?<![0-9])(?P<rrn>{RRN_MARK}[0-9]{{4}})(?![0-9])"
    r"|(?<![0-9])(?P<instant>[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?)"
    r"|(?<![0-9-])(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})(?![0-9-])"
    rf"|(?<![0-9])(?P<words>[0-9]{{1,2}} (?:{_MONTHS}) [0-9]{{4}}(?:, [0-9]{{1,2}}:[0-9]{{2}} [ap]m IST)?)"
    r"|(?P<hash>(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f]))"
    r"|(?<![0-9.])(?P<epoch>1[5-9][0-9]{8})(?![0-9.])"
)
_LONGEST: Final = timedelta(days=60)
_UUID_LENGTH: Final = 36
_MINUTE: Final = 60


@dataclass
class Holes:
    """
    What the patterns of one play leave open, by the names of the holes; ids and instants are relative to the play's begin.

    `ids` are numbers of UUIDs whose free bits are zero, `instants` and `words` whole seconds, `days` days.
    """

    ids: dict[str, int] = field(default_factory=dict)
    hyphenated: dict[str, int] = field(default_factory=dict)
    public: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    gateway: dict[str, int] = field(default_factory=dict)
    instants: dict[str, int] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    words: dict[str, int] = field(default_factory=dict)
    days: dict[str, tuple[int, str]] = field(default_factory=dict)
    hashes: set[str] = field(default_factory=set)


class Compiler:
    """
    Turns the texts of one play into patterns.

    :param begin: when the play began, in whole seconds of Unix time
    :param own: the UUIDs of the play's own rows, with the Unix seconds of their making, in the order of their making
    :param foreign: the UUIDs of rows that are elsewhere, with the names of their holes: for each, the plain name is of 32 digits,
        with `_h` hyphenated and with `_p` public
    :param kept: UUIDs that stay as they are
    :param exact: texts that are replaced by holes wherever they stand
    :param kept_hashes: hashes that stay as they are
    """

    def __init__(
        self,
        *,
        begin: int,
        own: Mapping[UUID, int],
        foreign: Mapping[UUID, str],
        kept: frozenset[UUID],
        exact: Mapping[str, str],
        kept_hashes: frozenset[str],
    ) -> None:
        self.begin = begin
        self.holes = Holes()
        self.bases = {each: base_of(at * 1000 + FRACTION_MS, place) for place, (each, at) in enumerate(own.items())}
        self._foreign, self._kept, self._kept_hashes = foreign, kept, kept_hashes
        self._exact = dict(sorted(exact.items(), key=lambda pair: -len(pair[0])))
        self._names = re.compile("|".join(map(re.escape, self._exact)) or "(?!)")
        self._places: dict[str, int] = {}
        self._gateway_places: dict[str, int] = {}
        self._known_seconds: set[int] = set()

    def learn_instants(self, texts: Iterable[str]) -> None:
        """Look for the instants of all texts before the first pattern is made: days and times in words are of one of them."""
        for text in texts:
            for found in _FORMS.finditer(text):
                if found.lastgroup == "instant":
                    self._hole_of_instant(found[0], is_column=False)

    def pattern(self, text: str, *, is_column: bool = False) -> str:
        """Return a text as a pattern for `%` and the values of the holes; a UUID that is all of a column needs no hyphens."""
        return self._fill(text, is_column=is_column and len(text) == _UUID_LENGTH)

    def _fill(self, text: str, *, is_column: bool) -> str:
        # Names first: what they leave is looked through for forms. A hole that is there already is left alone.
        done, at = [], 0
        for found in re.finditer(rf"%\([^)]+\)s|{self._names.pattern}", text):
            done.append(self._fill_forms(text[at : found.start()], is_column=is_column))
            done.append(found[0] if found[0].startswith("%(") else f"%({self._exact[found[0]]})s")
            at = found.end()
        done.append(self._fill_forms(text[at:], is_column=is_column))
        return "".join(done)

    def _fill_forms(self, text: str, *, is_column: bool) -> str:
        done, at = [], 0
        for found in _FORMS.finditer(text):
            done.append(text[at : found.start()].replace("%", "%%"))
            form = found.lastgroup or ""
            done.append(getattr(self, f"_hole_of_{form}")(found[0], is_column=is_column))
            at = found.end()
        done.append(text[at:].replace("%", "%%"))
        return "".join(done)

    def _hole(self, kind: dict[str, int], prefix: str, value: int) -> str:
        name = f"{prefix}{value}"
        kind.setdefault(name, value)
        return f"%({name})s"

    def _hole_of_uuid(self, text: str, *, is_column: bool) -> str:
        return self._hole_of_id(UUID(text), "" if is_column else "_h", text)

    def _hole_of_public(self, text: str, *, is_column: bool) -> str:  # noqa: ARG002 - all have the same parameters
        prefix, _, _body = text.partition("_")
        return f"{prefix}_" + self._hole_of_id(ids.decode(prefix, text), "_p", text.partition("_")[2])

    def _hole_of_id(self, value: UUID, form: str, text: str) -> str:
        if value in self._kept:
            return text
        if value in self._foreign:
            return f"%({self._foreign[value]}{form})s"
        place = self._places.setdefault(str(value), len(self._places))
        if value not in self.bases:
            self.holes.unknown[f"x{place}"] = place
            return f"%(x{place})s"
        kind = {"": self.holes.ids, "_h": self.holes.hyphenated, "_p": self.holes.public}[form]
        kind[f"u{place}{form}"] = self.bases[value]
        return f"%(u{place}{form})s"

    def _hole_of_gateway(self, text: str, *, is_column: bool) -> str:  # noqa: ARG002
        prefix, _, body = text.partition("_")
        return f"{prefix}_" + self._hole(
            self.holes.gateway, "g", self._gateway_places.setdefault(body, len(self._gateway_places))
        )

    def _hole_of_rrn(self, text: str, *, is_column: bool) -> str:  # noqa: ARG002
        return "%(rrn)s" + f"{self._gateway_places.setdefault(text, len(self._gateway_places)):02d}"

    def _hole_of_instant(self, text: str, *, is_column: bool) -> str:  # noqa: ARG002
        whole, dot, _fraction = text.partition(".")
        second = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp()) - self.begin
        self._known_seconds.add(second)
        return self._hole(self.holes.instants, "t", second) + (FRACTION if dot else "")

    def _hole_of_epoch(self, text: str, *, is_column: bool) -> str:  # noqa: ARG002
        second = int(text) - self.begin
        return self._hole(self.holes.epochs, "e", second) if abs(second) < _LONGEST.total_seconds() else text

    def _hole_of_hash(self, text: str, *, is_column: bool) -> str:  # noqa: ARG002
        if text in self._kept_hashes:
            return text
        name = f"k{self._places.setdefault(text, len(self._places))}"
        self.holes.hashes.add(name)
        return f"%({name})s"

    def _hole_of_day(self, text: str, *, is_column: bool) -> str:  # noqa: ARG002
        return self._day(date.fromisoformat(text), "iso")

    def _hole_of_words(self, text: str, *, is_column: bool) -> str:  # noqa: ARG002
        if text.endswith("IST"):
            at = datetime.strptime(text.removesuffix(" IST"), "%d %b %Y, %I:%M %p").replace(tzinfo=IST)
            minute = int(at.timestamp()) - self.begin
            second = min((each for each in self._known_seconds if 0 <= each - minute < _MINUTE), default=minute)
            if format_instant(self._instant(second)) != text:
                raise ValueError(f"{text!r} is not written as instants are")
            return self._hole(self.holes.words, "w", second)
        return self._day(datetime.strptime(text, "%d %b %Y").date(), "words")  # noqa: DTZ007 - a day in India

    def _day(self, day: date, form: str) -> str:
        """Return the hole of a day: of the first instant on it that is known, or a count of days from the begin."""
        on_it = [second for second in self._known_seconds if self._instant(second).astimezone(IST).date() == day]
        begins = self._instant(0).astimezone(IST).date()
        second = min(on_it) if on_it else (day - begins).days * 86_400
        name = f"d{second}_{form}".replace("-", "m")
        self.holes.days[name] = (second, form)
        return f"%({name})s"

    def _instant(self, second: int) -> datetime:
        return datetime.fromtimestamp(self.begin + second, tz=UTC)

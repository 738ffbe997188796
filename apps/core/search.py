"""What people type into a search box, and what it may be: each reader asks for the one form that its index answers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Model, QuerySet

from apps.core.errors import Invalid, NotFound
from apps.core.models import public_pk

#: What is typed beyond this is no name, number or id.
MAX_CHARACTERS: Final = 100
#: The fewest characters that the API searches for.
MIN_QUERY: Final = 2
#: The most rows of one index that are read; people type more if theirs is not among them.
MAX_CANDIDATES: Final = 200
#: Shorter beginnings of words would match half of all people.
MIN_WORD: Final = 2
MAX_WORDS: Final = 6
#: The configuration of full-text search for names, which have no grammar.
NAME_CONFIG: Final = "simple"

_CONTROLS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")
#: What parts words, and what the query language of Postgres gives a meaning.
_SEPARATORS = re.compile(r"[\s,;:.'\"\\&|!()<>*@/+-]+")
_TYPED_DIGITS = re.compile(r"[0-9][0-9 ./#-]*", re.ASCII)
_CODE = re.compile(r"[A-Z0-9][A-Z0-9/_.-]*", re.ASCII)
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_-]{5,79}", re.ASCII)


class QueryLengthOutOfRange(Invalid):
    """The search text is too short or too long. Send as many characters as the message says."""

    message = "q must have {0} to {1} characters."


@dataclass(frozen=True)
class SearchTerm:
    """A text as it was typed, with all that it may be."""

    typed: str

    @cached_property
    def text(self) -> str:
        """The text without what cannot be seen, on one line."""
        return " ".join(_CONTROLS.sub(" ", self.typed[: 2 * MAX_CHARACTERS]).split())[:MAX_CHARACTERS].strip()

    @cached_property
    def digits(self) -> str:
        """Its digits if it is a number, however people part its digits, or nothing."""
        typed = self.text.lstrip("# ")
        return re.sub(r"[^0-9]", "", typed) if _TYPED_DIGITS.fullmatch(typed) else ""

    @cached_property
    def code(self) -> str:
        """The text as numbers of documents and SKUs are written, in capitals and without spaces, or nothing."""
        code = self.text.replace(" ", "").upper()
        return code if _CODE.fullmatch(code) else ""

    @cached_property
    def reference(self) -> str:
        """The text if it may be an id of a gateway or a reference of a bank, which a machine has made, or nothing."""
        return self.text if _REFERENCE.fullmatch(self.text) and any(map(str.isdigit, self.text)) else ""

    @cached_property
    def case_variants(self) -> list[str]:
        """The reference as typed, in capitals and in small letters: banks print the same reference in either."""
        return sorted({self.reference, self.reference.upper(), self.reference.lower()}) if self.reference else []

    @cached_property
    def words(self) -> list[str]:
        """The words of a name, or nothing if one is too short to look for."""
        words = [word for word in _SEPARATORS.split(self.text) if word]
        is_name = bool(words) and not self.digits and "@" not in self.text and max(map(len, words)) >= MIN_WORD
        return words[:MAX_WORDS] if is_name else []

    def pk_of(self, model: type[Model]) -> UUID | None:
        """Return the primary key if the text is a public id of a model, or None."""
        try:
            return public_pk(model, self.text)
        except NotFound:
            return None


def parse_query(text: str) -> SearchTerm:
    """
    Return what a client of the API searches for by `q`.

    :raises QueryLengthOutOfRange: if it is too short or too long
    """
    if not MIN_QUERY <= len(text.strip()) <= MAX_CHARACTERS:
        raise QueryLengthOutOfRange(MIN_QUERY, MAX_CHARACTERS, param="q")
    return SearchTerm(text)


def name_vector(*fields: str) -> SearchVector:
    """Return the words of names, as a GIN index keeps them and `filter_by_words` looks for them."""
    return SearchVector(*fields, config=NAME_CONFIG)


def filter_by_words(rows: "QuerySet[Any]", words: Iterable[str], *fields: str) -> "QuerySet[Any]":
    """Narrow rows to those whose names have words that begin so, in any order: `rao ash` finds Asha Rao."""
    query = SearchQuery(" & ".join(f"'{word}':*" for word in words), search_type="raw", config=NAME_CONFIG)
    found: QuerySet[Any] = rows.alias(name_words=name_vector(*fields)).filter(name_words=query)
    return found


def any_of(*keys: "QuerySet[Any]") -> "QuerySet[Any]":
    """
    Return the keys that any of several queries finds, each by its own index and at most MAX_CANDIDATES of each.

    Conditions joined by OR across tables would have the database read all of them.
    """
    first, *others = (found[:MAX_CANDIDATES] for found in keys)
    return first.union(*others, all=True) if others else first

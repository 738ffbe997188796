"""
Where a page of a list begins and ends: by the values that the list is sorted by, never by counting rows from the beginning.

A page far behind takes as long as the first one, and rows that come and go move nobody past a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.core import signing
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Field, Func, Model, Q, QuerySet, Value
from django.db.models.lookups import GreaterThan, LessThan

from apps.core.pages import cut_page

_SALT: Final = "admin-list"


@dataclass(frozen=True)
class _Term:
    """One column of a sort, and its direction."""

    field: "Field[Any, Any]"
    is_descending: bool

    @property
    def name(self) -> str:
        return self.field.attname


@dataclass(frozen=True)
class Cursor:
    """A row's place in a list, and to which side of it one goes."""

    values: tuple[Any, ...]
    goes_back: bool
    page: int = 2


@dataclass(frozen=True)
class KeysetPage:
    """The rows of one page, and the cursors to both sides."""

    rows: list[Any]
    next_cursor: Cursor | None
    prev_cursor: Cursor | None


class Keyset:
    """A sort by columns that are never null, of which the last ones differ between any two rows."""

    def __init__(self, model: type[Model], terms: Sequence[_Term]) -> None:
        self.model = model
        self.terms = tuple(terms)

    @classmethod
    def find(cls, model: type[Model], ordering: Sequence[Any]) -> "Keyset | None":
        """Return the keyset of a sort, or None if rows have no place by it: it has an expression, or a column that may be null."""
        terms: dict[str, _Term] = {}
        for each in ordering:
            if not isinstance(each, str):
                return None
            name = each.removeprefix("-")
            try:
                field = model._meta.pk if name == "pk" else model._meta.get_field(name)
            except FieldDoesNotExist:
                return None
            if not isinstance(field, Field) or field.null:
                return None
            terms.setdefault(field.attname, _Term(field, each.startswith("-")))
        return cls(model, list(terms.values()))

    def read_page(self, rows: "QuerySet[Any]", *, cursor: Cursor | None, size: int) -> KeysetPage:
        """Return a page of rows, which reads one row more than it has."""
        goes_back = cursor is not None and cursor.goes_back
        found, has_next, has_prev = cut_page(
            list(self._sorted(self.filter_beyond(rows, cursor), goes_back=goes_back)[: size + 1]),
            limit=size,
            goes_back=goes_back,
            has_start=cursor is not None,
        )
        page = cursor.page if cursor else 1
        return KeysetPage(
            rows=found,
            next_cursor=Cursor(self._values_of(found[-1]), goes_back=False, page=page + 1) if has_next else None,
            prev_cursor=Cursor(self._values_of(found[0]), goes_back=True, page=max(1, page - 1)) if has_prev else None,
        )

    def filter_beyond(self, rows: "QuerySet[Any]", cursor: Cursor | None) -> "QuerySet[Any]":
        """Return those of the rows that are beyond a place in the list."""
        return rows if cursor is None else rows.filter(self._is_beyond(cursor.values, goes_back=cursor.goes_back))

    def filter_nearby(self, rows: "QuerySet[Any]", *, cursor: Cursor | None, count: int) -> "QuerySet[Any] | None":
        """
        Return those of the rows that are among the next `count` of the whole table, or None if the table has no more than that.

        One statement reads the index of the sort alone, to find where they end.
        """
        goes_back = cursor is not None and cursor.goes_back
        names = [term.name for term in self.terms]
        everything = self.filter_beyond(self.model._default_manager.all(), cursor)
        # The offset is bounded by what is looked through at once.
        after = list(self._sorted(everything, goes_back=goes_back).values_list(*names)[count : count + 1])
        return rows.filter(self._is_beyond(after[0], goes_back=not goes_back)) if after else None

    def sign_cursor(self, cursor: Cursor) -> str:
        """Return a cursor as an address holds it."""
        texts = [self._text_of(term, value) for term, value in zip(self.terms, cursor.values, strict=True)]
        return signing.dumps([cursor.goes_back, cursor.page, texts], salt=self._salt)

    def read_cursor(self, text: str) -> Cursor | None:
        """
        Return the cursor that an address holds, or None if it names the first page.

        :raises ValueError: if it was not made for this list and its sort
        """
        if text in ("", "1"):
            return None
        try:
            goes_back, page, texts = signing.loads(text, salt=self._salt)
            values = tuple(term.field.to_python(each) for term, each in zip(self.terms, texts, strict=True))
        except (signing.BadSignature, ValidationError, ValueError, TypeError) as error:
            raise ValueError("no page of this list") from error
        return Cursor(values, goes_back=goes_back, page=page)

    @property
    def _salt(self) -> str:
        sort = ",".join(f"{'-' * term.is_descending}{term.name}" for term in self.terms)
        return f"{_SALT} {self.model._meta.label_lower} {sort}"

    @property
    def _is_one_way(self) -> bool:
        return len({term.is_descending for term in self.terms}) == 1

    def _sorted(self, rows: "QuerySet[Any]", *, goes_back: bool) -> "QuerySet[Any]":
        return rows.order_by(*(f"{'-' * (term.is_descending != goes_back)}{term.name}" for term in self.terms))

    def _is_beyond(self, values: Sequence[Any], *, goes_back: bool) -> Any:
        if not self._is_one_way:
            return self._is_beyond_by_columns(list(zip(self.terms, values, strict=True)), goes_back=goes_back)
        # Compared as a row, which an index of these columns answers as a whole: a day has thousands of lines.
        compare = LessThan if self.terms[0].is_descending != goes_back else GreaterThan
        columns = _row(*(term.name for term in self.terms))
        return compare(columns, _row(*(Value(each, term.field) for term, each in zip(self.terms, values, strict=True))))

    def _is_beyond_by_columns(self, pairs: list[tuple[_Term, Any]], *, goes_back: bool) -> Q:
        (term, value), *rest = pairs
        side = "lt" if term.is_descending != goes_back else "gt"
        if not rest:
            return Q(**{f"{term.name}__{side}": value})
        further = Q(**{term.name: value}) & self._is_beyond_by_columns(rest, goes_back=goes_back)
        return Q(**{f"{term.name}__{side}": value}) | further

    def _values_of(self, row: Any) -> tuple[Any, ...]:
        return tuple(getattr(row, term.name) for term in self.terms)

    def _text_of(self, term: _Term, value: Any) -> str:
        holder: Any = _Holder(term.name, value)
        return term.field.value_to_string(holder)


class _Holder:
    """An object with one attribute, as a field writes the value of one as text."""

    def __init__(self, name: str, value: Any) -> None:
        setattr(self, name, value)


def _row(*parts: Any) -> Func:
    return Func(*parts, function="ROW", output_field=_ROW)


_ROW: Final["Field[Any, Any]"] = Field()

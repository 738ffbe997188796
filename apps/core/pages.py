"""Pages of lists by (sort key, id): what a page is asked for by, and its rows of a queryset."""

from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet

#: The most rows that are asked for at once, with the one more that says whether another page follows.
MAX_ROWS = 101


@dataclass(frozen=True, slots=True)
class PageStart:
    """The row that a page begins next to, by its sort key and id; `goes_back` asks for the rows before it."""

    key: Any
    id: Any
    goes_back: bool


@dataclass(frozen=True, slots=True)
class PageRequest:
    """
    One page of a list.

    :param limit: the most rows of the page
    :param sort: the sort as the API names it, such as `-created_at`
    :param column: the column that has the sort key; it must not be null
    """

    limit: int
    sort: str
    column: str
    start: PageStart | None = None

    @property
    def is_descending(self) -> bool:
        """Return whether the list has its largest key first."""
        return self.sort.startswith("-")

    @property
    def goes_back(self) -> bool:
        """Return whether the rows before the start are asked for; they are read from there, so in reverse."""
        return self.start is not None and self.start.goes_back

    @property
    def reads_descending(self) -> bool:
        """Return whether the rows of the page are read from the larger key to the smaller one."""
        return self.is_descending != self.goes_back

    @property
    def row_count(self) -> int:
        """Return how many rows to read: one more than the page has says whether another page follows."""
        return self.limit + 1


def list_page_rows(queryset: "QuerySet[Any]", wanted: PageRequest) -> list[Any]:
    """Return the rows of a page in the order in which they are read, and one more if there are more."""
    column = wanted.column
    if wanted.start is not None:
        side, key, tie = "lt" if wanted.reads_descending else "gt", wanted.start.key, wanted.start.id
        # Not "less, or equal and ...": an index serves the first filter alone, and no OR.
        queryset = queryset.filter(**{f"{column}__{side}e": key}).filter(
            Q(**{f"{column}__{side}": key}) | Q(**{f"pk__{side}": tie})
        )
    order = (F(column).desc(), F("pk").desc()) if wanted.reads_descending else (F(column).asc(), F("pk").asc())
    return list(queryset.order_by(*order)[: wanted.row_count])

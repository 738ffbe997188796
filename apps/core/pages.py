"""Pages of lists: what one by (sort key, id) is asked for by, its rows of a queryset, and what is on both sides of any page."""

from dataclasses import dataclass
from typing import Any, NamedTuple

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


class PageRows(NamedTuple):
    """The rows of one page in the order of the list, and whether there are others on either side."""

    rows: list[Any]
    has_next: bool
    has_prev: bool


def cut_page(rows: list[Any], *, limit: int, goes_back: bool, has_start: bool) -> PageRows:
    """
    Return the page that these rows are.

    :param rows: in the order in which they were read, with one more than the limit if there are more
    :param goes_back: whether they are those before a row, and were read from there, so in reverse
    :param has_start: whether they are those next to a row, which then is on the other side, and not the first of the list
    """
    has_further = len(rows) > limit
    rows = rows[:limit]
    if goes_back:
        rows.reverse()
    return PageRows(
        rows,
        has_next=bool(rows) and (goes_back or has_further),
        has_prev=bool(rows) and (has_further if goes_back else has_start),
    )


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

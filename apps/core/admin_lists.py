"""Lists of the back office: what they look up, how they are sorted, and that they count nothing."""

import json
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.filters import AllValuesFieldListFilter, FieldListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ALL_VAR, ORDER_VAR, PAGE_VAR
from django.core.paginator import EmptyPage, Page, Paginator
from django.db import DataError
from django.db.models import CharField, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from unfold.templatetags.unfold_list import result_headers
from unfold.views import ChangeList

from apps.core.admin_keysets import Cursor, Keyset, KeysetPage
from apps.core.admin_tables import render_rows
from apps.core.money import group_digits
from apps.core.search import SearchTerm

#: Further pages are for programs; people search.
_LAST_PAGE = 2_000
#: How many rows a filter that no index answers looks through for one page. Of these, one in a hundred fills it.
MAX_UNINDEXED_ROWS: Final = 5_000
#: How many of the latest rows a filter takes its values from.
_RECENT: Final = 200


class UncountedPaginator(Paginator):  # type: ignore[type-arg]  # it takes no arguments when the code runs
    """
    A paginator that does not count: it looks one row further than the page instead.

    Counting a million orders takes longer than showing fifty. The number of pages is "at least one more" until the end.
    """

    template_name = "admin/list_pages_by_number.html"

    @cached_property
    def count(self) -> int:
        return 10_000_000

    def page(self, number: Any) -> Any:
        number = max(1, int(number))
        if number > _LAST_PAGE:
            raise EmptyPage("too far")
        start = (number - 1) * self.per_page
        rows = list(self.object_list[start : start + self.per_page + 1])
        if not rows and number > 1:
            raise EmptyPage("There is no such page.")
        is_last = len(rows) <= self.per_page
        self.__dict__["count"] = start + len(rows) if is_last else start + self.per_page + 1
        self.__dict__.pop("num_pages", None)
        return Page(rows[: self.per_page], number, self)


class KeySearch:
    """
    A list that is searched as the search box is: by keys that a selector finds, each by its own index.

    What Django makes of `search_fields` converts columns and joins tables by OR, so that no index answers it.
    """

    is_search_indexed = True

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        """Return the primary keys of the rows that a search means, as the search box finds them for who asks."""
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        """Narrow a list to what was typed, if anything was."""
        term = SearchTerm(search_term)
        return (queryset.filter(pk__in=self.find_keys(term, request)) if term.text else queryset), False


class NamedLookupsChangeList(ChangeList):
    """
    A list that looks up only what one of its filters offers, and is sorted only by columns that offer it.

    Django lets the address bar look up any field of the model by any operator, with or without a filter: anyone who may open the
    list of people could read passwords and masked numbers letter by letter.
    """

    def get_filters(self, request: HttpRequest) -> Any:
        """
        Return what Django's list returns.

        :raises DisallowedModelAdminLookup: if a parameter is left that no filter has taken
        """
        found = super().get_filters(request)
        own = (
            {f"{self.date_hierarchy}__{part}" for part in ("gte", "lt", "month", "day")}
            if self.date_hierarchy
            else set()
        )
        unnamed = sorted(set(found[2]) - own)
        if unnamed:
            raise DisallowedModelAdminLookup(f"This list has no filter named {unnamed[0][:100]}.")
        return found

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Return the requested order, as far as the columns offer it; Django itself only hides the links of the others."""
        if ORDER_VAR in self.params:
            asked = str(self.params[ORDER_VAR]).split(".")
            self.params[ORDER_VAR] = ".".join(number for number in asked if self._is_sortable(number))
        return super().get_ordering(request, queryset)

    def _is_sortable(self, number: str) -> bool:
        try:
            return self.list_display[int(number.rpartition("-")[2])] in self.sortable_by
        except (IndexError, ValueError):
            return False


class UncountedChangeList(NamedLookupsChangeList):
    """
    A list that costs the same whatever the size of its table: it counts nothing, and its pages begin at a row, not at a number.

    `p` of an address is the cursor of a page. A list whose sort has no keyset, of a table that stays small, is cut by numbers.
    A filter that no index answers looks through MAX_UNINDEXED_ROWS rows; `all` in the address looks through the rest too.
    """

    #: Whether rows were left out because only MAX_UNINDEXED_ROWS rows were looked through.
    is_cut_short = False
    pages: "ListPages | None" = None

    def get_results(self, request: HttpRequest) -> None:
        """
        Read one page.

        :raises IncorrectLookupParameters: for a page or a filter's value that there cannot be, which leads to the whole list
        """
        try:
            keyset = Keyset.find(self.model, self.get_ordering(request, self.queryset))
            if keyset is None:
                super().get_results(request)
            else:
                self._read_page(keyset, str(request.GET.get(PAGE_VAR, "")))
        except (DataError, ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from error
        self.result_count = self.full_result_count = len(self.result_list)

    @property
    def rows(self) -> SafeString:
        """The rows as HTML."""
        return render_rows(self)

    @property
    def headers(self) -> list[dict[str, Any]]:
        """The headings, with the links that sort."""
        return list(result_headers(self))

    def _read_page(self, keyset: Keyset, text: str) -> None:
        cursor, size = keyset.read_cursor(text), self.list_per_page
        rows = self.queryset
        if self._is_unindexed(keyset) and not self.show_all:
            near = keyset.filter_nearby(rows, cursor=cursor, count=MAX_UNINDEXED_ROWS)
            self.is_cut_short, rows = near is not None, rows if near is None else near
        page = keyset.read_page(rows, cursor=cursor, size=size)
        further = page.prev_cursor if cursor is not None and cursor.goes_back else page.next_cursor
        self.is_cut_short = self.is_cut_short and further is None
        self.result_list = page.rows
        self.show_full_result_count = self.can_show_all = False
        self.show_admin_actions = True
        self.multi_page = page.next_cursor is not None or page.prev_cursor is not None
        number = cursor.page if cursor else 1
        self.pages = self.paginator = ListPages(
            number=number,
            next_query=self._query_of(keyset, page.next_cursor),
            previous_query=self._query_of(keyset, page.prev_cursor),
            first_query=self.get_query_string() if page.prev_cursor else "",
            everything_query=self.get_query_string({ALL_VAR: ""}) if self.is_cut_short else "",
            count_text=self._count_text(page),
        )

    def _query_of(self, keyset: Keyset, cursor: Cursor | None) -> str:
        return self.get_query_string({PAGE_VAR: keyset.sign_cursor(cursor)}) if cursor else ""

    def _is_unindexed(self, keyset: Keyset) -> bool:
        """Test if the list is narrowed by what no index answers; that of its sort answers for a span of its first column."""
        page, first = self.model_admin, keyset.terms[0].name
        if self.query:
            return not page.is_search_indexed
        given = {(name, str(values[-1])) for name, values in self.get_filters_params().items()}
        indexed = {*page.indexed_filters, f"{first}__gte", f"{first}__lt"}
        return any(name not in indexed and f"{name}={value}" not in indexed for name, value in given)

    def _count_text(self, page: KeysetPage) -> str:
        """Return how many rows there are, as exactly as can be known without reading them."""
        if self.is_cut_short:
            return ""
        if page.next_cursor is None and page.prev_cursor is None:
            return _count_of(len(page.rows), self.opts)
        estimate = _estimate(self.queryset)
        if estimate <= self.list_per_page:
            return f"More than {self.list_per_page} {self.opts.verbose_name_plural}"
        return f"About {_count_of(_rounded(estimate), self.opts)} (an estimate)"


@dataclass(frozen=True)
class ListPages:
    """What stands below a list: which page it is, how many rows there are, and where the pages next to it begin."""

    number: int
    next_query: str
    previous_query: str
    first_query: str
    everything_query: str
    count_text: str
    looked_through: str = group_digits(MAX_UNINDEXED_ROWS)
    template_name: str = "admin/list_pages.html"


class RecentValues(AllValuesFieldListFilter):
    """
    A filter of a text without named choices: by the values of the latest rows.

    Django's own offers each value that there is, and reads the whole table to find them, whenever the list is opened.
    """

    def __init__(self, field: Any, request: HttpRequest, params: Any, model: Any, *others: Any, **options: Any) -> None:
        super().__init__(field, request, params, model, *others, **options)
        latest = model._default_manager.order_by("-pk").values_list(self.field_path, flat=True)[:_RECENT]
        chosen = self.lookup_val[-1:] if self.lookup_val else ()
        self.lookup_choices: Any = sorted({str(value) for value in (*latest, *chosen) if value not in (None, "")})


FieldListFilter.register(
    lambda field: isinstance(field, CharField) and not field.choices and not field.remote_field,
    RecentValues,
    take_priority=True,
)


def _estimate(rows: "QuerySet[Any]") -> int:
    """Return how many rows the planner of the database expects, which reads none of them."""
    plan: Any = json.loads(rows.order_by().values("pk").explain(format="json"))
    expected: int = plan[0]["Plan"]["Plan Rows"]
    return expected


def _rounded(count: int) -> int:
    """Return a number with two digits that say something, so that nobody takes it for exact."""
    unit = int(10 ** max(0, len(str(count)) - 2))
    return round(count / unit) * unit


def _count_of(count: int, opts: Any) -> str:
    return f"{group_digits(count)} {opts.verbose_name if count == 1 else opts.verbose_name_plural}"

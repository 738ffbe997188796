"""Lists of the back office: what they look up, how they are sorted, and that they count nothing."""

from typing import Any

from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR
from django.core.paginator import EmptyPage, Page, Paginator
from django.db import DataError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.views import ChangeList

from apps.core.search import SearchTerm

#: Further pages are for programs; people search.
_LAST_PAGE = 2_000


class UncountedPaginator(Paginator):  # type: ignore[type-arg]  # it takes no arguments when the code runs
    """
    A paginator that does not count: it looks one row further than the page instead.

    Counting a million orders takes longer than showing fifty. The number of pages is "at least one more" until the end.
    """

    template_name = "admin/pagination_without_count.html"

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
    A list that does not say how many rows there are, because counting them is slow.

    A filter's value of the address bar that the database cannot take leads back to the whole list.
    """

    def get_results(self, request: HttpRequest) -> None:
        try:
            super().get_results(request)
        except (DataError, ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from error
        self.result_count = self.full_result_count = len(self.result_list)

"""
The search box of the back office, over all models that a user may view.

An app adds a finder for each of its models. A finder runs only for users who may open the model's own page.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from apps.core.admin_site import SitePage, add_site_page, site_context
from apps.core.search import SearchTerm

#: The most rows that are shown of each kind; people type more to narrow them.
SHOWN: Final = 10


@dataclass(frozen=True)
class Hit:
    """One search result: its name, the detail that distinguishes it from similar ones, and its link."""

    name: str
    detail: str
    href: str


@dataclass(frozen=True)
class Finder:
    """
    What the search box looks for among the rows of a model, named as `orders.order`.

    `find` gets the term and the request and returns the rows, the likeliest first; `describe` says what people read of one.
    `hint` is a line of "What you can search for".
    """

    model_label: str
    title: str
    find: Callable[[SearchTerm, HttpRequest], Iterable[Any]]
    describe: Callable[[Any, HttpRequest], tuple[str, str]]
    hint: str
    position: int


_finders: list[Finder] = []


def add_finder(finder: Finder) -> None:
    """Let the search box find rows of a model; called from the admin module of its app."""
    _finders.append(finder)


def finders_for(request: HttpRequest) -> list[Finder]:
    """Return what a member of staff may search, in the order of the page."""
    return sorted((one for one in _finders if _can_search(one, request)), key=lambda finder: finder.position)


def search(request: HttpRequest) -> HttpResponse:
    """Show what a text finds, by kind; without one, say what can be typed."""
    term = SearchTerm(request.GET.get("q") or request.GET.get("s") or "")
    finders = finders_for(request)
    groups = [_found(finder, term, request) for finder in finders] if term.text else []
    context = {
        **site_context(request),
        "title": f"Search: {term.text}" if term.text else "Search",
        "term": term.text,
        "groups": [group for group in groups if group["hits"]],
        "hints": [finder.hint for finder in finders],
        "shown": SHOWN,
    }
    return TemplateResponse(request, "admin/search.html", context)


def _found(finder: Finder, term: SearchTerm, request: HttpRequest) -> dict[str, Any]:
    found: Any = finder.find(term, request)
    rows = list(found[: SHOWN + 1])
    return {
        "title": finder.title,
        "hits": [_hit(row, finder, request) for row in rows[:SHOWN]],
        "has_more": len(rows) > SHOWN,
    }


def _hit(row: Any, finder: Finder, request: HttpRequest) -> Hit:
    name, detail = finder.describe(row, request)
    return Hit(name, detail, reverse(f"admin:{finder.model_label.replace('.', '_')}_change", args=[row.pk]))


def _can_search(finder: Finder, request: HttpRequest) -> bool:
    pages = {model._meta.label_lower: page for model, page in admin.site._registry.items()}
    return bool(pages[finder.model_label].has_view_permission(request))


add_site_page(SitePage(path="search/", name="search", view=search))

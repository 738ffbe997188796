"""No address of the back office answers with an error of ours, to whoever asks: every pattern, with what is there and what is not."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client

from apps.core import admin_actions
from tests.factories.accounts import make_staff
from tests.support.shop import Shop, make_busy_shop

pytestmark = pytest.mark.django_db

ROLES = ("support", "finance", "catalogue_manager", "admin")
UNKNOWN = "0190a0a0-0000-7000-8000-000000000001"
#: What may stand where a key is expected.
ODD_KEYS = (UNKNOWN, "x", "99999999999999999999", "%00", "a/b")
#: What an address bar may hold behind any address.
ODD_QUERIES = (
    "q=asha", "q=%00" + "9" * 300, "p=x&o=x", "p=2&o=1.-2", "e=1&all=", "_popup=1&_to_field=id", "id__exact=x",
    "created_at__gte=x&s=asha&page=x", "term=a&app_label=catalog&model_name=variant&field_name=product",
)  # fmt: skip
#: They answer by leaving the back office, or the session.
LEFT_OUT = ("logout/", "jsi18n/")


def patterns_in(entries: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every pattern of a list of URLs, as its route and its name."""
    for entry in entries:
        route = prefix + str(entry.pattern)
        if hasattr(entry, "url_patterns"):
            yield from patterns_in(entry.url_patterns, route)
        else:
            yield route, str(entry.name or "")


PATTERNS = [(route, name) for route, name in patterns_in(admin.site.get_urls()) if route not in LEFT_OUT]
LABELS = {f"{model._meta.app_label}/{model._meta.model_name}/": model for model in admin.site._registry}


def model_of(route: str) -> Any:
    return next((model for prefix, model in LABELS.items() if route.startswith(prefix)), None)


def addresses_of(route: str, *, is_odd: bool = False) -> list[str]:
    """The addresses of a route: with a row that is there, or with what is not."""
    model = model_of(route)
    if "(?P<app_label>" in route:
        return [f"{app}/" for app in ("catalog", "payments")]
    if "(?P<url>" in route:
        return ["no/such/page/", "no/such/page"]
    if route.startswith("r/<"):
        return [f"r/{number}/{UNKNOWN}/" for number in (1, 99_999)]
    keys = list(ODD_KEYS) if is_odd else [str(row.pk) for row in model._default_manager.all()[:1]] if model else []
    actions = [action.name for action in admin_actions.object_actions_of(model)] if model else []
    names = [*actions[:1], "no-such-action"] if is_odd else actions
    filled = (
        [re.sub(r"<(path|str|int|uuid|slug):(object_id|id)>", key, route) for key in keys]
        if "object_id" in route
        else [route]
    )
    return [re.sub(r"<slug:name>", name, one) for one in filled for name in names] if "<slug:name>" in route else filled


def faults_of(client: Client, addresses: list[str]) -> list[tuple[str, int]]:
    """The addresses that are answered with an error of ours, and how."""
    answers = {address: client.get(f"/admin/{address}") for address in addresses}
    for answer in answers.values():
        answer.close()
    return [(address, answer.status_code) for address, answer in answers.items() if answer.status_code >= 500]


def browser_of(user: Any) -> Client:
    browser = Client(raise_request_exception=False)
    browser.force_login(user)
    return browser


@pytest.fixture
def shop(reference_data: None) -> Shop:
    return make_busy_shop()


@pytest.fixture
def root(reference_data: None) -> Any:
    user = make_staff("admin")
    user.is_superuser = True
    user.save()
    return user


def test_every_pattern_is_asked(shop: Shop) -> None:
    names = {name for _, name in PATTERNS}
    asked = {route: addresses_of(route) for route, _ in PATTERNS}

    assert {
        "search",
        "autocomplete",
        "index",
        "login",
        "catalog_variant_change",
        "payments_needing_attention",
        "invoicing_invoice_pdf",
    } <= names
    assert {name.rpartition("_")[2] for name in names} >= {"changelist", "add", "history", "delete", "change", "action"}
    assert [address for addresses in asked.values() for address in addresses if "<" in address] == []
    with_rows = {route for route, addresses in asked.items() if addresses}
    empty = {model_of(route)._meta.label for route in asked.keys() - with_rows if "<slug:name>" not in route}
    assert empty == set()
    assert sum(map(len, asked.values())) >= 5 * len(LABELS)


@pytest.mark.parametrize("role", ROLES)
def test_no_page_fails_for_a_role(role: str, shop: Shop) -> None:
    browser = browser_of(make_staff(role))

    assert faults_of(browser, [address for route, _ in PATTERNS for address in addresses_of(route)]) == []


def test_no_page_fails_where_the_shop_is_empty(root: Any) -> None:
    addresses = [
        address
        for route, name in PATTERNS
        if name.endswith(("changelist", "add", "index", "search"))
        for address in addresses_of(route)
    ]

    assert faults_of(browser_of(root), addresses) == []


def test_what_is_not_there_is_no_fault(shop: Shop, root: Any) -> None:
    odd = [address for route, _ in PATTERNS if "object_id" in route for address in addresses_of(route, is_odd=True)]

    assert len(odd) >= 4 * len(ODD_KEYS) * len(LABELS)
    assert faults_of(browser_of(root), odd) == []


def test_no_address_bar_makes_a_fault(shop: Shop, root: Any) -> None:
    plain = [
        route
        for route, name in PATTERNS
        if name.endswith(("changelist", "add", "index", "search", "autocomplete", "doubt"))
    ]

    assert (
        faults_of(
            browser_of(root), [f"{route}?{query}" for route in plain if "<" not in route for query in ODD_QUERIES]
        )
        == []
    )


def test_customers_and_strangers_see_the_log_in_page_and_nothing_else(shop: Shop) -> None:
    addresses = [address for route, name in PATTERNS if name != "login" for address in addresses_of(route)]

    for browser in (browser_of(shop.buyer), Client(raise_request_exception=False)):
        statuses = {browser.get(f"/admin/{address}").status_code for address in addresses}
        assert statuses <= {302, 404}


def test_every_app_has_its_pages() -> None:
    with_models = {
        config.label for config in apps.get_app_configs() if config.name.startswith("apps.") and config.models
    }

    # The models of the back office are projections, which the page of sales figures shows.
    assert {model._meta.app_label for model in LABELS.values()} >= with_models - {"backoffice"}

"""The address bar of the back office asks the database nothing that no filter or search of a page offers."""

from contextlib import suppress
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.exceptions import DisallowedModelAdminLookup, DisallowedModelAdminToField
from django.contrib.admin.options import ShowFacets
from django.contrib.admin.utils import get_fields_from_path
from django.db import models
from django.db.models.constants import LOOKUP_SEP
from django.test import Client, RequestFactory

from apps.accounts.models import User
from apps.core.admin_lists import NamedLookupsChangeList
from apps.core.models import Event
from tests.factories.accounts import make_staff, make_user
from tests.support.admin_clients import label

pytestmark = pytest.mark.django_db

PAGES = sorted(admin.site._registry.items(), key=lambda entry: entry[0]._meta.label)
OPERATORS = ("", "exact", "startswith", "regex", "gt", "in", "isnull", "year")
#: What the address bar means besides look-ups; `e` and `p` too.
SPECIAL = {"all", "o", "q", "_facets", "_popup", "_to_field", "e", "p"}
#: What support sees masked or not at all: it may be looked up whole and never by its beginning.
SECRETS = {
    "password",
    "phone",
    "email",
    "destination",
    "recipient",
    "code_hash",
    "gstin",
    "buyer_gstin",
    "ip",
    "user_agent",
}
#: The shop's own GSTINs, which stand on every invoice.
PUBLIC = {("tax.registration", "gstin"), ("invoicing.numberseries", "registration__gstin")}


def lookups_of(model: type[models.Model]) -> set[str]:
    """Every field of a model with every operator, and every field that it leads to, forwards and backwards, with the worst."""
    lookups = set()
    for field in model._meta.get_fields():
        for name in {field.name, getattr(field, "attname", field.name)}:
            lookups |= {f"{name}{LOOKUP_SEP}{operator}" if operator else name for operator in OPERATORS}
        if isinstance(field.related_model, type):
            lookups |= {
                f"{field.name}{LOOKUP_SEP}{far.name}{LOOKUP_SEP}{operator}"
                for far in field.related_model._meta.get_fields()
                for operator in ("exact", "startswith")
            }
    return lookups


def request_of(user: Any, query: dict[str, str] | None = None) -> Any:
    request = RequestFactory().get("/", query or {})
    request.user = user
    return request


@pytest.fixture
def root(reference_data: None) -> Any:
    user = make_staff("admin")
    user.is_superuser = True
    user.save()
    return user


@pytest.mark.parametrize("entry", PAGES, ids=label)
def test_a_page_looks_up_only_what_its_filters_offer(entry: Any, root: Any) -> None:
    model, page = entry
    changes = page.get_changelist_instance(request_of(root))
    asked = lookups_of(model) - SPECIAL
    answered = set()

    for parameter in asked:
        changes.filter_params = {parameter: ["1"]}
        with suppress(DisallowedModelAdminLookup):
            left = changes.get_filters(request_of(root, {parameter: "1"}))[2]
            assert left == {}, parameter
            answered.add(parameter)

    assert len(asked) >= 30
    assert answered <= offered_by(page)


def offered_by(page: Any) -> set[str]:
    """The parameters that the filters of a page may have, by what Django calls them."""
    own = {each.parameter_name for each in page.list_filter if isinstance(each, type)}
    plain = {each for each in page.list_filter if isinstance(each, str)}
    names = set(own)
    for name in plain:
        field = page.model._meta.get_field(name)
        names.add(f"{name}{LOOKUP_SEP}isnull")
        if field.is_relation:
            names.add(f"{name}{LOOKUP_SEP}{field.target_field.name}{LOOKUP_SEP}exact")
        elif isinstance(field, models.DateField):
            names |= {f"{name}{LOOKUP_SEP}gte", f"{name}{LOOKUP_SEP}lt"}
        elif field.choices or isinstance(field, models.BooleanField):
            names.add(f"{name}{LOOKUP_SEP}exact")
        else:
            names.add(name)  # of all values that there are
    return names


@pytest.mark.parametrize("entry", PAGES, ids=label)
def test_every_list_is_one_that_refuses(entry: Any, root: Any) -> None:
    _, page = entry

    assert issubclass(page.get_changelist(request_of(root)), NamedLookupsChangeList)
    assert page.show_facets is ShowFacets.NEVER
    assert page.date_hierarchy is None


@pytest.mark.parametrize("entry", PAGES, ids=label)
def test_no_filter_and_no_search_takes_a_secret_by_its_beginning(entry: Any) -> None:
    model, page = entry
    filtered = [each for each in page.list_filter if isinstance(each, str)]
    partly = [
        name.lstrip("^@=")
        for name in page.search_fields
        if not name.startswith("=") and not name.endswith(("__exact", "__iexact"))
        and "get_search_results" not in type(page).__dict__
    ]  # fmt: skip

    found = {path for path in [*filtered, *partly] if path.split(LOOKUP_SEP)[-1] in SECRETS}
    assert {path for path in found if (model._meta.label_lower, path) not in PUBLIC} == set()


@pytest.mark.parametrize("entry", PAGES, ids=label)
def test_a_list_is_sorted_only_by_columns_that_offer_it(entry: Any, root: Any) -> None:
    _, page = entry
    sortable = page.get_sortable_by(request_of(root))
    usual = page.get_changelist_instance(request_of(root))
    before = usual.get_ordering(request_of(root), usual.root_queryset)

    for number, column in enumerate(usual.list_display):
        changes = page.get_changelist_instance(request_of(root, {"o": str(number)}))
        ordering = changes.get_ordering(request_of(root), changes.root_queryset)
        if column not in sortable:
            assert ordering == before, column
            continue
        assert not any(
            str(each).strip("-").split(LOOKUP_SEP)[-1] in SECRETS - {"phone", "email", "gstin"} for each in ordering
        )


@pytest.mark.parametrize("entry", PAGES, ids=label)
def test_a_popup_names_rows_by_their_key_alone(entry: Any, root: Any) -> None:
    model, page = entry

    for field in model._meta.concrete_fields:
        if field.primary_key:
            continue
        with pytest.raises(DisallowedModelAdminToField):
            page.get_changelist_instance(request_of(root, {"_popup": "1", "_to_field": field.name}))


def test_a_date_hierarchy_brings_its_own_parameters(root: Any) -> None:
    page = next(page for model, page in PAGES if model is Event)
    dated = type("Dated", (type(page),), {"date_hierarchy": "created_at"})(Event, admin.site)

    for query in ({"created_at__year": "2026"}, {"created_at__year": "2026", "created_at__month": "11"}):
        assert list(dated.get_changelist_instance(request_of(root, query)).queryset) == []
    with pytest.raises(DisallowedModelAdminLookup):
        dated.get_changelist_instance(request_of(root, {"created_at__year": "2026", "actor__startswith": "user"}))


class TestSupportReadsNoSecret:
    USERS = "/admin/accounts/user/"

    @pytest.fixture
    def browser(self, support: Any) -> Client:
        browser = Client()
        browser.force_login(support)
        return browser

    @pytest.mark.parametrize("lookup", ["password__startswith", "password__regex", "phone__regex", "email__contains", "phone__lt",
                                        "session_version", "sessions__ip__startswith", "addresses__gstin__startswith",
                                        "groups__name", "user_permissions__codename"])  # fmt: skip
    def test_lookups_of_secrets_are_refused(self, browser: Client, lookup: str) -> None:
        person = make_user(phone="+919876500009")

        for query in ({lookup: "+919876500009"}, {"id__exact": str(person.pk), lookup: "b"}):
            answer = browser.get(self.USERS, query)

            assert answer.status_code == 400
            assert person.public_id not in answer.content.decode()

    def test_right_and_wrong_guesses_look_the_same(self, browser: Client) -> None:
        person = make_user(phone="+919876500009")
        User.objects.filter(pk=person.pk).update(password="bcrypt_sha256$$2b$12$abc")

        answers = [
            browser.get(self.USERS, {"id__exact": str(person.pk), "password__startswith": guess})
            for guess in ("b", "x")
        ]

        assert [answer.status_code for answer in answers] == [400, 400]

    def test_lookups_of_secrets_through_relations_are_refused(self, browser: Client) -> None:
        for path in ("orders/order/", "accounts/address/", "payments/payment/", "notifications/notification/"):
            for lookup in (
                "customer__password__startswith",
                "user__password__startswith",
                "customer__phone__startswith",
            ):
                assert browser.get(f"/admin/{path}", {lookup: "b"}).status_code == 400

    def test_actions_on_refused_lookups_change_nothing(self, browser: Client) -> None:
        person = make_user()
        query = f"?password__startswith=b&id__exact={person.pk}"

        answer = browser.post(self.USERS + query, {"action": "deactivate", "_selected_action": [str(person.pk)]})

        person.refresh_from_db()
        assert answer.status_code == 400
        assert person.is_active

    def test_filters_and_whole_searches_are_allowed(self, browser: Client) -> None:
        person = make_user(phone="+919876500009", name="Bala")

        pages = [
            browser.get(self.USERS, query).content.decode()
            for query in ({"q": "+919876500009"}, {"is_active__exact": "1"}, {"is_staff__exact": "0", "p": "1"})
        ]

        assert all("Bala" in page for page in pages)
        assert "Bala" not in browser.get(self.USERS, {"q": "+9198765"}).content.decode()
        assert str(person.pk) not in browser.get(self.USERS, {"is_active__exact": "0"}).content.decode()


class TestAutocomplete:
    URL = "/admin/autocomplete/"

    def browser_of(self, user: Any) -> Client:
        browser = Client()
        browser.force_login(user)
        return browser

    def ask(self, browser: Client, model: str, field: str, term: str = "") -> Any:
        app_label, model_name = model.split(".")
        return browser.get(
            self.URL, {"app_label": app_label, "model_name": model_name, "field_name": field, "term": term}
        )

    def test_a_form_of_the_back_office_finds_its_choices(self, root: Any) -> None:
        from tests.factories.catalog import make_variant

        variant = make_variant()

        answer = self.ask(self.browser_of(root), "catalog.variant", "product", variant.product.name)

        assert [row["id"] for row in answer.json()["results"]] == [str(variant.product_id)]

    @pytest.mark.parametrize(
        ("model", "field"),
        [("orders.order", "customer"), ("accounts.session", "user"), ("accounts.address", "user"), ("payments.payment", "customer"),
         ("notifications.notification", "user"), ("accounts.user", "groups")],
    )  # fmt: skip
    def test_nobody_lists_people_by_it(self, root: Any, model: str, field: str) -> None:
        make_user(phone="+919876500009")

        answer = self.ask(self.browser_of(root), model, field)

        assert answer.status_code in (403, 404)
        assert b"9876500009" not in answer.content

    def test_only_fields_that_a_page_names(self, root: Any) -> None:
        from django.apps import apps

        named = {(model._meta.label_lower, name) for model, page in PAGES for name in page.autocomplete_fields}
        browser = self.browser_of(root)
        opened = {
            (model._meta.label_lower, field.name)
            for model in apps.get_models()
            for field in model._meta.get_fields()
            if self.ask(browser, model._meta.label_lower, field.name).status_code == 200
        }

        assert opened == named
        assert all(get_fields_from_path(apps.get_model(model), name)[-1].is_relation for model, name in named)

    def test_autocomplete_needs_the_permission_of_its_page(self, support: Any, owner: Any) -> None:
        assert self.ask(self.browser_of(support), "catalog.variant", "product").status_code == 200
        assert self.ask(self.browser_of(owner), "catalog.variant", "product").status_code == 302

"""Every page of the back office opens for whom it is meant, stays shut for others, changes no money, and counts nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.cache import cache
from django.db import models
from django.test import Client, RequestFactory
from django.urls import reverse

from apps.backoffice.admin import dashboard
from apps.core import audit_runs, clock
from apps.core.admin_site import BahiAdmin
from apps.core.audit import Report
from apps.core.models import HandlerRun
from apps.orders.states import OrderStatus
from tests.factories.accounts import make_address, make_staff, make_user
from tests.factories.notifications import NOON, make_invoice_of, make_notification, make_order_of
from tests.support.admin_clients import label, signed_in

pytestmark = pytest.mark.django_db

PAGES = sorted(admin.site._registry.items(), key=lambda entry: entry[0]._meta.label)
OURS = [entry for entry in PAGES if entry[0].__module__.startswith("apps.")]
#: Facts and promises: changed by services alone.
FACTS = [
    page for page in OURS if page[0]._meta.app_label in {"orders", "payments", "invoicing", "notifications", "core"}
]
#: Bookkeeping of log-ins that nobody has to look at, secrets, what the page of its order shows, and projections, which the
#: page of sales shows.
WITHOUT_PAGE = {
    "accounts.RateLimitCounter", "accounts.RefreshToken", "accounts.Challenge", "catalog.CatalogVersion", "catalog.StockLevel",
    "orders.OrderAddress",
    "settlements.SettlementReportRow", "fulfilment.ShipmentLine", "core.PendingProjection",
    "backoffice.OrderDay", "backoffice.DailySales", "backoffice.DailyVariantSales", "backoffice.BestSeller",
    "backoffice.TopCustomer", "backoffice.ProjectionState",
}  # fmt: skip
ROLES = ("support", "finance", "catalogue_manager", "admin")


def url_of(model: type[models.Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.fixture(autouse=True)
def _fresh_numbers() -> Iterator[None]:
    cache.delete("back-office:numbers")
    yield
    cache.delete("back-office:numbers")


@pytest.fixture(scope="module")
def shop(rows_of_module: Any) -> Any:
    """A shop where something has happened, so that there are rows to open."""
    with rows_of_module():
        return make_shop()


def make_shop() -> Any:
    buyer = make_user(name="Asha <b>Owner</b>", email="asha@example.com")
    make_address(buyer)
    order = make_order_of(buyer, status=OrderStatus.CONFIRMED, confirmed_at=clock.now(), paid_amount=117_900)
    make_invoice_of(order)
    message = make_notification(buyer)
    HandlerRun.objects.create(
        event=message.event,
        handler="apps.any.handler",
        queue="housekeeping",
        created_at=NOON,
        send_after=NOON,
        parked_at=NOON,
    )
    audit_runs.store_report(Report(started_at=clock.now(), results=[]))
    return order


def test_every_model_can_be_found() -> None:
    shown = {model._meta.label for model, _ in OURS}
    inside = {inline.model._meta.label for _, page in PAGES for inline in page.inlines}
    ours = {model._meta.label for model in apps.get_models() if model.__module__.startswith("apps.")}

    assert ours - shown - inside - WITHOUT_PAGE == set()


@pytest.mark.parametrize("entry", OURS, ids=label)
def test_every_page_is_of_our_make(entry: Any) -> None:
    _, page = entry

    assert isinstance(page, BahiAdmin)
    assert not page.show_full_result_count


@pytest.mark.parametrize("entry", PAGES, ids=label)
def test_an_administrator_opens_lists_and_rows_and_nothing_is_counted(
    entry: Any, shop: Any, administrator: Any, count_queries: Any
) -> None:
    model, page = entry
    client = signed_in(administrator)

    with count_queries() as queries:
        answers = [client.get(url_of(model, "changelist"))]
        if page.search_fields:
            answers.append(client.get(url_of(model, "changelist"), {"q": "0190a0a0-0000-7000-8000-000000000001"}))
        row = model._default_manager.first()
        if row is not None:
            answers.append(client.get(url_of(model, "change", row.pk)))

    assert [answer.status_code for answer in answers] == [200] * len(answers)
    assert [query["sql"] for query in queries if "COUNT(" in query["sql"].upper()] == []


@pytest.mark.parametrize("entry", OURS, ids=label)
def test_a_page_far_behind_the_end_is_no_error(entry: Any, administrator: Any) -> None:
    client = signed_in(administrator)

    for number in ("2", "99999999999999999999"):
        assert client.get(url_of(entry[0], "changelist"), {"p": number}).status_code == 302


@pytest.mark.parametrize("entry", FACTS, ids=label)
def test_facts_cannot_be_added_changed_or_deleted_even_by_a_superuser(entry: Any, shop: Any, client: Client) -> None:
    model, page = entry
    root = make_staff("admin")
    root.is_superuser = True
    root.save()
    request = RequestFactory().get("/")
    request.user = root
    row = model._default_manager.first()

    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request, row)
    assert not page.has_delete_permission(request, row)
    assert "delete_selected" not in page.get_actions(request)
    for inline in page.get_inline_instances(request, row):
        assert not inline.has_add_permission(request, row)
        assert not inline.has_change_permission(request, row)
        assert not inline.has_delete_permission(request, row)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_what_it_may_view_and_nothing_else(role: str, shop: Any) -> None:
    user = make_staff(role)
    client = signed_in(user)
    may = {model: user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}") for model, _ in PAGES}

    answers = {model: client.get(url_of(model, "changelist")).status_code for model, _ in PAGES}

    assert answers == {model: 200 if allowed else 403 for model, allowed in may.items()}


@pytest.mark.parametrize("role", ROLES)
def test_the_menu_of_a_role_leads_only_to_pages_that_open(role: str, shop: Any) -> None:
    user = make_staff(role)
    client = signed_in(user)
    request = RequestFactory().get("/admin/")
    request.user = user

    menu = dashboard.sidebar(request)

    links = [item["link"] for group in menu for item in group["items"]]
    assert all(client.get(link).status_code == 200 for link in links)
    assert len(links) == len(set(links))
    assert "More" not in [group.get("title") for group in menu]


def test_rows_on_a_page_are_read_with_what_they_refer_to(administrator: Any) -> None:
    """A reference that is shown and not selected with the rows is a query for each row."""
    request, seen = RequestFactory().get("/admin/"), 0
    request.user = administrator
    for _, page in OURS:
        for kind in page.inlines:
            inline = kind(page.model, admin.site)
            # The order's page shows its lines in a table of its own, so that its inline names no columns.
            shown = set(inline.fields or ())
            references = {
                field.name
                for field in inline.model._meta.fields
                if field.is_relation and field.name in shown and field.related_model is not page.model
            }
            selected = inline.get_queryset(request).query.select_related

            assert references <= set(selected or ()), (kind, references)
            seen += len(references)
    assert seen >= 3


def test_customers_and_strangers_stay_outside(owner: Any, anonymous: Any) -> None:
    for client in (signed_in(owner), Client()):
        answer = client.get("/admin/")
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/")
        for model, _ in PAGES:
            assert client.get(url_of(model, "changelist")).status_code == 302


def test_what_is_not_there_leads_back_to_the_dashboard(administrator: Any) -> None:
    answer = signed_in(administrator).get("/admin/orders/order/0190a0a0-0000-7000-8000-000000000001/change/")

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_the_dashboard_shows_the_shop(shop: Any, administrator: Any, count_queries: Any) -> None:
    client = signed_in(administrator)
    client.get("/admin/")
    cache.delete("back-office:numbers")

    with count_queries() as queries:
        page = client.get("/admin/").content.decode()

    assert shop.number in page
    assert "₹1,179.00 collected" in page
    assert "Asha &lt;b&gt;Owner&lt;/b&gt;" in page
    assert "after 5 attempts each" in page
    # Signing in takes four, the latest orders one, and each tile one, but those of parcels and of the audit two.
    assert len(queries) <= 22


def test_the_dashboard_shows_a_role_only_its_own(shop: Any) -> None:
    nobody = make_staff("support")
    nobody.groups.clear()

    page = signed_in(nobody).get("/admin/").content.decode()

    assert shop.number not in page
    assert "Parked handler runs" not in page


def test_parked_handler_run_can_be_retried(shop: Any, administrator: Any) -> None:
    handler_run = HandlerRun.objects.get()
    client = signed_in(administrator)
    url = url_of(HandlerRun, "changelist")

    client.post(url, {"action": "retry", "_selected_action": [str(handler_run.pk)]})
    again = client.post(url, {"action": "retry", "_selected_action": [str(handler_run.pk)]}, follow=True)

    handler_run.refresh_from_db()
    assert (handler_run.parked_at, handler_run.starts) == (None, 0)
    assert "This handler run is not parked." in again.content.decode()


@pytest.mark.parametrize("state", ["parked", "open", "done", "other"])
def test_handler_runs_by_state(state: str, shop: Any, administrator: Any) -> None:
    page = signed_in(administrator).get(url_of(HandlerRun, "changelist"), {"state": state}).content.decode()

    assert ("apps.any.handler" in page) is (state in ("parked", "other"))


def test_events_by_subject_and_by_text(shop: Any, administrator: Any) -> None:
    client = signed_in(administrator)
    event = HandlerRun.objects.get().event
    url = "/admin/core/event/"

    assert str(event.subject_id) in client.get(url, {"q": str(event.subject_id)}).content.decode()
    assert str(event.subject_id) in client.get(url, {"subject_type": "orders.order"}).content.decode()
    assert str(event.subject_id) not in client.get(url, {"q": "no.such.event"}).content.decode()

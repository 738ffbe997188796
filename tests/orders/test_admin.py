from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.orders import locks, rules, services
from apps.orders.models import Order
from tests.factories.accounts import make_user
from tests.factories.orders import make_order

pytestmark = pytest.mark.django_db

LIST = "/admin/orders/order/"


@pytest.fixture
def desk(client: Client) -> Any:
    """Return a browser in which a member of staff has logged in."""

    def sign_in(user: Any) -> Client:
        client.force_login(user)
        return client

    return sign_in


def page_of(order: Order) -> str:
    return reverse("admin:orders_order_change", args=[order.pk])


def cancel(browser: Client, *orders: Order) -> Any:
    return browser.post(
        LIST, {"action": "cancel_orders", "_selected_action": [str(order.pk) for order in orders]}, follow=True
    )


def test_the_first_page_and_an_order_fit_a_phone(owner: Any, support: Any, desk: Any) -> None:
    order, browser = make_order(owner), desk(support)
    first, page = browser.get("/admin/").content.decode(), browser.get(page_of(order)).content.decode()

    for shown in (first, page):
        assert ".readonly { overflow-wrap: anywhere; }" in shown
        assert ".panel-table td::before { content: attr(data-heading);" in shown
    assert [f'data-heading="{name}"' in first for name in ("Order", "Customer", "Status", "Total", "Placed")] == [
        True
    ] * 5


def test_shows_an_order_with_its_lines_and_timeline(owner: Any, support: Any, desk: Any) -> None:
    order = make_order(owner)
    services.cancel_unpaid_order(order_id=order.pk, actor=SYSTEM, reason="Out of fashion", now=order.placed_at)

    content = desk(support).get(page_of(order)).content.decode()

    assert order.number in content
    assert order.lines.get().sku in content
    assert "The order was placed." in content
    assert "Out of fashion" in content


def test_shows_place_of_supply_with_reason(owner: Any, support: Any, desk: Any) -> None:
    order = make_order(owner)
    place = rules.describe_place(order.place_of_supply, order.place_of_supply_reason)

    content = desk(support).get(page_of(order)).content.decode()

    assert f"{place.state} {place.state_name}" in content
    assert place.section in content
    assert order.place_of_supply_reason not in content
    assert "IGST" in content
    assert "CGST" not in content, "taxes of zero are left out"


def test_lists_orders_with_their_status_as_a_label(owner: Any, support: Any, desk: Any) -> None:
    make_order(owner)

    content = " ".join(desk(support).get(LIST).content.decode().split())

    assert "Pending payment</span>" in content
    assert "Unpaid</span>" in content


def test_is_read_only(owner: Any, administrator: Any, desk: Any) -> None:
    order = make_order(owner)
    browser = desk(administrator)

    assert browser.post(page_of(order), {"status": "confirmed", "paid_amount": 1}).status_code == 403
    assert browser.get("/admin/orders/order/add/").status_code == 403
    assert browser.post(f"/admin/orders/order/{order.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Order.objects.get(pk=order.pk).status == "pending_payment"


def test_requires_view_permission(owner: Any, catalogue_manager: Any, desk: Any) -> None:
    order = make_order(owner)

    assert desk(owner).get(LIST).status_code == 302
    assert desk(catalogue_manager).get(page_of(order)).status_code == 403


@pytest.mark.parametrize("how", ["number", "beginning", "last digits", "phone", "trunk phone", "email", "name"])
def test_finds_orders_by_number_and_buyer(reference_data: None, support: Any, desk: Any, how: str) -> None:
    order = make_order(make_user(phone="+919876501234", email="asha@example.com", name="Asha Rao"))
    other = make_order(make_user())
    typed = {
        "number": order.number.lower(),
        "beginning": order.number[:-1] + order.number[-1],
        "phone": "+91 98765 01234",
        "last digits": order.number.rpartition("-")[2],
        "trunk phone": "098765 01234",
        "name": "rao ash",
        "email": "Asha@Example.com",
    }[how]

    content = desk(support).get(LIST, {"q": typed}).content.decode()

    assert order.number in content
    assert other.number not in content


@pytest.mark.parametrize("typed", ["' OR 1=1", "%", "\x00", "9" * 30, "nobody@example.com"])
def test_unknown_terms_find_nothing(owner: Any, support: Any, desk: Any, typed: str) -> None:
    make_order(owner)

    assert desk(support).get(LIST, {"q": typed}).status_code == 200


def test_list_query_count_is_constant(owner: Any, support: Any, desk: Any, count_queries: Any) -> None:
    make_order(owner)
    browser = desk(support)
    browser.get(LIST)
    with count_queries() as for_one:
        browser.get(LIST)
    for _ in range(49):
        make_order(owner)

    with count_queries() as for_fifty:
        browser.get(LIST)

    assert len(for_fifty) == len(for_one)


def test_cancels_through_the_service(owner: Any, support: Any, desk: Any) -> None:
    waiting, paid = make_order(owner), make_order(owner)
    services.update_payment_totals(
        order=locks.lock_order(paid.pk),
        paid_amount=paid.total_amount,
        payment_live_until=None,
        actor=SYSTEM,
        now=paid.placed_at,
    )

    content = cancel(desk(support), waiting, paid).content.decode()

    assert Order.objects.get(pk=waiting.pk).status == "cancelled"
    assert Order.objects.get(pk=paid.pk).status == "confirmed"
    assert f"Order {waiting.number} is cancelled." in content
    assert f"Order {paid.number} is paid and confirmed. Cancel it on its own page" in content
    assert Event.objects.get(type="orders.order.cancelled").actor == f"user:{support.public_id}"


def test_cancel_action_requires_change_permission(owner: Any, finance: Any, desk: Any) -> None:
    order = make_order(owner)
    browser = desk(finance)

    assert "cancel_orders" not in browser.get(LIST).content.decode()
    cancel(browser, order)

    assert Order.objects.get(pk=order.pk).status == "pending_payment"

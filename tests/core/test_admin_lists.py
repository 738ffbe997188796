"""Lists of the back office: their pages begin at rows, their count is an estimate, and what has no index is looked for nearby."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from apps.core import admin_lists
from apps.core.models import Incident
from apps.orders.models import Order
from apps.payments.models import Webhook
from tests.factories.accounts import make_user
from tests.factories.notifications import NOON, make_notification, make_order_of

pytestmark = pytest.mark.django_db

ORDERS = "/admin/orders/order/"
INCIDENTS = "/admin/core/incident/"


@pytest.fixture
def desk(administrator: Any, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A browser of an administrator, where a page of orders has three."""
    monkeypatch.setattr("apps.orders.admin.OrderAdmin.list_per_page", 3)
    monkeypatch.setattr("apps.core.admin.IncidentAdmin.list_per_page", 3)
    client = Client()
    client.force_login(administrator)
    return client


def make_orders(count: int) -> list[str]:
    """Return the numbers of orders, the latest first: the order of the list."""
    orders = [make_order_of(make_user()) for _ in range(count)]
    for number, order in enumerate(orders):
        # Two orders share each instant: their ids tell them apart.
        Order.objects.filter(pk=order.pk).update(created_at=NOON + timedelta(seconds=number // 2))
    return list(Order.objects.order_by("-created_at", "-id").values_list("number", flat=True))


def numbers_of(page: Any) -> list[str]:
    return [order.number for order in page.context["cl"].result_list]


def follow(client: Client, page: Any, to: str) -> Any:
    query = getattr(page.context["cl"].pages, f"{to}_query")
    return client.get(f"{ORDERS}{query}")


def test_the_script_of_the_actions_finds_the_table_and_its_frame(desk: Client) -> None:
    """Otherwise it fails before it counts what is chosen."""
    make_orders(1)
    script = Path(finders.find("admin/js/actions.js") or "").read_text()
    sought = re.findall(r'querySelector(?:All)?\("\.(result[a-z-]*)"\)', script)

    page = desk.get(ORDERS).content.decode()

    assert set(sought) == {"result-list", "result-list-wrapper"}
    found = {name for text in re.findall(r'class="([^"]*)"', page) for name in text.split()}
    assert set(sought) <= found


def test_what_pages_and_their_parts_are_styled_by_is_in_the_style_sheet(desk: Client) -> None:
    make_orders(4)
    styles = Path(finders.find("unfold/css/styles.css") or "").read_text()
    [bar] = re.findall(r'<nav aria-label="Pages of the list" class="([^"]*)"', desk.get(ORDERS).content.decode())

    assert [name for name in bar.split() if f".{name}{{" not in styles] == []


class TestPages:
    def test_each_row_is_on_one_page_forwards_and_backwards(self, desk: Client) -> None:
        numbers = make_orders(8)

        first = desk.get(ORDERS)
        second = follow(desk, first, "next")
        third = follow(desk, second, "next")
        back = follow(desk, third, "previous")
        home = follow(desk, back, "previous")

        assert [numbers_of(page) for page in (first, second, third)] == [numbers[:3], numbers[3:6], numbers[6:]]
        assert [numbers_of(page) for page in (back, home)] == [numbers[3:6], numbers[:3]]
        assert [page.context["cl"].pages.number for page in (first, second, third, back, home)] == [1, 2, 3, 2, 1]

    def test_ends_have_no_further_page(self, desk: Client) -> None:
        make_orders(6)

        first = desk.get(ORDERS)
        last = follow(desk, first, "next")

        assert (first.context["cl"].pages.previous_query, first.context["cl"].pages.first_query) == ("", "")
        assert last.context["cl"].pages.next_query == ""
        assert numbers_of(follow(desk, last, "first")) == numbers_of(first)

    def test_a_new_row_moves_no_row_to_another_page(self, desk: Client) -> None:
        numbers = make_orders(6)
        first = desk.get(ORDERS)
        newest = make_order_of(make_user())
        Order.objects.filter(pk=newest.pk).update(created_at=NOON + timedelta(hours=1))

        second = follow(desk, first, "next")

        assert numbers_of(second) == numbers[3:]
        assert numbers_of(follow(desk, second, "first"))[0] == newest.number

    def test_a_filter_is_kept_from_page_to_page_and_begins_at_the_first(self, desk: Client) -> None:
        numbers = make_orders(8)
        Order.objects.filter(number__in=numbers[:2]).update(status="cancelled")

        first = desk.get(ORDERS, {"status__exact": "pending_payment"})
        second = follow(desk, first, "next")
        other = second.context["cl"].get_query_string({"status__exact": "cancelled"})

        assert [numbers_of(first), numbers_of(second)] == [numbers[2:5], numbers[5:]]
        assert numbers_of(desk.get(f"{ORDERS}{other}")) == numbers[:2]

    @pytest.mark.parametrize("text", ["2", "x", "WzE6MV0:abc:def", "99999999999999999999"])
    def test_what_is_no_page_of_the_list_leads_to_its_first(self, desk: Client, text: str) -> None:
        make_orders(4)

        answer = desk.get(ORDERS, {"p": text})

        assert (answer.status_code, answer["Location"]) == (302, f"{ORDERS}?e=1")

    def test_a_page_of_another_list_is_none_of_this(self, desk: Client) -> None:
        make_orders(4)
        query = desk.get(ORDERS).context["cl"].pages.next_query

        assert desk.get(f"{INCIDENTS}{query}").status_code == 302

    def test_no_statement_counts_or_skips_rows(self, desk: Client, count_queries: Any) -> None:
        make_orders(8)
        first = desk.get(ORDERS)

        with count_queries() as queries:
            follow(desk, first, "next")

        statements = [query["sql"].upper() for query in queries]
        assert [sql for sql in statements if "COUNT(" in sql or " OFFSET " in sql] == []
        # Four sign in, one reads the rows, and one asks the planner how many there may be.
        assert len(statements) == 6


class TestCount:
    def test_a_list_on_one_page_is_counted(self, desk: Client) -> None:
        make_orders(2)

        assert desk.get(ORDERS).context["cl"].pages.count_text == "2 orders"
        assert desk.get(ORDERS, {"q": "ORD-0000-000000"}).context["cl"].pages.count_text == "0 orders"

    def test_one_row_is_not_called_several(self, desk: Client) -> None:
        make_orders(1)

        assert desk.get(ORDERS).context["cl"].pages.count_text == "1 order"

    @pytest.mark.parametrize(
        ("expected", "text"),
        [
            (1, "More than 3 orders"),
            (57, "About 57 orders (an estimate)"),
            (1_234_567, "About 12,00,000 orders (an estimate)"),
        ],
    )
    def test_what_is_not_counted_says_so(
        self, desk: Client, monkeypatch: pytest.MonkeyPatch, expected: int, text: str
    ) -> None:
        make_orders(4)
        monkeypatch.setattr(admin_lists, "_estimate", lambda _rows: expected)

        page = desk.get(ORDERS)

        assert page.context["cl"].pages.count_text == text
        assert text in page.content.decode()


class TestFiltersWithoutIndex:
    @pytest.fixture
    def narrow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(admin_lists, "MAX_UNINDEXED_ROWS", 4)

    def test_it_looks_nearby_and_says_so(self, desk: Client, narrow: None) -> None:
        numbers = make_orders(8)
        Order.objects.filter(number__in=[numbers[1], numbers[7]]).update(status="expired")

        near = desk.get(ORDERS, {"status__exact": "expired"})
        everywhere = desk.get(f"{ORDERS}{near.context['cl'].pages.everything_query}")

        assert numbers_of(near) == [numbers[1]]
        assert "from the beginning of this page on were looked through" in near.content.decode()
        assert numbers_of(everywhere) == [numbers[1], numbers[7]]
        assert "were looked through" not in everywhere.content.decode()

    def test_it_says_so_too_if_nearby_there_is_one_page_exactly(self, desk: Client, narrow: None) -> None:
        numbers = make_orders(8)
        Order.objects.filter(number__in=[*numbers[:3], numbers[7]]).update(status="expired")

        near = desk.get(ORDERS, {"status__exact": "expired"})
        everywhere = desk.get(f"{ORDERS}{near.context['cl'].pages.everything_query}")

        assert numbers_of(near) == numbers[:3]
        assert near.context["cl"].pages.count_text == ""
        assert numbers_of(everywhere) == numbers[:3]
        assert everywhere.context["cl"].pages.next_query

    def test_a_full_page_is_found_nearby(self, desk: Client, narrow: None) -> None:
        numbers = make_orders(8)
        Order.objects.update(status="expired")

        page = desk.get(ORDERS, {"status__exact": "expired"})

        assert numbers_of(page) == numbers[:3]
        assert page.context["cl"].pages.everything_query == ""
        assert numbers_of(follow(desk, page, "next")) == numbers[3:6]

    def test_a_filter_with_an_index_looks_everywhere(self, desk: Client, narrow: None) -> None:
        numbers = make_orders(8)
        Order.objects.filter(number=numbers[7]).update(status="on_hold")

        page = desk.get(ORDERS, {"status__exact": "on_hold"})

        assert numbers_of(page) == [numbers[7]]
        assert page.context["cl"].pages.count_text == "1 order"

    def test_a_search_by_keys_looks_everywhere(self, desk: Client, narrow: None) -> None:
        numbers = make_orders(8)

        assert numbers_of(desk.get(ORDERS, {"q": numbers[7]})) == [numbers[7]]

    def test_a_search_without_index_looks_nearby(self, desk: Client, narrow: None) -> None:
        for number in range(6):
            Incident.objects.create(
                kind="test",
                key=f"key-{number}",
                first_seen_at=NOON + timedelta(hours=number),
                last_seen_at=NOON,
                count=1,
            )

        near = desk.get(INCIDENTS, {"q": "key-0"})
        everywhere = desk.get(f"{INCIDENTS}{near.context['cl'].pages.everything_query}")

        assert [row.key for row in near.context["cl"].result_list] == []
        assert [row.key for row in everywhere.context["cl"].result_list] == ["key-0"]


class TestRows:
    def test_a_row_is_escaped_and_leads_to_its_page(self, desk: Client) -> None:
        order = make_order_of(make_user(name="<b>Asha</b>"))

        content = desk.get(ORDERS).content.decode()

        assert (
            f'<th data-label="Number"><a href="/admin/orders/order/{order.pk}/change/">{order.number}</a></th>'
            in content
        )
        assert '<td data-label="Customer">&lt;b&gt;Asha&lt;/b&gt;</td>' in content
        assert '<td data-label="Status"><span class="tone warning">Pending payment</span></td>' in content
        assert f'name="_selected_action" value="{order.pk}"' in content

    def test_its_page_leads_back_to_the_list_as_it_was(self, desk: Client) -> None:
        order = make_order_of(make_user())

        content = desk.get(ORDERS, {"status__exact": "pending_payment"}).content.decode()

        assert f'{order.pk}/change/?_changelist_filters=status__exact%3Dpending_payment">' in content

    def test_a_page_of_fifty_orders_is_small(self, administrator: Any) -> None:
        make_orders(51)
        client = Client()
        client.force_login(administrator)

        page = client.get(ORDERS)

        assert len(numbers_of(page)) == 50
        assert len(page.content) <= 120_000

    def test_empty_values_and_truth_read_as_people_write(self, desk: Client) -> None:
        make_notification(make_user(is_active=True), sent_at=None)

        users = desk.get("/admin/accounts/user/").content.decode()
        messages = desk.get("/admin/notifications/notification/").content.decode()

        assert re.search(r'<td data-label="Active"><span class="tone success">Yes</span></td>', users)
        assert '<td data-label="Sent at">-</td>' in messages


class TestRecentValues:
    def test_a_filter_offers_the_values_of_the_latest_rows_and_the_chosen_one(
        self, desk: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(admin_lists, "_RECENT", 1)
        for event_type in ("payment.captured", "refund.processed"):
            Webhook.objects.create(
                gateway="razorpay", event_id=event_type, body_sha256=event_type, body=b"{}", event_type=event_type,
                received_at=NOON,
            )  # fmt: skip

        plain = desk.get("/admin/payments/webhook/").content.decode()
        chosen = desk.get("/admin/payments/webhook/", {"event_type": "payment.captured"}).content.decode()

        assert ("event_type=refund.processed" in plain, "event_type=payment.captured" in plain) == (True, False)
        assert "event_type=payment.captured" in chosen

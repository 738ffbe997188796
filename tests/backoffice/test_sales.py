"""Sales for staff: the page of the back office, the dashboard and the reports of the API."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.backoffice.models import BestSeller, TopCustomer
from apps.backoffice.states import Period
from apps.core import clock
from apps.core.dates import format_time
from tests.factories.accounts import make_staff, make_user
from tests.factories.catalog import make_product, make_variant
from tests.factories.orders import make_order
from tests.factories.payments import apply_refund, make_exception, make_refund, pay
from tests.support.projections import refresh, relay_events

pytestmark = pytest.mark.django_db

#: Noon in India.
NOON = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
TODAY, YESTERDAY = date(2026, 11, 21), date(2026, 11, 20)


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOON)


@pytest.fixture
def sold(shop: Any, owner: Any, colleagues: None) -> Any:
    """An order of ₹1,23,456.00 of yesterday, of which ₹100.00 was refunded today, and one of today that nobody has paid."""
    kurta = make_variant(product=make_product(name="Cotton <kurta>"), price=6_172_800, title="Red, M", stock=10)
    order = make_order(owner, [(kurta, 2)], now=NOON - timedelta(days=1))
    pay(order, now=NOON - timedelta(days=1))
    refund = make_refund(order, amount=10_000, is_approved=True, now=NOON)
    apply_refund(refund, now=NOON)
    make_order(owner, now=NOON)
    refresh(NOON)
    return order


def browser(role: str) -> Client:
    client = Client()
    client.force_login(make_staff(role))
    return client


def open_page(query: str = "", role: str = "finance") -> str:
    response = browser(role).get(reverse("admin:sales") + query)
    assert response.status_code == 200
    return response.content.decode()


class TestPage:
    def test_it_shows_the_period_in_rupees_and_days_of_india(self, sold: Any) -> None:
        page = open_page("?period=last_7_days")

        assert "15 Nov 2026 to 21 Nov 2026, as of 21 Nov 2026, 12:00:00 pm IST." in page
        assert "₹1,23,456.00 on average" in page
        assert "₹100.00" in page
        assert "20 Nov 2026: ₹1,23,456.00 in 1 order" in page
        assert "Cotton &lt;kurta&gt; Red, M" in page
        assert "Asha Owner" in page

    def test_today_is_shown_first(self, sold: Any) -> None:
        page = open_page()

        assert "21 Nov 2026, as of 21 Nov 2026, 12:00:00 pm IST." in page
        assert "Nothing was sold." in page

    @pytest.mark.parametrize("query", ["?period=nonsense", "?period=", "?period=%00"])
    def test_a_damaged_address_shows_today(self, sold: Any, query: str) -> None:
        assert "Nothing was sold." in open_page(query)

    def test_what_needs_a_decision_leads_to_its_list(self, sold: Any) -> None:
        make_exception(held_amount=45_678)

        page = open_page()

        assert "/admin/ledger/reconciliationexception/?state=open" in page
        assert "/admin/payments/paymentattempt/needs-attention/" in page
        assert "/admin/payments/refund/?todo=failed" in page
        assert page.count("awaiting a decision") == 1

    def test_late_figures_are_said_to_be_late(self, sold: Any, owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        make_order(owner, now=NOON)
        monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(minutes=2))
        assert "The figures are late" not in open_page()

        monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(minutes=2, seconds=1))

        assert "The figures are late" in open_page()

    def test_before_the_first_refresh_it_says_so(self, shop: Any) -> None:
        assert "The figures of this shop are being put together." in open_page()

    def test_a_shop_without_orders_has_a_page(self, shop: Any) -> None:
        refresh(NOON)

        assert "No order was confirmed in the last 30 days." in open_page()

    @pytest.mark.parametrize(("role", "status"), [("admin", 200), ("support", 403), ("catalogue_manager", 403)])
    def test_who_may_see_it(self, sold: Any, role: str, status: int) -> None:
        client = browser(role)

        assert client.get(reverse("admin:sales")).status_code == status
        assert ("Sales figures" in client.get(reverse("admin:index")).content.decode()) is (status == 200)

    def test_a_customer_is_sent_to_the_log_in(self, sold: Any, owner: Any) -> None:
        client = Client()
        client.force_login(owner)

        assert client.get(reverse("admin:sales")).status_code == 302

    def test_it_takes_as_many_statements_for_one_order_as_for_many(self, sold: Any) -> None:
        client = browser("finance")
        count_statements(client)  # the first page of a session is also stored in it
        before = count_statements(client)

        for _ in range(12):
            pay(make_order(make_user(name="Buyer"), now=NOON), now=NOON)
        refresh(NOON)

        assert count_statements(client) == before == STATEMENTS


#: Sign in (4), state, days, up to when all is counted, three counts, two rankings.
STATEMENTS = 12


def count_statements(client: Client) -> int:
    with CaptureQueriesContext(connection) as queries:
        client.get(reverse("admin:sales") + "?period=last_7_days")
    return len(queries)


class TestDashboard:
    def test_it_has_the_periods_and_the_days(self, sold: Any, client_of: Any, finance: Any) -> None:
        answer = client_of(finance).get("/api/v1/dashboards/sales")

        assert answer.status_code == 200
        found = answer.json()
        assert found["as_of"] == "2026-11-21T06:30:00.000Z"
        assert [(each["period"], each["sales_amount"]) for each in found["periods"]] == [
            ("today", 0), ("last_7_days", 12_345_600), ("last_30_days", 12_345_600), ("this_month", 12_345_600),
        ]  # fmt: skip
        assert found["periods"][0] == {
            "period": "today", "first_day": "2026-11-21", "last_day": "2026-11-21", "orders_placed": 1, "orders_confirmed": 0,
            "orders_cancelled": 0, "orders_expired": 0, "sales_amount": 0, "average_order_amount": 0, "captured_amount": 0,
            "refunded_amount": 10_000, "currency": "INR",
        }  # fmt: skip
        assert [each["day"] for each in found["days"]][::29] == ["2026-10-23", "2026-11-21"]
        assert found["attention"] == {"open_exceptions": 0, "payment_reviews": 0, "failed_refunds": 0}

    def test_it_says_up_to_when_all_is_counted(self, sold: Any, owner: Any, client_of: Any, finance: Any) -> None:
        make_order(owner, now=NOON - timedelta(seconds=7))
        relay_events(NOON)

        assert client_of(finance).get("/api/v1/dashboards/sales").json()["as_of"] == "2026-11-21T06:29:53.000Z"

    @pytest.mark.parametrize("path", ["dashboards/sales", "reports/daily-sales"])
    def test_before_the_first_refresh_it_is_not_ready(self, shop: Any, client_of: Any, finance: Any, path: str) -> None:
        answer = client_of(finance).get(f"/api/v1/{path}")

        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "projections_not_built")
        assert answer.headers["Retry-After"] == "10"

    def test_other_dashboards_do_not_exist(self, sold: Any, client_of: Any, finance: Any) -> None:
        assert client_of(finance).get("/api/v1/dashboards/stock").status_code == 404


class TestDailySales:
    def test_the_last_thirty_days(self, sold: Any, client_of: Any, finance: Any) -> None:
        days = client_of(finance).get("/api/v1/reports/daily-sales").json()["data"]

        assert len(days) == 30
        assert (days[-2]["day"], days[-2]["orders_confirmed"], days[-2]["captured_amount"]) == (
            "2026-11-20", 1, 12_345_600,
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("day[gte]=2026-11-20&day[lte]=2026-11-20", ["2026-11-20"]),
            ("day[gte]=2026-11-20", ["2026-11-20", "2026-11-21"]),
        ],
    )
    def test_chosen_days(self, sold: Any, client_of: Any, finance: Any, query: str, expected: list[str]) -> None:
        days = client_of(finance).get(f"/api/v1/reports/daily-sales?{query}").json()["data"]

        assert [each["day"] for each in days] == expected

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("day[gte]=2026-11-21&day[lte]=2026-11-20", "days_reversed"),
            ("day[gte]=2025-11-20&day[lte]=2026-11-21", "report_too_long"),
            ("day[gte]=2026-W47-6", "invalid_day"),
            ("day[lte]=1999-12-31", "invalid_day"),
            ("day[lte]=2026-02-30", "invalid_day"),
            ("from=2026-11-20", "unknown_parameter"),
        ],
    )
    def test_days_that_are_refused(self, sold: Any, client_of: Any, finance: Any, query: str, code: str) -> None:
        answer = client_of(finance).get(f"/api/v1/reports/daily-sales?{query}")

        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)

    def test_a_year_is_one_report(self, sold: Any, client_of: Any, finance: Any) -> None:
        answer = client_of(finance).get("/api/v1/reports/daily-sales?day[gte]=2025-11-21&day[lte]=2026-11-21")

        assert len(answer.json()["data"]) == 366


class TestRankings:
    def test_best_sellers(self, sold: Any, client_of: Any, finance: Any) -> None:
        [line] = sold.lines.all()

        [best] = client_of(finance).get("/api/v1/reports/best-sellers").json()["data"]

        assert best == {
            "object": "best_seller", "variant_id": line.variant.public_id, "product_id": line.variant.product.public_id,
            "sku": line.variant.sku, "name": "Cotton <kurta>", "title": "Red, M", "quantity": 2, "sales_amount": 12_345_600,
            "currency": "INR",
        }  # fmt: skip

    def test_top_customers(self, sold: Any, owner: Any, client_of: Any, finance: Any) -> None:
        [top] = client_of(finance).get("/api/v1/reports/top-customers?period=this_month").json()["data"]

        assert top == {
            "object": "top_customer", "customer_id": owner.public_id, "name": "Asha Owner", "orders": 1,
            "sales_amount": 12_345_600, "currency": "INR",
        }  # fmt: skip

    @pytest.mark.parametrize("path", ["best-sellers", "top-customers"])
    def test_of_today_alone(self, sold: Any, client_of: Any, finance: Any, path: str) -> None:
        assert client_of(finance).get(f"/api/v1/reports/{path}?period=today").json()["data"] == []

    @pytest.mark.parametrize("path", ["best-sellers", "top-customers"])
    def test_an_unknown_period_is_refused(self, sold: Any, client_of: Any, finance: Any, path: str) -> None:
        answer = client_of(finance).get(f"/api/v1/reports/{path}?period=ever")

        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_period")

    @pytest.mark.parametrize("path", ["best-sellers", "top-customers"])
    def test_they_name_a_hundred_in_as_many_statements_as_one(
        self, sold: Any, client_of: Any, finance: Any, path: str
    ) -> None:
        client = client_of(finance)
        client.get(f"/api/v1/reports/{path}")
        with CaptureQueriesContext(connection) as few:
            client.get(f"/api/v1/reports/{path}")
        product = make_product()
        BestSeller.objects.bulk_create(
            BestSeller(
                period=Period.LAST_30_DAYS,
                variant=make_variant(product=product),
                quantity_milli=1_000,
                sales_amount=number,
            )
            for number in range(101)
        )
        TopCustomer.objects.bulk_create(
            TopCustomer(period=Period.LAST_30_DAYS, customer=make_user(), orders=1, sales_amount=number)
            for number in range(101)
        )

        with CaptureQueriesContext(connection) as many:
            answer = client.get(f"/api/v1/reports/{path}")

        assert len(answer.json()["data"]) == 100
        assert len(many) == len(few)


def test_times_are_those_of_india() -> None:
    assert format_time(NOON) == "12:00:00 pm IST"
    assert format_time(NOON - timedelta(hours=12, seconds=1)) == "11:59:59 pm IST"
    assert format_time(NOON + timedelta(hours=12)) == "12:00:00 am IST"

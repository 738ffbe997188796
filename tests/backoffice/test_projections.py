"""The projections of sales: kept by events, equal to what the orders say, and the same when they are built again."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.backoffice.models import BestSeller, DailySales, DailyVariantSales, OrderDay, ProjectionState, TopCustomer
from apps.backoffice.rules import Days, Move, days_of, moves_between
from apps.backoffice.selectors import sales
from apps.backoffice.selectors.sales import Figures, ProjectionsNotBuilt
from apps.backoffice.services import projections
from apps.backoffice.services.projections import rebuild_projections, refresh_projections
from apps.backoffice.states import Period
from apps.core.events import SYSTEM
from apps.core.models import Event, Outbox, PendingProjection
from apps.orders.models import Order, OrderLine
from apps.orders.services import expiry
from apps.payments.services import order_cancellation
from config.subscriptions import PROJECTED
from tests.factories.accounts import make_user
from tests.factories.catalog import make_variant
from tests.factories.orders import make_order
from tests.factories.payments import apply_refund, make_payment, make_refund, pay
from tests.support.lock_controls import run_amid, with_control
from tests.support.projections import dump_projections, refresh, relay_events
from tests.support.settlements import violated

pytestmark = pytest.mark.django_db

#: Five minutes before midnight in India, on the last day of May: it is still the day before in UTC for hours after it.
LATE = datetime(2026, 5, 31, 18, 25, tzinfo=UTC)
MAY_31, JUNE_1 = date(2026, 5, 31), date(2026, 6, 1)


def figures_of(day: date) -> Figures:
    [found] = sales.list_daily_sales(Days(day, day))
    return found.figures


@pytest.fixture
def built(shop: Any) -> None:
    refresh(LATE)


class TestPeriods:
    def test_they_end_today(self) -> None:
        assert {period.value: (days_of(period, JUNE_1).first, days_of(period, JUNE_1).last) for period in Period} == {
            "today": (JUNE_1, JUNE_1),
            "last_7_days": (date(2026, 5, 26), JUNE_1),
            "last_30_days": (date(2026, 5, 3), JUNE_1),
            "this_month": (JUNE_1, JUNE_1),
        }

    @pytest.mark.parametrize("days_later", [1, 2, 8, 31, 400])
    def test_what_they_gain_and_lose_is_what_differs(self, days_later: int) -> None:
        before, after = MAY_31, MAY_31 + timedelta(days=days_later)
        moves = moves_between(before, after)

        for period in Period:
            changed: Counter[date] = Counter(days_of(period, before))
            for move in moves:
                if move.period is period:
                    changed.update(dict.fromkeys(move.days, move.sign))
            assert {day for day, count in changed.items() if count} == set(days_of(period, after))
            assert set(changed.values()) <= {0, 1}

    def test_at_first_they_gain_all_their_days(self) -> None:
        assert moves_between(None, JUNE_1) == [Move(period, days_of(period, JUNE_1), 1) for period in Period]


class TestRefresh:
    def test_an_order_is_counted_on_the_days_of_india_on_which_things_happened(self, built: None, owner: Any) -> None:
        order = make_order(owner, now=LATE)
        pay(order, now=LATE + timedelta(minutes=6))
        refresh(LATE + timedelta(minutes=7))

        assert figures_of(MAY_31) == Figures(placed=1)
        assert figures_of(JUNE_1) == Figures(
            confirmed=1, sales_amount=order.total_amount, captured_amount=order.total_amount
        )

    def test_refunds_count_when_they_are_processed(self, built: None, owner: Any) -> None:
        order = make_order(owner, now=LATE)
        pay(order, now=LATE)
        refund = make_refund(order, amount=10_000, is_approved=True, now=LATE)
        refresh(LATE)
        assert figures_of(MAY_31).refunded_amount == 0

        apply_refund(refund, now=LATE + timedelta(days=1))
        refresh(LATE + timedelta(days=1))

        assert figures_of(JUNE_1) == Figures(refunded_amount=10_000)
        assert figures_of(MAY_31).captured_amount == order.total_amount

    def test_an_order_that_is_cancelled_is_no_longer_sold(self, built: None, owner: Any) -> None:
        order = make_order(owner, now=LATE)
        pay(order, now=LATE)
        refresh(LATE)
        assert TopCustomer.objects.filter(customer=owner).count() == 4

        cancel_order(order, now=LATE + timedelta(minutes=1))
        refresh(LATE + timedelta(minutes=1))

        day = figures_of(MAY_31)
        assert (day.placed, day.confirmed, day.cancelled, day.sales_amount) == (1, 1, 1, order.total_amount)
        assert not TopCustomer.objects.exists()
        assert not BestSeller.objects.exists()
        assert not DailyVariantSales.objects.exists()

    def test_an_order_that_expires(self, built: None, owner: Any) -> None:
        order = make_order(owner, now=LATE)
        expiry.expire_orders(now=order.expires_at + timedelta(days=2))
        refresh(order.expires_at + timedelta(days=2))

        assert sum(each.figures.expired for each in sales.list_daily_sales(Days(MAY_31, MAY_31 + timedelta(9)))) == 1

    def test_counting_an_order_again_changes_nothing(self, built: None, owner: Any) -> None:
        order = make_order(owner, now=LATE)
        pay(order, now=LATE)
        refresh(LATE)
        before = dump_projections()

        PendingProjection.objects.bulk_create([PendingProjection(root_id=order.pk, created_at=LATE) for _ in range(3)])
        counted = refresh(LATE)

        assert counted == 1
        assert dump_projections() == before
        assert not PendingProjection.objects.exists()

    def test_orders_are_counted_in_batches(self, built: None, owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(projections, "BATCH", 2)
        for _ in range(5):
            make_order(owner, now=LATE)
        relay_events(LATE)

        first = refresh_projections(now=LATE, max_batches=1)
        rest = refresh_projections(now=LATE)

        assert (first, rest) == (2, 3)
        assert figures_of(MAY_31).placed == 5

    def test_an_order_is_pending_once_for_all_its_events_that_are_relayed_together(
        self, built: None, owner: Any
    ) -> None:
        order = make_order(owner, now=LATE)
        pay(order, now=LATE + timedelta(minutes=1))

        relay_events(LATE)

        assert list(PendingProjection.objects.values_list("root_id", "created_at")) == [(order.pk, LATE)]

    def test_events_that_projections_do_not_count_leave_nothing_pending(self, built: None, owner: Any) -> None:
        order = make_order(owner, now=LATE)
        refresh(LATE)
        make_payment(order, now=LATE)
        assert Outbox.objects.exists()

        relay_events(LATE)

        assert not PendingProjection.objects.exists()

    def test_without_changes_it_is_one_statement(self, built: None) -> None:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            counted = refresh_projections(now=LATE)

        assert counted == 0
        assert len(queries) == 1

    def test_the_first_counts_all_orders_there_are(self, shop: Any, owner: Any) -> None:
        with pytest.raises(ProjectionsNotBuilt):
            sales.get_sales(now=LATE)
        pay(make_order(owner, now=LATE), now=LATE)
        Outbox.objects.all().delete()

        refresh(LATE)

        assert figures_of(MAY_31).confirmed == 1
        assert violated("INV-69", "INV-69b", "INV-69c") == []

    def test_a_clock_that_is_behind_does_not_turn_the_day_back(self, built: None) -> None:
        refresh(LATE + timedelta(days=1))
        refresh(LATE)

        assert ProjectionState.objects.get().day == JUNE_1


def cancel_order(order: Order, *, now: datetime) -> None:
    order_cancellation.cancel_order(order_id=order.pk, actor=SYSTEM, reason="changed their mind", now=now)


class TestProjectedEvents:
    def test_each_event_that_changes_what_is_counted_is_one(self, busy: Callable[[], datetime]) -> None:
        busy()
        counted = [
            "placed_at",
            "confirmed_at",
            "cancelled_at",
            "expired_at",
            "captured_at",
            "processed_at",
            "total_amount",
        ]

        changing = Event.objects.filter(root_id__isnull=False, subject_type__in=_COUNTED_SUBJECTS)
        with_values = {each.type for each in changing if any(each.changes.get(name) for name in counted)}

        assert with_values == PROJECTED - {"orders.order.expired"}


_COUNTED_SUBJECTS = ("orders.order", "payments.paymentattempt", "payments.refund")


class TestAsOf:
    def test_all_is_counted_up_to_now(self, built: None, owner: Any) -> None:
        make_order(owner, now=LATE)
        refresh(LATE)

        assert sales.get_sales(now=LATE + timedelta(minutes=3)).as_of == LATE + timedelta(minutes=3)

    @pytest.mark.parametrize("is_relayed", [False, True])
    def test_what_waits_says_up_to_when(self, built: None, owner: Any, is_relayed: bool) -> None:
        make_order(owner, now=LATE)
        if is_relayed:
            relay_events(LATE)

        assert sales.get_sales(now=LATE + timedelta(minutes=3)).as_of == LATE

    @pytest.mark.parametrize("is_relayed", [False, True])
    def test_the_oldest_counts_though_it_was_relayed_last(self, built: None, owner: Any, is_relayed: bool) -> None:
        make_order(owner, now=LATE)
        relay_events(LATE)
        make_order(owner, now=LATE - timedelta(minutes=2))
        if is_relayed:
            relay_events(LATE)

        assert sales.get_sales(now=LATE + timedelta(minutes=3)).as_of == LATE - timedelta(minutes=2)

    def test_what_a_refresh_counts_meanwhile_is_not_claimed(
        self, built: None, owner: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_order(owner, now=LATE)
        relay_events(LATE)
        list_before_refresh = sales.list_daily_sales

        def refresh_after(days: Days) -> Any:
            found = list_before_refresh(days)
            refresh(LATE)
            return found

        monkeypatch.setattr(sales, "list_daily_sales", refresh_after)
        found = sales.get_sales(now=LATE + timedelta(minutes=3))

        assert (found.periods[0].figures.placed, found.as_of) == (0, LATE)

    def test_a_clock_that_was_ahead_spoils_nothing_for_longer_than_itself(self, built: None, owner: Any) -> None:
        refresh(LATE + timedelta(days=365))
        make_order(owner, now=LATE)

        refresh(LATE)

        found = sales.get_sales(now=LATE)
        assert (found.today, found.periods[0].figures.placed) == (MAY_31, 1)

    def test_after_midnight_they_end_with_yesterday_until_the_next_refresh(self, built: None) -> None:
        found = sales.get_sales(now=LATE + timedelta(hours=1))

        assert found.today == MAY_31
        assert found.as_of == datetime(2026, 5, 31, 18, 30, tzinfo=UTC)


class TestRebuild:
    def test_it_gives_the_same_bytes(self, busy: Callable[[], datetime]) -> None:
        end = busy()
        before = dump_projections()
        assert all(before.values())

        for model in (OrderDay, DailySales, DailyVariantSales, BestSeller, TopCustomer, ProjectionState):
            model.objects.all().delete()
        orders = rebuild_projections(now=end)

        assert dump_projections() == before
        assert orders == Order.objects.count()
        assert violated("INV-69", "INV-69b", "INV-69c") == []

    def test_it_repairs_what_is_wrong(self, busy: Callable[[], datetime]) -> None:
        end = busy()
        before = dump_projections()
        DailySales.objects.update(placed=7)
        TopCustomer.objects.update(sales_amount=7)

        rebuild_projections(now=end)

        assert dump_projections() == before

    def test_it_reads_orders_in_batches(self, busy: Callable[[], datetime], monkeypatch: pytest.MonkeyPatch) -> None:
        end = busy()
        before = dump_projections()
        monkeypatch.setattr(projections, "REBUILD_BATCH", 3)
        progress: list[int] = []

        orders = rebuild_projections(now=end, on_batch=progress.append)

        assert progress == [*range(3, orders, 3), orders]
        assert dump_projections() == before

    def test_the_command_says_how_many_orders_there_were(
        self, built: None, owner: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_order(owner)

        call_command("rebuild_projections")

        assert capsys.readouterr().out == "The projections are built from 1 order.\n"


@pytest.fixture
def busy(built: None, colleagues: None) -> Callable[[], datetime]:
    """Return a function that has many things happen to orders in forty days, refreshed now and then, and returns their end."""

    def run() -> datetime:
        chance = random.Random(7)
        variants = [make_variant(price=price, stock=1_000) for price in (10_000, 25_050, 99_999)]
        customers = [make_user() for _ in range(4)]
        now = LATE - timedelta(days=40)
        orders: list[Order] = []
        while now < LATE:
            now += timedelta(hours=chance.randrange(8, 60))
            order = make_order(chance.choice(customers), [(chance.choice(variants), chance.randrange(1, 4))], now=now)
            orders.append(order)
            if chance.random() < 0.8:
                pay(order, now=now + timedelta(minutes=chance.randrange(1, 25)))
            _change_one(chance, orders, now=now + timedelta(minutes=30))
            if chance.random() < 0.7:
                refresh(now + timedelta(hours=1))
        refresh(LATE + timedelta(days=3))
        return LATE + timedelta(days=3)

    return run


def _change_one(chance: random.Random, orders: list[Order], *, now: datetime) -> None:
    order = chance.choice(orders)
    order.refresh_from_db()
    if order.status == "pending_payment":
        cancel_order(order, now=now)
    elif order.status == "confirmed" and not order.refunded_amount and chance.random() < 0.7:
        refund = make_refund(order, amount=chance.randrange(100, order.total_amount), is_approved=True, now=now)
        apply_refund(refund, now=now + timedelta(days=1))
    elif order.status == "confirmed":
        cancel_order(order, now=now)


class TestRankings:
    @pytest.mark.parametrize("period", Period)
    def test_they_are_what_sql_says(self, busy: Callable[[], datetime], period: Period) -> None:
        today = busy().date()
        days = days_of(period, today)
        lines = OrderLine.objects.filter(order__confirmed_at__date__range=(days.first, days.last)).exclude(
            order__status="cancelled"
        )
        units: Counter[Any] = Counter()
        amounts: Counter[Any] = Counter()
        for line in lines:
            units[line.variant_id] += line.quantity_milli
            amounts[line.variant_id] += line.total_amount
        orders = Order.objects.filter(confirmed_at__date__range=(days.first, days.last)).exclude(status="cancelled")
        spent: Counter[Any] = Counter()
        counts: Counter[Any] = Counter()
        for order in orders:
            spent[order.customer_id] += order.total_amount
            counts[order.customer_id] += 1

        best = [(row.variant_id, row.quantity_milli, row.sales_amount) for row in sales.list_best_sellers(period)]
        top = [(row.customer_id, row.sales_amount, row.orders) for row in sales.list_top_customers(period)]

        assert best == sorted(
            ((key, units[key], amounts[key]) for key in units), key=lambda row: (-row[1], -row[2], row[0])
        )
        assert top == sorted(
            ((key, spent[key], counts[key]) for key in spent), key=lambda row: (-row[1], -row[2], row[0])
        )


@pytest.mark.usefixtures("recent_audits_find_the_same")
class TestInvariants:
    @pytest.mark.parametrize(
        ("model", "change", "found"),
        [
            (OrderDay, {"captured_amount": 1}, ["INV-69", "INV-69b"]),
            (DailySales, {"placed": 9}, ["INV-69b"]),
            (DailyVariantSales, {"quantity_milli": 9_000}, ["INV-69b", "INV-69c"]),
            (BestSeller, {"sales_amount": 9}, ["INV-69c"]),
            (TopCustomer, {"orders": 9}, ["INV-69c"]),
        ],
        ids=lambda value: getattr(value, "__name__", ""),
    )
    def test_a_row_that_is_wrong_is_found(
        self, built: None, owner: Any, model: Any, change: dict[str, int], found: list[str]
    ) -> None:
        pay(make_order(owner, now=LATE), now=LATE)
        refresh(LATE)
        assert violated("INV-69", "INV-69b", "INV-69c") == []

        assert model.objects.update(**change)

        assert violated("INV-69", "INV-69b", "INV-69c") == found

    def test_an_order_that_was_never_counted_is_found(self, built: None, owner: Any) -> None:
        make_order(owner, now=LATE)
        assert violated("INV-69") == []
        relay_events(LATE)
        assert violated("INV-69") == []

        PendingProjection.objects.all().delete()

        assert violated("INV-69") == ["INV-69"]


@pytest.mark.django_db(transaction=True)
class TestRace:
    @with_control
    def test_the_day_changes_once(self, shop: Any, owner: Any, is_locked: bool) -> None:
        pay(make_order(owner, now=LATE), now=LATE)
        refresh(LATE)
        assert TopCustomer.objects.get(period=Period.LAST_7_DAYS).orders == 1
        later = LATE + timedelta(days=8)

        def move() -> int:
            return refresh_projections(now=later)

        run_amid("apps.backoffice.locks.lock_projections", move, move, is_locked=is_locked)

        left = set(TopCustomer.objects.values_list("period", "orders"))
        assert (left == {("last_30_days", 1)}) is is_locked

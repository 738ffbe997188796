import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from apps.catalog.models import Reservation, StockLevel, Variant
from apps.catalog.services import InsufficientStock
from apps.catalog.states import ReservationStatus
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.event_replay import fold
from apps.core.events import SYSTEM, current_values, gateway_actor
from apps.core.models import Event, Outbox
from apps.orders import locks, rules, services
from apps.orders.models import Order, OrderLine, OrderNotFound
from apps.orders.services import OrderLineInput, cancellation
from apps.orders.states import OrderStatus
from apps.orders.tasks import expire_orders as expire_orders_task
from tests.factories.accounts import make_address
from tests.factories.catalog import make_product, make_registration, make_variant
from tests.factories.orders import actor_for, make_order
from tests.orders.books import check_invariants
from tests.support.stock import plant_stock, stock_of

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)
RAZORPAY = gateway_actor("razorpay")


@pytest.fixture(autouse=True)
def _check_invariants_after_each_test(db: None) -> Any:
    yield
    check_invariants()


def counts_of(variant: Variant) -> tuple[int, int]:
    counts = stock_of(variant)
    return counts.on_hand, counts.reserved


def reservations_of(order: Order) -> list[tuple[int, str]]:
    lines = order.lines.values_list("pk", flat=True)
    found = Reservation.objects.filter(reference__in=lines).order_by("quantity_milli")
    return [(reservation.quantity, reservation.status) for reservation in found]


def event_types_of(order: Order) -> list[str]:
    return list(Event.objects.filter(subject_id=order.pk).order_by("version").values_list("type", flat=True))


def traces() -> tuple[int, ...]:
    """Everything that a placement could leave behind."""
    return (
        Order.objects.count(), OrderLine.objects.count(), Reservation.objects.count(), Event.objects.count(),
        Outbox.objects.count(), sum(StockLevel.objects.values_list("reserved_milli", flat=True)),
    )  # fmt: skip


def update_totals(order: Order, paid: int, live_until: datetime | None = None, now: datetime = NOW) -> Order:
    return services.update_payment_totals(
        order=locks.lock_order(order.pk), paid_amount=paid, payment_live_until=live_until, actor=RAZORPAY, now=now
    )


class TestPlaceOrder:
    def test_takes_snapshots_and_reserves_stock(self, owner: Any) -> None:
        product = make_product(name="Cotton kurta")
        kurta = make_variant(product=product, title="Indigo, M", price=49_900, stock=10)
        tea = make_variant(price=25_000, tax_class="gst_5", stock=7, hsn="0902", uqc="PAC")
        address = make_address(owner, line2="Near the lake")

        order = make_order(owner, [(kurta, 2), (tea, 3)], address=address, now=NOW, note="Ring twice")

        order.refresh_from_db()
        assert order.status == OrderStatus.PENDING_PAYMENT
        assert (order.customer_id, order.currency, order.note) == (owner.pk, "INR", "Ring twice")
        assert order.number.startswith("ORD-2627-")
        assert (order.placed_at, order.expires_at) == (NOW, NOW + timedelta(minutes=30))
        assert (order.place_of_supply, order.place_of_supply_reason) == ("29", "consumer_delivery_address")
        assert order.shipping_address == order.billing_address
        assert order.shipping_address.line2 == "Near the lake"
        assert (order.shipping_address.state_name, order.shipping_address.country) == ("Karnataka", "IN")
        assert (order.taxable_amount, order.igst_amount, order.total_amount) == (
            84_576 + 71_429,
            15_224 + 3_571,
            174_800,
        )
        assert (order.paid_amount, order.payment_live_until, order.version) == (0, None, 1)

        first, second = order.lines.order_by("position")
        assert (first.name, first.sku, first.hsn, first.uqc) == (
            "Cotton kurta, Indigo, M",
            kurta.sku,
            "61091000",
            "NOS",
        )
        assert (first.quantity, first.unit_price, first.tax_class, first.tax_rate) == (2, 49_900, "gst_18", 1800)
        assert (second.hsn, second.uqc, second.quantity, second.tax_rate) == ("0902", "PAC", 3, 500)
        assert (counts_of(kurta), counts_of(tea)) == ((10, 2), (7, 3))
        assert reservations_of(order) == [(2, ReservationStatus.HELD), (3, ReservationStatus.HELD)]

    def test_event_has_every_stored_field(self, owner: Any) -> None:
        order = make_order(owner)

        event = Event.objects.get(subject_id=order.pk)
        assert (event.type, event.version, event.root_id) == ("orders.order.placed", 1, order.pk)
        assert event.actor == f"user:{owner.public_id}"
        assert set(event.changes) == set(current_values(order)) - {"note", "buyer_gstin", "cancel_reason"} | {
            "personal_fields"
        }
        assert Outbox.objects.filter(event=event).exists()

    def test_keeps_its_prices_when_the_catalogue_changes(self, owner: Any) -> None:
        variant = make_variant(price=49_900)
        order = make_order(owner, [variant])

        Variant.objects.filter(pk=variant.pk).update(price=1, hsn="0902", tax_class="exempt")
        order.refresh_from_db()

        line = order.lines.get()
        assert (order.total_amount, line.unit_price, line.hsn, line.tax_rate) == (49_900, 49_900, "61091000", 1800)

    def test_sums_the_lines_of_one_variant(self, owner: Any) -> None:
        variant = make_variant(stock=10)

        order = make_order(owner, [(variant, 2), (variant, 3)])

        assert [line.quantity for line in order.lines.all()] == [5]
        assert counts_of(variant) == (10, 5)

    def test_bills_a_registered_buyer_at_its_own_address(self, owner: Any) -> None:
        office = make_address(owner, state="27", gstin="27ABCPE1234FAZ2", company="Asha Traders")

        order = make_order(owner, address=make_address(owner), billing_address_id=office.pk)

        assert (order.buyer_gstin, order.place_of_supply) == ("27ABCPE1234FAZ2", "27")
        assert order.billing_address.company == "Asha Traders"
        assert order.shipping_address.state == "29"
        assert (order.cgst_amount, order.sgst_amount, order.igst_amount) == (3_806, 3_806, 0)

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"state": "27", "pin": "560001"}, "pin_state_mismatch"),
            ({"state": "27", "gstin": "27AAPFU0939F1ZV"}, "gstin_belongs_to_seller"),
            ({"gstin": "29ABCXE1234F1ZR"}, "invalid_address"),
            ({"name": "Om"}, "invalid_address"),
        ],
    )
    @pytest.mark.parametrize("param", ["shipping_address_id", "billing_address_id"])
    def test_address_that_was_added_before_the_rules_is_refused(
        self, owner: Any, fields: dict[str, str], code: str, param: str
    ) -> None:
        make_registration()
        wrong, right, variant = make_address(owner, **fields), make_address(owner), make_variant(stock=5)
        requested = (
            {"address": right, "billing_address_id": wrong.pk} if param == "billing_address_id" else {"address": wrong}
        )

        with pytest.raises(Invalid) as refused:
            make_order(owner, [variant], **requested)

        assert (refused.value.code, refused.value.param) == (code, param)
        assert (Order.objects.count(), Event.objects.count()) == (0, 0)
        assert stock_of(variant).reserved == 0

    @pytest.mark.parametrize(
        ("price", "includes_tax", "tax_class", "is_sold"),
        [
            (262_500, True, "gst_5", True),
            (262_600, True, "gst_5", False),
            (250_001, False, "gst_5", False),
            (300_000, False, "gst_18_was_12", True),
            (49_900, True, "gst_18_was_12", False),
        ],
    )
    def test_clothes_are_sold_at_the_rate_of_their_value_alone(
        self, owner: Any, price: int, includes_tax: bool, tax_class: str, is_sold: bool
    ) -> None:
        make_registration()
        fields = {"price": price, "price_includes_tax": includes_tax, "tax_class": tax_class, "hsn": "62114290"}
        other, kurta = make_variant(), make_variant(product=make_product(name="Silk kurta"), **fields)
        address = make_address(owner)
        if is_sold:
            assert make_order(owner, [other, (kurta, 3)], address=address).lines.count() == 2
            return

        with pytest.raises(services.TaxClassPriceMismatch) as refused:
            make_order(owner, [other, (kurta, 3)], address=address)

        assert refused.value.param == "lines[1].variant_id"
        assert refused.value.text.startswith(
            "Silk kurta cannot be ordered now: its GST rate does not match its price of ₹"
        )
        assert (Order.objects.count(), stock_of(other).reserved) == (0, 0)

    def test_charges_flat_shipping_if_configured(self, owner: Any, settings: Any) -> None:
        settings.SHIPPING_FLAT_RATE_PAISE = 4_900

        order = make_order(owner)

        assert (order.shipping_amount, order.taxable_amount, order.total_amount) == (4_153, 46_441, 54_800)

    def test_uses_the_rate_of_the_indian_day(self, owner: Any) -> None:
        variant = make_variant(tax_class="gst_5_was_12", price=10_000, price_includes_tax=False)

        before = make_order(owner, [variant], now=datetime(2025, 9, 21, 18, 29, 59, tzinfo=UTC))
        after = make_order(owner, [variant], now=datetime(2025, 9, 21, 18, 30, tzinfo=UTC))

        assert (before.lines.get().tax_rate, after.lines.get().tax_rate) == (1200, 500)

    def test_numbers_change_with_the_financial_year_in_india(self, owner: Any) -> None:
        last = make_order(owner, now=datetime(2027, 3, 31, 18, 29, 59, tzinfo=UTC))
        first = make_order(owner, now=datetime(2027, 3, 31, 18, 30, tzinfo=UTC))

        assert (last.number[:9], first.number[:9]) == ("ORD-2627-", "ORD-2728-")
        assert int(first.number[9:]) == int(last.number[9:]) + 1


class TestPlaceOrderRefused:
    def place(self, customer: Any, lines: list[OrderLineInput], **requested: Any) -> Order:
        requested.setdefault("shipping_address_id", make_address(customer).pk)
        return services.place_order(
            customer_id=customer.pk, lines=lines, actor=actor_for(customer), now=NOW, **requested
        )

    def test_reserves_nothing_if_one_variant_is_short(self, owner: Any) -> None:
        plenty, short = make_variant(stock=10), make_variant(stock=2)
        before = traces()

        with pytest.raises(InsufficientStock) as refusal:
            self.place(owner, [OrderLineInput(plenty.pk, 1), OrderLineInput(short.pk, 1), OrderLineInput(short.pk, 2)])

        assert traces() == before
        assert refusal.value.param == "lines[1].quantity"

    @pytest.mark.parametrize("quantity", [0, -1, 1001])
    def test_keeps_quantities_within_bounds(self, owner: Any, quantity: int) -> None:
        variant = make_variant(stock=5_000)
        before = traces()

        with pytest.raises(services.QuantityOutOfRange) as refusal:
            self.place(owner, [OrderLineInput(make_variant().pk, 1), OrderLineInput(variant.pk, quantity)])

        assert refusal.value.param == "lines[1].quantity"
        assert traces() == before

    def test_limit_counts_all_lines_of_a_variant(self, owner: Any) -> None:
        variant = make_variant(stock=5_000)

        with pytest.raises(services.QuantityOutOfRange):
            self.place(owner, [OrderLineInput(variant.pk, 600), OrderLineInput(variant.pk, 401)])

    def test_requires_1_to_100_lines(self, owner: Any) -> None:
        variant = make_variant(stock=100)

        with pytest.raises(services.EmptyOrder):
            self.place(owner, [])
        with pytest.raises(services.TooManyLines):
            self.place(owner, [OrderLineInput(variant.pk, 1)] * 101)
        assert self.place(owner, [OrderLineInput(variant.pk, 1)] * 100).lines.get().quantity_milli == 100_000

    def test_sells_only_what_is_for_sale(self, owner: Any) -> None:
        hidden = make_variant(product=make_product(is_published=False))
        retired = make_variant(is_active=False)
        before = traces()

        with pytest.raises(services.VariantNotForSale) as refusal:
            self.place(
                owner,
                [
                    OrderLineInput(make_variant().pk, 1),
                    OrderLineInput(hidden.pk, 1),
                    OrderLineInput(retired.pk, 1),
                    OrderLineInput(uuid4(), 1),
                ],
            )

        assert refusal.value.param == "lines[1].variant_id"
        assert [detail["param"] for detail in refusal.value.details] == [f"lines[{n}].variant_id" for n in (1, 2, 3)]
        assert traces() == before

    @pytest.mark.parametrize("name", ["shipping_address_id", "billing_address_id"])
    def test_address_of_another_customer_is_not_found(self, owner: Any, stranger: Any, name: str) -> None:
        before = traces()

        with pytest.raises(NotFound) as refusal:
            self.place(owner, [OrderLineInput(make_variant().pk, 1)], **{name: make_address(stranger).pk})

        assert refusal.value.param == name
        assert traces() == before

    def test_does_not_send_to_a_removed_address(self, owner: Any) -> None:
        gone = make_address(owner, removed_at=timezone.now())

        with pytest.raises(NotFound):
            self.place(owner, [OrderLineInput(make_variant().pk, 1)], shipping_address_id=gone.pk)

    def test_total_must_be_at_least_one_rupee(self, owner: Any) -> None:
        before = traces()

        with pytest.raises(services.OrderAmountTooSmall):
            self.place(owner, [OrderLineInput(make_variant(price=40).pk, 1)])

        assert traces() == before
        assert self.place(owner, [OrderLineInput(make_variant(price=50).pk, 1)]).total_amount == 100


def test_quote_equals_order_and_reserves_nothing(owner: Any) -> None:
    variant, address = make_variant(stock=1), make_address(owner)
    before = traces()

    quote = services.quote_order(
        customer_id=owner.pk, lines=[OrderLineInput(variant.pk, 2)], shipping_address_id=address.pk, now=NOW
    )

    assert traces() == before
    assert (quote.total_amount, quote.lines[0].is_available) == (99_800, False)
    plant_stock(variant, reserved=0)
    assert make_order(owner, [(make_variant(stock=2), 2)], address=address).total_amount == quote.total_amount


class TestUpdatePaymentTotals:
    def test_confirms_an_order_that_is_paid(self, owner: Any) -> None:
        variant = make_variant(stock=10)
        order = make_order(owner, [(variant, 2)], now=NOW)

        update_totals(order, 99_800)

        order.refresh_from_db()
        assert (order.status, order.confirmed_at, order.paid_amount) == (OrderStatus.CONFIRMED, NOW, 99_800)
        assert reservations_of(order) == [(2, ReservationStatus.COMMITTED)]
        assert counts_of(variant) == (10, 2)
        assert event_types_of(order) == ["orders.order.placed", "orders.order.confirmed"]
        assert Event.objects.get(type="orders.order.confirmed").actor == "gateway:razorpay"

    def test_partial_payment_does_not_confirm(self, owner: Any) -> None:
        order = make_order(owner, now=NOW)

        update_totals(order, 49_899)

        order.refresh_from_db()
        assert (order.status, order.paid_amount) == (OrderStatus.PENDING_PAYMENT, 49_899)
        assert event_types_of(order)[1:] == ["orders.order.payment_updated"]
        assert reservations_of(order) == [(1, ReservationStatus.HELD)]

    def test_records_live_payment(self, owner: Any) -> None:
        order = make_order(owner, now=NOW)

        update_totals(order, 0, live_until=NOW + timedelta(minutes=15))

        order.refresh_from_db()
        assert order.payment_live_until == NOW + timedelta(minutes=15)
        assert event_types_of(order)[1:] == ["orders.order.payment_updated"]

    def test_unchanged_totals_record_no_event(self, owner: Any) -> None:
        order = make_order(owner, now=NOW)
        update_totals(order, 49_900)

        again = update_totals(order, 49_900, now=NOW + timedelta(minutes=1))

        assert (again.version, again.confirmed_at) == (2, NOW)
        assert len(event_types_of(order)) == 2

    def test_records_further_money_of_confirmed_order(self, owner: Any) -> None:
        order = make_order(owner, now=NOW)
        update_totals(order, 49_900)

        update_totals(order, 99_800)

        assert event_types_of(order)[2:] == ["orders.order.payment_updated"]

    @pytest.mark.parametrize("end", ["cancelled", "expired"])
    def test_records_money_of_closed_order_without_reopening_it(self, owner: Any, end: str) -> None:
        variant = make_variant(stock=10)
        order = make_order(owner, [variant], now=NOW)
        if end == "cancelled":
            services.cancel_unpaid_order(order_id=order.pk, actor=actor_for(owner), reason="", now=NOW)
        else:
            services.expire_orders(now=order.expires_at)

        update_totals(order, 49_900)

        order.refresh_from_db()
        assert (order.status, order.paid_amount, order.confirmed_at) == (end, 49_900, None)
        assert event_types_of(order)[1:] == [f"orders.order.{end}", "orders.order.payment_updated"]
        assert counts_of(variant) == (10, 0)


class TestCancelOrder:
    def test_releases_reservations(self, owner: Any) -> None:
        variant = make_variant(stock=10)
        order = make_order(owner, [(variant, 4)], now=NOW)

        services.cancel_unpaid_order(order_id=order.pk, actor=actor_for(owner), reason="By mistake", now=NOW)

        order.refresh_from_db()
        assert (order.status, order.cancelled_at, order.cancel_reason) == (OrderStatus.CANCELLED, NOW, "By mistake")
        assert reservations_of(order) == [(4, ReservationStatus.RELEASED)]
        assert counts_of(variant) == (10, 0)
        event = Event.objects.get(type="orders.order.cancelled")
        assert (event.version, event.reason, event.root_id) == (2, "", order.pk)  # the customer typed it

    @pytest.mark.parametrize(
        ("paid", "live_minutes", "why"),
        [
            (
                1,
                None,
                "₹0.01 of the ₹499.00 of order {} is paid. Refund it, or wait for the rest; without it the order expires.",
            ),
            (
                49_900,
                None,
                "Order {} is paid and confirmed. Cancel it on its own page, which also refunds the money.",
            ),
            (0, 15, "A payment of order {} is open. Cancel the payment first, or wait until it has ended."),
        ],
        ids=["part paid", "paid", "payment live"],
    )
    def test_refuses_once_money_moves(self, owner: Any, paid: int, live_minutes: int | None, why: str) -> None:
        order = make_order(owner, now=NOW)
        order = update_totals(order, paid, live_until=NOW + timedelta(minutes=live_minutes) if live_minutes else None)
        before = (current_values(order), traces(), reservations_of(order))

        with pytest.raises(services.OrderNotCancellable) as refusal:
            services.cancel_unpaid_order(order_id=order.pk, actor=actor_for(owner), reason="", now=NOW)

        order.refresh_from_db()
        assert (current_values(order), traces(), reservations_of(order)) == before
        assert refusal.value.text == why.format(order.number)
        assert isinstance(refusal.value, Conflict)

    @pytest.mark.parametrize(
        ("status", "why"),
        [
            ("expired", "Order {} expired because it was not paid in time, and nothing is reserved for it. No action is needed."),
            ("completed", "Order {} is completed, so that it can no longer be cancelled. Request a refund of what comes back."),
            ("closed", "Order {} is closed, so that it can no longer be cancelled. Request a refund of what comes back."),
            ("on_hold", "Order {} is paid and on hold. Cancel it on its own page, which also refunds the money."),
            ("in_fulfilment", "Order {} is paid and in fulfilment. Cancel it on its own page, which also refunds the money."),
            ("draft", "Order {} is a draft that was never placed, so that there is nothing to cancel. No action is needed."),
        ],
    )  # fmt: skip
    def test_says_what_state_an_order_is_in_and_what_to_do(self, owner: Any, status: str, why: str) -> None:
        order = make_order(owner, now=NOW)
        Order.objects.filter(pk=order.pk).update(status=status)

        with pytest.raises(services.OrderNotCancellable) as refusal:
            services.cancel_unpaid_order(order_id=order.pk, actor=SYSTEM, reason="", now=NOW)

        assert refusal.value.text == why.format(order.number)
        Order.objects.filter(pk=order.pk).update(status="pending_payment")  # what the invariants expect

    def test_says_that_arrived_money_awaits_a_decision(self, owner: Any) -> None:
        order = make_order(owner, now=NOW)
        Order.objects.filter(pk=order.pk).update(under_review_amount=40_000)

        with pytest.raises(services.OrderNotCancellable) as refusal:
            services.cancel_unpaid_order(order_id=order.pk, actor=SYSTEM, reason="", now=NOW)

        assert refusal.value.text == (
            f"₹400.00 has arrived for order {order.number} and awaits a decision. Cancel the order on its own page, which also"
            " refunds that money."
        )

    def test_says_that_an_order_is_cancelled_already(self, owner: Any) -> None:
        order = make_order(owner, now=NOW)
        services.cancel_unpaid_order(order_id=order.pk, actor=actor_for(owner), reason="", now=NOW)

        with pytest.raises(services.OrderNotCancellable) as refusal:
            services.cancel_unpaid_order(order_id=order.pk, actor=actor_for(owner), reason="", now=NOW)

        assert refusal.value.text == f"Order {order.number} is already cancelled."
        assert refusal.value.code == "order_not_cancellable"

    def test_refuses_twice(self, owner: Any) -> None:
        order = make_order(owner, now=NOW)
        services.cancel_unpaid_order(order_id=order.pk, actor=SYSTEM, reason="", now=NOW)

        with pytest.raises(services.OrderNotCancellable):
            services.cancel_unpaid_order(order_id=order.pk, actor=SYSTEM, reason="", now=NOW)

        assert len(event_types_of(order)) == 2

    def test_unknown_order_is_not_found(self) -> None:
        with pytest.raises(OrderNotFound):
            services.cancel_unpaid_order(order_id=uuid4(), actor=SYSTEM, reason="", now=NOW)


class TestExpireOrders:
    def test_closes_what_was_not_paid_in_time(self, owner: Any) -> None:
        variant = make_variant(stock=10)
        order = make_order(owner, [(variant, 3)], now=NOW)
        later = make_order(owner, [variant], now=NOW + timedelta(seconds=1))

        count = services.expire_orders(now=order.expires_at)

        order.refresh_from_db()
        later.refresh_from_db()
        assert count == 1
        assert (order.status, order.expired_at) == (OrderStatus.EXPIRED, order.expires_at)
        assert later.status == OrderStatus.PENDING_PAYMENT
        assert reservations_of(order) == [(3, ReservationStatus.EXPIRED)]
        assert counts_of(variant) == (10, 1)
        assert Event.objects.get(type="orders.order.expired").actor == "system"

    def test_waits_for_live_payment_and_its_final_poll(self, owner: Any) -> None:
        order = make_order(owner, now=NOW)
        over = order.expires_at + timedelta(minutes=5)
        update_totals(order, 0, live_until=over)

        assert services.expire_orders(now=order.expires_at) == 0
        assert services.expire_orders(now=over + rules.FINAL_POLL_GRACE - timedelta(seconds=1)) == 0
        assert services.expire_orders(now=over + rules.FINAL_POLL_GRACE) == 1

    def test_leaves_paid_and_closed_orders_alone(self, owner: Any) -> None:
        paid, cancelled = make_order(owner, now=NOW), make_order(owner, now=NOW)
        update_totals(paid, 49_900)
        services.cancel_unpaid_order(order_id=cancelled.pk, actor=SYSTEM, reason="", now=NOW)

        assert services.expire_orders(now=NOW + timedelta(days=1)) == 0

    def test_takes_no_more_than_the_limit_the_longest_overdue_first(self, owner: Any) -> None:
        orders = [make_order(owner, now=NOW - timedelta(minutes=minutes)) for minutes in (1, 3, 2)]

        assert services.expire_orders(now=NOW + timedelta(hours=1), limit=2) == 2

        assert [Order.objects.get(pk=order.pk).status for order in orders] == ["pending_payment", "expired", "expired"]
        assert services.expire_orders(now=NOW + timedelta(hours=1)) == 1
        assert services.expire_orders(now=NOW + timedelta(hours=1)) == 0

    def test_failure_does_not_stop_the_others(self, owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        broken, sound = make_order(owner, now=NOW - timedelta(minutes=1)), make_order(owner, now=NOW)
        real = cancellation.stock.release_reservations

        def release(*, references: Any, **rest: Any) -> None:
            if set(references) & set(broken.lines.values_list("pk", flat=True)):
                raise RuntimeError("planted")
            real(references=references, **rest)

        monkeypatch.setattr(cancellation.stock, "release_reservations", release)

        assert services.expire_orders(now=NOW + timedelta(hours=1)) == 1

        assert Order.objects.get(pk=broken.pk).status == OrderStatus.PENDING_PAYMENT
        assert Order.objects.get(pk=sound.pk).status == OrderStatus.EXPIRED
        assert event_types_of(broken) == ["orders.order.placed"]

    def test_task_expires_orders(self, owner: Any) -> None:
        order = make_order(owner, now=timezone.now() - timedelta(hours=1))

        expire_orders_task()

        assert Order.objects.get(pk=order.pk).status == OrderStatus.EXPIRED


@pytest.mark.parametrize("road", ["confirmed", "cancelled", "expired", "paid late"])
def test_folding_the_events_of_an_order_gives_its_row(owner: Any, road: str) -> None:
    order = make_order(owner, now=NOW, note="Ring twice")
    update_totals(order, 0, live_until=NOW + timedelta(minutes=5))
    update_totals(order, 0)
    if road == "confirmed":
        update_totals(order, 49_900)
    if road in ("cancelled", "paid late"):
        services.cancel_unpaid_order(order_id=order.pk, actor=actor_for(owner), reason="By mistake", now=NOW)
    if road == "paid late":
        update_totals(order, 49_900)
    if road == "expired":
        services.expire_orders(now=order.expires_at)

    order.refresh_from_db()
    history = Event.objects.filter(subject_id=order.pk).order_by("version")
    stored = json.loads(json.dumps(current_values(order), cls=DjangoJSONEncoder))
    personal = {name: stored.pop(name) for name in ("buyer_gstin", "cancel_reason", "note")}
    told_last = ["cancel_reason"] if personal["cancel_reason"] else sorted(personal)
    assert fold(history) == {**stored, "personal_fields": told_last}
    assert [event.version for event in history] == list(range(1, order.version + 1))

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from apps.backoffice import messages as backoffice_messages
from apps.backoffice.selectors import timeline
from apps.orders import rules
from apps.orders.rules import OrderLineInput, PricedItem
from apps.orders.states import ErasureBlocker, OrderPaymentStatus, OrderStatus

NOW = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)
SOON, JUST_NOW = NOW + timedelta(seconds=1), NOW - timedelta(seconds=1)
KURTA, TEA, BOOK = (UUID(int=number) for number in (1, 2, 3))


def an_item(variant_id: UUID = KURTA, **fields: Any) -> PricedItem:
    values: dict[str, Any] = {
        "sku": "K-1", "name": "Kurta", "hsn": "61091000", "uqc": "NOS", "quantity": 1, "unit_price": 49_900,
        "price_includes_tax": True, "tax_class": "gst_18", "tax_rate": 1800, "available": 5,
    }  # fmt: skip
    return PricedItem(variant_id=variant_id, **{**values, **fields})


def price(*items: PricedItem, **places: Any) -> rules.Quote:
    where: dict[str, Any] = {
        "supplier_state": "27", "shipping_state": "29", "billing_state": "29", "buyer_gstin": "", "shipping_charge": 0,
    }  # fmt: skip
    return rules.price_order(items, **{**where, **places})


class TestPriceOrder:
    def test_charges_igst_to_another_state(self) -> None:
        quote = price(an_item(quantity=2))

        [line] = quote.lines
        assert (line.gross_amount, line.taxable_amount, line.igst_amount, line.total_amount) == (
            84_576,
            84_576,
            15_224,
            99_800,
        )
        assert (quote.taxable_amount, quote.igst_amount, quote.round_off_amount, quote.total_amount) == (
            84_576,
            15_224,
            0,
            99_800,
        )
        assert (quote.cgst_amount, quote.sgst_amount, quote.utgst_amount) == (0, 0, 0)

    def test_charges_cgst_and_as_much_sgst_within_the_state(self) -> None:
        quote = price(an_item(), shipping_state="27", billing_state="27")

        assert (quote.taxable_amount, quote.cgst_amount, quote.sgst_amount, quote.igst_amount) == (
            42_288,
            3_806,
            3_806,
            0,
        )
        assert (quote.round_off_amount, quote.total_amount) == (0, 49_900)

    def test_charges_utgst_within_a_union_territory(self) -> None:
        quote = price(an_item(), supplier_state="04", shipping_state="04", billing_state="04")

        assert (quote.cgst_amount, quote.sgst_amount, quote.utgst_amount) == (3_806, 0, 3_806)

    def test_taxes_three_rates_line_by_line(self) -> None:
        quote = price(
            an_item(),
            an_item(TEA, tax_rate=500, unit_price=25_000, quantity=3),
            an_item(BOOK, tax_rate=0, unit_price=19_900),
        )

        assert [line.taxable_amount for line in quote.lines] == [42_288, 71_429, 19_900]
        assert [line.igst_amount for line in quote.lines] == [7_612, 3_571, 0]
        assert [line.position for line in quote.lines] == [1, 2, 3]
        assert (quote.taxable_amount, quote.igst_amount, quote.total_amount) == (133_617, 11_183, 144_800)

    def test_rounds_the_total_to_the_rupee(self) -> None:
        quote = price(an_item(price_includes_tax=False, unit_price=10_050, quantity=3))

        assert (quote.taxable_amount, quote.igst_amount) == (30_150, 5_427)
        assert (quote.round_off_amount, quote.total_amount) == (23, 35_600)

    @pytest.mark.parametrize(
        ("includes_tax", "gross", "shipping", "taxable"),
        [(True, 42_288, 4_153, 46_441), (False, 49_900, 4_900, 54_800)],
    )
    def test_adds_shipping_to_the_taxable_value(
        self, includes_tax: bool, gross: int, shipping: int, taxable: int
    ) -> None:
        quote = price(an_item(price_includes_tax=includes_tax), shipping_charge=4_900)

        [line] = quote.lines
        assert (line.gross_amount, line.shipping_amount, line.taxable_amount) == (gross, shipping, taxable)
        assert line.gross_amount + line.shipping_amount == line.taxable_amount
        assert quote.shipping_amount == shipping

    def test_says_whether_the_stock_is_enough(self) -> None:
        quote = price(an_item(quantity=5), an_item(TEA, quantity=6))

        assert [line.is_available for line in quote.lines] == [True, False]

    def test_places_a_consumers_supply_where_the_goods_go(self) -> None:
        quote = price(an_item(), billing_state="27")

        assert (quote.place_of_supply, quote.place_of_supply_reason) == ("29", "consumer_delivery_address")

    def test_places_a_registered_buyers_supply_where_it_is_registered(self) -> None:
        quote = price(an_item(), buyer_gstin="27AAPFU0939F1ZV", billing_state="27", shipping_state="29")

        assert (quote.place_of_supply, quote.place_of_supply_reason) == ("27", "goods_sent_to_another")
        assert (quote.cgst_amount, quote.igst_amount) == (3_806, 0)

    def test_knows_services_from_goods(self) -> None:
        quote = price(an_item(hsn="998314"))

        assert quote.place_of_supply_reason == "service_to_address"

    def test_a_service_with_goods_is_a_supply_of_goods(self) -> None:
        quote = price(an_item(hsn="998314"), an_item(TEA))

        assert quote.place_of_supply_reason == "consumer_delivery_address"


def test_a_place_is_explained_with_its_section() -> None:
    place = rules.describe_place("29", "consumer_delivery_address")

    assert place.state_name == "Karnataka"
    assert place.section == "IGST Act 2017, section 10(1)(ca)"
    assert place.explanation == "The buyer is not registered and the delivery address is in Karnataka."


def test_lines_of_one_variant_are_summed_in_the_order_of_first_mention() -> None:
    merged = rules.merge_lines([OrderLineInput(TEA, 2), OrderLineInput(KURTA, 1), OrderLineInput(TEA, 3)])

    assert merged == (OrderLineInput(TEA, 5), OrderLineInput(KURTA, 1))


@pytest.mark.parametrize(
    ("day", "number"),
    [(date(2027, 3, 31), "ORD-2627-000123"), (date(2027, 4, 1), "ORD-2728-000123")],
)
def test_numbers_carry_the_financial_year(day: date, number: str) -> None:
    assert rules.order_number(123, day) == number
    assert rules.order_number(1_234_567, day).endswith("-1234567")


@pytest.mark.parametrize(
    ("status", "paid", "live_until", "may"),
    [
        (OrderStatus.PENDING_PAYMENT, 0, None, True),
        (OrderStatus.PENDING_PAYMENT, 0, JUST_NOW, True),
        (OrderStatus.PENDING_PAYMENT, 0, NOW, True),
        (OrderStatus.PENDING_PAYMENT, 0, SOON, False),
        (OrderStatus.PENDING_PAYMENT, 1, None, False),
        (OrderStatus.CONFIRMED, 0, None, False),
        (OrderStatus.CANCELLED, 0, None, False),
        (OrderStatus.EXPIRED, 0, None, False),
    ],
)
def test_only_an_unpaid_order_without_a_live_payment_may_be_cancelled(
    status: str, paid: int, live_until: datetime | None, may: bool
) -> None:
    assert rules.can_cancel(status=status, paid=paid, live_until=live_until, now=NOW) is may


@pytest.mark.parametrize(
    ("status", "expires_at", "live_until", "may"),
    [
        (OrderStatus.PENDING_PAYMENT, NOW, None, True),
        (OrderStatus.PENDING_PAYMENT, JUST_NOW, NOW, False),
        (OrderStatus.PENDING_PAYMENT, JUST_NOW, NOW - timedelta(minutes=5) + timedelta(seconds=1), False),
        (OrderStatus.PENDING_PAYMENT, JUST_NOW, NOW - timedelta(minutes=5), True),
        (OrderStatus.PENDING_PAYMENT, SOON, None, False),
        (OrderStatus.PENDING_PAYMENT, JUST_NOW, SOON, False),
        (OrderStatus.CONFIRMED, JUST_NOW, None, False),
        (OrderStatus.CANCELLED, JUST_NOW, None, False),
    ],
)
def test_only_an_overdue_order_whose_payment_is_closed_or_long_over_may_expire(
    status: str, expires_at: datetime, live_until: datetime | None, may: bool
) -> None:
    assert rules.can_expire(status=status, expires_at=expires_at, live_until=live_until, now=NOW) is may


@pytest.mark.parametrize(
    ("status", "paid", "does"),
    [
        (OrderStatus.PENDING_PAYMENT, 99, False),
        (OrderStatus.PENDING_PAYMENT, 100, True),
        (OrderStatus.PENDING_PAYMENT, 101, True),
        (OrderStatus.CONFIRMED, 100, False),
        (OrderStatus.CANCELLED, 100, False),
        (OrderStatus.EXPIRED, 100, False),
    ],
)
def test_the_full_amount_confirms_a_waiting_order(status: str, paid: int, does: bool) -> None:
    assert rules.can_confirm(status=status, paid=paid, total=100) is does


@pytest.mark.parametrize(
    ("paid", "is_processing", "status"),
    [
        (0, False, OrderPaymentStatus.UNPAID),
        (0, True, OrderPaymentStatus.PROCESSING),
        (1, True, OrderPaymentStatus.PARTIALLY_PAID),
        (100, False, OrderPaymentStatus.PAID),
        (101, False, OrderPaymentStatus.OVERPAID),
    ],
)
def test_payment_status_is_derived(paid: int, is_processing: bool, status: OrderPaymentStatus) -> None:
    assert rules.payment_status(paid=paid, total=100, is_processing=is_processing) == status


@pytest.mark.parametrize(
    ("paid", "money", "status"),
    [
        (100, {"refunded": 100}, OrderPaymentStatus.REFUNDED),
        (100, {"lost": 100}, OrderPaymentStatus.REFUNDED),
        (100, {"refunded": 40, "lost": 60}, OrderPaymentStatus.REFUNDED),
        (100, {"refunded": 1}, OrderPaymentStatus.PARTIALLY_REFUNDED),
        (50, {"refunded": 50}, OrderPaymentStatus.REFUNDED),
        (150, {"refunded": 50}, OrderPaymentStatus.PAID),
        (150, {"refunded": 49}, OrderPaymentStatus.OVERPAID),
        (150, {"refunded": 51}, OrderPaymentStatus.PARTIALLY_REFUNDED),
        (200, {"refunded": 50, "lost": 50}, OrderPaymentStatus.PAID),
        (100, {"disputed": 1, "refunded": 99}, OrderPaymentStatus.DISPUTED),
        (0, {"under_review": 1}, OrderPaymentStatus.PROCESSING),
    ],
)
def test_money_that_goes_back_counts(paid: int, money: dict[str, int], status: OrderPaymentStatus) -> None:
    assert rules.payment_status(paid=paid, total=100, **money) == status


@pytest.mark.parametrize(("unrefunded", "blocker"), [(99, None), (100, ErasureBlocker.MONEY_UNRESOLVED)])
def test_less_than_a_rupee_does_not_keep_a_customer_from_being_erased(unrefunded: int, blocker: Any) -> None:
    found = rules.erasure_blocker(
        status=OrderStatus.CANCELLED, confirmed_at=None, unresolved_amount=0, unrefunded_amount=unrefunded,
        wait=timedelta(days=30), now=NOW,
    )  # fmt: skip
    assert found == blocker


def test_event_without_text_gets_a_generated_sentence() -> None:
    assert backoffice_messages.timeline_text("orders.order.placed") == "The order was placed."
    assert backoffice_messages.timeline_text("payments.attempt.auto_refunded") == "Attempt: auto refunded."


@pytest.mark.parametrize(
    ("actor", "kind"),
    [("user:cus_1", "customer"), ("user:cus_2", "staff"), ("system", "system"), ("gateway:razorpay", "gateway")],
)
def test_actors_are_named_by_kind(actor: str, kind: str) -> None:
    assert timeline.actor_kind(actor, customer="cus_1") == kind


class TestFindMismatched:
    DAY = date(2026, 11, 28)

    @pytest.mark.parametrize(
        ("unit_price", "discount", "tax_class", "rate", "is_found"),
        [
            (250_000, 0, "gst_5_was_12", 500, False),
            (250_001, 0, "gst_5_was_12", 500, True),
            (260_000, 20_000, "gst_5_was_12", 500, False),
            (260_000, 19_998, "gst_5_was_12", 500, True),
            (260_000, 0, "gst_18_was_12", 1800, False),
            (260_000, 20_000, "gst_18_was_12", 1800, True),
        ],
    )
    def test_value_of_a_piece_is_after_discount(
        self, unit_price: int, discount: int, tax_class: str, rate: int, is_found: bool
    ) -> None:
        item = an_item(quantity=2, unit_price=unit_price, price_includes_tax=False, tax_class=tax_class, tax_rate=rate)
        [line] = price(item).lines
        line = replace(line, discount_amount=discount)

        assert rules.find_tax_class_mismatch([line], day=self.DAY) == (line if is_found else None)

    def test_share_of_the_shipping_charge_does_not_count(self) -> None:
        item = an_item(unit_price=262_500, tax_class="gst_5_was_12", tax_rate=500)

        assert rules.find_tax_class_mismatch(price(item, shipping_charge=4_900).lines, day=self.DAY) is None

    def test_other_goods_have_no_limit(self) -> None:
        item = an_item(hsn="520852", unit_price=900_000, tax_class="gst_5", tax_rate=500)

        assert rules.find_tax_class_mismatch(price(item).lines, day=self.DAY) is None

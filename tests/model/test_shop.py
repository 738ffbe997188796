"""The model's own rules of orders, stock and refunds."""

import pytest

from tests.model.books import Role
from tests.model.order import Article, Order, Refused
from tests.model.shop import Shop
from tests.model.tax import Amounts

TOTAL = 117900


@pytest.fixture
def shop() -> Shop:
    shop = Shop(approval_above=100_000)
    shop.sell(Article("LAMP", 49950, 1800, tax_included=False), on_hand=3)
    return shop


def paid(shop: Shop, name: str = "one") -> Order:
    order = shop.place(name, {"LAMP": 2})
    shop.gateway_says(name, f"pay_{name}", "captured", order.total)
    return order


class TestStock:
    def test_an_order_holds_all_or_nothing(self, shop: Shop) -> None:
        shop.place("one", {"LAMP": 2})

        with pytest.raises(Refused):
            shop.place("two", {"LAMP": 2})

        assert (shop.stock["LAMP"].on_hand, shop.stock["LAMP"].reserved) == (3, 2)

    def test_expiry_releases(self, shop: Shop) -> None:
        shop.place("one", {"LAMP": 2})

        shop.expire("one")

        assert shop.stock["LAMP"].available == 3

    def test_dispatch_consumes_the_reservation_and_the_stock(self, shop: Shop) -> None:
        order = paid(shop)

        parcel = shop.parcels["parcel"] = shop.pack("one", {0: 2})
        shop.dispatch(parcel)
        shop.arrive(parcel, "delivered")

        assert (shop.stock["LAMP"].on_hand, shop.stock["LAMP"].reserved, order.status) == (1, 0, "completed")


class TestPayments:
    def test_a_late_capture_reopens_while_there_is_stock(self, shop: Shop) -> None:
        order = shop.place("one", {"LAMP": 2})
        shop.expire("one")

        shop.gateway_says("one", "pay_1", "captured", TOTAL)

        assert (order.status, order.refunds, shop.stock["LAMP"].reserved) == ("confirmed", [], 2)

    def test_a_late_capture_without_stock_is_refunded(self, shop: Shop) -> None:
        order = shop.place("one", {"LAMP": 2})
        shop.expire("one")
        shop.place("two", {"LAMP": 2})

        shop.gateway_says("one", "pay_1", "captured", TOTAL)

        assert order.status == "expired"
        assert [(refund.amount, refund.status) for refund in order.refunds] == [(TOTAL, "pending")]

    def test_failed_after_captured_is_ignored(self, shop: Shop) -> None:
        order = paid(shop)

        shop.gateway_says("one", "pay_one", "failed", TOTAL)

        assert order.attempts["pay_one"].status == "captured"

    def test_a_second_payment_is_refunded_whole(self, shop: Shop) -> None:
        order = paid(shop)

        shop.gateway_says("one", "pay_again", "captured", TOTAL)

        assert [refund.amount for refund in order.refunds] == [TOTAL]
        assert shop.books.balances[Role.CUSTOMERS] == -2 * TOTAL


class TestRefunds:
    def test_a_request_takes_its_amount_at_once(self, shop: Shop) -> None:
        order = paid(shop)
        shop.request_refund("one", "pay_one", 100_000, is_approver=True)

        with pytest.raises(Refused):
            shop.request_refund("one", "pay_one", 17_901, is_approver=True)

        assert order.refundable(order.attempts["pay_one"]) == 17_900

    def test_a_failed_one_gives_it_back(self, shop: Shop) -> None:
        order = paid(shop)
        refund = shop.request_refund("one", "pay_one", 100_000, is_approver=True)

        shop.fail_refund(refund)

        assert order.refundable(order.attempts["pay_one"]) == TOTAL

    def test_cancellation_refunds_what_is_left(self, shop: Shop) -> None:
        paid(shop)
        refund = shop.request_refund("one", "pay_one", 53_100, is_approver=True)
        shop.process_refund(refund)

        (rest,) = shop.cancel("one")

        assert (rest.amount, shop.stock["LAMP"].reserved) == (64_800, 0)

    def test_a_credit_note_of_another_amount_is_found(self, shop: Shop) -> None:
        order = paid(shop)
        refund = shop.request_refund("one", "pay_one", TOTAL // 2, is_approver=True)

        with pytest.raises(AssertionError, match="not of the refunded amount"):
            shop.credit(order, "cn_1", refund, Amounts(45000, cgst=4050, sgst=4050), 0)

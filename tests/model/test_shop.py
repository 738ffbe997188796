"""The model's own rules of orders, stock and refunds."""

import pytest

from tests.model.books import Role
from tests.model.order import Article, Order, Refused
from tests.model.parcels import Parcel
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


def send(shop: Shop, units: dict[int, int]) -> Parcel:
    parcel = shop.pack("one", units)
    shop.parcels[f"parcel {len(shop.parcels)}"] = parcel
    shop.dispatch(parcel)
    return parcel


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


class TestCreditNotes:
    """An order of ₹1,212.00: two lamps with 18 % of tax, 1,178.82, and a scarf with 5 %, 33.32; 14 paise are rounded off."""

    ONE, OTHER = Amounts(49_951, cgst=4_495, sgst=4_495), Amounts(49_949, cgst=4_496, sgst=4_496)
    SCARF = Amounts(3_174, cgst=79, sgst=79)

    @pytest.fixture
    def order(self, shop: Shop) -> Order:
        shop.sell(Article("SCARF", 3_333, 500, tax_included=True), on_hand=1)
        order = shop.place("one", {"LAMP": 2, "SCARF": 1})
        shop.gateway_says("one", "pay_one", "captured", order.total)
        assert order.document.sum == self.ONE + self.OTHER + self.SCARF
        return order

    def test_an_amount_requested_beside_returned_goods_is_of_what_they_left(self, shop: Shop, order: Order) -> None:
        returned = shop.request_refund("one", "pay_one", 58_941, is_approver=False, units={0: 1})
        made = shop.refund_at_gateway("one", "pay_one", 62_259, "rfnd_1")

        (rest,) = shop.cancel("one")
        shop.credit(order, "cn_1", rest, self.OTHER, 0)
        shop.credit(order, "cn_2", made, self.ONE + self.SCARF, -14)

        assert (returned.status, rest.amount, order.credited) == ("cancelled", 58_941, order.document.sum)

    @pytest.mark.parametrize("when", ["given up before", "requested after"])
    def test_an_amount_is_of_all_lines_whatever_else_is_requested_at_another_time(
        self, shop: Shop, order: Order, when: str
    ) -> None:
        if when == "given up before":
            returned = shop.request_refund("one", "pay_one", 58_941, is_approver=False, units={0: 1})
            shop.drop(order, returned, {"requires_approval"})
        refund = shop.request_refund("one", "pay_one", 58_941, is_approver=True)
        if when == "requested after":
            shop.request_refund("one", "pay_one", 58_941, is_approver=False, units={0: 1})

        with pytest.raises(AssertionError, match="not the invoice's proportions"):
            shop.credit(order, "cn_1", refund, self.OTHER, 0)

    def test_the_last_note_leaves_no_residue(self, shop: Shop, order: Order) -> None:
        shop.request_refund("one", "pay_one", 58_941, is_approver=False, units={0: 1})
        made = shop.refund_at_gateway("one", "pay_one", 62_259, "rfnd_1")
        (rest,) = shop.cancel("one")
        shop.credit(order, "cn_1", rest, self.OTHER, 0)

        with pytest.raises(AssertionError, match="a residue"):
            shop.credit(order, "cn_2", made, self.ONE + self.SCARF - Amounts(14), 0)


class TestParcels:
    def test_a_held_order_stays(self, shop: Shop) -> None:
        paid(shop)
        shop.hold("one", reason="why")

        with pytest.raises(Refused):
            shop.pack("one", {0: 1})

        shop.release("one", reason="why")
        assert shop.pack("one", {0: 1}).status == "packed"

    def test_refunded_units_leave_for_a_reason_alone(self, shop: Shop) -> None:
        paid(shop)
        shop.request_refund("one", "pay_one", 58_941, is_approver=True, units={0: 1})

        with pytest.raises(Refused):
            shop.pack("one", {0: 2})

        assert shop.pack("one", {0: 2}, has_reason=True).units == {0: 2}

    def test_a_lost_parcel_completes_the_order_once_it_is_refunded(self, shop: Shop) -> None:
        order = paid(shop)
        parcel = send(shop, {0: 1})
        shop.arrive(parcel, "lost")
        shop.arrive(send(shop, {0: 1}), "delivered")
        assert order.status == "in_fulfilment"

        refund = shop.request_refund("one", "pay_one", 58_941, is_approver=True, units={0: 1}, reason="goods_missing")
        shop.process_refund(refund)
        shop.complete_if_done("one")

        assert (order.status, shop.stock["LAMP"].on_hand) == ("completed", 1)

    def test_a_returned_unit_says_nothing_of_one_still_to_be_sent(self, shop: Shop) -> None:
        order = paid(shop)
        shop.arrive(send(shop, {0: 1}), "delivered")
        refund = shop.request_refund("one", "pay_one", 58_941, is_approver=True, units={0: 1}, reason="goods_returned")
        shop.process_refund(refund)

        shop.complete_if_done("one")

        assert order.status == "in_fulfilment"

    def test_a_returned_unit_says_nothing_of_one_that_was_lost(self, shop: Shop) -> None:
        order = paid(shop)
        shop.arrive(send(shop, {0: 1}), "delivered")
        refund = shop.request_refund("one", "pay_one", 58_941, is_approver=True, units={0: 1}, reason="goods_returned")
        shop.process_refund(refund)
        shop.arrive(send(shop, {0: 1}), "lost")

        assert order.status == "in_fulfilment"

    def test_a_unit_that_was_refunded_before_stays_whatever_is_sent_later(self, shop: Shop) -> None:
        paid(shop)
        shop.request_refund("one", "pay_one", 58_941, is_approver=True, units={0: 1}, reason="goods_missing")
        send(shop, {0: 1})

        with pytest.raises(Refused):
            shop.pack("one", {0: 1})

    def test_the_invoice_comes_with_the_first_goods_if_not_with_the_money(self, shop: Shop) -> None:
        shop.invoices_at_dispatch = True
        order = paid(shop)
        shop.issue_invoice(order)
        assert not order.invoiced

        send(shop, {0: 1})

        assert (order.invoiced, shop.books.balances[Role.CUSTOMERS]) == (True, 0)


class TestBank:
    def test_only_its_own_amount_banks_a_transfer(self, shop: Shop) -> None:
        shop.settle("UTR1", credited=1_000, debited=0, fees=20, tax_on_fees=4)

        shop.read_credit("line 1", 975, "UTR1")
        shop.read_credit("line 2", 976, "UTR1")
        shop.read_credit("line 2", 976, "UTR1")

        balances = shop.books.balances
        assert (balances[Role.BANK], balances[Role.TRANSIT], balances[Role.SUSPENSE]) == (1_951, 0, -975)

    def test_a_line_that_came_first_is_explained_by_the_settlement(self, shop: Shop) -> None:
        shop.read_credit("line", 976, "UTR1")
        shop.settle("UTR1", credited=1_000, debited=0, fees=20, tax_on_fees=4)

        assert (shop.transfers["UTR1"].status, shop.books.balances[Role.SUSPENSE]) == ("banked", 0)

    def test_what_is_in_the_bank_stays_though_the_gateway_says_that_it_failed(self, shop: Shop) -> None:
        shop.settle("UTR1", credited=1_000, debited=0, fees=20, tax_on_fees=4)
        shop.read_credit("line", 976, "UTR1")

        shop.fail_transfer("UTR1")

        assert (shop.transfers["UTR1"].status, shop.books.balances[Role.BANK]) == ("banked", 976)


class TestDashboard:
    def test_it_cancels_the_latest_refund_whose_money_it_used_and_requests_the_rest(self, shop: Shop) -> None:
        order = paid(shop)
        shop.request_refund("one", "pay_one", 40_000, is_approver=True)
        shop.request_refund("one", "pay_one", 50_000, is_approver=True)

        shop.refund_at_gateway("one", "pay_one", TOTAL - 60_000, "rfnd_1")

        assert [(one.amount, one.status) for one in order.refunds] == [
            (40_000, "pending"),
            (50_000, "cancelled"),
            (TOTAL - 60_000, "pending"),
            (20_000, "pending"),
        ]

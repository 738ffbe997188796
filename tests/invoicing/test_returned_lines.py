"""Returned lines beside refunds by amount: what is refunded, and which lines the credit notes take it from."""

from typing import Any

import pgtrigger
import pytest

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.invoicing import selectors
from apps.invoicing.models import Invoice, InvoiceLine
from apps.ledger.models import LedgerEntry
from apps.orders.models import Order, OrderLine
from apps.payments.facts import GatewayError
from apps.payments.models import Refund, RefundLine
from apps.payments.services.refunds import amounts, approvals, bank_transfers, plans, requests
from apps.payments.services.refunds.gateway_updates import mark_refund_failed
from tests.factories.catalog import make_variant
from tests.factories.invoicing import issue_credit_note, issue_invoice
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import apply_refund, pay
from tests.support.colleagues import ASHA, BALA
from tests.support.refunds import request_refunds

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books", "colleagues")]


@pytest.fixture
def order(owner: Any) -> Order:
    """600.00 at 5 % and 400.00 at 18 % to another state, paid and invoiced: 630.00 + 472.00 = 1,102.00."""
    goods = [(60_000, "gst_5"), (40_000, "gst_18")]
    variants = [make_variant(price=price, tax_class=name, price_includes_tax=False) for price, name in goods]
    order = make_order(owner, [(variant, 1) for variant in variants])
    assert [line.total_amount for line in order.lines.order_by("position")] == [63_000, 47_200]
    assert (order.total_amount, order.cgst_amount) == (110_200, 0)
    pay(order)
    issue_invoice(order_id=order.pk, actor=SYSTEM, now=clock.now())
    return order


@pytest.fixture
def lines(order: Order) -> list[OrderLine]:
    return list(order.lines.order_by("position"))


def request(order: Order, *, returned: list[OrderLine] | None = None, actor: Any = ASHA, **fields: Any) -> Refund:
    units = [amounts.RefundLineInput(line.pk, line.quantity) for line in returned or []]
    [refund] = request_refunds(
        order_id=order.pk, lines=units, reason="goods_returned", actor=actor, now=clock.now(), **fields
    )
    return refund


def credit(refund: Refund) -> Invoice:
    apply_refund(refund)
    note = issue_credit_note(refund_id=refund.pk, actor=SYSTEM, now=clock.now())
    assert note is not None
    assert note.total_amount == refund.amount
    return note


def taken_by(note: Invoice) -> dict[Any, tuple[int, int, int]]:
    """Return units, total and IGST that a credit note takes of each order line."""
    rows = selectors.list_invoice_lines(note.pk)
    return {line.order_line_id: (line.quantity, line.total_amount, line.igst_amount) for line in rows}


def violated() -> list[Any]:
    not_asked = {"INV-42", "CAT-01", "INV-35"}
    report = audit.run(now=clock.now(), only=[one.id for one in audit.list_invariants() if one.id not in not_asked])
    return [(result.invariant.id, result.rows, result.error) for result in report.failing]


def check_that_all_is_back(order: Order) -> None:
    """Check that every paisa and all tax of an order's invoice was credited, and that the books and the audit agree."""
    invoice = Invoice.objects.get(type="tax_invoice", order_id=order.pk)
    credited = selectors.sum_credited_amounts(invoice.pk)
    assert (credited.total, credited.round_off) == (invoice.total_amount, invoice.round_off_amount)
    assert credited.lines == {line.pk: selectors.credit_of(line) for line in order.lines.all()}  # type: ignore[arg-type]
    sums: dict[str, int] = {}
    for entry in LedgerEntry.objects.filter(transaction__order_id=order.pk):
        sums[entry.account_id] = sums.get(entry.account_id, 0) + entry.amount
    assert {code: amount for code, amount in sums.items() if amount} == {}
    assert violated() == []


class TestAfterARefundByAmount:
    def test_returned_line_gives_what_the_refund_left_of_it(self, order: Order, lines: list[OrderLine]) -> None:
        first = credit(request(order, amount=10_000))
        assert taken_by(first) == {lines[0].pk: (0, 5_717, 272), lines[1].pk: (0, 4_283, 653)}

        refund = request(order, returned=[lines[0]])
        note = credit(refund)

        assert refund.amount == 57_283
        assert taken_by(note) == {lines[0].pk: (1, 57_283, 2_728)}
        assert violated() == []

    def test_staff_may_refund_more_and_it_comes_from_the_returned_line_first(
        self, order: Order, lines: list[OrderLine]
    ) -> None:
        credit(request(order, amount=10_000))

        refund = request(order, returned=[lines[0]], amount=63_000)
        note = credit(refund)

        assert taken_by(note) == {lines[0].pk: (1, 57_283, 2_728), lines[1].pk: (0, 5_717, 872)}
        assert note.igst_amount == 3_600
        assert violated() == []

    def test_other_line_can_be_returned_afterwards_and_nothing_is_left(
        self, order: Order, lines: list[OrderLine]
    ) -> None:
        credit(request(order, amount=10_000))
        credit(request(order, returned=[lines[0]]))

        last = credit(request(order, returned=[lines[1]]))

        assert last.total_amount == 42_917
        check_that_all_is_back(order)

    def test_a_pending_refund_counts_and_the_order_of_processing_does_not(
        self, order: Order, lines: list[OrderLine]
    ) -> None:
        by_amount = request(order, amount=10_000)
        returned = request(order, returned=[lines[0]])
        assert returned.amount == 57_283

        assert taken_by(credit(returned)) == {lines[0].pk: (1, 57_283, 2_728)}
        assert taken_by(credit(by_amount)) == {lines[0].pk: (0, 5_717, 272), lines[1].pk: (0, 4_283, 653)}
        credit(request(order, returned=[lines[1]]))

        check_that_all_is_back(order)

    def test_a_refund_that_was_cancelled_counts_no_more(self, order: Order, lines: list[OrderLine]) -> None:
        cancelled = request(order, amount=10_000)
        approvals.cancel_refund(refund_id=cancelled.pk, actor=ASHA, now=clock.now())

        assert request(order, returned=[lines[0]]).amount == 63_000


class TestAmountWithReturnedLines:
    def test_customers_enter_no_amount_for_returned_lines(self, order: Order, lines: list[OrderLine]) -> None:
        with pytest.raises(plans.AmountAndLinesConflict):
            request(order, returned=[lines[0]], amount=1_000, actor=actor_for(order.customer))
        assert Refund.objects.count() == 0

    def test_less_than_the_value_leaves_the_rest_of_the_line(self, order: Order, lines: list[OrderLine]) -> None:
        refund = request(order, returned=[lines[0]], amount=50_000)

        assert taken_by(credit(refund)) == {lines[0].pk: (1, 50_000, 2_381)}
        assert RefundLine.objects.get().amount == 63_000
        with pytest.raises(amounts.RefundQuantityExceedsLine):
            request(order, returned=[lines[0]])
        credit(request(order, returned=[lines[1]]))
        credit(request(order))
        check_that_all_is_back(order)

    def test_what_was_kept_of_one_unit_is_not_added_to_the_next(self, owner: Any) -> None:
        order = make_order(owner, quantity=3)
        pay(order)
        issue_invoice(order_id=order.pk, actor=SYSTEM, now=clock.now())
        line = order.lines.get()
        unit = amounts.RefundLineInput(line.pk, 1)
        values: dict[str, Any] = {"order_id": order.pk, "lines": [unit], "reason": "goods_returned", "actor": ASHA}
        first = request_refunds(**values, now=clock.now())[0]
        second = request_refunds(**values, amount=first.amount - 10_000, now=clock.now())[0]
        third = request_refunds(**values, now=clock.now())[0]

        assert first.amount == third.amount == line.total_amount // 3
        for refund in (first, second, third):
            credit(refund)
        credit(request(order))
        check_that_all_is_back(order)


class TestDelayedRefund:
    """A refund that failed or was cancelled, and that the gateway makes after all, takes what is left of the lines by then."""

    def test_its_lines_were_refunded_meanwhile(self, order: Order, lines: list[OrderLine]) -> None:
        failed = request(order, amount=10_000)
        apply_refund(failed, status="failed")
        credit(request(order, returned=[lines[0]]))

        note = credit(failed)

        assert taken_by(note) == {lines[1].pk: (0, 10_000, 1_525)}
        assert violated() == []
        credit(request(order, returned=[lines[1]]))
        check_that_all_is_back(order)

    @pytest.mark.parametrize("first", ["pending", "processed"])
    def test_its_retry_gives_the_line_up(self, order: Order, lines: list[OrderLine], first: str) -> None:
        failed = request(order, returned=[lines[0]])
        mark_refund_failed(refund=failed, error=GatewayError(code="BAD_REQUEST_ERROR"), now=clock.now())
        again = requests.retry_refund(refund_id=failed.pk, actor=ASHA, now=clock.now())

        apply_refund(failed, status=first)

        again.refresh_from_db()
        assert again.status == "cancelled"
        assert taken_by(credit(failed)) == {lines[0].pk: (1, 63_000, 3_000)}
        assert violated() == []

    def test_transferred_manually(self, order: Order, lines: list[OrderLine]) -> None:
        failed = request(order, amount=10_000)
        apply_refund(failed, status="failed")
        credit(request(order, returned=[lines[0]]))

        bank_transfers.confirm_refund_transfer(refund_id=failed.pk, reference="UTR 1", actor=BALA, now=clock.now())
        note = issue_credit_note(refund_id=failed.pk, actor=SYSTEM, now=clock.now())

        assert note is not None
        assert taken_by(note) == {lines[1].pk: (0, 10_000, 1_525)}
        assert violated() == []

    def test_units_that_were_refunded_meanwhile_are_not_transferred_for(
        self, order: Order, lines: list[OrderLine]
    ) -> None:
        failed = request(order, returned=[lines[1]])
        apply_refund(failed, status="failed")
        request(order, returned=[lines[1]])

        with pytest.raises(amounts.RefundQuantityExceedsLine):
            bank_transfers.confirm_refund_transfer(refund_id=failed.pk, reference="UTR 1", actor=BALA, now=clock.now())

        failed.refresh_from_db()
        assert failed.status == "failed"


class TestReturnedLinesGiveFirst:
    """INV-34d."""

    def test_finds_credit_note_that_takes_from_other_lines(self, order: Order, lines: list[OrderLine]) -> None:
        credit(request(order, amount=10_000))
        note = credit(request(order, returned=[lines[0]], amount=40_000))
        assert violated() == []

        with pgtrigger.ignore():
            InvoiceLine.objects.filter(invoice=note).update(order_line_id=lines[1].pk)

        rows = {invariant: found for invariant, found, _ in violated()}["INV-34d"]
        assert [(row["number"], row["returned_line"], row["of_other_lines"]) for row in rows] == [
            (note.number, 1, 40_000)
        ]

    def test_older_refunds_are_not_checked(self, order: Order, lines: list[OrderLine]) -> None:
        by_amount = request(order, amount=10_000)
        Refund.objects.filter(pk=by_amount.pk).update(line_amounts={})

        returned = request(order, returned=[lines[0]])

        assert returned.amount == 57_283
        credit(by_amount)
        credit(returned)
        assert [found for found in violated() if found[0] == "INV-34d"] == []

"""What is credited of an accepted difference: the same, whatever refunds, lost disputes and credit notes come first, and when."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.invoicing.models import Invoice
from apps.invoicing.rules import credit_deadline
from apps.invoicing.services import issue_credit_notes, issue_pending_credit_notes
from apps.ledger import selectors as ledger
from apps.ledger.models import LedgerEntry
from apps.orders import selectors as orders
from apps.orders.models import Order
from apps.payments.models import Refund
from tests.factories.payments import make_dispute
from tests.support.accepted_payments import balances, report_refund, sell
from tests.support.money_invariants import INVARIANTS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books", "reference_data")]

_OF_INVOICES = ("INV-11", "INV-19", "INV-25g", "INV-28d", "INV-34", "INV-34b", "INV-34c", "INV-36", "INV-36b")


@pytest.fixture(autouse=True)
def _audit_after_each_test(db: None) -> Any:
    yield
    connection.check_constraints()
    found = audit.run(now=clock.now(), only=[*(one.id for one in INVARIANTS if one.id != "INV-42"), *_OF_INVOICES])
    assert [(result.invariant.id, result.rows, result.error) for result in found.failing] == []


Happening = Callable[[Order, Any], None]


def refund_of(amount: int) -> Happening:
    def happen(order: Order, attempt: Any) -> None:
        report_refund(attempt, amount)

    return happen


def dispute_of(amount: int) -> Happening:
    def happen(order: Order, attempt: Any) -> None:
        make_dispute(attempt, status="lost", amount=amount, amount_deducted=amount)

    return happen


def credit(order: Order, attempt: Any) -> None:
    issue_pending_credit_notes(order_id=order.pk, actor=SYSTEM, now=clock.now())


def outcome(order: Order, happenings: Sequence[Happening], attempt: Any) -> tuple[Any, ...]:
    """Let things happen in an order, and return what was credited, what the order says, and what the books say."""
    for happen in happenings:
        happen(order, attempt)
    credit(order, attempt)
    order.refresh_from_db()
    credited = Invoice.objects.filter(type="credit_note").aggregate(total=Sum("total_amount"))["total"] or 0
    return credited, order.refunded_amount, orders.derive_order_payment_status(order), balances()


# An order of 236.00 of which 146.00 was charged: the shortfall is 90.00.
_CAPTURED = 14_600


class TestShortfall:
    @pytest.mark.parametrize("is_credited_between", [False, True])
    @pytest.mark.parametrize("places", list(permutations(range(3))))
    def test_stays_waived_where_a_lost_dispute_took_a_part(
        self, owner: Any, places: tuple[int, ...], is_credited_between: bool
    ) -> None:
        order, attempt = sell(owner, difference=-9_000)
        all_of_it = [refund_of(5_000), dispute_of(3_000), refund_of(attempt.amount - 8_000)]
        happenings = [all_of_it[place] for place in places]
        if is_credited_between:
            happenings = [step for happen in happenings for step in (happen, credit)]

        credited, refunded, status, books = outcome(order, happenings, attempt)

        assert (credited, refunded) == (attempt.amount - 3_000, attempt.amount - 3_000 + 9_000)
        assert (status, books) == ("refunded", {"payment_differences": 9_000})
        assert ledger.balance_of("dispute_losses") == 3_000

    @pytest.mark.parametrize("places", list(permutations(range(3))))
    def test_is_credited_once_refunds_return_all_but_what_no_gateway_refunds(
        self, owner: Any, places: tuple[int, ...]
    ) -> None:
        order, attempt = sell(owner, difference=-9_000)
        all_of_it = [refund_of(5_000), credit, refund_of(attempt.amount - 5_099)]

        credited, refunded, _, books = outcome(order, [all_of_it[place] for place in places], attempt)

        assert (credited, refunded) == (attempt.amount - 99 + 9_000, order.total_amount - 99)
        assert books == {}

    @pytest.mark.parametrize("places", list(permutations(range(3))))
    def test_is_credited_although_a_lost_dispute_took_what_no_gateway_refunds(
        self, owner: Any, places: tuple[int, ...]
    ) -> None:
        order, attempt = sell(owner, difference=-9_000)
        all_of_it = [refund_of(attempt.amount - 60), credit, dispute_of(60)]

        credited, refunded, status, books = outcome(order, [all_of_it[place] for place in places], attempt)

        assert (credited, refunded) == (attempt.amount - 60 + 9_000, order.total_amount - 60)
        assert (status, books) == ("refunded", {})

    def test_is_not_credited_while_a_rupee_can_still_be_refunded(self, owner: Any) -> None:
        order, attempt = sell(owner, difference=-9_000)

        credited, refunded, status, books = outcome(order, [refund_of(attempt.amount - 100)], attempt)

        assert (credited, refunded) == (attempt.amount - 100, attempt.amount - 100)
        assert (status, books) == ("partially_refunded", {"payment_differences": 9_000})


class TestPayerFee:
    @pytest.mark.parametrize("places", list(permutations(range(3))))
    def test_that_was_refunded_leaves_payer_fees_whatever_a_dispute_took(
        self, owner: Any, places: tuple[int, ...]
    ) -> None:
        order, attempt = sell(owner, difference=2_360)
        total = order.total_amount
        all_of_it = [refund_of(total), credit, dispute_of(1_000)]
        happenings = [all_of_it[place] for place in places]

        credited, refunded, _, books = outcome(order, [*happenings, refund_of(1_360)], attempt)

        assert (credited, refunded) == (total, total + 1_360)
        assert books == {"payer_fees": -1_000}

    def test_refunded_after_the_time_limit_of_notes_is_no_sale(self, owner: Any) -> None:
        order, attempt = sell(owner, difference=2_360)
        made = report_refund(attempt, attempt.amount)

        assert credit_late(made) == []

        assert booked(made, "late_credit") == {"sales": order.total_amount, "customer_advances": -order.total_amount}
        assert booked(made, "difference_reversal") == {"customer_advances": -2_360, "payer_fees": 2_360}
        assert balances() == {}

    def test_refunded_last_after_the_time_limit_reduces_no_sale(self, owner: Any) -> None:
        order, attempt = sell(owner, difference=2_360)
        assert credit_late(report_refund(attempt, order.total_amount)) == []

        fee = report_refund(attempt, 2_360)
        assert credit_late(fee) == []

        assert (booked(fee, "late_credit"), balances()) == ({}, {})

    def test_refunded_alone_after_the_time_limit_is_no_sale_at_all(self, owner: Any) -> None:
        order, attempt = sell(owner, difference=2_360)
        goods, fee = report_refund(attempt, order.total_amount), report_refund(attempt, 2_360)

        assert credit_late(goods) == credit_late(fee) == []

        late = booked(goods, "late_credit").get("sales", 0) + booked(fee, "late_credit").get("sales", 0)
        assert late == order.total_amount
        assert balances() == {}


class TestShortfallAfterDeadline:
    def test_stays_with_the_sale(self, owner: Any) -> None:
        _, attempt = sell(owner, difference=-9_000)
        made = report_refund(attempt, attempt.amount)

        assert credit_late(made) == []

        assert booked(made, "late_credit") == {"sales": attempt.amount, "customer_advances": -attempt.amount}
        assert balances() == {"payment_differences": 9_000}


def credit_late(refund: Refund) -> list[Invoice]:
    """Have the credit notes of a refund issued on the day after the last day for them."""
    invoice = Invoice.objects.exclude(type="credit_note").get()
    days = (credit_deadline(invoice.invoice_date) - invoice.invoice_date).days + 1
    return issue_credit_notes(refund_id=refund.pk, actor=SYSTEM, now=invoice.issued_at + timedelta(days=days))


def booked(refund: Refund, kind: str) -> dict[str, int]:
    """Return what a refund's posting of a kind has on each account, those of a registration without its GSTIN."""
    entries = LedgerEntry.objects.filter(transaction__source_id=refund.pk, transaction__kind=kind)
    return {entry.account_id.split(":")[0]: entry.amount for entry in entries}

"""From a refund that is asked for to its credit note, through the services of payments: exact, and the books end at nothing."""

from datetime import timedelta
from typing import Any

import pgtrigger
import pytest
from django.db import connection

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.invoicing import events, selectors
from apps.invoicing import invariants as invoicing
from apps.invoicing.models import Invoice
from apps.invoicing.services import issue_pending_credit_notes
from apps.ledger import services as ledger_services
from apps.ledger.models import LedgerEntry
from apps.orders.models import OrderLine
from apps.payments.facts import GatewayRefund
from apps.payments.models import Refund
from apps.payments.services.refunds import gateway_updates
from apps.payments.services.refunds.amounts import RefundLineInput
from tests.factories.invoicing import issue_credit_note, issue_invoice
from tests.factories.orders import make_order
from tests.factories.payments import apply_payment, make_gateway_payment, make_payment, pay
from tests.support import money_invariants as payments
from tests.support.colleagues import ASHA
from tests.support.refunds import request_refunds

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books", "colleagues")]


def ask(order: Any, **fields: Any) -> Refund:
    values: dict[str, Any] = {"reason": "goods_returned", "actor": ASHA, "now": clock.now()}
    [refund] = request_refunds(order_id=order.pk, **{**values, **fields})
    return refund


def run_handlers(refund: Refund) -> Refund:
    facts = GatewayRefund(
        gateway="razorpay", id=f"rfnd_{refund.pk.hex[-14:]}", gateway_payment_id=refund.attempt.gateway_payment_id,
        status="processed", amount=refund.amount, currency="INR", our_refund=refund.public_id,
    )  # fmt: skip
    return gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=clock.now())


def credit(refund: Refund) -> Invoice | None:
    return issue_credit_note(refund_id=refund.pk, actor=SYSTEM, now=clock.now())


def balances(order: Any) -> dict[str, int]:
    sums: dict[str, int] = {}
    for entry in LedgerEntry.objects.filter(transaction__order_id=order.pk):
        sums[entry.account_id] = sums.get(entry.account_id, 0) + entry.amount
    return {code: amount for code, amount in sums.items() if amount}


def violated(**later: float) -> list[Any]:
    asked = [one.id for one in invoicing.INVARIANTS if one.id != "INV-35"] + [one.id for one in payments.INVARIANTS]
    report = audit.run(now=clock.now() + timedelta(**later), only=asked)
    return [(result.invariant.id, result.rows, result.error) for result in report.failing]


@pytest.fixture
def order(owner: Any) -> Any:
    """An order of three units that is paid and invoiced."""
    order = make_order(owner, quantity=3)
    pay(order)
    issue_invoice(order_id=order.pk, actor=SYSTEM, now=clock.now())
    return order


@pytest.mark.parametrize("is_backwards", [False, True])
def test_unit_by_unit_until_invoice_is_fully_credited(order: Any, is_backwards: bool) -> None:
    [line] = OrderLine.objects.filter(order=order)
    refunds = [ask(order, lines=[RefundLineInput(line.pk, 1)]) for _ in range(3)]

    for refund in reversed(refunds) if is_backwards else refunds:
        note = credit(run_handlers(refund))
        assert note is not None
        assert note.total_amount == refund.amount

    invoice = selectors.find_invoice_of_order(order.pk)
    assert invoice is not None
    credited = selectors.sum_credited_amounts(invoice.pk)
    assert (credited.total, credited.round_off) == (order.total_amount, order.round_off_amount)
    assert credited.lines == {line.pk: selectors.credit_of(line) for line in OrderLine.objects.filter(order=order)}  # type: ignore[arg-type]
    assert balances(order) == {}
    assert violated() == []


def test_by_amount_then_by_unit_then_the_rest(order: Any) -> None:
    [line] = OrderLine.objects.filter(order=order)
    for asked in ({"amount": 12_345}, {"lines": [RefundLineInput(line.pk, 1)]}, {}):
        assert credit(run_handlers(ask(order, **asked))) is not None
        assert violated() == []

    assert balances(order) == {}
    assert Invoice.objects.filter(type="credit_note", refers_to__order_id=order.pk).count() == 3


def test_finds_a_note_that_takes_the_round_off_before_the_lines(order: Any) -> None:
    note = credit(run_handlers(ask(order, amount=10_000)))
    assert note is not None
    assert [found for found in violated() if found[0] == "INV-34f"] == []

    with pgtrigger.ignore():
        Invoice.objects.filter(pk=note.pk).update(round_off_amount=-30, taxable_amount=note.taxable_amount + 30)

    rows = {invariant: found for invariant, found, _ in violated()}["INV-34f"]
    assert [(row["number"], row["round_off_amount"]) for row in rows] == [(note.number, -30)]


def test_before_the_invoice_it_waits_for_it(owner: Any) -> None:
    order = make_order(owner)
    pay(order)
    refund = run_handlers(ask(order, amount=10_000))
    assert credit(refund) is None

    issue_invoice(order_id=order.pk, actor=SYSTEM, now=clock.now())
    [note] = issue_pending_credit_notes(order_id=order.pk, actor=SYSTEM, now=clock.now())

    assert (note.refund_id, note.total_amount) == (refund.pk, 10_000)
    assert balances(order)["gateway_receivable:razorpay"] == order.total_amount - 10_000
    assert "customer_advances" not in balances(order)
    assert violated() == []


def test_second_payment_is_refunded_without_credit_note(owner: Any) -> None:
    order = make_order(owner)
    payment = make_payment(order)
    apply_payment(make_gateway_payment(payment))
    apply_payment(make_gateway_payment(payment))
    issue_invoice(order_id=order.pk, actor=SYSTEM, now=clock.now())
    [refund] = Refund.objects.filter(order=order)

    assert credit(run_handlers(refund)) is None

    assert list(Event.objects.filter(type=events.CREDIT_NOTE_SKIPPED).values_list("reason", flat=True)) == ["surplus"]
    assert "customer_advances" not in balances(order)
    assert violated() == []


def test_finds_refund_without_credit_note(order: Any) -> None:
    run_handlers(ask(order, amount=10_000))
    assert violated() == []

    found = {invariant: rows for invariant, rows, _ in violated(seconds=61)}

    assert set(found) == {"INV-11", "INV-34b"}
    assert [(row["number"], row["captured"], row["refunded"], row["explained"]) for row in found["INV-11"]] == [
        (order.number, order.total_amount, 10_000, 0)
    ]


def test_finds_overdrawn_advance(order: Any) -> None:
    credit(run_handlers(ask(order, amount=10_000)))
    assert violated() == []
    connection.check_constraints()

    with pgtrigger.ignore():
        LedgerEntry.objects.filter(account_id="customer_advances", amount=-10_000).update(amount=-9_999)

    found = {invariant: rows for invariant, rows, _ in violated()}
    assert set(found) == {"INV-22", "INV-23", "INV-28d", "INV-36"}
    assert [(row["order_id"], row["overdrawn"], row["undecided"]) for row in found["INV-28d"]] == [(order.pk, 1, 0)]


def test_more_credited_than_sold_overdraws_the_output_tax(order: Any) -> None:
    code = LedgerEntry.objects.filter(account__code__startswith="output_").values_list("account_id", flat=True)[0]
    ledger_services.post_to_ledger(
        source_type="invoicing.invoice", source_id=order.pk, kind="credit_note", order_id=order.pk,
        entries={code: 10**9, "round_off": -(10**9)}, description="by hand", occurred_at=clock.now(),
    )  # fmt: skip

    assert {invariant for invariant, _, _ in violated()} == {"INV-28", "INV-36"}

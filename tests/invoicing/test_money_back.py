"""From a refund that is asked for to its credit note, through the services of payments: exact, and the books end at nothing."""

from typing import Any

import pytest

from apps.core import audit, clock
from apps.core.events import SYSTEM, Actor
from apps.core.models import Event
from apps.invoicing import events, selectors
from apps.invoicing.models import Invoice
from apps.invoicing.services import credit_refunds_of_order, issue_credit_note, issue_invoice
from apps.orders.models import OrderLine
from apps.payments import services
from apps.payments.gateways import GatewayRefund
from apps.payments.models import LedgerEntry, Refund
from apps.payments.services import UnitsBack
from apps.payments.states import Source
from tests.factories.orders import make_order
from tests.factories.payments import make_facts, make_payment, pay, take_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]

ASHA = Actor("user", "cus_asha")


def ask(order: Any, **fields: Any) -> Refund:
    values: dict[str, Any] = {"reason": "goods_returned", "decides": True, "actor": ASHA, "now": clock.now()}
    [refund] = services.request_refund(order_id=order.pk, **{**values, **fields})
    return refund


def hear(refund: Refund) -> Refund:
    facts = GatewayRefund(
        gateway="razorpay", id=f"rfnd_{refund.pk.hex[-14:]}", gateway_payment_id=refund.attempt.gateway_payment_id,
        status="processed", amount=refund.amount, currency="INR", our_refund=refund.public_id,
    )  # fmt: skip
    return services.apply_gateway_refund(facts=facts, source=Source.POLL, actor=SYSTEM, now=clock.now())


def credit(refund: Refund) -> Invoice | None:
    return issue_credit_note(refund_id=refund.pk, actor=SYSTEM, now=clock.now())


def balances(order: Any) -> dict[str, int]:
    sums: dict[str, int] = {}
    for entry in LedgerEntry.objects.filter(transaction__order_id=order.pk):
        sums[entry.account_id] = sums.get(entry.account_id, 0) + entry.amount
    return {code: amount for code, amount in sums.items() if amount}


def violated() -> list[Any]:
    report = audit.run(
        now=clock.now(), only=["INV-28", "INV-30", "INV-33", "INV-33b", "INV-34", "INV-34b", "INV-34c", "INV-36"]
    )
    return [(result.invariant.id, result.rows, result.error) for result in report.violated]


@pytest.fixture
def order(owner: Any) -> Any:
    """An order of three units that is paid and invoiced."""
    order = make_order(owner, quantity=3)
    pay(order)
    issue_invoice(order_id=order.pk, actor=SYSTEM, now=clock.now())
    return order


@pytest.mark.parametrize("is_backwards", [False, True])
def test_unit_by_unit_until_nothing_is_left_of_invoice_and_books(order: Any, is_backwards: bool) -> None:
    [line] = OrderLine.objects.filter(order=order)
    refunds = [ask(order, lines=[UnitsBack(line.pk, 1)]) for _ in range(3)]

    for refund in reversed(refunds) if is_backwards else refunds:
        note = credit(hear(refund))
        assert note is not None
        assert note.total_amount == refund.amount

    invoice = selectors.find_invoice_of_order(order.pk)
    assert invoice is not None
    credited = selectors.sum_credited(invoice.pk)
    assert (credited.total, credited.round_off) == (order.total_amount, order.round_off_amount)
    assert credited.lines == {line.pk: selectors.credit_of(line) for line in OrderLine.objects.filter(order=order)}  # type: ignore[arg-type]
    assert balances(order) == {}
    assert violated() == []


def test_by_amount_then_by_unit_then_the_rest(order: Any) -> None:
    [line] = OrderLine.objects.filter(order=order)
    for asked in ({"amount": 12_345}, {"lines": [UnitsBack(line.pk, 1)]}, {}):
        assert credit(hear(ask(order, **asked))) is not None
        assert violated() == []

    assert balances(order) == {}
    assert Invoice.objects.filter(type="credit_note", refers_to__order_id=order.pk).count() == 3


def test_before_the_invoice_it_waits_for_it(owner: Any) -> None:
    order = make_order(owner)
    pay(order)
    refund = hear(ask(order, amount=10_000))
    assert credit(refund) is None

    issue_invoice(order_id=order.pk, actor=SYSTEM, now=clock.now())
    [note] = credit_refunds_of_order(order_id=order.pk, actor=SYSTEM, now=clock.now())

    assert (note.refund_id, note.total_amount) == (refund.pk, 10_000)
    assert balances(order)["gateway_receivable:razorpay"] == order.total_amount - 10_000
    assert "customer_advances" not in balances(order)
    assert violated() == []


def test_money_that_came_twice_goes_back_without_a_credit_note(owner: Any) -> None:
    order = make_order(owner)
    payment = make_payment(order)
    take_in(make_facts(payment))
    take_in(make_facts(payment))
    issue_invoice(order_id=order.pk, actor=SYSTEM, now=clock.now())
    [refund] = Refund.objects.filter(order=order)

    assert credit(hear(refund)) is None

    assert list(Event.objects.filter(type=events.CREDIT_NOTE_WITHHELD).values_list("reason", flat=True)) == ["surplus"]
    assert "customer_advances" not in balances(order)
    assert violated() == []

"""Cancelling an order that was paid and invoiced: whatever its money went through before, all of it goes back and nothing is left."""

from typing import Any

import pytest

from apps.catalog.models import StockLevel
from apps.core import audit, clock
from apps.core.events import SYSTEM, change
from apps.core.models import Event
from apps.invoicing import selectors
from apps.invoicing.models import Invoice
from apps.invoicing.services import issue_pending_credit_notes
from apps.ledger.models import LedgerEntry
from apps.orders import events, states
from apps.orders.models import Order
from apps.orders.services import OrderNotCancellable
from apps.payments.facts import GatewayError, GatewayRefund
from apps.payments.models import Refund
from apps.payments.services import decision_rights, order_cancellation
from apps.payments.services.refunds import amounts, approvals, gateway_updates, requests
from apps.payments.services.refunds.gateway_updates import mark_refund_unknown
from tests.factories.catalog import make_variant
from tests.factories.invoicing import issue_credit_note, issue_invoice
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import apply_payment, make_gateway_payment, make_payment, pay
from tests.support.colleagues import ASHA, BALA, DEEPA
from tests.support.refunds import request_refunds
from tests.support.stock import consume_all

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books", "colleagues")]


@pytest.fixture
def order(owner: Any, settings: Any) -> Order:
    """An order with a shipping charge and a round-off, paid and invoiced."""
    settings.SHIPPING_FLAT_RATE_PAISE = 4_999
    order = make_order(owner, [(make_variant(price=33_333, tax_class="gst_5"), 2), (make_variant(price=10_001), 1)])
    assert order.shipping_amount > 0
    assert order.round_off_amount != 0
    pay(order)
    issue_invoice(order_id=order.pk, actor=SYSTEM, now=clock.now())
    return order


def ask(order: Order, **fields: Any) -> Refund:
    values: dict[str, Any] = {"reason": "customer_request", "actor": ASHA, "now": clock.now()}
    [refund] = request_refunds(order_id=order.pk, **{**values, **fields})
    return refund


def run_handlers(refund: Refund, status: str = "processed") -> None:
    facts = GatewayRefund(
        gateway="razorpay", id=f"rfnd_{refund.pk.hex[-14:]}", gateway_payment_id=refund.attempt.gateway_payment_id,
        status=status, amount=refund.amount, currency="INR", our_refund=refund.public_id,
    )  # fmt: skip
    gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=clock.now())
    if status == "processed":
        issue_credit_note(refund_id=refund.pk, actor=SYSTEM, now=clock.now())


def cancel(order: Order) -> Order:
    cancelled = order_cancellation.cancel_order(
        order_id=order.pk, actor=actor_for(order.customer), reason="By mistake", now=clock.now()
    )
    issue_pending_credit_notes(order_id=order.pk, actor=SYSTEM, now=clock.now())
    return cancelled


def refunds(order: Order) -> list[tuple[str, int]]:
    return list(Refund.objects.filter(order=order).order_by("sequence").values_list("status", "amount"))


def balances(order: Order) -> dict[str, int]:
    sums: dict[str, int] = {}
    for entry in LedgerEntry.objects.filter(transaction__order_id=order.pk):
        sums[entry.account_id] = sums.get(entry.account_id, 0) + entry.amount
    return {code: amount for code, amount in sums.items() if amount}


def move(order: Order, to: str) -> None:
    """Bring an order into a state that no service leads to yet."""
    status = states.transition(states.OrderStatus(order.status), to=states.OrderStatus(to))
    change(order, events.ORDER_PAYMENT_UPDATED, {"status": status}, root=order.pk, actor=SYSTEM, now=clock.now())


def check_that_nothing_is_left(order: Order) -> None:
    """Check order, stock, documents, books and invariants after all of the money has gone back."""
    order.refresh_from_db()
    assert (order.status, order.refunded_amount, order.paid_amount) == (
        "cancelled",
        order.total_amount,
        order.total_amount,
    )
    shelf = StockLevel.objects.filter(variant__in=[line.variant_id for line in order.lines.all()])
    assert list(shelf.values_list("reserved_milli", "on_hand_milli")) == [(0, 10_000)] * 2
    invoice = Invoice.objects.get(type="tax_invoice", order=order)
    credited = selectors.sum_credited_amounts(invoice.pk)
    assert (credited.total, credited.round_off) == (invoice.total_amount, invoice.round_off_amount)
    assert credited.lines == {line.pk: selectors.credit_of(line) for line in order.lines.all()}  # type: ignore[arg-type]
    assert balances(order) == {}
    not_asked = {"INV-42", "CAT-01"}
    report = audit.run(now=clock.now(), only=[one.id for one in audit.list_invariants() if one.id not in not_asked])
    assert [(result.invariant.id, result.rows, result.error) for result in report.failing] == []


@pytest.mark.parametrize("status", ["confirmed", "on_hold", "in_fulfilment"])
def test_order_can_be_cancelled_until_dispatch(order: Order, status: str) -> None:
    if status != "confirmed":
        move(order, status)

    cancel(order)
    assert refunds(order) == [("pending", order.total_amount)]
    run_handlers(Refund.objects.get())

    check_that_nothing_is_left(order)
    [note] = Invoice.objects.filter(type="credit_note", refers_to__order=order)
    assert note.total_amount == order.total_amount


def test_dispatched_order_is_not_cancelled(order: Order) -> None:
    move(order, "in_fulfilment")
    consume_all([order.lines.order_by("position")[0].pk])
    before = (Event.objects.count(), LedgerEntry.objects.count(), Order.objects.get().version)

    with pytest.raises(OrderNotCancellable):
        cancel(order)

    assert (Event.objects.count(), LedgerEntry.objects.count(), Order.objects.get().version) == before
    assert refunds(order) == []


@pytest.mark.parametrize("asked", [{"amount": 12_345}, "a line"])
def test_rest_is_refunded_after_a_partial_refund(order: Order, asked: Any) -> None:
    if asked == "a line":
        asked = {"lines": [amounts.RefundLineInput(order.lines.order_by("position")[0].pk, 1)]}
    part = ask(order, **asked)
    run_handlers(part)

    cancel(order)
    assert refunds(order) == [("processed", part.amount), ("pending", order.total_amount - part.amount)]
    run_handlers(Refund.objects.get(sequence=2))

    check_that_nothing_is_left(order)


def test_pending_refund_is_superseded_and_the_buyer_gets_one_message(order: Order) -> None:
    waiting = ask(order, amount=20_000, actor=DEEPA)

    cancel(order)

    assert refunds(order) == [("cancelled", 20_000), ("pending", order.total_amount)]
    told = Event.objects.filter(subject_id=waiting.pk).order_by("version").values_list("type", flat=True)
    assert list(told) == ["payments.refund.requested", "payments.refund.updated"]
    run_handlers(Refund.objects.get(sequence=2))
    check_that_nothing_is_left(order)


def test_over_the_limit_the_order_is_cancelled_at_once_and_its_money_waits_for_a_second_person(
    order: Order, settings: Any
) -> None:
    settings.REFUND_APPROVAL_THRESHOLD_PAISE = order.total_amount - 1

    assert cancel(order).status == "cancelled"
    assert refunds(order) == [("requires_approval", order.total_amount)]
    refund = Refund.objects.get()
    with pytest.raises(decision_rights.SelfApprovalForbidden):
        approvals.approve_refund(refund_id=refund.pk, actor=actor_for(order.customer), now=clock.now())
    approvals.approve_refund(refund_id=refund.pk, actor=BALA, now=clock.now())
    run_handlers(refund)

    check_that_nothing_is_left(order)


def test_small_refunds_of_a_large_order_require_approval(order: Order, settings: Any) -> None:
    settings.REFUND_APPROVAL_THRESHOLD_PAISE = order.total_amount // 2
    ask(order, amount=order.total_amount // 2, actor=DEEPA)

    cancel(order)

    assert refunds(order)[1] == ("requires_approval", order.total_amount)


@pytest.mark.parametrize("end", ["processed", "failed"])
def test_unknown_refund_is_kept_and_the_rest_is_refunded(order: Order, end: str) -> None:
    doubtful = ask(order, amount=20_000)
    mark_refund_unknown(refund=doubtful, error=GatewayError(), now=clock.now())

    cancel(order)
    assert refunds(order) == [("unknown", 20_000), ("pending", order.total_amount - 20_000)]
    run_handlers(Refund.objects.get(sequence=2))
    run_handlers(doubtful, end)
    if end == "failed":
        again = requests.retry_refund(refund_id=doubtful.pk, actor=BALA, now=clock.now())
        run_handlers(again)

    check_that_nothing_is_left(order)


def test_before_the_invoice_there_is_neither_invoice_nor_credit_note(owner: Any) -> None:
    order = make_order(owner)
    pay(order)

    cancel(order)
    run_handlers(Refund.objects.get())

    assert Invoice.objects.count() == 0
    assert balances(order) == {}


def test_an_order_whose_payment_is_under_way_is_not_cancelled(owner: Any) -> None:
    order = make_order(owner)
    payment = make_payment(order)
    before = (Event.objects.count(), Order.objects.get().version)

    with pytest.raises(OrderNotCancellable, match="A payment of order .* is open"):
        cancel(order)

    assert (Event.objects.count(), Order.objects.get().version) == before
    apply_payment(make_gateway_payment(payment))
    assert cancel(order).status == "cancelled"
    assert refunds(order) == [("pending", order.total_amount)]

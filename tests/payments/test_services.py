"""Beginning, giving up and applying: what a payment's rows, its order and the books say after each."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.external_calls import GatewayCall
from apps.core.models import Event
from apps.ledger import selectors as ledger
from apps.ledger.models import LedgerEntry, LedgerTransaction
from apps.orders.locks import OrderNotFound
from apps.orders.models import Order
from apps.orders.selectors import derive_order_payment_status
from apps.orders.services import cancel_unpaid_order, expire_orders
from apps.orders.states import OrderStatus
from apps.payments.models import Payment, PaymentAttempt, PaymentNotFound
from apps.payments.selectors import payments as selectors
from apps.payments.services import attempts
from apps.payments.services import payments as payment_services
from apps.payments.services.polling import _record_poll_result
from apps.payments.states import AttemptStatus, PaymentStatus, ReviewReason
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import apply_payment, make_gateway_payment, make_payment, new_gateway_id, pay
from tests.support.money_invariants import INVARIANTS

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _books_hold(db: None) -> Any:
    """After every test here, all invariants of payments hold."""
    yield
    connection.check_constraints()
    found = audit.run(now=clock.now(), only=[invariant.id for invariant in INVARIANTS])
    assert [(result.invariant.id, result.rows, result.error) for result in found.failing] == []


def start(order: Any, **fields: Any) -> Payment:
    return payment_services.start_payment(
        **{
            "order_id": order.pk, "customer_id": order.customer_id, "actor": SYSTEM, "now": clock.now(), **fields,
        }
    )  # fmt: skip


def balances(*codes: str) -> tuple[int, ...]:
    return tuple(ledger.balance_of(code) for code in codes)


def events_of(subject: Any) -> list[str]:
    events = Event.objects.filter(subject_id=subject.pk).order_by("version")
    return [event.type.removeprefix("payments.") for event in events]


# Starting -------------------------------------------------------------------------------------------------------------


def test_a_payment_asks_for_what_is_due_and_the_order_knows_that_it_is_under_way(order: Any, settings: Any) -> None:
    now = clock.now()
    payment = start(order, now=now, payer_ip="203.0.113.7", payer_user_agent="App/1")
    assert (payment.amount, payment.currency, payment.status, payment.sequence) == (
        order.total_amount, "INR", PaymentStatus.REQUIRES_PAYMENT, 1,
    )  # fmt: skip
    assert payment.gateway_call == GatewayCall.PENDING
    assert payment.live_until == now + settings.PAYMENT_TTL
    assert payment.next_check_at == now + timedelta(seconds=20)
    order.refresh_from_db()
    assert order.payment_live_until == payment.live_until
    assert events_of(payment) == ["payment.created"]
    assert "payer_ip" not in Event.objects.get(subject_id=payment.pk).changes


def test_asking_again_returns_the_payment_that_is_under_way(order: Any) -> None:
    assert start(order).pk == start(order).pk
    assert Payment.objects.count() == 1


def test_a_strangers_order_is_as_absent_as_one_that_does_not_exist(order: Any, stranger: Any) -> None:
    for fields in ({"customer_id": stranger.pk}, {"order_id": uuid4()}):
        with pytest.raises(OrderNotFound):
            start(order, **fields)
    assert Payment.objects.count() == 0


def test_an_order_that_does_not_await_money_gets_no_payment(order: Any) -> None:
    cancel_unpaid_order(order_id=order.pk, actor=SYSTEM, reason="", now=clock.now())
    with pytest.raises(payment_services.OrderNotPayable):
        start(order)
    assert Payment.objects.count() == 0


def test_an_order_past_its_time_gets_no_payment(order: Any) -> None:
    with pytest.raises(payment_services.OrderNotPayable):
        start(order, now=order.expires_at)


def test_a_paid_order_gets_no_second_payment(order: Any) -> None:
    pay(order)
    with pytest.raises(payment_services.OrderNotPayable):
        start(order)
    assert Payment.objects.count() == 1


# Giving up ------------------------------------------------------------------------------------------------------------


def cancel(payment: Payment, **fields: Any) -> Payment:
    values = {"payment_id": payment.pk, "customer_id": payment.customer_id, "actor": SYSTEM, "now": clock.now()}
    return payment_services.cancel_payment(**{**values, **fields})


def test_a_cancelled_payment_makes_room_for_another(order: Any) -> None:
    first = make_payment(order)
    cancelled = cancel(first)
    assert cancelled.status == PaymentStatus.CANCELLED
    assert cancelled.next_check_at is not None
    order.refresh_from_db()
    assert order.payment_live_until is None
    second = start(order)
    assert (second.pk != first.pk, second.sequence) == (True, 2)


def test_payment_unknown_to_the_gateway_is_not_polled_after_cancellation(order: Any) -> None:
    assert cancel(make_payment(order, is_ready=False)).next_check_at is None


def test_a_strangers_payment_cannot_be_cancelled(order: Any, stranger: Any) -> None:
    payment = make_payment(order)
    with pytest.raises(PaymentNotFound):
        cancel(payment, customer_id=stranger.pk)
    payment.refresh_from_db()
    assert payment.status == PaymentStatus.REQUIRES_PAYMENT


@pytest.mark.parametrize("status", [AttemptStatus.AUTHORIZED, AttemptStatus.CAPTURED])
def test_a_payment_with_money_cannot_be_cancelled(order: Any, status: str) -> None:
    payment = make_payment(order)
    apply_payment(make_gateway_payment(payment, status=status))
    with pytest.raises(payment_services.PaymentNotCancellable):
        cancel(payment)


# Applying -------------------------------------------------------------------------------------------------------------


def test_captured_money_is_booked_and_confirms_the_order(order: Any) -> None:
    payment = make_payment(order)
    attempt = apply_payment(make_gateway_payment(payment, id="pay_NQxlPq2WmR8sTz"))
    payment.refresh_from_db()
    order.refresh_from_db()
    assert (attempt.status, attempt.amount, attempt.payer, attempt.review_reason) == (
        "captured", order.total_amount, "ga***@upi", "",
    )  # fmt: skip
    assert (payment.status, payment.next_check_at, payment.next_action) == (PaymentStatus.SUCCEEDED, None, {})
    assert (order.status, order.paid_amount, order.payment_live_until) == (
        OrderStatus.CONFIRMED, order.total_amount, None,
    )  # fmt: skip
    posting = LedgerTransaction.objects.get()
    assert (posting.source_type, posting.source_id, posting.kind, posting.order_id) == (
        "payments.paymentattempt", attempt.pk, "capture", order.pk,
    )  # fmt: skip
    assert balances("gateway_receivable:razorpay", "customer_advances") == (order.total_amount, -order.total_amount)
    assert events_of(payment) == ["payment.created", "payment.succeeded"]
    assert events_of(attempt) == ["attempt.captured"]
    assert selectors.find_captured_attempt(order.pk) == attempt


def test_same_facts_applied_ten_times_take_effect_once(order: Any) -> None:
    facts = make_gateway_payment(make_payment(order))
    for _ in range(10):
        apply_payment(facts)
    assert (PaymentAttempt.objects.count(), LedgerTransaction.objects.count()) == (1, 1)
    order.refresh_from_db()
    assert order.paid_amount == order.total_amount
    assert Event.objects.filter(type="orders.order.confirmed").count() == 1


_TOLD = ("created", "failed", "authorized", "captured", "captured")


def _final_state(order: Any, payment: Payment) -> tuple[Any, ...]:
    order.refresh_from_db()
    payment.refresh_from_db()
    attempt = PaymentAttempt.objects.get(payment=payment)
    entries = LedgerEntry.objects.filter(transaction__order_id=order.pk).order_by("amount")
    return (
        order.status, order.paid_amount - order.total_amount, order.payment_live_until, payment.status,
        payment.next_action, payment.next_check_at, attempt.status, attempt.amount - order.total_amount, attempt.method,
        attempt.payer, attempt.rrn, attempt.fee_amount, attempt.error, attempt.review_reason,
        [(entry.account_id, abs(entry.amount) - order.total_amount) for entry in entries],
    )  # fmt: skip


def test_facts_in_any_order_end_in_one_state(shop: Any, owner: Any) -> None:
    finals = set()
    for told in set(permutations(_TOLD)):
        order = make_order(owner)
        payment = make_payment(order)
        gateway_payment_id = new_gateway_id("pay")
        for status in told:
            apply_payment(make_gateway_payment(payment, status=status, id=gateway_payment_id))
        finals.add(repr(_final_state(order, payment)))
        assert LedgerTransaction.objects.filter(order_id=order.pk).count() == 1
    assert len(finals) == 1
    assert "succeeded" in finals.pop()


@pytest.mark.parametrize("status", ["created", "failed", "authorized", "auto_refunded", "captured"])
def test_what_a_gateway_reports_of_an_attempt_is_the_event_of_its_name(order: Any, status: str) -> None:
    apply_payment(make_gateway_payment(make_payment(order), status=status))

    attempt = PaymentAttempt.objects.get()
    first = Event.objects.filter(subject_id=attempt.pk).earliest("version")
    assert (attempt.status, first.type) == (status, f"payments.attempt.{status}")


def test_a_payment_shows_that_its_order_was_made_although_the_answer_was_lost(order: Any) -> None:
    payment = make_payment(order)
    facts = make_gateway_payment(payment)
    Payment.objects.filter(pk=payment.pk).update(gateway_order_id=None, gateway_call=GatewayCall.UNKNOWN)

    apply_payment(replace(facts, our_payment=payment.public_id))

    payment.refresh_from_db()
    assert (payment.gateway_order_id, payment.gateway_call) == (facts.order_id, GatewayCall.SUCCEEDED)


def test_captured_is_final(order: Any) -> None:
    payment = make_payment(order)
    facts = make_gateway_payment(payment)
    apply_payment(facts)
    for status in ("created", "failed", "authorized", "auto_refunded"):
        assert apply_payment(make_gateway_payment(payment, status=status, id=facts.id)).status == "captured"
    payment.refresh_from_db()
    assert payment.status == PaymentStatus.SUCCEEDED


def test_failed_attempt_leaves_the_payment_open_for_another(order: Any) -> None:
    payment = make_payment(order)
    failed = apply_payment(make_gateway_payment(payment, status="failed"))
    payment.refresh_from_db()
    assert (failed.error["reason"], payment.status) == ("payment_declined", PaymentStatus.REQUIRES_PAYMENT)
    apply_payment(make_gateway_payment(payment))
    payment.refresh_from_db()
    assert payment.status == PaymentStatus.SUCCEEDED
    assert payment.attempts.count() == 2


def test_missing_fields_are_filled_by_later_facts_of_any_rank(order: Any) -> None:
    payment = make_payment(order)
    bare = make_gateway_payment(payment, id="pay_1", method="", payer="", rrn="", fee_amount=None, fee_tax_amount=None)
    apply_payment(bare)
    attempt = apply_payment(make_gateway_payment(payment, id="pay_1", status="authorized", rrn="322206890934"))
    assert (attempt.status, attempt.rrn, attempt.payer) == ("captured", "322206890934", "ga***@upi")
    assert events_of(attempt) == ["attempt.captured", "attempt.updated"]


def test_authorized_payment_waits_for_polling_to_capture_it(order: Any) -> None:
    payment = make_payment(order)
    apply_payment(make_gateway_payment(payment, status="authorized"))
    payment.refresh_from_db()
    order.refresh_from_db()
    assert payment.status == PaymentStatus.REQUIRES_CAPTURE
    assert payment.next_check_at is not None
    assert (order.status, order.paid_amount) == (OrderStatus.PENDING_PAYMENT, 0)
    assert LedgerTransaction.objects.count() == 0


@pytest.mark.parametrize("fields", [{"amount": 100}, {"amount": 10**9}])
@pytest.mark.parametrize("path", [("captured",), ("authorized", "captured")])
def test_payment_of_another_amount_is_booked_and_reviewed(
    order: Any, fields: dict[str, Any], path: tuple[str, ...]
) -> None:
    payment = make_payment(order)
    for status in path:
        attempt = apply_payment(make_gateway_payment(payment, status=status, id="pay_1", **fields))
    payment.refresh_from_db()
    order.refresh_from_db()
    assert attempt.review_reason == ReviewReason.AMOUNT_MISMATCH
    assert attempt.review_opened_at is not None
    assert payment.status == PaymentStatus.PROCESSING
    assert (order.status, order.paid_amount, order.under_review_amount) == (
        OrderStatus.PENDING_PAYMENT, 0, attempt.amount,
    )  # fmt: skip
    assert sorted(LedgerEntry.objects.values_list("amount", flat=True)) == [-attempt.amount, attempt.amount]
    assert set(LedgerEntry.objects.values_list("currency", flat=True)) == {attempt.currency}
    assert events_of(attempt) == [f"attempt.{status}" for status in path] + ["attempt.review_opened"]
    assert selectors.list_attempts_to_capture(payment.pk) == []


def test_payment_for_a_cancelled_order_is_late_booked_and_reviewed(order: Any) -> None:
    payment = make_payment(order)
    cancel(payment)
    cancel_unpaid_order(order_id=order.pk, actor=SYSTEM, reason="", now=clock.now())
    attempt = apply_payment(make_gateway_payment(payment))
    payment.refresh_from_db()
    order.refresh_from_db()
    assert (payment.status, attempt.review_reason) == (PaymentStatus.SUCCEEDED_LATE, ReviewReason.ORDER_CLOSED)
    assert (order.status, order.paid_amount) == (OrderStatus.CANCELLED, order.total_amount)
    assert balances("customer_advances", "refunds_payable") == (0, -order.total_amount)


def test_money_for_an_order_that_expired_under_a_live_payment_is_late_too(order: Any) -> None:
    payment = make_payment(order)
    later = order.expires_at + timedelta(minutes=1)
    assert expire_orders(now=later) == 1
    attempt = apply_payment(make_gateway_payment(payment), now=later)
    payment.refresh_from_db()
    order.refresh_from_db()
    assert (payment.status, attempt.review_reason) == (PaymentStatus.SUCCEEDED_LATE, "")
    assert (order.status, attempt.review_closed_at) == (OrderStatus.CONFIRMED, later)


def test_late_capture_of_a_cancelled_payment_pays_the_order_and_cancels_the_other_payment(order: Any) -> None:
    first = make_payment(order)
    cancel(first)
    second = make_payment(order)
    attempt = apply_payment(make_gateway_payment(first))
    first.refresh_from_db()
    second.refresh_from_db()
    order.refresh_from_db()
    assert (first.status, attempt.review_reason) == (PaymentStatus.SUCCEEDED_LATE, "")
    assert order.status == OrderStatus.CONFIRMED
    assert second.status == PaymentStatus.CANCELLED


def test_second_payment_of_a_paid_order_is_booked_and_reviewed(order: Any) -> None:
    first = make_payment(order)
    cancel(first)
    second = make_payment(order)
    apply_payment(make_gateway_payment(first))
    again = apply_payment(make_gateway_payment(second))
    order.refresh_from_db()
    assert again.review_reason == ReviewReason.PAID_TWICE
    assert order.paid_amount == 2 * order.total_amount
    assert balances("customer_advances", "refunds_payable") == (-order.total_amount, -order.total_amount)


def test_two_captures_of_one_gateway_order_are_paid_once(order: Any) -> None:
    payment = make_payment(order)
    first, second = apply_payment(make_gateway_payment(payment)), apply_payment(make_gateway_payment(payment))
    assert (first.review_reason, second.review_reason) == ("", ReviewReason.PAID_TWICE)


def test_a_payment_of_a_gateway_order_that_is_not_ours_is_refused(order: Any) -> None:
    payment = make_payment(order)
    for order_id in ("order_somebodyelses", ""):
        with pytest.raises(attempts.UnknownGatewayPayment):
            apply_payment(make_gateway_payment(payment, order_id=order_id))
    assert PaymentAttempt.objects.count() == 0


def test_an_attempt_cannot_move_to_another_payment(shop: Any, owner: Any) -> None:
    first, second = make_payment(make_order(owner)), make_payment(make_order(owner))
    apply_payment(make_gateway_payment(first, id="pay_1", status="authorized"))
    with pytest.raises(attempts.UnknownGatewayPayment):
        apply_payment(make_gateway_payment(second, id="pay_1"))
    assert LedgerTransaction.objects.count() == 0


def test_facts_before_the_response_to_our_call_are_matched_by_our_id(order: Any) -> None:
    payment = make_payment(order, is_ready=False)
    facts = make_gateway_payment(payment, order_id="order_early", our_payment=payment.public_id)
    apply_payment(facts)
    payment.refresh_from_db()
    assert (payment.gateway_order_id, payment.status) == ("order_early", PaymentStatus.SUCCEEDED)


def test_our_id_in_notes_does_not_move_a_payment_to_another_gateway_order(order: Any) -> None:
    payment = make_payment(order)
    with pytest.raises(attempts.UnknownGatewayPayment):
        apply_payment(make_gateway_payment(payment, order_id="order_other", our_payment=payment.public_id))


def test_attempt_near_expiry_extends_the_payment(order: Any) -> None:
    payment = make_payment(order)
    at = payment.live_until - timedelta(minutes=1)
    apply_payment(make_gateway_payment(payment, status="created"), now=at)
    payment.refresh_from_db()
    order.refresh_from_db()
    assert payment.live_until == at + timedelta(minutes=12)
    assert order.payment_live_until == payment.live_until


@pytest.mark.parametrize(
    ("status", "of_payment", "of_order"),
    [
        (None, "requires_payment", "unpaid"),
        ("created", "processing", "processing"),
        ("failed", "requires_payment", "unpaid"),
        ("authorized", "requires_capture", "processing"),
        ("captured", "succeeded", "paid"),
    ],
)
def test_the_order_is_processing_only_while_somebody_is_paying(
    order: Any, status: str | None, of_payment: str, of_order: str
) -> None:
    payment = make_payment(order)

    if status is not None:
        apply_payment(make_gateway_payment(payment, status=status))

    payment.refresh_from_db()
    order.refresh_from_db()
    assert (payment.status, derive_order_payment_status(order)) == (of_payment, of_order)


@pytest.mark.parametrize("last", ["failed", "cancelled", "expired"])
def test_the_order_is_unpaid_again_when_the_attempt_has_ended(order: Any, last: str) -> None:
    payment = make_payment(order)
    apply_payment(make_gateway_payment(payment, id="pay_1", status="created"))

    if last == "failed":
        apply_payment(make_gateway_payment(payment, id="pay_1", status="failed"))
    elif last == "cancelled":
        cancel(payment)
    else:
        payment.refresh_from_db()
        _record_poll_result(payment.pk, order.pk, link=None, now=payment.live_until + timedelta(hours=1))

    order.refresh_from_db()
    assert derive_order_payment_status(order) == "unpaid"


def test_payment_expires_and_order_totals_are_updated(order: Any) -> None:
    payment = make_payment(order)
    _record_poll_result(payment.pk, order.pk, link=None, now=payment.live_until - timedelta(seconds=1))
    payment.refresh_from_db()
    assert payment.status == PaymentStatus.REQUIRES_PAYMENT
    _record_poll_result(payment.pk, order.pk, link=None, now=payment.live_until)
    payment.refresh_from_db()
    order.refresh_from_db()
    assert (payment.status, order.payment_live_until) == (PaymentStatus.EXPIRED, None)
    assert events_of(payment)[-1] == "payment.expired"


def test_folding_the_events_of_an_attempt_gives_its_row(order: Any) -> None:
    payment = make_payment(order)
    for status in ("created", "failed", "authorized", "captured"):
        attempt = apply_payment(make_gateway_payment(payment, status=status, id="pay_1"))
    folded: dict[str, Any] = {}
    for event in Event.objects.filter(subject_id=attempt.pk).order_by("version"):
        folded.update(event.changes)
    attempt.refresh_from_db()
    for name in ("status", "amount", "error", "method", "rrn", "fee_amount", "review_reason"):
        assert folded[name] == getattr(attempt, name)


def test_paying_leaves_the_stock_committed_once(order: Any) -> None:
    pay(order)
    assert Order.objects.get(pk=order.pk).status == OrderStatus.CONFIRMED
    assert start_is_refused(order)


def start_is_refused(order: Any) -> bool:
    with pytest.raises(payment_services.OrderNotPayable):
        payment_services.start_payment(
            order_id=order.pk, customer_id=order.customer_id, actor=actor_for(order.customer), now=clock.now()
        )
    return True


def test_captured_is_never_before_authorised_although_two_workers_read_the_clock_the_other_way_round(
    owner: Any,
) -> None:
    payment = make_payment(make_order(owner))
    now = clock.now()
    facts = make_gateway_payment(payment)
    apply_payment(replace(facts, status=AttemptStatus.AUTHORIZED), now=now + timedelta(milliseconds=40))

    attempt = apply_payment(facts, now=now)

    assert attempt.captured_at == attempt.authorized_at == now + timedelta(milliseconds=40)
    assert audit.run(now=clock.now(), only=["INV-14"]).failing == []

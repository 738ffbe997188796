"""A customer is erased only when their money is settled; money that comes late all the same is refunded and names nobody."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from apps.accounts.models import User
from apps.core import audit
from apps.core.events import SYSTEM, Actor
from apps.core.models import Event
from apps.notifications import services as notifications
from apps.notifications.models import Notification
from apps.orders import selectors as order_selectors
from apps.orders import services as orders
from apps.orders.models import Order
from apps.payments import handlers
from apps.payments.models import Payment, PaymentAttempt, Refund
from apps.payments.services import order_cancellation, payment_acceptance
from apps.payments.services.refunds import approvals
from tests.factories.accounts import make_staff
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import apply_payment, apply_refund, make_gateway_payment, make_payment, make_refund, pay
from tests.support.database_locks import wait_for_a_blocked_session
from tests.support.threads import run_together

PLACED = datetime(2026, 10, 1, 5, 30, tzinfo=UTC)
NOW = PLACED + timedelta(days=45)
OPERATOR = Actor(kind="operator", id="erase_customer")
INVARIANTS = ["INV-50", "INV-50b", "INV-50c", "INV-50d", "INV-50f", "INV-17", "INV-20b"]
REASON = "My new number is 98111 22255"


@pytest.fixture
def order(reference_data: None, owner: User) -> Order:
    return make_order(owner, now=PLACED)


def erase(user: User, *, now: datetime = NOW) -> None:
    orders.erase_customer(customer_id=user.pk, actor=OPERATOR, now=now)
    for event in Event.objects.filter(type="accounts.user.erased"):
        handlers.erase_payer(event=event, now=now)


def violated(*only: str, now: datetime = NOW + timedelta(minutes=20)) -> list[Any]:
    found = audit.run(now=now, only=list(only or INVARIANTS)).violated
    return [(result.invariant.id, result.rows, result.error) for result in found]


def expire(order: Order) -> Payment:
    """Let a payment of an order begin, and end with the order without money; return it."""
    payment = make_payment(order, now=PLACED)
    Payment.objects.filter(pk=payment.pk).update(status="expired", next_check_at=None)
    later = PLACED + timedelta(days=1)
    Order.objects.filter(pk=order.pk).update(payment_live_until=None)
    assert orders.expire_orders(now=later) == 1
    payment.refresh_from_db()
    order.refresh_from_db()
    return payment


@pytest.mark.django_db
class TestLateMoney:
    def test_of_an_erased_customer_is_refunded(self, order: Order, owner: User) -> None:
        payment = expire(order)
        erase(owner)

        attempt = apply_payment(make_gateway_payment(payment, payer="as***@upi"), now=NOW)

        order.refresh_from_db()
        refund = Refund.objects.get()
        assert (order.status, order.paid_amount) == ("expired", order.total_amount)
        assert (refund.reason, refund.amount, refund.status) == ("late_payment", order.total_amount, "pending")
        assert (attempt.payer, attempt.is_under_review) == ("erased", False)
        assert violated(*INVARIANTS, "INV-32") == []

    def test_control_of_a_known_customer_revives_the_order(self, order: Order, owner: User) -> None:
        payment = expire(order)

        attempt = apply_payment(make_gateway_payment(payment, payer="as***@upi"), now=NOW)

        order.refresh_from_db()
        assert (order.status, attempt.payer, Refund.objects.count()) == ("confirmed", "as***@upi", 0)

    def test_of_another_amount_is_not_accepted(self, order: Order, owner: User) -> None:
        payment = expire(order)
        erase(owner)
        attempt = apply_payment(make_gateway_payment(payment, amount=order.total_amount + 2_000), now=NOW)

        with pytest.raises(
            payment_acceptance.AttemptNotAcceptable, match="its customer was erased. Refund the payment instead."
        ):
            payment_acceptance.accept_attempt(attempt_id=attempt.pk, reason="surcharge", actor=SYSTEM, now=NOW)

        order.refresh_from_db()
        assert (order.status, PaymentAttempt.objects.get().accepted_amount) == ("expired", None)

    def test_says_nothing_to_the_erased(self, order: Order, owner: User) -> None:
        payment = expire(order)
        erase(owner)
        before = Notification.objects.count()
        apply_payment(make_gateway_payment(payment), now=NOW)
        refund = Refund.objects.get()
        apply_refund(refund, now=NOW)

        event = Event.objects.filter(type="payments.refund.processed").get()
        notifications.create_notifications(template="refund_processed", event=event, now=NOW)

        assert Notification.objects.count() == before

    def test_revived_order_of_an_erased_customer_is_found(self, order: Order, owner: User) -> None:
        expire(order)
        erase(owner)
        assert violated("INV-50b") == []

        Order.objects.filter(pk=order.pk).update(status="confirmed", confirmed_at=NOW + timedelta(seconds=1))

        assert [found[0] for found in violated("INV-50b")] == ["INV-50b"]


@pytest.mark.django_db
class TestRefusal:
    def unasked(self, order: Order) -> None:
        Payment.objects.filter(pk=expire(order).pk).update(next_check_at=PLACED + timedelta(days=2))

    def requested(self, order: Order) -> None:
        pay(order, now=PLACED)
        assert make_refund(order).status == "requires_approval"

    def approved(self, order: Order) -> None:
        pay(order, now=PLACED)
        make_refund(order, is_approved=True)

    def failed(self, order: Order) -> None:
        pay(order, now=PLACED)
        apply_refund(make_refund(order, is_approved=True), status="failed")

    @pytest.mark.parametrize(
        ("open_it", "sentence"),
        [
            (unasked, "is closed, but one of its payments may still arrive."),
            (requested, "has money that is disputed, under review or still to be refunded."),
            (approved, "has money that is disputed, under review or still to be refunded."),
            (failed, "has money that is disputed, under review or still to be refunded."),
        ],
    )
    def test_unsettled_order_keeps_its_customer(
        self, order: Order, owner: User, open_it: Callable[..., None], sentence: str
    ) -> None:
        open_it(self, order)

        with pytest.raises(orders.CustomerNotErasable, match=sentence):
            orders.check_erasable(customer_id=owner.pk, now=NOW)
        with pytest.raises(orders.CustomerNotErasable, match=sentence):
            erase(owner)

        owner.refresh_from_db()
        assert (owner.erased_at, owner.phone) == (None, "+919876543210")

    def test_refund_that_is_over_does_not(self, order: Order, owner: User) -> None:
        pay(order, now=PLACED)
        apply_refund(make_refund(order, is_approved=True))

        erase(owner)

        owner.refresh_from_db()
        assert owner.erased_at == NOW


@pytest.mark.django_db
class TestTypedTexts:
    def texts(self) -> str:
        return str([*Event.objects.values_list("changes", "reason")])

    def test_reason_of_a_cancellation_stands_in_the_order_alone(self, order: Order, owner: User) -> None:
        order_cancellation.cancel_order(order_id=order.pk, actor=actor_for(owner), reason=REASON, now=PLACED)

        order.refresh_from_db()
        assert order.cancel_reason == REASON
        assert REASON not in self.texts()
        erase(owner)
        order.refresh_from_db()
        assert order.cancel_reason == ""
        assert violated() == []

    def test_note_of_a_refund_stands_in_the_refund_alone(self, order: Order, owner: User) -> None:
        pay(order, now=PLACED)
        refund = make_refund(order, note=REASON)
        approvals.cancel_refund(refund_id=refund.pk, reason="I keep it", actor=actor_for(owner), now=PLACED)

        refund.refresh_from_db()
        assert refund.note == f"{REASON}; I keep it"
        assert REASON not in self.texts()
        assert "I keep it" not in self.texts()
        erase(owner)
        refund.refresh_from_db()
        assert (refund.note, refund.status) == ("", "cancelled")
        assert violated() == []

    def test_note_of_a_cancelled_paid_order_stands_in_rows_alone(self, order: Order, owner: User) -> None:
        pay(order, now=PLACED)
        order_cancellation.cancel_order(order_id=order.pk, actor=actor_for(owner), reason=REASON, now=PLACED)

        assert Refund.objects.get().note == REASON
        assert REASON not in self.texts()

    def test_what_staff_say_is_kept_in_events(self, order: Order, owner: User) -> None:
        staff = make_staff("support")
        order_cancellation.cancel_order(order_id=order.pk, actor=actor_for(staff), reason="Asked by phone", now=PLACED)

        assert Event.objects.get(type="orders.order.cancelled").reason == "Asked by phone"

    def test_what_staff_say_after_the_erasure_is_kept_in_events_alone(self, order: Order, owner: User) -> None:
        pay(order, now=PLACED)
        erase(owner)

        order_cancellation.cancel_order(
            order_id=order.pk, actor=actor_for(make_staff("support")), reason="Returned", now=NOW
        )

        order.refresh_from_db()
        assert (order.status, order.cancel_reason, Refund.objects.get().note) == ("cancelled", "", "")
        assert Event.objects.get(type="orders.order.cancelled").reason == "Returned"
        assert violated() == []

    def test_what_is_left_is_found(self, order: Order, owner: User) -> None:
        order_cancellation.cancel_order(order_id=order.pk, actor=actor_for(owner), reason=REASON, now=PLACED)
        erase(owner)
        assert violated() == []

        Order.objects.filter(pk=order.pk).update(cancel_reason=REASON)

        assert [found[0] for found in violated()] == ["INV-50b"]

    def test_note_that_is_left_is_found(self, order: Order, owner: User) -> None:
        pay(order, now=PLACED)
        apply_refund(make_refund(order, is_approved=True))
        erase(owner)
        assert violated() == []

        Refund.objects.update(note=REASON)

        assert [found[0] for found in violated()] == ["INV-50c"]

    def test_text_in_an_event_is_found(self, order: Order, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("apps.orders.services.cancellation.text_to_record", lambda order, text, *, actor: text)
        order_cancellation.cancel_order(order_id=order.pk, actor=actor_for(owner), reason=REASON, now=PLACED)

        assert [found[0] for found in violated("INV-50f", now=PLACED + timedelta(hours=1))] == ["INV-50f"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.race
class TestRaces:
    """Late money arrives while its customer is being erased."""

    def race(self, order: Order, owner: User) -> None:
        payment, is_erased = expire(order), threading.Event()

        def erase_slowly() -> None:
            with transaction.atomic():
                orders.erase_customer(customer_id=owner.pk, actor=OPERATOR, now=NOW)
                is_erased.set()
                wait_for_a_blocked_session()

        def receive() -> None:
            is_erased.wait(60)
            apply_payment(make_gateway_payment(payment, payer="as***@upi"), now=NOW + timedelta(seconds=1))

        assert run_together(erase_slowly, receive) == [None, None]
        order.refresh_from_db()

    def test_it_waits_and_is_refunded(self, order: Order, owner: User) -> None:
        self.race(order, owner)

        assert (order.status, Refund.objects.get().reason) == ("expired", "late_payment")
        assert PaymentAttempt.objects.get().payer == "erased"
        assert violated() == []

    def test_control_without_the_check_the_order_is_revived(
        self, order: Order, owner: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(order_selectors, "is_customer_erased", lambda order: False)

        self.race(order, owner)

        assert (order.status, PaymentAttempt.objects.get().payer) == ("confirmed", "as***@upi")
        assert {found[0] for found in violated()} >= {"INV-50b", "INV-50c"}

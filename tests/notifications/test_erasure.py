"""A customer who asks is erased everywhere, apart from what tax law keeps, and only when nothing is open."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pgtrigger
import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.utils import DatabaseError

from apps.accounts import services as accounts
from apps.accounts.models import Address, Challenge, Session, User
from apps.core import audit
from apps.core.events import SYSTEM, Actor
from apps.core.models import Event, IdempotencyKey
from apps.invoicing.models import Invoice
from apps.notifications import handlers
from apps.notifications import services as notifications
from apps.notifications.models import Notification
from apps.orders import services
from apps.orders.models import Order, OrderAddress
from apps.payments import handlers as payment_handlers
from apps.payments.models import Payment, PaymentAttempt
from tests.factories.accounts import make_address, make_challenge, make_session, make_staff, make_user
from tests.factories.invoicing import issue_invoice
from tests.factories.notifications import make_queued_email, make_queued_sms
from tests.factories.orders import make_order
from tests.factories.payments import apply_payment, make_dispute, make_gateway_payment, pay

pytestmark = pytest.mark.django_db

PLACED = datetime(2026, 10, 1, 5, 30, tzinfo=UTC)
NOW = PLACED + timedelta(days=45)
OPERATOR = Actor(kind="operator", id="erase_customer")
INVARIANTS = ["INV-35c", "INV-37b", "INV-45", "INV-45c", "INV-50", "INV-50b", "INV-50c", "INV-50d", "INV-54"]


@pytest.fixture
def order(db: None, owner: User) -> Order:
    """An order of Asha's that was paid and invoiced 45 days ago."""
    call_command("setup_reference_data", stdout=StringIO())
    User.objects.filter(pk=owner.pk).update(name="Asha Rao", email="asha@example.com", email_confirmed_at=PLACED)
    owner.refresh_from_db()
    order = make_order(owner, address=make_address(owner, line1="12 MG Road"), note="Ring twice", now=PLACED)
    pay(order, now=PLACED)
    PaymentAttempt.objects.update(payer="as***@upi")
    Payment.objects.update(payer_ip="203.0.113.7", payer_user_agent="Firefox")
    issue_invoice(order_id=order.pk, actor=SYSTEM, now=PLACED)
    order.refresh_from_db()
    return order


def erase(user: User, *, now: datetime = NOW) -> User:
    """Erase a customer, and let the other apps receive the event."""
    erased = services.erase_customer(customer_id=user.pk, actor=OPERATOR, reason="asked by e-mail", now=now)
    for event in Event.objects.filter(type="accounts.user.erased", subject_id=user.pk):
        payment_handlers.erase_payer(event=event, now=now)
        handlers.erase_messages(event=event, now=now)
    return erased


def violated() -> list[tuple[str, Any]]:
    report = audit.run(now=NOW + timedelta(minutes=20), only=INVARIANTS)
    return [(result.invariant.id, result.rows or result.error) for result in report.failing]


def everything_of(user: User) -> list[Any]:
    """Return the rows that erasing would touch, for a comparison before and after."""
    rows: list[Any] = [list(User.objects.filter(pk=user.pk).values())]
    for model, key in ((Address, "user_id"), (Order, "customer_id"), (Notification, "user_id"), (Session, "user_id")):
        rows.append(list(model.objects.filter(**{key: user.pk}).order_by("pk").values()))
    rows.append(list(OrderAddress.objects.order_by("pk").values()))
    rows.append(list(PaymentAttempt.objects.order_by("pk").values()))
    rows.append(list(Event.objects.order_by("pk").values()))
    return rows


class TestEraseCustomer:
    def test_account_is_blank_and_has_no_access(self, order: Order, owner: User) -> None:
        session = make_session(owner)
        make_challenge("+919876543210")
        IdempotencyKey.objects.create(
            principal=owner.public_id, route="POST /api/v1/orders", key="k" * 12, fingerprint="0" * 64, status=201,
            body=b"{}", created_at=NOW, expires_at=NOW,
        )  # fmt: skip

        erase(owner)

        owner.refresh_from_db()
        session.refresh_from_db()
        assert (owner.phone, owner.email, owner.email_confirmed_at, owner.name) == (None, None, None, "")
        assert (owner.is_active, owner.erased_at, owner.has_usable_password()) == (False, NOW, False)
        assert (session.ended_at, session.user_agent, session.ip) == (NOW, "", None)
        assert not Address.objects.filter(user=owner).exists()
        assert not Challenge.objects.exists()
        assert not IdempotencyKey.objects.exists()
        assert violated() == []

    def test_orders_keep_state_and_amounts_alone(self, order: Order, owner: User) -> None:
        erase(owner)

        before, version = order.total_amount, order.version
        order.refresh_from_db()
        address = order.shipping_address
        assert {name: getattr(address, name) for name in OrderAddress.FIELDS} == {
            **dict.fromkeys(OrderAddress.FIELDS, ""), "state": "29",
        }  # fmt: skip
        assert (address.erased_at, order.note, order.total_amount, order.version) == (NOW, "", before, version + 1)

    def test_documents_keep_the_buyer(self, order: Order, owner: User) -> None:
        erase(owner)

        invoice = Invoice.objects.get()
        assert (invoice.buyer["name"], invoice.shipping_address["line1"]) == ("Asha Owner", "12 MG Road")

    def test_payments_name_no_payer_even_if_the_gateway_reports_again(self, order: Order, owner: User) -> None:
        erase(owner)

        payment, attempt = Payment.objects.get(), PaymentAttempt.objects.get()
        apply_payment(make_gateway_payment(payment, id=attempt.gateway_payment_id, payer="as***@upi"))
        assert PaymentAttempt.objects.get().payer == "erased"
        assert (payment.payer_ip, payment.payer_user_agent, payment.amount) == (None, "", order.total_amount)

    def test_messages_are_blank_and_none_is_sent_any_more(self, order: Order, owner: User) -> None:
        sms, email = make_queued_sms(owner), make_queued_email(owner)

        erase(owner)

        for message in (sms, email):
            message.refresh_from_db()
            assert (message.title, message.body, message.context, message.status) == ("", "", {}, "failed")
            assert message.recipient == f"erased:{message.pk}"
            assert notifications.claim_notification(notification_id=message.pk, now=NOW + timedelta(hours=1)) is None
        with pytest.raises(notifications.NotificationOutdated):
            notifications.request_resend(notification_id=sms.pk, actor=OPERATOR, now=NOW)

    def test_events_name_the_fields_and_not_the_person(self, order: Order, owner: User) -> None:
        erase(owner)

        event = Event.objects.get(type="accounts.user.erased")
        assert (event.actor, event.reason) == ("operator:erase_customer", "asked by e-mail")
        assert event.changes["personal_fields"] == ["email", "name", "phone"]
        texts = json.dumps(list(Event.objects.values_list("changes", flat=True)))
        assert not [text for text in ("98765", "Asha", "asha@", "MG Road", "as***") if text in texts]

    def test_second_call_changes_nothing(self, order: Order, owner: User) -> None:
        erase(owner)
        before = everything_of(owner)

        erase(owner, now=NOW + timedelta(days=1))

        assert everything_of(owner) == before

    def test_another_customer_is_untouched(self, order: Order, owner: User) -> None:
        stranger = make_user(phone="+919876500001", name="Ravi")
        theirs = make_order(stranger, now=PLACED)
        before = everything_of(stranger)[:5]

        erase(owner)

        assert everything_of(stranger)[:5] == before
        assert OrderAddress.objects.get(pk=theirs.shipping_address_id).line1 == "12 MG Road"

    def test_the_phone_can_sign_up_again(self, order: Order, owner: User) -> None:
        erase(owner)

        assert make_user(phone="+919876543210").pk != owner.pk


class TestRefusal:
    def unpaid(self, order: Order, owner: User) -> None:
        make_order(owner, now=NOW)

    def under_review(self, order: Order, owner: User) -> None:
        Order.objects.filter(pk=order.pk).update(under_review_amount=100)

    def disputed(self, order: Order, owner: User) -> None:
        make_dispute(PaymentAttempt.objects.get())

    def to_be_refunded(self, order: Order, owner: User) -> None:
        Order.objects.filter(pk=order.pk).update(status="cancelled", cancelled_at=NOW)

    def on_hold(self, order: Order, owner: User) -> None:
        Order.objects.filter(pk=order.pk).update(status="on_hold")

    @pytest.mark.parametrize(
        ("open_it", "sentence"),
        [
            (unpaid, "waits for its payment."),
            (under_review, "has money that is disputed, under review or still to be refunded."),
            (disputed, "has money that is disputed, under review or still to be refunded."),
            (to_be_refunded, "has money that is disputed, under review or still to be refunded."),
            (on_hold, "has not been delivered."),
        ],
    )
    def test_open_order_keeps_its_customer(
        self, order: Order, owner: User, open_it: Callable[..., None], sentence: str
    ) -> None:
        open_it(self, order, owner)
        before = everything_of(owner)

        with pytest.raises(services.CustomerNotErasable, match=sentence):
            erase(owner)

        assert everything_of(owner) == before

    def test_order_can_be_returned_for_30_days(self, order: Order, owner: User) -> None:
        before = everything_of(owner)

        with pytest.raises(services.CustomerNotErasable) as refusal:
            erase(owner, now=PLACED + timedelta(days=30, seconds=-1))

        assert str(refusal.value.text) == (
            f"Order {order.number} was confirmed on 1 Oct 2026. Its customer can be erased from 31 Oct 2026, after the "
            "return period."
        )
        assert everything_of(owner) == before
        assert erase(owner, now=PLACED + timedelta(days=30)).erased_at is not None

    def test_staff_cannot_be_erased(self, order: Order) -> None:
        finance = make_staff("finance", name="Meera")

        with pytest.raises(accounts.StaffNotErasable):
            accounts.erase_user(user_id=finance.pk, actor=OPERATOR, now=NOW)
        with pytest.raises(accounts.StaffNotErasable):
            services.check_erasable(customer_id=finance.pk, now=NOW)

        finance.refresh_from_db()
        assert (finance.name, finance.is_active, finance.erased_at) == ("Meera", True, None)


class TestOrderAddress:
    @pytest.mark.parametrize(
        "values",
        [
            {"line1": "Another street"},
            {"erased_at": NOW},
            {"erased_at": NOW, "state": "27", **dict.fromkeys(set(OrderAddress.FIELDS) - {"state"}, "")},
        ],
    )
    def test_database_refuses_all_but_erasing(self, order: Order, values: dict[str, Any]) -> None:
        with pytest.raises(DatabaseError), transaction.atomic():
            OrderAddress.objects.filter(pk=order.shipping_address_id).update(**values)

        assert OrderAddress.objects.get(pk=order.shipping_address_id).line1 == "12 MG Road"

    def test_database_refuses_to_fill_an_erased_address(self, order: Order, owner: User) -> None:
        erase(owner)

        with pytest.raises(DatabaseError), transaction.atomic():
            OrderAddress.objects.filter(pk=order.shipping_address_id).update(erased_at=None, line1="12 MG Road")


class TestInvariants:
    def plant_session(self, owner: User) -> str:
        make_session(owner)
        return "INV-50"

    def plant_note(self, owner: User) -> str:
        Order.objects.filter(customer=owner).update(note="Ring twice")
        return "INV-50b"

    def plant_payer(self, owner: User) -> str:
        PaymentAttempt.objects.update(payer="as***@upi")
        return "INV-50c"

    def plant_message(self, owner: User) -> str:
        make_queued_sms(owner)
        return "INV-50d"

    @pytest.mark.parametrize("plant", [plant_session, plant_note, plant_payer, plant_message])
    def test_remaining_personal_data_is_found(self, order: Order, owner: User, plant: Callable[..., str]) -> None:
        erase(owner)
        assert violated() == []

        with pgtrigger.ignore():
            invariant = plant(self, owner)

        found = audit.run(now=NOW + timedelta(minutes=20), only=[invariant]).failing
        assert [result.invariant.id for result in found] == [invariant]


class TestCommand:
    def run(self, *arguments: str) -> str:
        out = StringIO()
        call_command("erase_customer", *arguments, stdout=out)
        return out.getvalue()

    def test_without_yes_says_what_would_happen_and_changes_nothing(
        self, order: Order, owner: User, time_machine: Any
    ) -> None:
        time_machine.move_to(NOW, tick=False)
        before = everything_of(owner)

        said = self.run(owner.public_id)

        assert "invoices and credit notes with the buyer on them" in said
        assert "Nothing was erased." in said
        assert everything_of(owner) == before

    @pytest.mark.parametrize("arguments", [(), ("--yes",)])
    def test_open_order_is_one_sentence(self, order: Order, owner: User, arguments: tuple[str, ...]) -> None:
        Order.objects.filter(pk=order.pk).update(status="on_hold")

        with pytest.raises(CommandError, match="has not been delivered. .* Nothing was erased.") as refusal:
            self.run(owner.public_id, *arguments)

        assert refusal.value.returncode == 2

    def test_with_yes_erases(self, order: Order, owner: User, time_machine: Any) -> None:
        time_machine.move_to(NOW, tick=False)

        assert self.run(owner.public_id, "--yes") == f"Customer {owner.public_id} was erased on 15 Nov 2026.\n"
        assert json.loads(self.run(owner.public_id, "--json")) == {
            "customer_id": owner.public_id, "erased_at": "2026-11-15T05:30:00.000Z",
        }  # fmt: skip

    @pytest.mark.parametrize("customer", ["cus_01jf3z8k4qe7tv2w9x0y1z2a3b", "+919876543210", "'; DROP TABLE"])
    def test_unknown_customer_is_one_sentence(self, db: None, customer: str) -> None:
        with pytest.raises(CommandError, match="There is no customer") as refusal:
            self.run(customer, "--yes")

        assert refusal.value.returncode == 2

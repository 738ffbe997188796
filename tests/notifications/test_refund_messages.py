"""What a buyer is notified about money that goes back, comes twice or hangs in between: plainly, and with a day."""

from pathlib import Path
from typing import Any

import pytest

from apps.notifications import services
from apps.notifications.models import Notification
from apps.orders.states import OrderStatus
from apps.payments.rules import FAILURE_REASONS
from apps.payments.states import RefundStatus, ReviewReason
from tests.factories.notifications import (
    NOON,
    make_attempt_of,
    make_credit_note_of,
    make_event,
    make_invoice_of,
    make_order_of,
    make_refund_of,
)

pytestmark = pytest.mark.django_db

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"

#: NOON is a Saturday: seven working days later is Tuesday week, three are Wednesday.
IN_SEVEN, IN_THREE, IN_ONE = "1 Dec 2026", "25 Nov 2026", "23 Nov 2026"


@pytest.fixture
def order(owner: Any) -> Any:
    owner.email, owner.email_confirmed_at = "asha@example.com", NOON
    owner.save()
    return make_order_of(owner, status=OrderStatus.CONFIRMED, paid_amount=117_900)


def notified(message: str, verb: str, refund: Any, **changed: Any) -> dict[str, Notification]:
    event = make_event(f"payments.refund.{verb}", refund, root_id=refund.order_id, changes=changed)
    return {row.channel: row for row in services.create_notifications(template=message, event=event, now=NOON)}


def test_initiated_refund_names_destination_and_date(order: Any) -> None:
    rows = notified("refund_initiated", "requested", make_refund_of(order), status="pending")

    assert set(rows) == {"sms", "email", "in_app"}
    assert rows["sms"].body == (
        f"Your refund of Rs.500.00 for order {order.number} is being made. It reaches the account that you paid from by "
        f"{IN_SEVEN}. - Bahi"
    )
    assert f"You will have the money by {IN_SEVEN} at the latest." in rows["email"].body
    assert "₹500.00" in rows["in_app"].title


def test_an_instant_refund_is_promised_sooner_unless_it_fell_back(order: Any) -> None:
    at_once = notified(
        "refund_initiated", "requested", make_refund_of(order, speed_requested="instant"), status="pending"
    )
    fell_back = make_refund_of(
        order, speed_requested="instant", speed_processed="normal", status=RefundStatus.PROCESSED, processed_at=NOON
    )

    assert IN_ONE in at_once["sms"].body
    assert IN_SEVEN in notified("refund_processed", "processed", fell_back, status="processed")["sms"].body


def test_a_refund_that_waits_for_approval_promises_an_answer_and_no_money(order: Any) -> None:
    refund = make_refund_of(order, status=RefundStatus.REQUIRES_APPROVAL)

    assert notified("refund_initiated", "requested", refund, status="requires_approval") == {}
    (row,) = notified("refund_requested", "requested", refund, status="requires_approval").values()
    assert row.body == (
        f"We are reviewing the refund of ₹500.00 for order {order.number}. You will have our decision by {IN_THREE}."
    )


def test_approved_refund_is_notified_once(order: Any) -> None:
    refund = make_refund_of(order)

    assert notified("refund_requested", "requested", refund, status="requires_approval") == {}
    assert notified("refund_initiated", "requested", refund, status="requires_approval") == {}
    assert set(notified("refund_initiated", "approved", refund, status="pending")) == {"sms", "email", "in_app"}


def test_a_processed_refund_gives_the_reference_for_the_bank(order: Any) -> None:
    by_gateway = make_refund_of(order, status=RefundStatus.PROCESSED, processed_at=NOON, arn="10000000000000")
    by_hand = make_refund_of(order, status=RefundStatus.PROCESSED, processed_at=NOON, transfer_reference="NEFT-77")

    mail = notified("refund_processed", "processed", by_gateway)["email"].body
    assert "to the payment method you used" in mail
    assert "give your bank this reference: 10000000000000." in mail
    mail = notified("refund_processed", "processed", by_hand)["email"].body
    assert "to your bank account" in mail
    assert "NEFT-77" in mail


@pytest.mark.parametrize("status", [RefundStatus.FAILED, RefundStatus.AWAITING_TRANSFER])
def test_failed_refund_is_notified(order: Any, status: RefundStatus) -> None:
    rows = notified("refund_failed", "failed", make_refund_of(order, status=status))

    assert rows["sms"].body == (
        f"Your refund of Rs.500.00 for order {order.number} did not go through. The money is safe with us. You have it or hear "
        f"from us by {IN_THREE}. - Bahi"
    )
    assert "The money is still yours and safe with us." in rows["email"].body


def test_unknown_refund_is_notified_while_unknown(order: Any) -> None:
    (row,) = notified("refund_unknown", "unknown", make_refund_of(order, status=RefundStatus.UNKNOWN)).values()

    assert row.title == "We are checking your refund of ₹500.00"
    assert "The money is either with you already or safe with us" in row.body
    assert notified("refund_unknown", "unknown", make_refund_of(order)) == {}


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("refund_requested", RefundStatus.CANCELLED),
        ("refund_initiated", RefundStatus.CANCELLED),
        ("refund_initiated", RefundStatus.FAILED),
        ("refund_processed", RefundStatus.PENDING),
        ("refund_failed", RefundStatus.PROCESSED),
        ("refund_cancelled", RefundStatus.PENDING),
    ],
)
def test_outdated_message_is_not_created(order: Any, message: str, status: RefundStatus) -> None:
    refund = make_refund_of(order, status=status, processed_at=NOON)

    assert notified(message, "changed", refund) == {}


def test_cancelled_refund_is_notified_by_email_and_in_app(order: Any) -> None:
    rows = notified("refund_cancelled", "cancelled", make_refund_of(order, status=RefundStatus.CANCELLED))

    assert set(rows) == {"email", "in_app"}


def test_duplicate_payment_is_notified_with_its_refund(order: Any) -> None:
    attempt = make_attempt_of(order, review_reason=ReviewReason.PAID_TWICE)
    event = make_event("payments.attempt.review_opened", attempt, root_id=order.pk)

    rows = {
        row.channel: row for row in services.create_notifications(template="duplicate_payment", event=event, now=NOON)
    }

    assert rows["sms"].body == (
        f"Your second payment of Rs.1,179.00 for order {order.number} has reached us. We return it to where it came from by "
        "4 Dec 2026. - Bahi"
    )
    assert services.create_notifications(template="payment_amount_mismatch", event=event, now=NOON) == []


def test_amount_mismatch_is_notified_with_both_amounts(order: Any) -> None:
    attempt = make_attempt_of(order, review_reason=ReviewReason.AMOUNT_MISMATCH, amount=100)
    event = make_event("payments.attempt.review_opened", attempt, root_id=order.pk)

    rows = {
        row.channel: row
        for row in services.create_notifications(template="payment_amount_mismatch", event=event, now=NOON)
    }

    assert set(rows) == {"email", "in_app"}
    assert rows["in_app"].body == (
        "We received ₹1.00; ₹1,179.00 was requested. The order will be confirmed or the money refunded by 4 Dec 2026."
        " You do not need to pay again."
    )
    assert services.create_notifications(template="duplicate_payment", event=event, now=NOON) == []


def test_late_payment_is_notified_once(order: Any) -> None:
    attempt = make_attempt_of(order, review_reason=ReviewReason.ORDER_CLOSED)
    event = make_event("payments.attempt.review_opened", attempt, root_id=order.pk)

    assert services.create_notifications(template="duplicate_payment", event=event, now=NOON) == []
    assert services.create_notifications(template="payment_amount_mismatch", event=event, now=NOON) == []


def test_rejected_payment_is_notified_while_order_is_open(owner: Any) -> None:
    waiting, closed = make_order_of(owner), make_order_of(owner, status=OrderStatus.EXPIRED)
    events = [make_event("payments.payment.rejected", one, root_id=one.pk) for one in (waiting, closed)]

    (row,) = services.create_notifications(template="payment_rejected", event=events[0], now=NOON)

    assert row.body == (
        "Please try again before 21 Nov 2026, 11:35 am IST. If money has left your account, it will be refunded."
    )
    assert services.create_notifications(template="payment_rejected", event=events[1], now=NOON) == []


@pytest.mark.parametrize(
    ("message", "event_type", "status"),
    [
        ("order_expired", "orders.order.expired", OrderStatus.EXPIRED),
        ("payment_failed", "payments.attempt.failed", OrderStatus.PENDING_PAYMENT),
        ("payment_rejected", "payments.payment.rejected", OrderStatus.PENDING_PAYMENT),
    ],
)
@pytest.mark.parametrize("review_reason", ["", ReviewReason.AMOUNT_MISMATCH, ReviewReason.ORDER_CLOSED])
def test_no_message_denies_a_capture(
    owner: Any, message: str, event_type: str, status: OrderStatus, review_reason: str
) -> None:
    order = make_order_of(owner, status=status)
    make_attempt_of(order, review_reason=review_reason, amount=100)

    event = make_event(event_type, order, root_id=order.pk)

    assert services.create_notifications(template=message, event=event, now=NOON) == []


def test_no_text_claims_that_nothing_was_charged() -> None:
    claims = ("not been charged", "nothing was charged", "nothing was taken", "no money was taken")
    texts = {path.name: path.read_text().lower() for path in TEMPLATES.rglob("*.*") if path.is_file()}
    texts |= {reason: row.buyer_message.lower() for reason, row in FAILURE_REASONS.items()}

    assert len(texts) > 20
    assert [name for name, text in texts.items() if any(claim in text for claim in claims)] == []


def test_a_credit_note_comes_by_mail_with_its_own_pdf(order: Any) -> None:
    invoice = make_invoice_of(order)
    note = make_credit_note_of(invoice)
    event = make_event("invoicing.credit_note.rendered", note, root_id=order.pk)

    rows = {
        row.channel: row for row in services.create_notifications(template="credit_note_ready", event=event, now=NOON)
    }

    assert set(rows) == {"email", "in_app"}
    assert rows["email"].title == f"Credit note {note.number} for order {order.number}"
    assert rows["email"].context["invoice_id"] == str(note.pk)
    assert f"It reduces {invoice.number} of 21 Nov 2026" in rows["email"].body


def test_an_invoice_is_no_credit_note(order: Any) -> None:
    event = make_event("invoicing.credit_note.rendered", make_invoice_of(order), root_id=order.pk)

    assert services.create_notifications(template="credit_note_ready", event=event, now=NOON) == []

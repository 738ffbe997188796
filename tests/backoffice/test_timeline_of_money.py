"""What an order was at an instant, and what is notified of it, after money went back, an order was cancelled, or a bank disputed it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from apps.core import clock
from apps.core.events import SYSTEM
from apps.payments.models import PaymentAttempt, Refund
from apps.payments.services import ledger_accounts, order_cancellation
from apps.payments.services.refunds import requests
from tests.factories.invoicing import issue_credit_note, issue_invoice
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import apply_payment, apply_refund, make_dispute, make_gateway_payment, make_payment, pay

pytestmark = pytest.mark.django_db

#: What is for staff, or for machines, alone.
HIDDEN = {
    "order.payment_updated", "payment.ready", "payment.changed", "attempt.created", "attempt.captured", "attempt.review_opened",
    "attempt.resolved", "notification.queued", "credit_note.skipped", "dispute.changed",
    "dispute.due_soon", "dispute.evidence_added", "dispute.answered",
}  # fmt: skip


class Read:
    """An order over HTTP, as one person may read it."""

    def __init__(self, client: Any, order: Any) -> None:
        self.client, self.url = client, f"/api/v1/orders/{order.public_id}"

    def at(self, instant: datetime) -> Any:
        return self.client.get(self.url, {"as_of": instant.isoformat()})

    def money_at(self, instant: datetime) -> tuple[str, str, int, int]:
        body = self.at(instant).json()
        return body["status"], body["payment_status"], body["paid_amount"], body["refunded_amount"]

    def entries(self) -> list[dict[str, Any]]:
        data = self.client.get(f"{self.url}/timeline", {"limit": 100}).json()["data"]
        return [dict(entry) for entry in data]

    def notified(self) -> list[tuple[str, str]]:
        return [(entry["type"], entry["actor"]) for entry in self.entries()]


@pytest.fixture
def began() -> datetime:
    return clock.now() - timedelta(hours=10)


@pytest.fixture
def sold(owner: Any, shop: Any, began: datetime) -> Any:
    """An order that was placed ten hours ago, paid ten minutes later, and invoiced in the minute after."""
    order = make_order(owner, quantity=2, now=began)
    pay(order, now=began + timedelta(minutes=10))
    issue_invoice(order_id=order.pk, actor=SYSTEM, now=began + timedelta(minutes=11))
    return order


@pytest.fixture
def shop(reference_data: None) -> None:
    ledger_accounts.set_up_reference_data(now=clock.now())


def test_a_refund_is_seen_from_the_moment_it_was_processed(
    sold: Any, owner: Any, finance: Any, client_of: Any, began: datetime
) -> None:
    asked, gone = began + timedelta(hours=1), began + timedelta(hours=2)
    (refund,) = requests.request_refund_by_amount(
        order_id=sold.pk, amount=10_000, reason="goods_missing", actor=actor_for(finance), now=asked
    )
    apply_refund(refund, now=gone)
    note = issue_credit_note(refund_id=refund.pk, actor=SYSTEM, now=gone)
    assert note is not None
    read, total, moment = Read(client_of(owner), sold), sold.total_amount, timedelta(milliseconds=5)

    assert read.at(began - moment).status_code == 404
    assert read.money_at(began + timedelta(minutes=1)) == ("pending_payment", "unpaid", 0, 0)
    assert read.money_at(began + timedelta(minutes=10) + moment) == ("confirmed", "paid", total, 0)
    assert read.money_at(gone - moment) == ("confirmed", "paid", total, 0)
    assert read.money_at(gone + moment) == ("confirmed", "partially_refunded", total, 10_000)
    assert read.at(clock.now() + timedelta(days=365)).json()["refunded_amount"] == 10_000

    assert read.notified() == [
        ("order.placed", "customer"),
        ("payment.created", "customer"),
        ("payment.succeeded", "system"),
        ("order.confirmed", "system"),
        ("invoice.issued", "system"),
        ("refund.requested", "staff"),
        ("refund.processed", "system"),
        ("credit_note.issued", "system"),
    ]
    by_type = {entry["type"]: entry for entry in read.entries()}
    assert by_type["refund.processed"]["money"] == {
        "id": refund.public_id, "object": "refund", "amount": 10_000, "currency": "INR",
    }  # fmt: skip
    assert by_type["credit_note.issued"]["document"] == {
        "id": note.public_id, "type": "credit_note", "number": note.number, "total_amount": 10_000, "currency": "INR",
    }  # fmt: skip
    assert by_type["refund.processed"]["text"] == "The refund has been paid."


def test_cancelled_paid_order_is_refunded_in_full(
    sold: Any, owner: Any, administrator: Any, client_of: Any, began: datetime
) -> None:
    at, gone = began + timedelta(hours=1), began + timedelta(hours=2)
    order_cancellation.cancel_order(
        order_id=sold.pk, actor=actor_for(administrator), reason="Out of stock after all", now=at
    )
    (refund,) = Refund.objects.filter(order=sold)
    apply_refund(refund, now=gone)
    read, total, moment = Read(client_of(owner), sold), sold.total_amount, timedelta(milliseconds=5)

    assert read.money_at(at - moment) == ("confirmed", "paid", total, 0)
    assert read.money_at(at + moment) == ("cancelled", "paid", total, 0)
    assert read.money_at(gone + moment) == ("cancelled", "refunded", total, total)
    assert read.notified()[5:] == [
        ("order.cancelled", "staff"),
        ("refund.requested", "staff"),
        ("refund.processed", "system"),
    ]
    assert refund.amount == total


def test_dispute_is_on_the_timelines_of_buyer_and_staff(
    sold: Any, owner: Any, support: Any, client_of: Any, began: datetime
) -> None:
    before = clock.now()
    attempt = PaymentAttempt.objects.get(payment__order=sold, status="captured")
    make_dispute(attempt, id="disp_1", amount_deducted=attempt.amount)
    during = clock.now() + timedelta(milliseconds=5)
    mine, theirs = Read(client_of(owner), sold), Read(client_of(support), sold)

    assert mine.money_at(before - timedelta(milliseconds=5))[1] == "paid"
    assert mine.at(during).json()["payment_status"] == mine.client.get(mine.url).json()["payment_status"] == "disputed"

    make_dispute(attempt, id="disp_1", status="lost", amount_deducted=attempt.amount)
    assert mine.client.get(mine.url).json()["payment_status"] == "refunded"
    notified = {kind for kind, _ in mine.notified()}
    seen = {entry["type"]: entry for entry in theirs.entries()}
    # The buyer began it at the bank, and gets a message of each.
    assert {"dispute.opened", "dispute.lost"} <= notified
    assert {"dispute.opened", "dispute.lost"} <= set(seen)
    assert not notified & HIDDEN
    assert seen["dispute.lost"]["money"]["object"] == "dispute"
    assert seen["dispute.lost"]["money"]["amount"] == attempt.amount


def test_owner_sees_no_internal_events_of_duplicate_payment(owner: Any, shop: Any, client_of: Any) -> None:
    order = make_order(owner)
    payment = make_payment(order)
    apply_payment(make_gateway_payment(payment, status="failed"))
    apply_payment(make_gateway_payment(payment))
    apply_payment(make_gateway_payment(payment))

    kinds = [kind for kind, _ in Read(client_of(owner), order).notified()]

    assert not set(kinds) & HIDDEN
    assert kinds.count("refund.requested") == 1
    assert kinds[:2] == ["order.placed", "payment.created"]


def test_stranger_can_see_neither_order_nor_timeline(sold: Any, stranger: Any, client_of: Any, began: datetime) -> None:
    read = Read(client_of(stranger), sold)

    assert read.at(began + timedelta(hours=1)).status_code == 404
    assert read.client.get(f"{read.url}/timeline").status_code == 404

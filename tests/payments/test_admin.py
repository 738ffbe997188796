"""The back office's pages of money: found by the right role, changed by none."""

from typing import Any

import pytest

from apps.core.money import rupees
from apps.ledger.services import checkpoints
from apps.payments.models import Payment, PaymentAttempt
from apps.payments.services import webhooks
from tests.factories.payments import make_payment
from tests.support.admin_clients import signed_in
from tests.support.webhooks import body_of, receive

pytestmark = pytest.mark.django_db

_PAGES = (
    "payments/payment",
    "payments/paymentattempt",
    "payments/webhook",
    "ledger/ledgertransaction",
    "ledger/account",
    "ledger/balancecheckpoint",
)


@pytest.fixture
def paid(order: Any) -> Payment:
    from apps.core import clock

    payment = make_payment(order)
    webhook = receive(body_of(payment))
    webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())
    checkpoints.checkpoint_balances(now=clock.now())
    return payment


def test_the_administrator_reads_every_page_and_adds_and_deletes_nothing(administrator: Any, paid: Payment) -> None:
    client = signed_in(administrator)
    for name in _PAGES:
        assert client.get(f"/admin/{name}/").status_code == 200
        assert client.get(f"/admin/{name}/?q=ORD-1").status_code == 200
        assert client.get(f"/admin/{name}/add/").status_code == 403


@pytest.mark.parametrize("query", ["order_number", "phone", "gateway_order_id", "gateway_payment_id"])
def test_a_payment_is_found_by_what_people_have_in_hand(administrator: Any, paid: Payment, query: str) -> None:
    words = {
        "order_number": paid.order.number,
        "phone": paid.customer.phone,
        "gateway_order_id": paid.gateway_order_id,
        "gateway_payment_id": paid.attempts.get().gateway_payment_id,
    }
    page = signed_in(administrator).get("/admin/payments/payment/", {"q": words[query]})
    assert paid.public_id in page.content.decode()


def test_a_webhooks_body_is_shown_escaped(administrator: Any, paid: Payment) -> None:
    webhook = receive(b"<script>alert(1)</script>")
    page = signed_in(administrator).get(f"/admin/payments/webhook/{webhook.pk}/change/").content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_payments_page_shows_its_attempts_and_cannot_be_saved(administrator: Any, paid: Payment) -> None:
    client = signed_in(administrator)
    url = f"/admin/payments/payment/{paid.pk}/change/"
    assert "pay_NQxlPq2WmR8sTz" in client.get(url).content.decode()
    assert client.post(url, {"status": "cancelled"}).status_code == 403
    assert Payment.objects.get(pk=paid.pk).status == "succeeded"
    assert client.post(f"/admin/payments/payment/{paid.pk}/delete/", {"post": "yes"}).status_code == 403
    assert PaymentAttempt.objects.count() == 1


def test_the_orders_page_has_panels_of_payments_and_ledger(administrator: Any, paid: Payment) -> None:
    page = signed_in(administrator).get(f"/admin/orders/order/{paid.order_id}/change/").content.decode()
    for text in ("Payments", "pay_NQxlPq2WmR8sTz", "Ledger", "customer_advances", "gateway_receivable:razorpay"):
        assert text in page


def test_the_catalogue_manager_sees_no_money(catalogue_manager: Any, paid: Payment) -> None:
    client = signed_in(catalogue_manager)
    for name in _PAGES:
        assert client.get(f"/admin/{name}/").status_code == 403


def test_a_posting_is_listed_with_its_amount_and_leads_to_its_order(administrator: Any, paid: Payment) -> None:
    page = signed_in(administrator).get("/admin/ledger/ledgertransaction/").content.decode()

    assert rupees(paid.amount) in page
    assert f"/admin/orders/order/{paid.order_id}/change/" in page

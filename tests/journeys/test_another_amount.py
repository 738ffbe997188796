"""Razorpay charges another amount than was requested: over HTTP, from checkout to invoice, messages and settlement."""

from pathlib import Path
from typing import Any

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.invoicing.models import Invoice
from apps.ledger.models import LedgerEntry, ReconciliationException
from apps.notifications.models import Notification
from apps.payments.models import PaymentAttempt
from apps.payments.services import payment_acceptance
from apps.settlements.services import reconciliation
from devtools.demo.client import StepReporter, wait_until
from devtools.demo.orders import OrderScenario
from tests.factories.accounts import make_staff
from tests.factories.orders import actor_for
from tests.support.live_shop import Shop


class Buyer(OrderScenario):
    """Orders, and is charged otherwise than the order says."""

    def order_and_check_out(self, **how: Any) -> None:
        self._log_in()
        self._confirm_email()
        self._search_products()
        self._add_address()
        self._place_order_twice()
        self._start_payment()
        gateway_order_id = self.api.get(self.payment_url)["gateway_order_id"]
        how = {"outcome": "success", "method": "card", **how}
        self.phone.control("POST", f"/orders/{gateway_order_id}/checkout", how)

    def order(self) -> Any:
        return self.api.get(f"/orders/{self.order_id}")


def test_a_buyer_who_bears_the_fee_has_the_order_confirmed_by_itself(shop: Shop, tmp_path: Path) -> None:
    buyer = Buyer(shop.url, shop.world.url, StepReporter(), documents=tmp_path)

    buyer.order_and_check_out(fee_bearer="customer")

    order = wait_until(buyer.find_confirmed_order, what="the confirmation")
    attempt = PaymentAttempt.objects.get(status="captured")
    assert (order["payment_status"], order["paid_amount"], order["under_review_amount"]) == (
        "paid", order["total_amount"], 0,
    )  # fmt: skip
    assert (attempt.amount - order["total_amount"], attempt.accepted_amount) == (
        attempt.fee_amount,
        order["total_amount"],
    )
    invoice = wait_until(buyer.find_invoice, what="the invoice")
    assert invoice["total_amount"] == order["total_amount"]
    wait_until(lambda: Notification.objects.filter(template="order_confirmed").exists(), what="the words")
    told = set(Notification.objects.values_list("template", flat=True))
    assert not told & {"payment_amount_mismatch", "payment_failed", "order_expired"}

    buyer.phone.control("POST", "/settlements/run")
    request = reconciliation.request_settlement_import(day=clock.ist_date(clock.now()), actor=SYSTEM, now=clock.now())
    reconciliation.import_settlements(import_id=request.pk, now=clock.now())

    assert ReconciliationException.objects.count() == 0
    assert _balance("gateway_receivable:razorpay") == 0
    assert _balance("settlement_in_transit") == order["total_amount"]
    assert [(result.invariant.id, result.rows) for result in audit.run(now=clock.now()).failing] == []


def test_a_buyer_with_an_offer_waits_until_finance_accepts_it(shop: Shop, tmp_path: Path) -> None:
    buyer = Buyer(shop.url, shop.world.url, StepReporter(), documents=tmp_path)

    buyer.order_and_check_out(offer_discount=5_000)

    order = wait_until(lambda: _with_review(buyer), what="the review")
    assert (order["status"], order["payment_status"], order["paid_amount"]) == ("pending_payment", "processing", 0)
    wait_until(lambda: Notification.objects.filter(template="payment_amount_mismatch").exists(), what="the words")

    attempt = PaymentAttempt.objects.get(status="captured")
    finance = actor_for(make_staff("finance"))
    payment_acceptance.accept_attempt(attempt_id=attempt.pk, reason="offer", actor=finance, now=clock.now())

    assert wait_until(buyer.find_confirmed_order, what="the confirmation")["payment_status"] == "paid"
    wait_until(buyer.find_invoice, what="the invoice")
    assert Invoice.objects.get(type="tax_invoice").total_amount == order["total_amount"]
    assert _balance("payment_differences") == 5_000
    assert [(result.invariant.id, result.rows) for result in audit.run(now=clock.now()).failing] == []


def _with_review(buyer: Buyer) -> Any:
    order = buyer.order()
    return order if order["under_review_amount"] else None


def _balance(account: str) -> int:
    return sum(LedgerEntry.objects.filter(account_id=account).values_list("amount", flat=True))

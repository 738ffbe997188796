"""A buyer cancels an order that is paid and invoiced: the money, the stock, the credit note and the words, over HTTP."""

from pathlib import Path
from typing import Any

from apps.catalog.models import Reservation
from apps.core import audit, clock
from apps.core.money import rupees
from apps.invoicing.models import Invoice
from apps.ledger.models import LedgerEntry
from apps.notifications.models import Notification
from apps.payments.models import Refund
from devtools.demo.client import StepReporter, wait_until
from devtools.demo.orders import OrderScenario
from tests.support.live_shop import Shop


class Buyer(OrderScenario):
    """Buys, pays and has the invoice; then thinks otherwise."""

    def buy(self) -> None:
        self._log_in()
        self._confirm_email()
        self._search_products()
        self._add_address()
        self._place_order_twice()
        self._start_payment()
        self._pay_by_upi()
        self._check_confirmed_once()
        self.fetch_invoice()


def test_buyer_cancels_a_paid_order_and_is_refunded(shop: Shop, tmp_path: Path, settings: Any) -> None:
    settings.SHIPPING_FLAT_RATE_PAISE = 4_999
    buyer = Buyer(shop.url, shop.world.url, StepReporter(), documents=tmp_path)
    buyer.buy()
    order = buyer.api.get(f"/orders/{buyer.order_id}")
    assert order["shipping_amount"] > 0

    answer = buyer.api.call("POST", f"/orders/{buyer.order_id}/cancel", {"reason": "I found it cheaper"}).json()

    assert (answer["status"], answer["cancel_reason"]) == ("cancelled", "I found it cheaper")
    [refund] = answer["refunds"]
    assert (refund["status"], refund["amount"]) == ("pending", order["total_amount"])
    done = wait_until(lambda: _with(buyer, f"/refunds/{refund['id']}", "processed"), what="the refund")
    note = wait_until(lambda: _first(buyer, "/credit-notes"), what="the credit note")
    assert (done["amount"], note["total_amount"]) == (order["total_amount"], order["total_amount"])
    texts = wait_until(_texts, what="the words")
    number, total = buyer.order_number, rupees(order["total_amount"])
    assert texts["order_cancelled", "sms"].startswith(f"Order {number} is cancelled. Anything you have paid")
    assert "Reason: I found it cheaper" in texts["order_cancelled", "email"]
    assert (
        f"We are refunding {total} for order {number} to the payment method you used."
        in texts["refund_initiated", "email"]
    )
    assert total in texts["refund_processed", "email"]
    assert buyer.api.get(f"/orders/{buyer.order_id}")["payment_status"] == "refunded"
    assert set(Reservation.objects.values_list("status", flat=True)) == {"released"}
    sums: dict[str, int] = {}
    for entry in LedgerEntry.objects.all():
        sums[entry.account_id] = sums.get(entry.account_id, 0) + entry.amount
    assert {code: amount for code, amount in sums.items() if amount} == {}
    assert (Refund.objects.count(), Invoice.objects.filter(type="credit_note").count()) == (1, 1)
    assert [(result.invariant.name, result.rows) for result in audit.run(now=clock.now()).failing] == []


def _with(buyer: Buyer, path: str, status: str) -> dict[str, Any] | None:
    found = buyer.api.get(path)
    return dict(found) if found["status"] == status else None


def _first(buyer: Buyer, path: str) -> dict[str, Any] | None:
    rows = buyer.api.get(path)["data"]
    return dict(rows[0]) if rows else None


def _texts() -> dict[tuple[str, str], str] | None:
    """Return what the buyer was told by SMS and e-mail, once the last of it is written."""
    rows = Notification.objects.exclude(channel="in_app").values_list("template", "channel", "body")
    texts = {(template, channel): body for template, channel, body in rows}
    assert len(texts) == len(rows), "nothing is told twice"
    wanted = {
        (one, channel)
        for one in ("order_cancelled", "refund_initiated", "refund_processed")
        for channel in ("sms", "email")
    }
    return texts if wanted <= set(texts) else None

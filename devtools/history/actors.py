"""The people of a run: customers who buy, pay, cancel and request refunds, and staff who decide and count."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from devtools.demo.client import Phone, StepFailed
from devtools.history.client import JournallingClient

_MOST_OPEN = 8
_LATE_SECONDS = (20, 60)
_FAILURES = ("payment_declined", "insufficient_funds", "incorrect_pin", "payment_cancelled")


@dataclass
class Purchase:
    """What a customer remembers of an order."""

    order_id: str
    lines: list[dict[str, Any]]
    payment_id: str = ""
    is_paid: bool = False
    is_over: bool = False


@dataclass
class Actor:
    """Somebody who does one thing after another, each chosen by its weight."""

    client: JournallingClient
    phone: Phone
    weights: list[tuple[int, Callable[[], None]]] = field(default_factory=list, init=False)

    @property
    def chance(self) -> random.Random:
        """The seeded choices of this person."""
        return self.client.chance

    def act(self) -> None:
        """Do one thing."""
        weights = [weight for weight, _ in self.weights]
        self.chance.choices([action for _, action in self.weights], weights)[0]()
        time.sleep(self.chance.random() * 0.05)

    def control(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Play the payer in the sandbox, and return its answer, or None if it refuses."""
        try:
            return self.phone.control("POST", path, body or {})
        except (StepFailed, OSError):
            return None


class Customer(Actor):
    """
    Buys, pays in all ways, reads, cancels, and requests refunds.

    :param variants: the ids of what there is to buy; few of them, so that customers compete
    """

    def __init__(self, client: JournallingClient, phone: Phone, *, address_id: str, variants: Sequence[str]) -> None:
        super().__init__(client, phone)
        self.address_id = address_id
        self.variants = variants
        self.purchases: list[Purchase] = []
        self.weights = [
            (22, self.place_order), (34, self.pay), (16, self.read_order), (5, self.list_orders), (5, self.read_payment),
            (7, self.request_refund), (4, self.cancel_order), (3, self.cancel_payment), (4, client.replay),
        ]  # fmt: skip

    def place_order(self) -> None:
        """Order one to three variants."""
        chosen = self.chance.sample(list(self.variants), k=self.chance.choice((1, 1, 2, 3)))
        lines = [{"variant_id": variant, "quantity": self.chance.choice((1, 1, 1, 2, 3))} for variant in chosen]
        body = {"lines": lines, "shipping_address_id": self.address_id}
        if order := self.client.write("place_order", "/orders", body, name_field="note"):
            self.purchases = [*self.purchases[-40:], Purchase(order["id"], order["lines"])]

    def pay(self) -> None:
        """Go one step on with an order that is not paid: start the payment, or pay in one of many ways."""
        open_purchases = [each for each in self.purchases if not each.is_paid and not each.is_over][-_MOST_OPEN:]
        if not open_purchases:
            self.place_order()
            return
        purchase = self.chance.choice(open_purchases)
        if not purchase.payment_id:
            if payment := self.client.write("start_payment", "/payments", {"order_id": purchase.order_id}):
                purchase.payment_id = payment["id"]
            return
        payment = self.client.read("read_payment", f"/payments/{purchase.payment_id}")
        if payment and payment["next_action"]:
            self._pay(purchase, payment)
        elif payment and payment["status"] in ("cancelled", "expired"):
            purchase.is_over = True

    def _pay(self, purchase: Purchase, payment: dict[str, Any]) -> None:
        upi = (payment["next_action"].get("upi") or {}).get("gateway_payment_id")
        gateway_order = payment["gateway_order_id"]
        way = self.chance.choices(
            ("approve", "decline", "late", "checkout", "fail", "both", "forget"), (40, 12, 10, 16, 6, 8, 8)
        )[0]
        purchase.is_paid = way in ("approve", "late", "checkout", "both")
        purchase.is_over = way == "forget"
        if upi and way in ("approve", "both"):
            self.control(f"/payments/{upi}/approve")
        if upi and way == "decline":
            self.control(f"/payments/{upi}/decline", {"reason": self.chance.choice(_FAILURES)})
        if upi and way == "late":
            self.control(f"/payments/{upi}/approve", {"after_seconds": self.chance.randint(*_LATE_SECONDS)})
        if way in ("checkout", "both") or (way == "approve" and not upi):
            self._check_out(purchase, gateway_order)
        if way == "fail":
            reason = self.chance.choice(_FAILURES)
            self.control(
                f"/orders/{gateway_order}/checkout", {"outcome": "failure", "method": "card", "reason": reason}
            )

    def _check_out(self, purchase: Purchase, gateway_order: str) -> None:
        """Pay in Razorpay Checkout; the page hands three signed fields over, which mostly reach the shop."""
        method = self.chance.choice(("card", "netbanking", "wallet", "upi"))
        paid = self.control(f"/orders/{gateway_order}/checkout", {"method": method})
        if paid and "razorpay_payment_id" in paid and self.chance.random() < 0.7:  # noqa: PLR2004 - others close the page
            body = {
                "gateway_payment_id": paid["razorpay_payment_id"],
                "gateway_order_id": paid["razorpay_order_id"],
                "signature": paid["razorpay_signature"],
            }
            self.client.write("verify_payment", f"/payments/{purchase.payment_id}/verify", body)

    def read_order(self) -> None:
        """Read an order."""
        if self.purchases:
            self.client.read("read_order", f"/orders/{self.chance.choice(self.purchases).order_id}")

    def list_orders(self) -> None:
        """Read the newest orders, or the refunds."""
        self.client.read(
            *self.chance.choice((("list_orders", "/orders?limit=20"), ("list_refunds", "/refunds?limit=20")))
        )

    def read_payment(self) -> None:
        """Read a payment, and now and then have it asked for at the gateway."""
        known = [each for each in self.purchases if each.payment_id]
        if known:
            path = f"/payments/{self.chance.choice(known).payment_id}"
            if self.chance.randrange(4):
                self.client.read("read_payment", path)
            else:
                self.client.write("sync_payment", f"{path}/sync", {})

    def request_refund(self) -> None:
        """Request a refund of an amount, of units of a line, or of all that is left."""
        paid = [each for each in self.purchases if each.is_paid]
        if paid:
            purchase = self.chance.choice(paid)
            line = self.chance.choice(purchase.lines)
            part: dict[str, Any] = self.chance.choice(
                (
                    {},
                    {"amount": self.chance.randint(100, 20_000)},
                    {"lines": [{"order_line_id": line["id"], "quantity": 1}]},
                )
            )
            body = {"order_id": purchase.order_id, **part}
            self.client.write("request_refund", "/refunds", body, name_field="note")

    def cancel_order(self) -> None:
        """Cancel an order, paid or not."""
        if self.purchases:
            purchase = self.chance.choice(self.purchases)
            if self.client.write("cancel_order", f"/orders/{purchase.order_id}/cancel", {"reason": "Changed my mind"}):
                purchase.is_over = True

    def cancel_payment(self) -> None:
        """Cancel a payment; the order can be paid by another."""
        started = [each for each in self.purchases if each.payment_id and not each.is_paid]
        if started:
            purchase = self.chance.choice(started)
            if self.client.write("cancel_payment", f"/payments/{purchase.payment_id}/cancel", {}):
                purchase.payment_id = ""


class Finance(Actor):
    """Decides about refunds and retries those that failed."""

    def __init__(self, client: JournallingClient, phone: Phone) -> None:
        super().__init__(client, phone)
        self.weights = [(10, self.decide), (3, self.retry), (3, self.read), (1, client.replay)]

    def decide(self) -> None:
        """Approve or reject a refund that waits for it."""
        found = self.client.read("list_refunds", "/refunds?status=requires_approval&limit=50")
        if not found or not found["data"]:
            time.sleep(0.5)
            return
        refund = self.chance.choice(found["data"])
        if self.chance.randrange(5):
            self.client.write("approve_refund", f"/refunds/{refund['id']}/approve", {})
        else:
            self.client.write("reject_refund", f"/refunds/{refund['id']}/reject", {"reason": "Not returned"})

    def retry(self) -> None:
        """Send a refund again that the gateway refused."""
        found = self.client.read("list_refunds", "/refunds?status=failed&limit=20")
        if found and found["data"]:
            self.client.write("retry_refund", f"/refunds/{self.chance.choice(found['data'])['id']}/retry", {})

    def read(self) -> None:
        """Read payments and invoices."""
        self.client.read(
            *self.chance.choice((("list_payments", "/payments?limit=20"), ("list_invoices", "/invoices?limit=20")))
        )
        time.sleep(0.2)


class Support(Actor):
    """Reads orders of anybody, cancels some, and refunds some."""

    def __init__(self, client: JournallingClient, phone: Phone) -> None:
        super().__init__(client, phone)
        self.weights = [(8, self.read), (2, self.cancel), (3, self.refund), (1, client.replay)]
        self._seen: list[dict[str, Any]] = []

    def read(self) -> None:
        """Read a list of orders, and one of them."""
        if found := self.client.read("list_orders", "/orders?limit=50"):
            self._seen = found["data"]
        if self._seen:
            self.client.read("read_order", f"/orders/{self.chance.choice(self._seen)['id']}")

    def cancel(self) -> None:
        """Cancel an order for its customer."""
        if self._seen:
            order_id = self.chance.choice(self._seen)["id"]
            self.client.write("cancel_order", f"/orders/{order_id}/cancel", {"reason": "Customer called"})

    def refund(self) -> None:
        """Request a refund for a customer."""
        paid = [each for each in self._seen if each["paid_amount"]]
        if paid:
            body = {"order_id": self.chance.choice(paid)["id"], "amount": self.chance.randint(100, 5_000)}
            self.client.write("request_refund", "/refunds", body, name_field="note")


class Storekeeper(Actor):
    """Counts units in and out."""

    def __init__(self, client: JournallingClient, phone: Phone, *, variants: Sequence[str]) -> None:
        super().__init__(client, phone)
        self.variants = variants
        self.weights = [(4, self.adjust), (1, client.replay)]

    def adjust(self) -> None:
        """Take units in, or out if they are there."""
        body = {
            "variant_id": self.chance.choice(self.variants),
            "quantity": self.chance.choice((12, 6, 3, 1, -1, -2)),
            "reason": "Counted",
        }
        self.client.write("adjust_stock", "/stock-adjustments", body)
        time.sleep(self.chance.random())

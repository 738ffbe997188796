"""
A check of a real Razorpay account in test mode: whether it answers as Bahi's adapter expects.

It makes an order, a payment link and a QR code of one rupee, closes the last two, and where the account has server-to-server
UPI lets one payment fail and one succeed, which it refunds. It reads downtimes, disputes and settlements, and changes nothing
else. No browser is needed, and no real money can move: a key that is not of test mode is refused.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

TEST_PREFIX = "rzp_test_"
_REAL = "https://api.razorpay.com"
_ORDER = frozenset(
    [
        "id",
        "entity",
        "amount",
        "amount_paid",
        "amount_due",
        "currency",
        "receipt",
        "offer_id",
        "status",
        "attempts",
        "notes",
        "created_at",
    ]
)
_PAYMENT = frozenset(
    [
        "id",
        "entity",
        "amount",
        "currency",
        "status",
        "order_id",
        "method",
        "amount_refunded",
        "refund_status",
        "captured",
        "email",
        "contact",
        "notes",
        "fee",
        "tax",
        "error_code",
        "error_description",
        "error_source",
        "error_step",
        "error_reason",
        "acquirer_data",
        "created_at",
    ]
)
_REFUND = frozenset(
    [
        "id",
        "entity",
        "amount",
        "currency",
        "payment_id",
        "notes",
        "receipt",
        "acquirer_data",
        "created_at",
        "status",
        "speed_requested",
        "speed_processed",
    ]
)
_LINK = frozenset(["id", "amount", "currency", "status", "short_url", "expire_by", "reference_id", "notes", "payments"])
_QR = frozenset(
    [
        "id",
        "entity",
        "status",
        "usage",
        "type",
        "image_url",
        "payment_amount",
        "fixed_amount",
        "close_by",
        "close_reason",
        "notes",
    ]
)
#: The amount in paise that fails in test mode, and the reason that Razorpay documents for it.
_FAILING, _REASON = 201, "insufficient_funds"
_PATIENCE_SECONDS, _PAUSE_SECONDS = 30.0, 1.0


class KeysRefused(RuntimeError):
    """There are no keys of test mode in the environment."""


class Differs(Exception):
    """What came is not what Bahi's adapter expects."""


class NotPossible(Exception):
    """The account does not offer this; nothing is wrong with it."""


@dataclass
class Report:
    """What was tried, one line each, and how it ended."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def run(self, name: str, step: Callable[[], str]) -> bool:
        """Play one step, print its line, and return whether the account answered as expected."""
        from apps.payments.gateways.interface import GatewayFailure

        try:
            outcome, detail = "ok", step()
        except NotPossible as reason:
            outcome, detail = "skipped", str(reason)
        except (Differs, GatewayFailure) as difference:
            outcome, detail = "differs", str(difference)
        self.rows.append((name, outcome, detail))
        print(f"{outcome:<8} {name}{f': {detail}' if detail else ''}", flush=True)
        return outcome == "ok"

    @property
    def has_differences(self) -> bool:
        return any(outcome == "differs" for _, outcome, _ in self.rows)


def read_keys(environ: Mapping[str, str]) -> tuple[str, str, str]:
    """
    Return the address, the key and its secret.

    :raises KeysRefused: if one is missing, or the key is not of test mode
    """
    key_id, secret = environ.get("RAZORPAY_KEY_ID", ""), environ.get("RAZORPAY_KEY_SECRET", "")
    if not key_id or not secret:
        raise KeysRefused("Set RAZORPAY_KEY_ID and RAZORPAY_KEY_SECRET to the keys of a Razorpay account in test mode.")
    if not key_id.startswith(TEST_PREFIX):
        raise KeysRefused(
            f"RAZORPAY_KEY_ID does not begin with {TEST_PREFIX}. This command is for test mode alone, and has called nothing."
        )
    return environ.get("RAZORPAY_BASE_URL") or _REAL, key_id, secret


def main(environ: Mapping[str, str] | None = None) -> int:
    """
    Play the steps and return 0 if all is as expected, 1 if something differs.

    :raises KeysRefused: if there are no keys of test mode; then nothing was called
    """
    base_url, key_id, secret = read_keys(os.environ if environ is None else environ)
    from django.conf import settings

    settings.configure(
        RAZORPAY_BASE_URL=base_url, RAZORPAY_KEY_ID=key_id, RAZORPAY_KEY_SECRET=secret, RAZORPAY_S2S_UPI=True,
        RAZORPAY_WEBHOOK_SECRETS=[], RAZORPAY_ACCOUNT_ID="", SHOP_NAME="Bahi", PUBLIC_URL="https://shop.example",
        PAYMENT_GATEWAYS={"razorpay": "apps.payments.gateways.razorpay.adapter.Razorpay"},
    )  # fmt: skip
    print(f"Razorpay in test mode at {base_url}, key {key_id}\n")
    report = Report()
    _Account(report).play()
    counts = {outcome: sum(row[1] == outcome for row in report.rows) for outcome in ("ok", "differs", "skipped")}
    print("\n" + ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return 1 if report.has_differences else 0


class _Account:
    """The account behind the keys, asked by the adapter and by the adapter's own calls."""

    def __init__(self, report: Report) -> None:
        from apps.payments.gateways.razorpay import calls
        from apps.payments.gateways.razorpay.adapter import Razorpay

        self.report, self.calls, self.gateway = report, calls, Razorpay()
        self.receipt = f"bahi-test-{secrets.token_hex(6)}"
        self.order_id = ""

    def play(self) -> None:
        run = self.report.run
        if not run("an order is made", self._create_order):
            return
        run("the same receipt gets the same order", self._create_again)
        run("an order is found by its receipt", self._find_order)
        run("an order has no payments yet", self._list_payments)
        run("an amount below one rupee is refused", self._refuse_amount)
        run("an unknown order is refused", self._refuse_unknown)
        run("a payment link is made, read and cancelled", lambda: self._link("payment_link", _LINK, "plink"))
        run("a QR code is made, read and closed", lambda: self._link("qr_code", _QR, "qr"))
        run(f"a UPI payment of {_FAILING} paise fails", self._fail_payment)
        run("a UPI payment succeeds and is refunded", self._pay_and_refund)
        run("downtimes are listed", lambda: f"{len(self.gateway.list_downtimes())} planned or under way")
        run("disputes are listed", lambda: f"{len(self.gateway.list_disputes())} found")
        run("a settlement report is read", self._read_report)

    def _create_order(self) -> str:
        made = self._order(100, self.receipt)
        self.order_id = made.id
        return _compare(self.calls.read(f"/v1/orders/{made.id}"), _ORDER)

    def _order(self, amount: int, receipt: str) -> Any:
        made = self.gateway.create_order(receipt=receipt, amount=amount, currency="INR", notes={"payment": receipt})
        if (made.amount, made.currency, made.receipt) != (amount, "INR", receipt):
            raise Differs(f"the order is of {made.amount} {made.currency} with the receipt {made.receipt}")
        return made

    def _create_again(self) -> str:
        again = self._order(100, self.receipt)
        if again.id != self.order_id:
            raise Differs(f"it is another order, {again.id}: unique_receipt has no effect in this account")
        return ""

    def _find_order(self) -> str:
        found = self.gateway.find_order(receipt=self.receipt)
        if found is None or found.id != self.order_id:
            raise Differs(f"found {found.id if found else 'none'}")
        return ""

    def _list_payments(self) -> str:
        if found := self.gateway.list_payments(gateway_order_id=self.order_id):
            raise Differs(f"it has {len(found)}")
        return ""

    def _refuse_amount(self) -> str:
        return self._refusal(lambda: self._order(99, f"{self.receipt}-low"))

    def _refuse_unknown(self) -> str:
        return self._refusal(lambda: self.gateway.get_order(gateway_order_id="order_XXXXXXXXXXXXXX"))

    def _refusal(self, call: Callable[[], object]) -> str:
        from apps.payments.gateways.interface import GatewayRejected

        try:
            call()
        except GatewayRejected as refusal:
            return f"{refusal.error.description} ({refusal.error.reason or 'no reason'})"
        raise Differs("it was accepted")

    def _link(self, channel: str, expected: frozenset[str], prefix: str) -> str:
        from apps.payments.gateways.interface import GatewayRejected, Payer

        payer = Payer(email="gaurav.kumar@example.com", phone="+919876543210", ip="", user_agent="")
        try:
            made = self.gateway.create_link(
                channel=channel, receipt=f"{self.receipt}-{prefix}", amount=100, currency="INR",
                description="A test of Bahi", payer=payer, expires_at=datetime.now(UTC) + timedelta(minutes=30),
                notes={"payment": f"{self.receipt}-{prefix}"},
            )  # fmt: skip
        except GatewayRejected as refusal:
            raise NotPossible(str(refusal)) from refusal
        path = {"payment_link": "/v1/payment_links", "qr_code": "/v1/payments/qr_codes"}[channel]
        detail = _compare(self.calls.read(f"{path}/{made.id}"), expected)
        closed = self.gateway.close_link(channel=channel, gateway_link_id=made.id)
        if (made.status, closed.status) != ("open", "cancelled"):
            raise Differs(f"it was {made.status}, and then {closed.status}")
        return detail

    def _fail_payment(self) -> str:
        failed = self._pay(_FAILING)
        if (failed["status"], failed["error_reason"]) != ("failed", _REASON):
            raise Differs(f"it is {failed['status']} for {failed['error_reason']}")
        return f"{failed['error_code']}, {failed['error_source']}, {failed['error_step']}"

    def _pay_and_refund(self) -> str:
        paid = self._pay(500)
        if paid["status"] != "captured":
            raise Differs(f"it is {paid['status']}")
        key = f"{self.receipt}-refund"
        made = self.gateway.create_refund(
            gateway_payment_id=paid["id"], amount=500, speed="normal", receipt=key, notes={"refund": key},
            idempotency_key=key,
        )  # fmt: skip
        _compare(self.calls.read(f"/v1/refunds/{made.id}"), _REFUND)
        return f"the refund is {made.status}"

    def _pay(self, amount: int) -> dict[str, Any]:
        """Pay an order by server-to-server UPI, where test mode decides by the amount, and return the payment once it is decided."""
        from apps.payments.gateways.interface import GatewayRejected, Payer

        order = self._order(amount, f"{self.receipt}-{amount}")
        payer = Payer(email="gaurav.kumar@example.com", phone="+919876543210", ip="127.0.0.1", user_agent="Bahi")
        try:
            intent = self.gateway.create_upi_intent(
                gateway_order_id=order.id, amount=amount, currency="INR", payer=payer, description="A test of Bahi",
                notes={},
            )  # fmt: skip
        except GatewayRejected as refusal:
            raise NotPossible(f"the account has no server-to-server UPI ({refusal})") from refusal
        if intent is None:
            raise NotPossible("server-to-server UPI is switched off")
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            payment: dict[str, Any] = self.calls.read(f"/v1/payments/{intent.gateway_payment_id}")
            if payment.get("status") in ("captured", "failed", "refunded"):
                _compare(payment, _PAYMENT)
                self.gateway.get_payment(gateway_payment_id=intent.gateway_payment_id)
                return payment
            if time.monotonic() > until:
                raise NotPossible(
                    f"the payment was still {payment.get('status')} after {_PATIENCE_SECONDS:.0f} seconds"
                )
            time.sleep(_PAUSE_SECONDS)

    def _read_report(self) -> str:
        rows = self.gateway.list_settlement_rows(day=datetime.now(UTC).date() - timedelta(days=1), skip=0)
        return f"{len(rows)} lines of yesterday"


def _compare(body: Any, expected: frozenset[str]) -> str:
    """
    Return an empty text if a body has all the documented fields; it may have more.

    :raises Differs: if it lacks one of them
    """
    if not isinstance(body, dict):
        raise Differs("it is no object")
    if missing := sorted(expected - set(body)):
        raise Differs(f"{', '.join(missing)} missing in the answer")
    return ""

"""One sale: what a client app does from log-in to invoice, over HTTP and nothing else."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Any

from apps.core.money import rupees
from devtools import demo_accounts
from devtools.demo.client import Api, Phone, Step, StepFailed, StepReporter, save_pdf, wait_until

#: Searches whose first hits carry three different GST rates.
SHOPPING_LIST = (("basmati rice", 2), ("sunglasses", 1), ("energy drink", 6))
DELIVERY_ADDRESS = {
    "name": "Asha Rao", "phone": "+919876543210", "line1": "12, 4th Cross, Indiranagar", "city": "Bengaluru", "state": "29",
    "pin": "560038",
}  # fmt: skip


class OrderScenario:
    """
    One buyer, one order.

    :param documents: where the PDFs are saved
    """

    def __init__(self, web_url: str, sandbox_url: str, reporter: StepReporter, *, documents: Path) -> None:
        self.api = Api(f"{web_url}/api/v1")
        self.finance = Api(f"{web_url}/api/v1")
        self.phone = Phone(sandbox_url)
        self.reporter = reporter
        self.documents = documents
        self.order_number = self.invoice_number = ""
        self.number = f"+9198{secrets.randbelow(10**8):08d}"
        self.email = f"asha-{secrets.token_hex(4)}@mail.example"
        self.lines: list[dict[str, Any]] = []
        self.address_id = self.order_id = self.payment_url = self.gateway_payment = ""

    def play(self) -> None:
        """
        Play all of the sale and report each step.

        :raises StepFailed: at the first step that does not go as it should
        """
        self.reporter.heading("The buyer logs in")
        self._log_in()
        self._confirm_email()
        self.reporter.heading("The buyer orders")
        self._search_products()
        self._add_address()
        self._request_quote()
        self._place_order_twice()
        self.reporter.heading("The buyer pays by UPI")
        self._start_payment()
        self._pay_by_upi()
        self._check_confirmed_once()
        self.reporter.heading("Invoice, messages, timeline and ledger")
        self.fetch_invoice()
        self._read_messages()
        self._read_timeline()
        self._read_ledger()

    # Log-in ---------------------------------------------------------------------------------------------------------

    def _log_in(self) -> None:
        with self.reporter.step("request an OTP") as step:
            requested = self.api.call("POST", "/auth/otp", {"phone": self.number}, expect=202).json()
            sms = self.read_newest("/sms", self.number.removeprefix("+"))
            code = find_code(sms)
            step.report(f"the phone of {self.number[:6]}xxxxxx shows: {sms.get('text') or sms}"[:110])
        with self.reporter.step("verify the OTP: the account is created") as step:
            body = {"challenge_id": requested["id"], "code": code, "transport": "body"}
            tokens = self.api.call("POST", "/auth/otp/verify", body).json()
            self.api.sign_in(tokens["access_token"])
            me = self.api.get("/me")
            step.report(f"{me['id']}; access token for 15 minutes, refresh token for 7 days")

    def _confirm_email(self) -> None:
        with self.reporter.step("add an e-mail address and confirm it") as step:
            requested = self.api.call("POST", "/me/email", {"email": self.email}, expect=202).json()
            mail = self.read_newest("/mails", self.email)
            body = {"challenge_id": requested["id"], "code": find_code(mail)}
            self.api.call("POST", "/me/email/confirm", body)
            step.report(f"the mail that brought the code: {mail['subject']}")

    def read_newest(self, path: str, to: str) -> dict[str, Any]:
        found = self.phone.control("GET", path, to=to, wait=15)
        if not found["items"]:
            raise StepFailed(f"No message arrived at {path} within 15 s.", where="worker")
        return dict(found["items"][0])

    # The order ------------------------------------------------------------------------------------------------------

    def _search_products(self) -> None:
        with self.reporter.step("search the catalogue") as step:
            for words, quantity in SHOPPING_LIST:
                hits = self.api.get(f"/products?q={words}&in_stock=true&limit=3")["data"]
                if not hits:
                    raise StepFailed(f"The search for {words!r} found no product.", where="web")
                product = self.api.get(f"/products/{hits[0]['id']}")
                variant = product["variants"][0]
                self.lines.append({"variant_id": variant["id"], "quantity": quantity})
                step.report(f"{words!r}: {product['name']}, {rupees(variant['price'])}")

    def _add_address(self) -> None:
        with self.reporter.step("add an address in another state") as step:
            address = self.api.call("POST", "/me/addresses", DELIVERY_ADDRESS, expect=201).json()
            self.address_id = address["id"]
            step.report(
                f"{address['city']} {address['pin']}, state {address['state']}; the shop is in Maharashtra (27)"
            )

    def _request_quote(self) -> None:
        with self.reporter.step("request a quote") as step:
            body = {"lines": self.lines, "shipping_address_id": self.address_id}
            quote = self.api.call("POST", "/orders/quote", body).json()
            rates = {line["tax_rate"] for line in quote["lines"]}
            if len(rates) != len(SHOPPING_LIST):
                raise StepFailed(f"The quote should have three GST rates, but it has {sorted(rates)}.", where="web")
            step.report(f"{rupees(quote['total_amount'])} with IGST of {rupees(quote['igst_amount'])}")
            step.report(f"place of supply: {quote['place_of_supply']['explanation']}")
            for line in quote["lines"]:
                taxes = (
                    f"{line['tax_rate'] / 100:g} % of {rupees(line['taxable_amount'])} = {rupees(line['igst_amount'])}"
                )
                step.report(f"{line['quantity']} x {line['name']}: {taxes}")

    def _place_order_twice(self) -> None:
        body = {"lines": self.lines, "shipping_address_id": self.address_id}
        key = {"Idempotency-Key": str(uuid.uuid4())}
        with self.reporter.step("place the order") as step:
            placed = self.api.call("POST", "/orders", body, expect=201, headers=key)
            order = placed.json()
            self.order_id, self.order_number = order["id"], order["number"]
            step.report(f"{order['number']}: {rupees(order['total_amount'])}, stock held until {order['expires_at']}")
        with self.reporter.step("send the same request again") as step:
            again = self.api.call("POST", "/orders", body, expect=201, headers=key)
            if again.content != placed.content or again.headers.get("Idempotent-Replayed") != "true":
                raise StepFailed("The second answer differs from the first.", where="web")
            if len(self.api.get("/orders")["data"]) != 1:
                raise StepFailed("The second request placed a second order.", where="web")
            step.report("the answer is the same to the byte, and there is still one order")

    # The payment ----------------------------------------------------------------------------------------------------

    def _start_payment(self) -> None:
        with self.reporter.step("start the payment") as step:
            body = {"order_id": self.order_id}
            key = {"Idempotency-Key": str(uuid.uuid4())}
            requested = self.api.call("POST", "/payments", body, expect=202, headers=key)
            self.payment_url = requested.headers["Location"].removeprefix("/api/v1")
            step.report(f"202 Accepted: the payment is at {requested.headers['Location']}")
        with self.reporter.step("read the payment until it has a UPI link") as step:
            payment = wait_until(self.find_payable_payment, what="the UPI link")
            step.report(payment["next_action"]["upi"]["link"][:110])

    def find_payable_payment(self) -> dict[str, Any] | None:
        payment = self.api.get(self.payment_url)
        return dict(payment) if (payment.get("next_action") or {}).get("upi") else None

    def _pay_by_upi(self) -> None:
        self.phone.control("POST", "/webhooks/policy", {"mode": "reverse", "copies": 2})
        with self.reporter.step("the buyer approves in the UPI app") as step:
            self.gateway_payment = self.api.get(self.payment_url)["next_action"]["upi"]["gateway_payment_id"]
            self.phone.control("POST", f"/payments/{self.gateway_payment}/approve")
            step.report(f"Razorpay's payment: {self.gateway_payment}")
        with self.reporter.step("signed webhooks, each twice, in reverse order") as step:
            sent = self.phone.control("GET", "/webhooks", wait=10)
            for line in _describe_webhooks(sent, self.gateway_payment):
                step.report(line)
        self.phone.control("POST", "/webhooks/policy", {"mode": "normal"})

    def _check_confirmed_once(self) -> None:
        with self.reporter.step("the order is confirmed exactly once") as step:
            order = wait_until(self.find_confirmed_order, what="the confirmation")
            entries = self.api.get(f"/orders/{self.order_id}/timeline?limit=100")["data"]
            times = sum(entry["type"] == "order.confirmed" for entry in entries)
            if times != 1:
                raise StepFailed(f"The order was confirmed {times} times, not once.", where="worker")
            step.report(f"{order['status']} and {order['payment_status']}: {rupees(order['paid_amount'])}")

    def find_confirmed_order(self) -> dict[str, Any] | None:
        order = self.api.get(f"/orders/{self.order_id}")
        return dict(order) if order["status"] == "confirmed" else None

    # What the payment leads to ---------------------------------------------------------------------------------------

    def fetch_invoice(self) -> None:
        with self.reporter.step("read the GST invoice and its PDF") as step:
            invoice = wait_until(self.find_invoice, what="the invoice")
            self.invoice_number = invoice["number"]
            content = wait_until(
                lambda: self.api.download_pdf(f"/invoices/{invoice['id']}/pdf"), what="the invoice's PDF"
            )
            step.report(f"{invoice['number']} of {invoice['invoice_date']}, {rupees(invoice['total_amount'])}")
            step.report(save_pdf(content, number=invoice["number"], into=self.documents))

    def find_invoice(self) -> dict[str, Any] | None:
        invoices = self.api.get(f"/invoices?order_id={self.order_id}")["data"]
        return dict(invoices[0]) if invoices else None

    def _read_messages(self) -> None:
        with self.reporter.step("read SMS, e-mail and in-app message") as step:
            sms = wait_until(
                lambda: self._list_messages("/sms", self.number.removeprefix("+"), least=2), what="the SMS"
            )
            step.report(f"SMS: {sms[0].get('text', '')}")
            mail = wait_until(self._find_mail_with_pdf, what="the mail with the invoice")
            step.report(f"e-mail: {mail['subject']}, with {mail['attachments'][0]['name']}")
            inbox = wait_until(lambda: self.api.get("/me/notifications")["data"], what="the in-app message")
            step.report(f"in-app: {inbox[0]['title']}")

    def _list_messages(self, path: str, to: str, *, least: int) -> list[dict[str, Any]]:
        messages = list(self.phone.control("GET", path, to=to)["items"])
        return messages if len(messages) >= least else []

    def _find_mail_with_pdf(self) -> dict[str, Any] | None:
        mails = self._list_messages("/mails", self.email, least=1)
        return next((dict(mail) for mail in mails if mail.get("attachments")), None)

    def _read_timeline(self) -> None:
        with self.reporter.step("read the order's timeline") as step:
            for entry in self.api.get(f"/orders/{self.order_id}/timeline?limit=100")["data"]:
                step.report(f"{entry['at']}  {entry['type']:<24} {entry['actor']:<9} {entry['text']}"[:130])

    def _read_ledger(self) -> None:
        with self.reporter.step("finance reads the order's ledger") as step:
            login = next(each for each in demo_accounts.STAFF if each.role == "finance")
            body = {"email": login.email, "password": login.password, "transport": "body"}
            self.finance.sign_in(self.finance.call("POST", "/auth/login", body).json()["access_token"])
            self.report_ledger(step)

    def report_ledger(self, step: Step, *, but: Collection[str] = ()) -> None:
        """
        Report the order's ledger entries, except those of the kinds in `but`, and check that all of them sum to zero.

        :raises StepFailed: if they do not
        """
        entries = self.finance.get(f"/orders/{self.order_id}/ledger")["data"]
        if not entries or sum(entry["amount"] for entry in entries):
            raise StepFailed(f"The ledger entries of the order do not sum to zero: {entries}.", where="web")
        for entry in entries:
            side = "debit " if entry["amount"] > 0 else "credit"
            if entry["kind"] not in but:
                step.report(f"{entry['kind']:<12} {entry['account']:<32} {side} {rupees(abs(entry['amount'])):>14}")


def find_code(message: dict[str, Any]) -> str:
    """
    Return the one-time password in an SMS or a mail.

    :raises StepFailed: if there is none
    """
    text = str(message.get("otp") or "") or f"{message.get('text', '')} {message.get('variables', '')}"
    found = re.search(r"(?<!\d)\d{6}(?!\d)", text)
    if not found:
        raise StepFailed(f"The message has no code: {text[:200]}", where="worker")
    return found.group()


def _describe_webhooks(sent: dict[str, Any], payment_id: str) -> list[str]:
    """Return the webhooks of a payment in the order in which they were sent, with the answers to them."""
    attempts = sorted(
        (attempt["at"], webhook["event"], attempt["status"])
        for webhook in sent["items"]
        if webhook["payment_id"] == payment_id
        for attempt in webhook["attempts"]
    )
    return [f"{event:<20} answered {status}" for _, event, status in attempts]

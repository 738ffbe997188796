"""What follows a sale: some of the goods are refunded, and the gateway settles the rest."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from apps.core import clock
from apps.core.money import rupees
from devtools.demo.client import StepFailed, save_pdf, wait_until
from devtools.demo.orders import OrderScenario

#: Of six cans.
DENTED_CANS = 2


class RefundScenario:
    """One refund and one settlement of the order of a sale that was played; finance is logged in."""

    def __init__(self, sale: OrderScenario) -> None:
        self.sale = sale
        self.reporter = sale.reporter
        self.customer, self.finance, self.phone = sale.api, sale.finance, sale.phone
        self.credit_note_number = self.utr = self.gateway_settlement = ""
        self.line: dict[str, Any] = {}
        self.settlement: dict[str, Any] = {}
        self.refund: dict[str, Any] = {}

    def play(self) -> None:
        """
        Play all of the scenario and report each step.

        :raises StepFailed: at the first step that does not go as it should
        """
        self.reporter.heading("Two cans were dented, and the buyer is refunded")
        self._request()
        self._request_too_much()
        self._approve()
        self._wait_until_processed()
        self._fetch_credit_note()
        self._read_message()
        self._read_order()
        self.reporter.heading("Razorpay settles with the shop")
        self._settle()
        self._import_report()
        self._read_settlement()
        self._check_no_exception()

    # The refund -----------------------------------------------------------------------------------------------------

    def _request(self) -> None:
        with self.reporter.step("the buyer requests a refund of two cans") as step:
            lines = self.customer.get(f"/orders/{self.sale.order_id}")["lines"]
            self.line = max(lines, key=lambda line: line["quantity"])
            (self.refund,) = self._request_refund(DENTED_CANS, expect=202)["data"]
            _expect("The status of the refund", self.refund["status"], "requires_approval")
            step.report(f"{self.refund['number']}: {rupees(self.refund['amount'])}, waits for the approval of finance")

    def _request_too_much(self) -> None:
        with self.reporter.step("a refund of five more of the six is refused") as step:
            refusal = self._request_refund(self.line["quantity"] - 1, expect=409)
            _expect("The number of refunds", len(self.customer.get("/refunds")["data"]), 1)
            step.report(f"409 Conflict: {refusal['error']['message']}")

    def _request_refund(self, quantity: int, *, expect: int) -> dict[str, Any]:
        body = {
            "order_id": self.sale.order_id,
            "lines": [{"order_line_id": self.line["id"], "quantity": quantity}],
            "reason": "goods_missing",
            "note": "Dented cans",
        }
        key = {"Idempotency-Key": str(uuid.uuid4())}
        return dict(self.customer.call("POST", "/refunds", body, expect=expect, headers=key).json())

    def _approve(self) -> None:
        with self.reporter.step("finance approves the refund") as step:
            key = {"Idempotency-Key": str(uuid.uuid4())}
            path = f"/refunds/{self.refund['id']}/approve"
            approved = self.finance.call("POST", path, {}, expect=202, headers=key).json()
            step.report(
                f"{approved['status']}: a worker requests it from Razorpay, under one idempotency key however often it retries"
            )

    def _wait_until_processed(self) -> None:
        with self.reporter.step("Razorpay processes the refund") as step:
            self.refund = wait_until(self._find_processed, what="the refund")
            step.report(f"{self.refund['gateway_refund_id']}, bank reference {self.refund['arn'] or 'not known yet'}")

    def _find_processed(self) -> dict[str, Any] | None:
        refund = self.customer.get(f"/refunds/{self.refund['id']}")
        if refund["status"] in ("failed", "cancelled"):
            raise StepFailed(f"The refund is {refund['status']}: {refund['error']}.", where="worker")
        return dict(refund) if refund["status"] == "processed" else None

    def _fetch_credit_note(self) -> None:
        with self.reporter.step("read the credit note and its PDF") as step:
            note = wait_until(self._find_credit_note, what="the credit note")
            self.credit_note_number = note["number"]
            path = f"/credit-notes/{note['id']}/pdf"
            content = wait_until(lambda: self.customer.download_pdf(path), what="the credit note's PDF")
            _expect("The total of the credit note", note["total_amount"], self.refund["amount"])
            step.report(
                f"{note['number']} to {note['refers_to']['number']}: {rupees(note['taxable_amount'])}"
                f" + IGST {rupees(note['igst_amount'])} = {rupees(note['total_amount'])}"
            )
            step.report(save_pdf(content, number=note["number"], into=self.sale.documents))

    def _find_credit_note(self) -> dict[str, Any] | None:
        notes = self.customer.get(f"/credit-notes?order_id={self.sale.order_id}")["data"]
        return dict(notes[0]) if notes else None

    def _read_message(self) -> None:
        with self.reporter.step("the buyer is notified, with a date") as step:
            step.report(f"in-app: {wait_until(self._find_message, what='the message about the refund')}")

    def _find_message(self) -> str | None:
        about = f"Your refund of {rupees(self.refund['amount'])} has been sent"
        messages = self.customer.get("/me/notifications?limit=100")["data"]
        return next((f"{each['title']}. {each['body']}" for each in messages if each["title"] == about), None)

    def _read_order(self) -> None:
        with self.reporter.step("read the order and its ledger") as step:
            order = self.customer.get(f"/orders/{self.sale.order_id}")
            _expect("The payment status of the order", order["payment_status"], "partially_refunded")
            _expect("The refunded amount of the order", order["refunded_amount"], self.refund["amount"])
            step.report(
                f"{order['status']}, {order['payment_status']}:"
                f" {rupees(order['paid_amount'])} paid, {rupees(order['refunded_amount'])} refunded"
            )
            self.sale.report_ledger(step, but=("capture", "invoice"))

    # The settlement -------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        # The webhook normally triggers the import of the report. Dropping it shows that the import works without it.
        self.phone.control("POST", "/webhooks/policy", {"mode": "drop", "events": ["settlement.processed"]})
        with self.reporter.step("Razorpay settles two working days early") as step:
            made = self.phone.control("POST", "/settlements/run", {})
            if made["settlement"] is None:
                raise StepFailed("The sandbox has no payment to settle.", where="sandbox")
            self.gateway_settlement = made["settlement"]["id"]
            self.day = datetime.fromtimestamp(made["settlement"]["created_at"], tz=clock.IST).date()
            step.report(f"{self.gateway_settlement}: {made['lines']} lines; its webhook is dropped on purpose")
        self.phone.control("POST", "/webhooks/policy", {"mode": "normal"})

    def _import_report(self) -> None:
        with self.reporter.step("finance imports the report of the day") as step:
            self.finance.call("POST", "/settlements/import", {"day": self.day.isoformat()}, expect=202)
            self.settlement = wait_until(self._find_settlement, what="the settlement")
            step.report(f"{self.settlement['id']}, {self.settlement['line_count']} lines")

    def _find_settlement(self) -> dict[str, Any] | None:
        known = self.finance.get("/settlements?limit=20")["data"]
        ours = (each for each in known if each["gateway_settlement_id"] == self.gateway_settlement)
        return next((dict(each) for each in ours if each["amount"] is not None), None)

    def _read_settlement(self) -> None:
        with self.reporter.step("read gross, fee, GST and net") as step:
            lines = self.finance.get(f"/settlements/{self.settlement['id']}/lines?limit=100")["data"]
            gross = sum(line["amount"] for line in lines if line["kind"] == "payment")
            back = sum(line["amount"] for line in lines if line["kind"] == "refund")
            fee, tax = self.settlement["fee_amount"], self.settlement["tax_amount"]
            _expect("The amount that was transferred", self.settlement["amount"], gross - back - fee)
            self.utr = self.settlement["utr"]
            for name, amount in (
                ("payments", gross),
                ("refunds", -back),
                ("fee", tax - fee),
                ("GST on the fee", -tax),
                ("in transit", self.settlement["amount"]),
            ):
                step.report(f"{name:<16}{rupees(amount):>14}")
            step.report(f"UTR {self.utr}")

    def _check_no_exception(self) -> None:
        with self.reporter.step("check that there is no exception") as step:
            is_open = self.finance.get("/reconciliation/exceptions?state=open")["data"]
            if is_open:
                found = ", ".join(f"{each['reason']} of {each['entity_id']}" for each in is_open)
                raise StepFailed(f"The books and the report do not agree: {found}.", where="worker")
            step.report("none: each line of the report agrees with the books")


def _expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise StepFailed(f"{what} should be {wanted}, not {found}.", where="web")

"""A sale by the generated Python client: log-in by OTP, order, payment, and a refund by finance. Run by `make contract`."""

from __future__ import annotations

import secrets
import sys
import uuid
from typing import Any, TypeVar

from bahi_client import AuthenticatedClient, Client
from bahi_client.api.auth import log_in_with_password, request_log_in_code, verify_log_in_code
from bahi_client.api.me import add_address
from bahi_client.api.orders import get_order, list_orders, place_order
from bahi_client.api.payments import get_payment, start_payment
from bahi_client.api.products import get_product, list_products
from bahi_client.api.refunds import get_refund, list_refunds, request_refund
from bahi_client.models import (
    AddressRequest,
    CodeRequest,
    Error,
    LogInRequest,
    OrderLineRequest,
    OrderResponse,
    PlaceOrderRequest,
    RefundResponse,
    RequestRefundRequest,
    StartPaymentRequest,
    UpiActionResponse,
    VerifyRequest,
)

from apps.core.money import rupees
from devtools import demo_accounts
from devtools.contract.stack import wait_until_found
from devtools.demo.client import Phone, StepFailed, StepReporter
from devtools.demo.orders import DELIVERY_ADDRESS, find_code

Model = TypeVar("Model")


def main(web_url: str, sandbox_url: str) -> int:
    """Play the sale; return the exit code."""
    try:
        Sale(web_url, sandbox_url).play()
    except StepFailed as failed:
        print(f"The Python client failed at: {failed.step}\n  {failed}", file=sys.stderr)
        return 1
    return 0


class Sale:
    """One buyer, one order, one refund; every answer is read as the type that the document gives it."""

    def __init__(self, web_url: str, sandbox_url: str) -> None:
        self.web_url = web_url
        self.phone = Phone(sandbox_url)
        self.reporter = StepReporter()
        self.number = f"+9197{secrets.randbelow(10**8):08d}"
        self.buyer: Any = None
        self.finance: Any = None
        self.order: Any = None

    def play(self) -> None:
        """
        Play all of the sale and report each step.

        :raises StepFailed: at the first step that does not go as it should
        """
        self.reporter.heading("The generated Python client sells and refunds")
        self._log_in()
        self._order()
        self._pay()
        self._refund()

    def _log_in(self) -> None:
        anonymous = Client(base_url=self.web_url)
        with self.reporter.step("log in by OTP") as step:
            requested = require_success(request_log_in_code.sync(client=anonymous, body=CodeRequest(phone=self.number)))
            sms = self.phone.control("GET", "/sms", to=self.number.removeprefix("+"), wait=15)["items"][0]
            body = VerifyRequest(challenge_id=requested.id, code=find_code(sms), name="Asha Rao")
            tokens = require_success(verify_log_in_code.sync(client=anonymous, body=body))
            self.buyer = AuthenticatedClient(base_url=self.web_url, token=tokens.access_token)
            step.report(f"{tokens.user.id}, {tokens.token_type}, {tokens.expires_in} s")
        with self.reporter.step("finance logs in") as step:
            login = next(each for each in demo_accounts.STAFF if each.role == "finance")
            staff = require_success(
                log_in_with_password.sync(
                    client=anonymous, body=LogInRequest(email=login.email, password=login.password)
                )
            )
            self.finance = AuthenticatedClient(base_url=self.web_url, token=staff.access_token)
            step.report(", ".join(staff.user.roles))

    def _order(self) -> None:
        with self.reporter.step("list products, order one") as step:
            page = require_success(list_products.sync(client=self.buyer, q="energy drink", in_stock=True, limit=3))
            product = require_success(get_product.sync(product_id=page.data[0].id, client=self.buyer))
            address = require_success(
                add_address.sync(client=self.buyer, body=AddressRequest.from_dict(DELIVERY_ADDRESS))
            )
            line = OrderLineRequest(variant_id=product.variants[0].id, quantity=2)
            body = PlaceOrderRequest(lines=[line], shipping_address_id=address.id)
            self.order = require_success(
                place_order.sync(client=self.buyer, body=body, idempotency_key=str(uuid.uuid4()))
            )
            mine = require_success(list_orders.sync(client=self.buyer))
            expect("The orders of the buyer", [each.id for each in mine.data], [self.order.id])
            step.report(f"{self.order.number}, {rupees(self.order.total_amount)}, {self.order.payment_status.value}")

    def _pay(self) -> None:
        with self.reporter.step("pay by UPI") as step:
            body = StartPaymentRequest(order_id=self.order.id)
            started = require_success(
                start_payment.sync(client=self.buyer, body=body, idempotency_key=str(uuid.uuid4()))
            )

            def find_upi() -> UpiActionResponse | None:
                payment = require_success(get_payment.sync(payment_id=started.id, client=self.buyer))
                return payment.next_action.upi if payment.next_action else None

            link = wait_until_found(find_upi, what="the UPI link")
            self.phone.control("POST", f"/payments/{link.gateway_payment_id}/approve")
            paid = wait_until_found(lambda: self._read_order("confirmed"), what="the confirmation")
            expect("The paid amount", paid.paid_amount, self.order.total_amount)
            step.report(f"{paid.status.value}, {paid.payment_status.value}")

    def _refund(self) -> None:
        with self.reporter.step("finance refunds all of it") as step:
            body = RequestRefundRequest(order_id=self.order.id)
            requested = require_success(
                request_refund.sync(client=self.finance, body=body, idempotency_key=str(uuid.uuid4()))
            )
            refund = wait_until_found(lambda: self._read_refund(requested.data[0].id), what="the refund")
            expect("The refunded amount", refund.amount, self.order.total_amount)
            rows = require_success(list_refunds.sync(client=self.buyer, order_id=self.order.id))
            expect("The refunds that the buyer sees", [each.id for each in rows.data], [refund.id])
            order = wait_until_found(lambda: self._read_order("confirmed"), what="the confirmed order")
            expect("The payment status of the order", order.payment_status.value, "refunded")
            step.report(f"{refund.number}: {refund.status.value}")
        with self.reporter.step("an error is read as an error") as step:
            missing = get_order.sync(order_id=f"ord_{'0' * 26}", client=self.buyer)
            if not isinstance(missing, Error):
                raise StepFailed(f"An order that does not exist was read as {missing!r}.", where="web")
            step.report(f"{missing.error.code}: {missing.error.message}")

    def _read_order(self, status: str) -> OrderResponse | None:
        order = require_success(get_order.sync(order_id=self.order.id, client=self.buyer))
        return order if order.status.value == status else None

    def _read_refund(self, refund_id: str) -> RefundResponse | None:
        refund = require_success(get_refund.sync(refund_id=refund_id, client=self.finance))
        return refund if refund.status.value == "processed" else None


def require_success(answer: Model | Error | None) -> Model:
    """
    Return an answer that is no error.

    :raises StepFailed: if it is one, or of a status that the document does not describe
    """
    if answer is None:
        raise StepFailed("The answer has a status that the document does not describe.", where="web")
    if isinstance(answer, Error):
        raise StepFailed(f"{answer.error.code}: {answer.error.message}", where="web")
    return answer


def expect(what: str, found: object, wanted: object) -> None:
    """
    Compare two values.

    :raises StepFailed: if they differ
    """
    if found != wanted:
        raise StepFailed(f"{what} should be {wanted!r}, but it is {found!r}.")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))

"""Failures of payments as Razorpay documents them: by amount in test mode, and by reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import razorpay
from razorpay.errors import BadRequestError

from sandbox.razorpay.failures import FAILURES
from sandbox.server import Sandbox
from tests.support.sandbox import sent_webhooks

UpiRequest = Callable[..., dict[str, Any]]

#: https://razorpay.com/docs/payments/payment-gateway/s2s-integration/payment-methods/upi/error-codes, rows 1 to 4.
ROWS = (
    (
        201, "GATEWAY_ERROR", "insufficient_funds", "customer", "payment_debit_request",
        "Transaction failed due to insufficient funds.",
    ),
    (
        402, "GATEWAY_ERROR", "payment_declined", "issuer_bank", "payment_debit_request",
        "Payment failed. Please try again with another bank account.",
    ),
    (
        204, "BAD_REQUEST_ERROR", "incorrect_pin", "customer", "payment_authentication",
        "You have entered an incorrect PIN on the UPI app. Please retry with the correct PIN.",
    ),
    (
        302, "BAD_REQUEST_ERROR", "payment_cancelled", "customer", "payment_authentication",
        "You may have cancelled the payment or there was a delay in response from the UPI app.",
    ),
)  # fmt: skip


def error_of(payment: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(payment[f"error_{name}"] for name in ("code", "reason", "source", "step", "description"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2])
def test_readable_row_of_upi_errors_is_played_by_its_amount(
    sdk: razorpay.Client, sandbox: Sandbox, make_upi_request: UpiRequest, row: tuple[Any, ...]
) -> None:
    order = sdk.order.create({"amount": row[0], "currency": "INR"})

    made = sdk.payment.createUpi(make_upi_request(order))

    failed = sdk.payment.fetch(made["razorpay_payment_id"])
    assert (failed["status"], error_of(failed)) == ("failed", row[1:])
    (envelope,) = sent_webhooks(sandbox, "payment.failed")
    assert error_of(envelope["payload"]["payment"]["entity"]) == row[1:]
    assert sdk.order.fetch(order["id"])["status"] == "attempted"


def test_fifth_row_of_upi_errors_is_played_by_its_reason(
    sdk: razorpay.Client, sandbox: Sandbox, upi_payment: str
) -> None:
    sandbox.control("POST", f"/payments/{upi_payment}/decline", {"reason": "gateway_technical_error"})

    code, reason, source, step, description = error_of(sdk.payment.fetch(upi_payment))
    assert (code, reason, source, step) == ("GATEWAY_ERROR", "gateway_technical_error", "gateway", "payment_response")
    # The documented description was readable to this word.
    assert description.startswith("Payment processing failed due to error at bank or")


@pytest.mark.parametrize("reason", sorted(FAILURES))
def test_failure_has_values_that_razorpay_documents(reason: str) -> None:
    failure = FAILURES[reason]

    assert failure.code in {"BAD_REQUEST_ERROR", "GATEWAY_ERROR", "SERVER_ERROR"}
    assert failure.source in {
        "customer", "business", "internal", "gateway", "issuer_bank", "customer_psp", "network", "beneficiary_bank",
    }  # fmt: skip
    assert failure.step in {
        "payment_initiation", "payment_authentication", "payment_authorization", "payment_capture", "payment_request",
        "payment_eligibility_check", "payment_debit_request", "payment_debit_response", "payment_credit_request",
        "payment_credit_response", "payment_status_request", "payment_response",
    }  # fmt: skip


def test_payment_of_another_amount_than_the_order_is_refused(
    sdk: razorpay.Client, sandbox: Sandbox, order: dict[str, Any], make_upi_request: UpiRequest
) -> None:
    with pytest.raises(BadRequestError, match="Your payment amount is different from your order amount"):
        sdk.payment.createUpi(make_upi_request(order, amount=100))

    assert sandbox.control("GET", "/truth")["payments"] == []

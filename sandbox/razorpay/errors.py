"""Razorpay's error answers."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from sandbox.json_types import JsonObject

BAD_REQUEST = "BAD_REQUEST_ERROR"
GATEWAY = "GATEWAY_ERROR"
SERVER = "SERVER_ERROR"


class Refused(Exception):
    """A request that Razorpay answers with an error body."""

    def __init__(
        self,
        description: str,
        *,
        http_status: int = 400,
        code: str = BAD_REQUEST,
        field: str | None = None,
        reason: str = "input_validation_failed",
        step: str = "payment_initiation",
        source: str = "business",
        metadata: JsonObject | None = None,
    ) -> None:
        super().__init__(description)
        self.http_status = http_status
        self.body: JsonObject = {
            "code": code,
            "description": description,
            "source": source,
            "step": step,
            "reason": reason,
            "metadata": metadata or {},
        }
        if field is not None:
            self.body["field"] = field


class Unauthenticated(Refused):
    """Wrong or missing API key; the body then has a code and a description alone."""

    def __init__(self) -> None:
        super().__init__("Authentication failed", http_status=401)
        self.body = {"code": BAD_REQUEST, "description": "Authentication failed"}


class UrlNotFound(Refused):
    """No such path or method."""

    def __init__(self) -> None:
        super().__init__("The requested URL was not found on the server.", source="NA", step="NA", reason="NA")


class UnknownId(Refused):
    """A well-formed id of an object that does not exist."""

    def __init__(self) -> None:
        super().__init__("The id provided does not exist")


_STATUS_BODIES = {
    429: (BAD_REQUEST, "Too many requests"),
    502: (GATEWAY, "The gateway is not available. Please try again."),
    504: (GATEWAY, "The gateway did not answer in time."),
}


def build_error_body(status: int) -> JsonObject:
    """Return the error body that goes with an HTTP status that a fault asks for."""
    if status == Unauthenticated().http_status:
        return {"error": Unauthenticated().body}
    default = (SERVER, "We are facing some trouble completing your request at the moment. Please try again shortly.")
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        default = (BAD_REQUEST, "The request could not be processed.")
    code, description = _STATUS_BODIES.get(status, default)
    return {
        "error": {
            "code": code,
            "description": description,
            "source": "NA",
            "step": "NA",
            "reason": "NA",
            "metadata": {},
        }
    }


@dataclass(frozen=True)
class Failure:
    """Why a payment failed, as its `error_*` fields say it."""

    reason: str
    description: str
    code: str = BAD_REQUEST
    source: str = "customer"
    step: str = "payment_authentication"

    def error(self, *, order_id: str | None, payment_id: str) -> JsonObject:
        """Return the error as Checkout hands it to the page."""
        return {
            "code": self.code,
            "description": self.description,
            "source": self.source,
            "step": self.step,
            "reason": self.reason,
            "metadata": {"payment_id": payment_id, "order_id": order_id},
        }


FAILURES = {
    failure.reason: failure
    for failure in (
        Failure(
            "payment_declined", "Payment was declined by the bank.", GATEWAY, "issuer_bank", "payment_debit_request"
        ),
        Failure(
            "insufficient_funds",
            "Transaction failed due to insufficient funds.",
            GATEWAY,
            "customer",
            "payment_debit_request",
        ),
        Failure("incorrect_pin", "Payment failed because the UPI PIN was incorrect."),
        Failure("payment_cancelled", "Payment was cancelled by the customer."),
        Failure("payment_timed_out", "Payment was not completed on time."),
        Failure("payment_collect_request_expired", "The collect request expired before it was approved."),
        Failure("invalid_vpa", "The UPI ID is not valid.", step="payment_initiation"),
        Failure(
            "vpa_resolution_failed", "The UPI ID could not be resolved.", GATEWAY, "customer_psp", "payment_request"
        ),
        Failure(
            "bank_technical_error",
            "Payment failed due to a technical error at the bank.",
            GATEWAY,
            "issuer_bank",
            "payment_debit_response",
        ),
        Failure("gateway_technical_error", "Payment failed at the gateway.", GATEWAY, "gateway", "payment_request"),
        Failure(
            "credit_failed", "The money could not be credited.", GATEWAY, "beneficiary_bank", "payment_credit_request"
        ),
    )
}

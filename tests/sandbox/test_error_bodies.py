"""
The bodies of refusals, whole, as Razorpay's API reference shows them.

Each is the sample of "Failure" on the page that is named, in the mirror `razorpay/markdown-docs` of 9 April 2026.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import requests

from sandbox.server import Sandbox
from tests.support.sandbox import pay

_NOT_GIVEN = {"source": "NA", "step": "NA", "reason": "NA", "metadata": {}}
_INVALID = {
    "source": "business",
    "step": "payment_initiation",
    "reason": "input_validation_failed",
    "metadata": {},
}


class Sample(NamedTuple):
    """A documented refusal: the page, the request below /v1 that gets it, its status, and what its error has besides the code."""

    page: str
    method: str
    path: str
    body: Any
    status: int
    error: dict[str, Any]
    key: str = ""


SAMPLES = (
    Sample(
        "api/orders/fetch-with-id", "GET", "/orders/order_XXXXXXXXXXXXXX", None, 400,
        {"description": "The id provided does not exist", **_INVALID},
    ),
    Sample(
        "api/orders/update", "PATCH", "/orders/order_XXXXXXXXXXXXXX", {"notes": {}}, 400,
        {"description": "The id provided does not exist", **_INVALID},
    ),
    Sample(
        "api/payments/fetch-with-id", "GET", "/payments/pay_XXXXXXXXXXXXXX", None, 400,
        {"description": "The id provided does not exist", **_INVALID},
    ),
    Sample(
        "api/payments/fetch-payments-orders", "GET", "/orders/x48wjYEr2I/payments", None, 400,
        {"description": "x48wjYEr2I is not a valid id", **_INVALID},
    ),
    Sample(
        "api/payments/capture", "POST", "/payments/{paid}/capture", {"amount": 100.5, "currency": "INR"}, 400,
        {"description": "The amount must be an integer.", **_INVALID, "field": "amount"},
    ),
    Sample(
        "api/refunds/create-normal", "POST", "/payments/{paid}/refund", {"amount": 99}, 400,
        {"description": "The amount must be at least INR 1.00", **_INVALID, "field": "amount"},
    ),
    Sample(
        "api/refunds/create-instant", "POST", "/payments/_29QQoUBi66xm2f/refund", {"speed": "optimum"}, 400,
        {"description": "_29QQoUBi66xm2f is not a valid id", **_INVALID},
    ),
    Sample(
        "api/refunds/normal-refunds-idempotent", "POST", "/payments/{paid}/refund", {"amount": 200}, 409,
        {"description": "Different request with the same idempotency key has already been processed.", **_NOT_GIVEN},
        key="a-key-that-was-used",
    ),
    Sample(
        "api/refunds/fetch-multiple-refund-payment", "GET", "/payments/pay_XXXXXXXXXXXXXX/refunds", None, 400,
        {"description": "The id provided does not exist", **_INVALID},
    ),
    Sample(
        "api/refunds/fetch-specific-refund-payment", "GET", "/payments/{paid}/refunds/AABBdHIieex", None, 400,
        {"description": "AABBdHIieex is not a valid id", **_INVALID},
    ),
    Sample(
        "api/refunds/update", "PATCH", "/refunds/rfnd_1", {"notes": {}}, 400,
        {"description": "rfnd_1 is not a valid id", **_INVALID},
    ),
    Sample(
        "api/refunds/fetch-with-id", "GET", "/refund/rfnd_XXXXXXXXXXXXXX", None, 400,
        {"description": "The requested URL was not found on the server.", **_NOT_GIVEN},
    ),
    Sample(
        "api/settlements/fetch-all", "GET", "/settlements?count=0", None, 400,
        {"description": "The count must be at least 1.", **_INVALID, "field": "count"},
    ),
    Sample(
        "api/settlements/fetch-recon", "GET", "/settlements/recon/combined?year=2026&month=13", None, 400,
        {"description": "The month is not a valid month.", **_INVALID, "field": "month"},
    ),
    Sample(
        "api/qr-codes/create", "PUT", "/payments/qr_codes", {}, 400,
        {"description": "The requested URL was not found on the server.", **_NOT_GIVEN},
    ),
    Sample(
        "api/qr-codes/fetch-with-id", "GET", "/payments/qr_codes/KbWhkDGrmxw", None, 400,
        {"description": "KbWhkDGrmxw is not a valid id", **_INVALID},
    ),
    Sample(
        "api/payments/payment-links/resend", "POST", "/payment_links/link_QX7wiVUHdcOOoW/notify_by/sms", {}, 400,
        {
            "description": "invalid input [id] = [link_QX7wiVUHdcOOoW]", "metadata": [], "reason": None, "source": None,
            "step": None,
        },
    ),
)  # fmt: skip


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.page)
def test_refusal_has_the_documented_body(
    sandbox: Sandbox, http: requests.Session, order: dict[str, Any], sample: Sample
) -> None:
    paid = pay(sandbox, order["id"])
    url = f"{sandbox.razorpay_url}/v1{sample.path.format(paid=paid)}"
    headers = {"X-Refund-Idempotency": sample.key} if sample.key else {}
    if sample.key:
        http.post(url, json={"amount": 100}, headers=headers, timeout=10).raise_for_status()

    answer = http.request(sample.method, url, json=sample.body, headers=headers, timeout=10)

    assert (answer.status_code, answer.json()) == (
        sample.status,
        {"error": {"code": "BAD_REQUEST_ERROR", **sample.error}},
    )


@pytest.mark.parametrize(
    "path",
    [
        "/orders", "/settlements/setl_XXXXXXXXXXXXXX", "/payments/downtimes", "/payments/downtimes/down_XXXXXXXXXXXXXX",
        "/payments/qr_codes/qr_XXXXXXXXXXXXXX/payments",
    ],
)  # fmt: skip
def test_wrong_key_has_the_documented_body(sandbox: Sandbox, http: requests.Session, path: str) -> None:
    answer = http.get(f"{sandbox.razorpay_url}/v1{path}", auth=("rzp_test_x", "wrong"), timeout=10)

    assert (answer.status_code, answer.json()) == (
        401,
        {
            "error": {
                "code": "BAD_REQUEST_ERROR",
                "description": "The api key provided is invalid",
                **_NOT_GIVEN,
            }
        },
    )


@pytest.mark.parametrize(
    ("path", "description", "field"),
    [
        ("/settlements?from=1", "from must be between 946684800 and 4765046400.", "from"),
        ("/settlements?to=1", "to must be between 946684800 and 4765046400.", "to"),
        ("/settlements/recon/combined?year=26&month=1", "The year must be 4 digits.", "year"),
        ("/settlements/recon/combined?year=2026&month=1&day=321", "The day must be between 1 and 2 digits.", "day"),
    ],
)
def test_query_out_of_range_has_the_documented_words(
    sandbox: Sandbox, http: requests.Session, path: str, description: str, field: str
) -> None:
    answer = http.get(f"{sandbox.razorpay_url}/v1{path}", timeout=10)

    assert (answer.status_code, answer.json()["error"]) == (
        400,
        {"code": "BAD_REQUEST_ERROR", "description": description, **_INVALID, "field": field},
    )

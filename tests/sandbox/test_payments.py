"""Razorpay payments: UPI, Checkout, capture, failure, and the signature that the browser brings back."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import razorpay
from razorpay.errors import BadRequestError, SignatureVerificationError

from sandbox.razorpay.fees import compute_fee_and_tax
from sandbox.razorpay.signatures import sign_checkout
from sandbox.server import ControlRefused, Sandbox

UpiRequest = Callable[..., dict[str, Any]]


def make_order(sdk: razorpay.Client, **changes: Any) -> dict[str, Any]:
    return sdk.order.create({"amount": 117_900, "currency": "INR", **changes})


def test_checkout_signature_matches_the_worked_example() -> None:
    signature = sign_checkout(
        order_id="order_NQxk3a7bGfD1Ye", payment_id="pay_NQxlPq2WmR8sTz", key_secret="test_key_secret_123"
    )

    assert signature == "b28b3b1cf11aae4ef55eae124e6c88b095949cbffe7aa624916fac870061a92b"


@pytest.mark.parametrize(("amount", "fee", "tax"), [(117_900, 2_782, 424), (100, 2, 0), (10_000, 236, 36), (125, 4, 1)])
def test_fee_is_two_percent_and_gst(amount: int, fee: int, tax: int) -> None:
    assert compute_fee_and_tax(amount) == (fee, tax)


def test_intent_payment_waits_for_the_payer(
    sdk: razorpay.Client, order: dict[str, Any], make_upi_request: UpiRequest
) -> None:
    answer = sdk.payment.createUpi(make_upi_request(order))

    assert set(answer) == {"razorpay_payment_id", "link"}
    link = urlsplit(answer["link"])
    query = parse_qs(link.query)
    assert (link.scheme, link.netloc) == ("upi", "pay")
    assert (query["am"], query["cu"], query["tn"]) == (["1179.00"], ["INR"], ["Order ORD-1"])
    assert query["tr"][0].isalnum()
    assert "+" not in link.query
    payment = sdk.payment.fetch(answer["razorpay_payment_id"])
    assert (payment["status"], payment["captured"], payment["fee"], payment["tax"]) == ("created", False, None, None)
    assert (payment["contact"], payment["notes"], payment["order_id"]) == ("+919090909090", [], order["id"])
    assert sdk.order.fetch(order["id"])["status"] == "attempted"
    assert sdk.order.fetch(order["id"])["attempts"] == 1


def test_newer_path_lists_the_next_steps(
    sdk: razorpay.Client, order: dict[str, Any], make_upi_request: UpiRequest
) -> None:
    answer = sdk.payment.createPaymentJson(make_upi_request(order))

    assert [step["action"] for step in answer["next"]] == ["intent", "poll"]
    assert answer["next"][0]["url"] == answer["link"]


def test_approved_payment_is_captured_and_pays_the_order(
    sdk: razorpay.Client, sandbox: Sandbox, order: dict[str, Any], upi_payment: str
) -> None:
    sandbox.control("POST", f"/payments/{upi_payment}/approve")

    payment = sdk.payment.fetch(upi_payment)
    assert (payment["status"], payment["captured"], payment["fee"], payment["tax"]) == ("captured", True, 2_782, 424)
    assert len(payment["acquirer_data"]["rrn"]) == 12
    assert payment["upi"] == {"payer_account_type": "bank_account", "vpa": "gaurav.kumar@upi", "flow": "intent"}
    assert sdk.order.fetch(order["id"]) == {
        **order,
        "status": "paid",
        "attempts": 1,
        "amount_paid": 117_900,
        "amount_due": 0,
    }
    assert [row["id"] for row in sdk.order.payments(order["id"])["items"]] == [upi_payment]
    with pytest.raises(ControlRefused, match="409"):
        sandbox.control("POST", f"/payments/{upi_payment}/approve")


def test_declined_payment_has_a_reason_and_leaves_the_order_payable(
    sdk: razorpay.Client, sandbox: Sandbox, order: dict[str, Any], upi_payment: str
) -> None:
    sandbox.control("POST", f"/payments/{upi_payment}/decline", {"reason": "insufficient_funds"})

    payment = sdk.payment.fetch(upi_payment)
    assert payment["status"] == "failed"
    assert [payment[f"error_{key}"] for key in ("code", "reason", "source", "step", "description")] == [
        "GATEWAY_ERROR",
        "insufficient_funds",
        "customer",
        "payment_debit_request",
        "Transaction failed due to insufficient funds.",
    ]
    assert sdk.order.fetch(order["id"])["status"] == "attempted"
    with pytest.raises(ControlRefused, match="409"):
        sandbox.control("POST", f"/payments/{upi_payment}/decline")


def test_payment_may_be_authorized_after_it_failed(sdk: razorpay.Client, sandbox: Sandbox, upi_payment: str) -> None:
    sandbox.control("POST", f"/payments/{upi_payment}/decline")

    sandbox.control("POST", f"/payments/{upi_payment}/approve")

    payment = sdk.payment.fetch(upi_payment)
    assert (payment["status"], payment["late_authorized"], payment["error_code"]) == ("captured", True, None)


def test_second_money_for_a_paid_order_is_not_captured(
    sdk: razorpay.Client, sandbox: Sandbox, order: dict[str, Any], make_upi_request: UpiRequest
) -> None:
    first = sdk.payment.createUpi(make_upi_request(order))["razorpay_payment_id"]
    second = sdk.payment.createUpi(make_upi_request(order))["razorpay_payment_id"]

    sandbox.control("POST", f"/payments/{first}/approve")
    sandbox.control("POST", f"/payments/{second}/approve")

    assert sdk.payment.fetch(first)["status"] == "captured"
    assert sdk.payment.fetch(second)["status"] == "authorized"
    with pytest.raises(BadRequestError, match="already paid"):
        sdk.payment.capture(second, 117_900, {"currency": "INR"})
    with pytest.raises(BadRequestError, match="already done"):
        sdk.payment.createUpi(make_upi_request(order))


def test_unanswered_payment_times_out_after_ten_minutes(
    sdk: razorpay.Client, sandbox: Sandbox, upi_payment: str
) -> None:
    sandbox.control("POST", "/clock", {"advance_seconds": 590})
    assert sdk.payment.fetch(upi_payment)["status"] == "created"

    sandbox.control("POST", "/clock", {"advance_seconds": 15})

    assert sdk.payment.fetch(upi_payment)["error_reason"] == "payment_timed_out"


def test_authorisation_later_than_the_capture_window_stays_uncaptured(
    sdk: razorpay.Client, sandbox: Sandbox, make_upi_request: UpiRequest
) -> None:
    options = {"capture": "automatic", "capture_options": {"automatic_expiry_period": 12}}
    order = make_order(sdk, payment=options)
    payment_id = sdk.payment.createUpi(make_upi_request(order))["razorpay_payment_id"]
    sandbox.control("POST", "/clock", {"advance_seconds": 13 * 60})

    sandbox.control("POST", f"/payments/{payment_id}/approve")

    assert sdk.payment.fetch(payment_id)["status"] == "authorized"


@pytest.mark.parametrize("capture", [{"payment": {"capture": "manual"}}, {"payment_capture": 0}])
def test_manual_capture_takes_exactly_the_authorized_amount_once(
    sdk: razorpay.Client, sandbox: Sandbox, capture: dict[str, Any]
) -> None:
    order = make_order(sdk, **capture)
    payment_id = sandbox.control("POST", f"/orders/{order['id']}/checkout")["razorpay_payment_id"]
    assert sdk.payment.fetch(payment_id)["status"] == "authorized"

    with pytest.raises(BadRequestError, match="Capture amount must be equal to the amount authorized"):
        sdk.payment.capture(payment_id, 117_800, {"currency": "INR"})
    captured = sdk.payment.capture(payment_id, 117_900, {"currency": "INR"})
    with pytest.raises(BadRequestError, match="declined as the order is already paid"):
        sdk.payment.capture(payment_id, 117_900, {"currency": "INR"})

    assert (captured["status"], captured["fee"]) == ("captured", 2_782)
    assert sdk.order.fetch(order["id"])["status"] == "paid"


def test_payment_that_nobody_approved_cannot_be_captured(sdk: razorpay.Client, upi_payment: str) -> None:
    with pytest.raises(BadRequestError, match="authorized"):
        sdk.payment.capture(upi_payment, 117_900, {"currency": "INR"})


@pytest.mark.parametrize(
    ("amount", "code", "reason", "source", "step"),
    [
        (201, "GATEWAY_ERROR", "insufficient_funds", "customer", "payment_debit_request"),
        (402, "GATEWAY_ERROR", "payment_declined", "issuer_bank", "payment_debit_request"),
        (204, "BAD_REQUEST_ERROR", "incorrect_pin", "customer", "payment_authentication"),
        (302, "BAD_REQUEST_ERROR", "payment_cancelled", "customer", "payment_authentication"),
    ],
)
def test_documented_amounts_decide_the_outcome(
    sdk: razorpay.Client, make_upi_request: UpiRequest, amount: int, code: str, reason: str, source: str, step: str
) -> None:
    order = make_order(sdk, amount=amount)
    payment_id = sdk.payment.createUpi(make_upi_request(order))["razorpay_payment_id"]

    payment = sdk.payment.fetch(payment_id)
    assert payment["status"] == "failed"
    assert [payment[f"error_{key}"] for key in ("code", "reason", "source", "step")] == [code, reason, source, step]


@pytest.mark.parametrize(
    ("vpa", "status"), [("success@razorpay", "captured"), ("failure@razorpay", "failed"), ("a@upi", "created")]
)
def test_collect_follows_the_documented_addresses(
    sdk: razorpay.Client, order: dict[str, Any], make_upi_request: UpiRequest, vpa: str, status: str
) -> None:
    answer = sdk.payment.createUpi(make_upi_request(order, upi={"flow": "collect", "vpa": vpa}))

    assert set(answer) == {"razorpay_payment_id"}
    assert sdk.payment.fetch(answer["razorpay_payment_id"])["status"] == status


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 100},
        {"amount": 99},
        {"contact": "12345"},
        {"contact": None},
        {"email": None},
        {"order_id": None},
        {"order_id": "order_AAAAAAAAAAAAAA"},
        {"method": "card"},
        {"upi": {"flow": "in_app"}},
        {"upi": {"flow": "collect"}},
        {"upi": None},
        {"colour": "blue"},
    ],
)
def test_malformed_upi_request_is_refused_and_nothing_is_attempted(
    sdk: razorpay.Client, order: dict[str, Any], make_upi_request: UpiRequest, change: dict[str, Any]
) -> None:
    with pytest.raises(BadRequestError):
        sdk.payment.createUpi(make_upi_request(order, **change))

    assert sdk.order.fetch(order["id"]) == order


def test_account_without_server_to_server_upi_has_no_such_url(
    sdk: razorpay.Client, sandbox: Sandbox, order: dict[str, Any], make_upi_request: UpiRequest
) -> None:
    sandbox.control("POST", "/knobs/razorpay", {"s2s_upi": False})

    with pytest.raises(BadRequestError, match="URL was not found"):
        sdk.payment.createUpi(make_upi_request(order))


@pytest.mark.parametrize(("payer", "status"), [("approve", "captured"), ("decline", "failed")])
def test_payer_may_answer_automatically(
    sdk: razorpay.Client,
    sandbox: Sandbox,
    order: dict[str, Any],
    make_upi_request: UpiRequest,
    payer: str,
    status: str,
) -> None:
    sandbox.control("POST", "/knobs/razorpay", {"payer": payer, "payer_delay_ms": 20})
    payment_id = sdk.payment.createUpi(make_upi_request(order))["razorpay_payment_id"]

    assert sandbox.control("GET", "/webhooks", wait=5)["settled"]
    assert sdk.payment.fetch(payment_id)["status"] == status


@pytest.mark.parametrize(
    ("method", "field"), [("upi", "vpa"), ("card", "card_id"), ("netbanking", "bank"), ("wallet", "wallet")]
)
def test_checkout_hands_back_a_signature_that_the_client_accepts(
    sdk: razorpay.Client, sandbox: Sandbox, order: dict[str, Any], method: str, field: str
) -> None:
    answer = sandbox.control("POST", f"/orders/{order['id']}/checkout", {"method": method})

    assert sdk.utility.verify_payment_signature(answer) is True
    with pytest.raises(SignatureVerificationError):
        sdk.utility.verify_payment_signature({**answer, "razorpay_order_id": "order_AAAAAAAAAAAAAA"})
    payment = sdk.payment.fetch(answer["razorpay_payment_id"])
    assert (payment["method"], payment["status"]) == (method, "captured")
    assert payment[field]
    assert ("upi" in payment) == (method == "upi")


def test_failed_checkout_hands_back_the_error(sdk: razorpay.Client, sandbox: Sandbox, order: dict[str, Any]) -> None:
    answer = sandbox.control(
        "POST", f"/orders/{order['id']}/checkout", {"outcome": "failure", "reason": "payment_cancelled"}
    )

    error = answer["error"]
    assert (error["code"], error["reason"]) == ("BAD_REQUEST_ERROR", "payment_cancelled")
    assert error["metadata"]["order_id"] == order["id"]
    assert sdk.payment.fetch(error["metadata"]["payment_id"])["status"] == "failed"


def test_partial_payments_add_up(sdk: razorpay.Client, sandbox: Sandbox, make_upi_request: UpiRequest) -> None:
    order = make_order(sdk, partial_payment=True, first_payment_min_amount=50_000)
    with pytest.raises(BadRequestError, match="different from your order amount"):
        sdk.payment.createUpi(make_upi_request(order, amount=40_000))
    first = sdk.payment.createUpi(make_upi_request(order, amount=50_000))["razorpay_payment_id"]
    sandbox.control("POST", f"/payments/{first}/approve")
    half_paid = sdk.order.fetch(order["id"])
    assert (half_paid["status"], half_paid["amount_paid"], half_paid["amount_due"]) == ("attempted", 50_000, 67_900)

    sandbox.control("POST", f"/orders/{order['id']}/checkout")

    assert sdk.order.fetch(order["id"])["status"] == "paid"


def test_payments_are_listed_and_their_notes_edited(sdk: razorpay.Client, upi_payment: str) -> None:
    sdk.payment.edit(upi_payment, {"notes": {"k": "v"}})

    items = sdk.payment.all({"count": 5})["items"]
    assert [(row["id"], row["notes"]) for row in items] == [(upi_payment, {"k": "v"})]
    with pytest.raises(BadRequestError, match="notes field is required"):
        sdk.payment.edit(upi_payment, {})


def test_truth_adds_up(sdk: razorpay.Client, sandbox: Sandbox, order: dict[str, Any], upi_payment: str) -> None:
    sandbox.control("POST", f"/payments/{upi_payment}/approve")
    make_order(sdk)

    truth = sandbox.control("GET", "/truth")
    assert truth["totals"] == {
        "orders": {"paid": 1, "created": 1},
        "payments": {"captured": 1},
        "refunds": {},
        "disputes": {},
        "captured_amount": 117_900,
        "fee": 2_782,
        "tax": 424,
        "refunded_amount": 0,
        "auto_refunded_amount": 0,
        "adjusted_amount": 0,
        "settled_amount": 0,
        "balance": 115_118,
    }
    assert truth["orders"][0]["payments"] == [upi_payment]


def test_clients_own_webhook_check_agrees_with_plain_hmac(sdk: razorpay.Client) -> None:
    body, secret = '{"a":1}', "s"
    signature = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()

    assert sdk.utility.verify_webhook_signature(body, signature, secret) is True


class TestChargedOtherwise:
    """Razorpay charges another amount than its order's, and calls the order paid."""

    def pay(self, sandbox: Sandbox, order: dict[str, Any], **how: Any) -> Any:
        return sandbox.control("POST", f"/orders/{order['id']}/checkout", {"method": "card", **how})

    def test_a_customer_who_bears_the_fee(self, sandbox: Sandbox, sdk: razorpay.Client) -> None:
        order = make_order(sdk, amount=100_000)

        paid = self.pay(sandbox, order, fee_bearer="customer")

        payment = sdk.payment.fetch(paid["razorpay_payment_id"])
        assert (payment["amount"], payment["fee"], payment["tax"], payment["fee_bearer"]) == (
            102_360, 2_360, 360, "customer",
        )  # fmt: skip
        kept = sdk.order.fetch(order["id"])
        assert (kept["status"], kept["amount_paid"], kept["amount_due"]) == ("paid", 100_000, 0)

    def test_a_customer_with_an_offer(self, sandbox: Sandbox, sdk: razorpay.Client) -> None:
        order = make_order(sdk, amount=100_000)

        paid = self.pay(sandbox, order, offer_discount=10_000)

        payment = sdk.payment.fetch(paid["razorpay_payment_id"])
        assert (payment["amount"], payment["fee"]) == (90_000, 2_124)
        assert payment["offer_id"].startswith("offer_")
        assert sdk.order.fetch(order["id"])["status"] == "paid"

    def test_an_offer_leaves_something_to_pay(self, sandbox: Sandbox, sdk: razorpay.Client) -> None:
        order = make_order(sdk, amount=100_000)

        with pytest.raises(ControlRefused):
            self.pay(sandbox, order, offer_discount=100_000)

        assert sdk.order.fetch(order["id"])["attempts"] == 0

    def test_a_customer_who_pays_in_another_currency(self, sandbox: Sandbox, sdk: razorpay.Client) -> None:
        order = make_order(sdk, amount=100_000)

        paid = self.pay(sandbox, order, payer_currency="USD", payer_amount=1_200)

        payment = sdk.payment.fetch(paid["razorpay_payment_id"])
        assert (payment["amount"], payment["currency"], payment["base_amount"], payment["base_currency"]) == (
            1_200, "USD", 100_000, "INR",
        )  # fmt: skip
        assert (payment["international"], sdk.order.fetch(order["id"])["status"]) == (True, "paid")
        refund = sdk.payment.refund(payment["id"], {"amount": 600})
        assert (refund["amount"], refund["currency"], [key for key in refund if "base" in key]) == (600, "USD", [])
        assert sdk.payment.refund(payment["id"], {})["amount"] == 600
        assert sdk.payment.fetch(payment["id"])["status"] == "refunded"

    def test_an_amount_in_another_currency_needs_that_currency(self, sandbox: Sandbox, sdk: razorpay.Client) -> None:
        with pytest.raises(ControlRefused):
            self.pay(sandbox, make_order(sdk), payer_amount=1_200)

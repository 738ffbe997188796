"""The Razorpay adapter: signatures against worked examples, errors kept whole, habits of the wire understood."""

import hashlib
import hmac
import json
import random
from typing import Any

import pytest

from apps.core.http import ResponseTooLarge
from apps.payments.facts import GatewayError, UnreadableFacts, with_prefix
from apps.payments.gateways.interface import (
    CredentialsRejected,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    Payer,
    load_adapter,
)
from apps.payments.gateways.razorpay.disputes import dispute_from
from apps.payments.gateways.razorpay.entities import (
    masked_payer,
    order_from,
    payment_from,
    refund_from,
    webhook_from,
)
from apps.payments.gateways.razorpay.payment_links import link_from

WEBHOOK_SECRET = "whsec_test_456"
WEBHOOK_BODY = (
    b'{"entity":"event","account_id":"acc_NQxjAAAAAAAAAA","event":"payment.captured","contains":["payment"],"payload":'
    b'{"payment":{"entity":{"id":"pay_NQxlPq2WmR8sTz","entity":"payment","amount":117900,"currency":"INR","status":'
    b'"captured","order_id":"order_NQxk3a7bGfD1Ye","method":"upi","captured":true,"vpa":"success@razorpay","notes":[],'
    b'"created_at":1763700000}}},"created_at":1763700005}'
)
WEBHOOK_SIGNATURE = "4b76ddc49fc65d37ef2259ea8c9c8f3a7caff1fecaf078d728ffdff4d90e07e7"
CHECKOUT = {
    "gateway_order_id": "order_NQxk3a7bGfD1Ye",
    "gateway_payment_id": "pay_NQxlPq2WmR8sTz",
    "signature": "b28b3b1cf11aae4ef55eae124e6c88b095949cbffe7aa624916fac870061a92b",
}


@pytest.fixture
def gateway() -> Any:
    return load_adapter("razorpay")


# Signatures -----------------------------------------------------------------------------------------------------------


def test_the_worked_webhook_signature_is_accepted(gateway: Any, settings: Any) -> None:
    settings.RAZORPAY_WEBHOOK_SECRETS = [WEBHOOK_SECRET]
    assert len(WEBHOOK_BODY) == 384
    assert gateway.is_webhook_signed(raw=WEBHOOK_BODY, signature=WEBHOOK_SIGNATURE)


def test_the_same_json_written_again_is_refused(gateway: Any, settings: Any) -> None:
    settings.RAZORPAY_WEBHOOK_SECRETS = [WEBHOOK_SECRET]
    rewritten = json.dumps(json.loads(WEBHOOK_BODY)).encode()
    digest = hmac.new(WEBHOOK_SECRET.encode(), rewritten, hashlib.sha256).hexdigest()
    assert digest == "28abf3a2a655eeee19b0679b768997126d35e2135d0f899a64ae899f9f10bd16"
    assert not gateway.is_webhook_signed(raw=rewritten, signature=WEBHOOK_SIGNATURE)


def test_both_secrets_are_accepted_during_rotation_and_the_old_one_no_longer_after_it(
    gateway: Any, settings: Any
) -> None:
    settings.RAZORPAY_WEBHOOK_SECRETS = ["the new secret", WEBHOOK_SECRET]
    assert gateway.is_webhook_signed(raw=WEBHOOK_BODY, signature=WEBHOOK_SIGNATURE)
    settings.RAZORPAY_WEBHOOK_SECRETS = ["the new secret"]
    assert not gateway.is_webhook_signed(raw=WEBHOOK_BODY, signature=WEBHOOK_SIGNATURE)


@pytest.mark.parametrize(
    "signature",
    ["", "0" * 64, WEBHOOK_SIGNATURE[:-1], WEBHOOK_SIGNATURE + "0", WEBHOOK_SIGNATURE.upper(), " " + WEBHOOK_SIGNATURE,
     "é" * 64, "\udcff" * 64, "sha256=" + WEBHOOK_SIGNATURE],
)  # fmt: skip
def test_whatever_is_not_the_signature_is_refused(gateway: Any, settings: Any, signature: str) -> None:
    settings.RAZORPAY_WEBHOOK_SECRETS = [WEBHOOK_SECRET]
    assert not gateway.is_webhook_signed(raw=WEBHOOK_BODY, signature=signature)


def test_no_flipped_byte_is_accepted_in_ten_thousand(gateway: Any, settings: Any) -> None:
    settings.RAZORPAY_WEBHOOK_SECRETS = [WEBHOOK_SECRET, "the previous secret"]
    dice = random.Random(7)
    accepted = 0
    for _ in range(10_000):
        body, signature = bytearray(WEBHOOK_BODY), bytearray(WEBHOOK_SIGNATURE.encode())
        target = body if dice.random() < 0.7 else signature
        target[dice.randrange(len(target))] ^= 1 << dice.randrange(8)
        accepted += gateway.is_webhook_signed(raw=bytes(body), signature=signature.decode("latin-1"))
    assert accepted == 0


def test_the_worked_checkout_signature_is_accepted_for_its_own_order_alone(gateway: Any, settings: Any) -> None:
    settings.RAZORPAY_KEY_SECRET = "test_key_secret_123"
    assert gateway.is_checkout_signed(**CHECKOUT)
    assert not gateway.is_checkout_signed(**{**CHECKOUT, "gateway_order_id": "order_NQxk3a7bGfD1Yf"})
    assert not gateway.is_checkout_signed(**{**CHECKOUT, "gateway_payment_id": "pay_NQxlPq2WmR8sTy"})


# Facts ----------------------------------------------------------------------------------------------------------------


def test_a_webhook_with_empty_notes_as_a_list_is_read() -> None:
    event_type, facts = webhook_from(WEBHOOK_BODY)
    assert event_type == "payment.captured"
    assert facts is not None
    assert (facts.id, facts.order_id, facts.status, facts.amount, facts.currency) == (
        "pay_NQxlPq2WmR8sTz", "order_NQxk3a7bGfD1Ye", "captured", 117900, "INR",
    )  # fmt: skip
    assert facts.payer == "su***@razorpay"
    assert facts.our_payment == ""


def _webhook(event: str, **payload: Any) -> bytes:
    wrapped = {name: {"entity": entity} for name, entity in payload.items()}
    return json.dumps({"event": event, "payload": wrapped}).encode()


def test_a_webhook_without_its_time_is_read_and_ids_get_their_prefix() -> None:
    entity = {"id": "NQxlPq2WmR8sTz", "order_id": "NQxk3a7bGfD1Ye", "amount": 100, "currency": "inr", "status": "failed",
              "error_code": "GATEWAY_ERROR", "error_reason": "NA", "error_source": None, "notes": None}  # fmt: skip
    _, facts = webhook_from(_webhook("payment.failed", payment=entity))
    assert facts is not None
    assert (facts.id, facts.order_id, facts.currency) == ("pay_NQxlPq2WmR8sTz", "order_NQxk3a7bGfD1Ye", "INR")
    assert facts.error.as_dict() == {"code": "GATEWAY_ERROR"}


def test_our_id_is_found_in_notes_of_payment_or_order_or_in_the_receipt() -> None:
    entity = {"id": "pay_1", "order_id": "order_1", "amount": 1, "currency": "INR", "status": "captured"}
    assert payment_from({**entity, "notes": {"payment": "pay_a"}}).our_payment == "pay_a"
    assert payment_from(entity, order={"notes": {"payment": "pay_b"}, "receipt": "pay_c"}).our_payment == "pay_b"
    assert payment_from({**entity, "notes": []}, order={"notes": [], "receipt": "pay_c"}).our_payment == "pay_c"


def test_a_refunded_payment_was_captured_or_let_go_by_the_gateway() -> None:
    entity = {"id": "pay_1", "order_id": "order_1", "amount": 1, "currency": "INR", "status": "refunded"}
    assert payment_from({**entity, "captured": True}).status == "captured"
    assert payment_from({**entity, "captured": False}).status == "auto_refunded"


@pytest.mark.parametrize("event", ["refund.created", "payment.dispute.created", "settlement.processed", "brand.new"])
def test_webhooks_that_are_not_followed_carry_no_facts(event: str) -> None:
    assert webhook_from(_webhook(event, payment={"id": "pay_1"})) == (event, None)


@pytest.mark.parametrize(
    "raw",
    [b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 100_000,
     _webhook("payment.captured", payment={"id": "pay_1", "amount": "100", "status": "captured"}),
     _webhook("payment.captured", payment={"id": "pay_1", "amount": True, "status": "captured"}),
     _webhook("payment.captured", payment={"id": "pay_1", "amount": 100, "status": "hovering"}),
     _webhook("payment.captured", payment={"id": ["x"], "amount": 100, "status": "captured"}),
     _webhook("payment.captured", payment=[])],
)  # fmt: skip
def test_what_cannot_be_understood_is_said_to_be_so(raw: bytes) -> None:
    with pytest.raises(UnreadableFacts):
        webhook_from(raw)


@pytest.mark.parametrize("value", [None, "", "a b", "x" * 60, 7, "pay_1\n", "../x"])
def test_what_is_no_id_is_refused(value: Any) -> None:
    with pytest.raises(UnreadableFacts):
        with_prefix("pay", value)


def test_payers_are_masked() -> None:
    assert masked_payer({"vpa": "gaurav.kumar@upi"}) == "ga***@upi"
    assert masked_payer({"upi": {"vpa": "9876543210@ybl"}}) == "98***@ybl"
    assert masked_payer({"card": {"network": "Visa", "last4": "1007"}}) == "Visa **** 1007"
    assert masked_payer({"bank": "HDFC"}) == "HDFC"
    assert masked_payer({}) == ""


ODD_TEXTS = [
    ("3222\x0006", "322206"),
    ("3222\ud80006", "322206"),
    ("9" * 50, "9" * 40),
    (322206, "322206"),
    ("\x00", ""),
    (10**41, ""),
    (True, ""),
    (3.5, ""),
    (["322206"], ""),
    ({"rrn": "322206"}, ""),
]


@pytest.mark.parametrize(("told", "kept"), ODD_TEXTS)
def test_bank_reference_is_kept_as_far_as_it_can_be_stored(told: Any, kept: str) -> None:
    payment = {"id": "pay_1", "amount": 100, "currency": "INR", "status": "captured", "acquirer_data": {"rrn": told}}
    refund = {"id": "rfnd_1", "payment_id": "pay_1", "amount": 100, "currency": "INR", "status": "processed"}

    assert payment_from(payment).rrn == kept
    assert refund_from({**refund, "acquirer_data": {"arn": told}}).arn == kept


@pytest.mark.parametrize("odd", ["\x00", "\ud800"])
def test_links_and_disputes_keep_no_text_that_cannot_be_stored(odd: str) -> None:
    link = {"id": "plink_1", "status": "created", "short_url": f"https://rzp.io/{odd}i/1", "currency": f"{odd}INR"}
    dispute = {"id": "disp_1", "payment_id": "pay_1", "amount": 100, "currency": "INR", "status": "open"}
    read = link_from({**link, "notes": {"payment": f"{odd}pay_ours"}})

    assert (read.url, read.currency, read.our_payment) == ("https://rzp.io/i/1", "INR", "pay_ours")
    assert dispute_from({**dispute, "phase": "fraud", "reason_code": f"fr{odd}aud"}).reason_code == "fraud"


def test_an_order_is_read() -> None:
    order = order_from({"id": "order_1", "amount": 100, "currency": "INR", "receipt": None, "notes": []})
    assert (order.id, order.amount, order.receipt) == ("order_1", 100, "")


# Calls ----------------------------------------------------------------------------------------------------------------


def _create(gateway: Any, receipt: str = "pay_receipt", amount: int = 117_900) -> Any:
    return gateway.create_order(receipt=receipt, amount=amount, currency="INR", notes={"payment": receipt})


def _orders_in(sandbox: Any) -> list[Any]:
    return list(sandbox.control("GET", "/truth")["orders"])


def test_an_order_is_made_with_our_receipt_and_notes(gateway: Any, sandbox: Any) -> None:
    made = _create(gateway)
    assert (made.amount, made.currency, made.receipt, made.status) == (117_900, "INR", "pay_receipt", "created")
    assert gateway.find_order(receipt="pay_receipt") == made
    assert gateway.find_order(receipt="another") is None
    assert _orders_in(sandbox)[0]["notes"] == {"payment": "pay_receipt"}


@pytest.mark.parametrize("habit", ["return", "refuse"])
def test_a_second_order_with_one_receipt_is_the_first_one(gateway: Any, sandbox: Any, habit: str) -> None:
    sandbox.control("POST", "/knobs/razorpay", {"unique_receipt": habit})
    assert _create(gateway) == _create(gateway)
    assert len(_orders_in(sandbox)) == 1


def test_a_refusal_keeps_all_that_was_said(gateway: Any, sandbox: Any) -> None:
    with pytest.raises(GatewayRejected) as refusal:
        _create(gateway, amount=99)
    assert refusal.value.error.as_dict() == {
        "code": "BAD_REQUEST_ERROR",
        "reason": "amount_less_than_minimum_amount",
        "description": "Order amount less than minimum amount allowed",
        "source": "business",
        "step": "order_creation",
        "field": "amount",
        "status": 400,
    }


def test_a_wrong_key_refuses_nothing(gateway: Any, sandbox: Any, settings: Any) -> None:
    settings.RAZORPAY_KEY_SECRET = "wrong"
    with pytest.raises(CredentialsRejected) as refusal:
        _create(gateway)
    assert refusal.value.error == GatewayError(
        code="BAD_REQUEST_ERROR", description="The api key provided is invalid", status=401
    )


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"kind": "status", "status": 500}, GatewayOutcomeUnknown),
        ({"kind": "status", "status": 502}, GatewayOutcomeUnknown),
        ({"kind": "status", "status": 429}, GatewayUnavailable),
        ({"kind": "status", "status": 401}, GatewayUnavailable),
        ({"kind": "status", "status": 403}, GatewayUnavailable),
        ({"kind": "status", "status": 408}, GatewayOutcomeUnknown),
        ({"kind": "status", "status": 413}, GatewayOutcomeUnknown),
        ({"kind": "html", "status": 502}, GatewayOutcomeUnknown),
        ({"kind": "html", "status": 403}, GatewayOutcomeUnknown),
        ({"kind": "malformed"}, GatewayOutcomeUnknown),
        ({"kind": "drop_after_commit"}, GatewayOutcomeUnknown),
        ({"kind": "drop_before_commit"}, GatewayOutcomeUnknown),
    ],
)
def test_write_is_sent_once_and_its_outcomes_are_distinguished(
    gateway: Any, sandbox: Any, fault: dict[str, Any], outcome: type[Exception]
) -> None:
    sandbox.control("POST", "/faults", {"path": "/v1/orders", "method": "POST", "times": 5, **fault})
    with pytest.raises(outcome):
        _create(gateway)
    calls = sandbox.control("GET", "/journal", service="razorpay", direction="in")
    assert len([call for call in calls["items"] if call["method"] == "POST"]) == 1


def test_a_gateway_that_was_not_reached_did_nothing(gateway: Any, settings: Any) -> None:
    settings.RAZORPAY_BASE_URL = "http://127.0.0.1:9/razorpay"
    with pytest.raises(GatewayUnavailable):
        _create(gateway)


@pytest.mark.parametrize("kind", ["html", "malformed", "drop_before_commit"])
def test_read_is_attempted_three_times(gateway: Any, sandbox: Any, kind: str) -> None:
    made = _create(gateway)
    sandbox.control("POST", "/faults", {"path": "/v1/orders/*", "method": "GET", "kind": kind, "times": 2})
    assert gateway.list_payments(gateway_order_id=made.id) == []
    sandbox.control("POST", "/faults", {"path": "/v1/orders/*", "method": "GET", "kind": kind, "times": 3})
    with pytest.raises(GatewayOutcomeUnknown):
        gateway.list_payments(gateway_order_id=made.id)


def test_payments_of_an_order_are_listed_and_captured(gateway: Any, sandbox: Any) -> None:
    made = _create(gateway)
    sandbox.control("POST", f"/orders/{made.id}/checkout", {"outcome": "failure", "reason": "insufficient_funds"})
    sandbox.control("POST", f"/orders/{made.id}/checkout", {"outcome": "success", "method": "card"})
    failed, captured = gateway.list_payments(gateway_order_id=made.id)
    assert (failed.status, failed.error.reason, failed.error.source) == ("failed", "insufficient_funds", "customer")
    assert (captured.status, captured.payer, captured.amount) == ("captured", "Visa **** 1007", 117_900)
    assert captured.fee_amount == 2_782
    assert gateway.get_payment(gateway_payment_id=captured.id) == captured
    with pytest.raises(GatewayRejected):
        gateway.capture(gateway_payment_id=captured.id, amount=117_900, currency="INR")


def test_a_upi_intent_gives_the_link_unless_the_setting_says_no(gateway: Any, sandbox: Any, settings: Any) -> None:
    made = _create(gateway)
    asked = {
        "gateway_order_id": made.id, "amount": 117_900, "currency": "INR", "description": "Order ORD-1",
        "payer": Payer(email="", phone="+919876543210", ip="", user_agent=""), "notes": {"payment": "pay_receipt"},
    }  # fmt: skip
    intent = gateway.create_upi_intent(**asked)
    assert intent.link.startswith("upi://pay?pa=")
    assert "am=1179.00" in intent.link
    settings.RAZORPAY_S2S_UPI = False
    assert gateway.create_upi_intent(**asked) is None


# Size -----------------------------------------------------------------------------------------------------------------


class TestResponseTooLarge:
    """What is larger than is ever read says nothing, and asking again would bring the same."""

    @pytest.fixture
    def calls(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        calls: list[str] = []

        def call(self: Any, method: str, path: str, **_: Any) -> Any:
            calls.append(f"{method} {path}")
            raise ResponseTooLarge("the response is larger than 4 MiB and was not read")

        monkeypatch.setattr("apps.core.http.Client.call", call)
        return calls

    def test_leaves_a_question_open_without_asking_again(self, gateway: Any, calls: list[str]) -> None:
        with pytest.raises(GatewayOutcomeUnknown) as unknown:
            gateway.get_payment(gateway_payment_id="pay_00000000000001")

        assert calls == ["GET /v1/payments/pay_00000000000001"]
        assert (unknown.value.error.code, unknown.value.error.description) == (
            "ANSWER_TOO_LARGE", "the response is larger than 4 MiB and was not read",
        )  # fmt: skip

    def test_leaves_a_refund_unknown(self, gateway: Any, calls: list[str]) -> None:
        with pytest.raises(GatewayOutcomeUnknown) as unknown:
            gateway.create_refund(
                gateway_payment_id="pay_00000000000001", amount=100, speed="normal", receipt="R1", notes={},
                idempotency_key="k" * 36,
            )  # fmt: skip

        assert (len(calls), unknown.value.error.code) == (1, "ANSWER_TOO_LARGE")

"""The adapter of Razorpay: its API on one side, our data classes on the other (https://razorpay.com/docs/api/)."""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from http import HTTPStatus
from json import loads
from typing import Any
from urllib.parse import quote

from django.conf import settings

from apps.payments.facts import (
    GatewayDispute,
    GatewayDowntime,
    GatewayOrder,
    GatewayPayment,
    GatewayRefund,
    GatewaySettlement,
    SettlementRow,
    UnreadableFacts,
    UpiIntent,
    WebhookEnvelope,
    WebhookFacts,
    with_prefix,
)
from apps.payments.gateways.interface import EvidenceFile, GatewayOutcomeUnknown, GatewayRejected, Payer
from apps.payments.gateways.razorpay.calls import call, parse_collection, parse_response, read, write
from apps.payments.gateways.razorpay.disputes import FOLLOWED_DISPUTES, contest_body, dispute_from
from apps.payments.gateways.razorpay.downtimes import (
    FOLLOWED_DOWNTIMES,
    downtime_event_from,
    downtime_from,
    downtimes_from,
)
from apps.payments.gateways.razorpay.entities import (
    account_of,
    entity_of,
    envelope_from,
    order_from,
    payment_from,
    refund_from,
    webhook_from,
)
from apps.payments.gateways.razorpay.payment_links import FOLLOWED_LINKS, RazorpayLinks, link_event_from
from apps.payments.gateways.razorpay.settlements import PAGE, row_from, settlement_day_from, settlement_from

NAME = "razorpay"
#: Minutes. Razorpay captures a payment that is authorised within the first period, and refunds what is not captured by
#: the second.
_CAPTURE_OPTIONS = {"automatic_expiry_period": 30, "manual_expiry_period": 7200, "refund_speed": "normal"}
#: Razorpay's own placeholder for a payer without an e-mail address.
_NO_EMAIL = "void@razorpay.com"
_RECEIPT_TAKEN = "Order receipt should be unique."

_REFUNDS_A_PAGE, _MAX_REFUNDS = 100, 5_000
#: Our refund speeds and their names at Razorpay.
_SPEEDS = {"normal": "normal", "instant": "optimum"}


class Razorpay(RazorpayLinks):
    """The Razorpay account that the settings name."""

    name = NAME

    def create_order(self, *, receipt: str, amount: int, currency: str, notes: Mapping[str, str]) -> GatewayOrder:
        """
        Create one order per receipt: a second call, also after a lost response, returns the same order.

        :raises GatewayRejected: if Razorpay rejected the call
        :raises GatewayUnavailable: if Razorpay did nothing
        :raises GatewayOutcomeUnknown: if the outcome is unknown; look the order up by its receipt first
        """
        body = {
            "amount": amount,
            "currency": currency,
            "receipt": receipt,
            "notes": dict(notes),
            "unique_receipt": True,
            "payment": {"capture": "automatic", "capture_options": dict(_CAPTURE_OPTIONS)},
        }
        try:
            return parse_response(order_from, write("/v1/orders", body))
        except GatewayRejected as refusal:
            found = self.find_order(receipt=receipt) if refusal.error.description == _RECEIPT_TAKEN else None
            if found is None:
                raise
            return found

    def find_order(self, *, receipt: str) -> GatewayOrder | None:
        """Return the oldest order with a receipt, or None."""
        body = read("/v1/orders", {"receipt": receipt, "count": 100})
        matching = [order for order in parse_collection(body, order_from) if order.receipt == receipt]
        return matching[-1] if matching else None

    def get_order(self, *, gateway_order_id: str) -> GatewayOrder:
        """Return the current state of an order, with its status and paid amount."""
        return parse_response(order_from, read(f"/v1/orders/{quote(gateway_order_id, safe='')}"))

    def list_payments(self, *, gateway_order_id: str) -> list[GatewayPayment]:
        """Return every payment attempt of an order, oldest first; Razorpay lists the newest first."""
        return parse_collection(read(f"/v1/orders/{quote(gateway_order_id, safe='')}/payments"), payment_from)[::-1]

    def get_payment(self, *, gateway_payment_id: str) -> GatewayPayment:
        """Return one payment attempt."""
        return parse_response(payment_from, read(f"/v1/payments/{quote(gateway_payment_id, safe='')}"))

    def capture(self, *, gateway_payment_id: str, amount: int, currency: str) -> GatewayPayment:
        """Capture an authorised payment; the amount must be all that was authorised."""
        path = f"/v1/payments/{quote(gateway_payment_id, safe='')}/capture"
        return parse_response(payment_from, write(path, {"amount": amount, "currency": currency}))

    def create_refund(
        self,
        *,
        gateway_payment_id: str,
        amount: int,
        speed: str,
        receipt: str,
        notes: Mapping[str, str],
        idempotency_key: str,
    ) -> GatewayRefund:
        """
        Refund a payment once per idempotency key: the same key and body return the same refund.

        :raises GatewayRejected: if Razorpay rejected the call
        :raises GatewayUnavailable: if Razorpay did nothing
        :raises GatewayOutcomeUnknown: if the outcome is unknown, or another call with the key is in progress; list the
            payment's refunds first
        """
        path = f"/v1/payments/{quote(gateway_payment_id, safe='')}/refund"
        body = {"amount": amount, "speed": _SPEEDS[speed], "receipt": receipt, "notes": dict(notes)}
        try:
            answer = call("POST", path, json=body, headers={"X-Refund-Idempotency": idempotency_key})
        except GatewayRejected as refusal:
            # 409 is about the key alone: another call with it may have created the refund.
            if refusal.error.status == HTTPStatus.CONFLICT:
                raise GatewayOutcomeUnknown(refusal.error) from refusal
            raise
        return parse_response(refund_from, answer)

    def get_refund(self, *, gateway_refund_id: str) -> GatewayRefund:
        """Return one refund."""
        return parse_response(refund_from, read(f"/v1/refunds/{quote(gateway_refund_id, safe='')}"))

    def list_refunds(self, *, gateway_payment_id: str) -> list[GatewayRefund]:
        """Return every refund of a payment, reading all pages: a refund that is missed might be made twice."""
        path = f"/v1/payments/{quote(gateway_payment_id, safe='')}/refunds"
        found: list[GatewayRefund] = []
        for skip in range(0, _MAX_REFUNDS, _REFUNDS_A_PAGE):
            page = parse_collection(read(path, {"count": _REFUNDS_A_PAGE, "skip": skip}), refund_from)
            found += page
            if len(page) < _REFUNDS_A_PAGE:
                break
        return found

    def list_disputes(self) -> list[GatewayDispute]:
        """Return the latest hundred disputes of the account, newest first."""
        return parse_collection(read("/v1/disputes", {"count": 100}), dispute_from)

    def get_dispute(self, *, gateway_dispute_id: str) -> GatewayDispute:
        """Return one dispute."""
        return parse_response(dispute_from, read(f"/v1/disputes/{quote(gateway_dispute_id, safe='')}"))

    def accept_dispute(self, *, gateway_dispute_id: str) -> GatewayDispute:
        """Accept a dispute: the payer is refunded."""
        return parse_response(dispute_from, write(f"/v1/disputes/{quote(gateway_dispute_id, safe='')}/accept", {}))

    def contest_dispute(
        self, *, gateway_dispute_id: str, amount: int, summary: str, evidence_files: Sequence[EvidenceFile]
    ) -> GatewayDispute:
        """Upload the evidence files and contest a dispute with them; files that end up unused do no harm."""
        uploaded = [(proof, parse_response(_document_id, _upload(proof))) for proof in evidence_files]
        path = f"/v1/disputes/{quote(gateway_dispute_id, safe='')}/contest"
        body = contest_body(amount=amount, summary=summary, evidence_files=uploaded)
        return parse_response(dispute_from, call("PATCH", path, json=body))

    def list_downtimes(self) -> list[GatewayDowntime]:
        """Return the downtimes of payment methods that are planned or under way."""
        return downtimes_from(parse_collection(read("/v1/payments/downtimes"), lambda item: item))

    def get_downtime(self, *, gateway_downtime_id: str) -> GatewayDowntime:
        """Return one downtime of a payment method."""
        path = f"/v1/payments/downtimes/{quote(gateway_downtime_id, safe='')}"
        return parse_response(downtime_from, read(path))

    def create_upi_intent(
        self,
        *,
        gateway_order_id: str,
        amount: int,
        currency: str,
        payer: Payer,
        description: str,
        notes: Mapping[str, str],
    ) -> UpiIntent | None:
        """Create a UPI payment from our server, or return None if RAZORPAY_S2S_UPI is off."""
        if not settings.RAZORPAY_S2S_UPI:
            return None
        body = {
            "amount": amount,
            "currency": currency,
            "order_id": gateway_order_id,
            "email": payer.email or _NO_EMAIL,
            "contact": payer.phone,
            "method": "upi",
            "ip": payer.ip or "127.0.0.1",
            "referer": settings.PUBLIC_URL,
            "user_agent": payer.user_agent or "Bahi",
            "description": description,
            "notes": dict(notes),
            "upi": {"flow": "intent"},
        }
        return parse_response(_intent_from, write("/v1/payments/create/upi", body))

    def checkout_options(self, *, gateway_order_id: str) -> dict[str, Any]:
        """Return the options that open Razorpay Checkout in a browser; the key id is public."""
        return {"key_id": settings.RAZORPAY_KEY_ID, "gateway_order_id": gateway_order_id}

    def is_checkout_signed(self, *, gateway_order_id: str, gateway_payment_id: str, signature: str) -> bool:
        """Test the signature that Checkout returns to the page: it proves authorisation, not capture."""
        message = f"{gateway_order_id}|{gateway_payment_id}".encode()
        return _matches(signature, message, settings.RAZORPAY_KEY_SECRET)

    def is_webhook_signed(self, *, raw: bytes, signature: str) -> bool:
        """Test a webhook's signature over its raw bytes against each active secret, in constant time."""
        verdicts = [_matches(signature, raw, secret) for secret in settings.RAZORPAY_WEBHOOK_SECRETS]
        return any(verdicts)

    def read_envelope(self, raw: bytes) -> WebhookEnvelope:
        """Return the subject of a webhook, as far as it can be read."""
        return envelope_from(raw)

    def may_be_our_account(self, account_id: str) -> bool:
        """Test a webhook's `account_id` against RAZORPAY_ACCOUNT_ID; if either is empty, the account passes as ours."""
        ours = settings.RAZORPAY_ACCOUNT_ID.removeprefix("acc_")
        return not (ours and account_id) or account_id.removeprefix("acc_") == ours

    def read_webhook(self, raw: bytes) -> tuple[str, WebhookFacts | None]:
        """Return the type of a webhook and its payment, refund, dispute, link or downtime; None for a type that is not processed."""
        event_type, facts = webhook_from(raw)
        if event_type in FOLLOWED_LINKS:
            link_facts = link_event_from(loads(raw).get("payload"))
            if isinstance(link_facts, GatewayPayment):
                link_facts = replace(link_facts, account_id=account_of(loads(raw)))
            return event_type, link_facts
        if event_type in FOLLOWED_DISPUTES:
            payload = loads(raw).get("payload") or {}
            dispute, payment = entity_of(payload, "dispute"), entity_of(payload, "payment")
            return event_type, dispute_from(dispute, payment=payment, event_type=event_type)
        if event_type in FOLLOWED_DOWNTIMES:
            return event_type, downtime_event_from(loads(raw).get("payload"), event_type)
        return event_type, facts

    def get_settlement(self, *, gateway_settlement_id: str) -> GatewaySettlement:
        """Return one transfer to our bank."""
        return parse_response(settlement_from, read(f"/v1/settlements/{quote(gateway_settlement_id, safe='')}"))

    def list_settlement_rows(self, *, day: date, skip: int) -> list[SettlementRow | None]:
        """Return a page of the combined report of a day in India, after `skip` lines."""
        params = {"year": day.year, "month": day.month, "day": day.day, "count": PAGE, "skip": skip}
        return parse_collection(read("/v1/settlements/recon/combined", params), row_from)

    def read_report_line(
        self,
        line: Mapping[str, str],
        *,
        amount_from: Callable[[Mapping[str, str], str], int],
        time_from: Callable[[Mapping[str, str], str], datetime | None],
        is_fee_net: bool,
    ) -> SettlementRow | None:
        """Read a line of a downloaded report, by the names of the API; None if it is not settled yet."""
        return row_from(line, amount_from=amount_from, time_from=time_from, is_fee_net=is_fee_net)

    def find_settlement_day(self, raw: bytes) -> date | None:
        """Return the day in India of the settlement that a webhook reports, or None if it reports none."""
        return settlement_day_from(raw)


def _matches(signature: str, message: bytes, secret: str) -> bool:
    expected = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass"))


def _document_id(body: Any) -> str:
    return with_prefix("doc", body.get("id") if isinstance(body, dict) else None)


def _upload(proof: EvidenceFile) -> Any:
    file = {"file": (proof.name, proof.content, "application/pdf")}
    return call("POST", "/v1/documents", data={"purpose": "dispute_evidence"}, files=file)


def _intent_from(body: Any) -> UpiIntent:
    if not isinstance(body, dict):
        raise UnreadableFacts("not an object")
    payment_id, link = body.get("razorpay_payment_id"), body.get("link")
    if not isinstance(payment_id, str) or not isinstance(link, str) or not link.startswith("upi://"):
        raise UnreadableFacts("no UPI link in it")
    return UpiIntent(gateway_payment_id=payment_id, link=link)

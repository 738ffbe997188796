"""Webhooks of the gateway: their bodies, signed as it signs them, and received."""

import hashlib
import hmac
import json
from typing import Any

from apps.core import clock
from apps.payments.models import Payment, PaymentAttempt, Webhook
from apps.payments.services import webhooks
from tests.factories.payments import new_gateway_id

SECRET = "sandbox_webhook_secret_0123456789"


URL = "/api/v1/webhooks/razorpay"

#: The webhook that reports a refund, by the refund's status.
REFUND_WEBHOOKS = {"processed": "refund.processed", "pending": "refund.created", "failed": "refund.failed"}


def sign(raw: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def body_of(payment: Payment, event: str = "payment.captured", **entity: Any) -> bytes:
    status = event.removeprefix("payment.") if event.startswith("payment.") else "captured"
    told = {
        "id": "pay_NQxlPq2WmR8sTz", "entity": "payment", "amount": payment.amount, "currency": "INR", "status": status,
        "order_id": payment.gateway_order_id, "method": "upi", "vpa": "gaurav.kumar@upi", "notes": [],
        "fee": 2782 if status == "captured" else None, "tax": 424 if status == "captured" else None, **entity,
    }  # fmt: skip
    return json.dumps({"entity": "event", "event": event, "payload": {"payment": {"entity": told}}}).encode()


def receive(raw: bytes, *, event_id: str = "", signature: str | None = None) -> Webhook:
    return webhooks.receive_webhook(
        raw=raw,
        signature=sign(raw) if signature is None else signature,
        event_id=event_id or new_gateway_id("evt"),
        now=clock.now(),
    )


def gateway_refund_entity(attempt: PaymentAttempt, **fields: Any) -> dict[str, Any]:
    """Return a refund of an attempt as the gateway reports it; `id` and `amount` (paise) are among the fields."""
    return {
        "entity": "refund", "payment_id": attempt.gateway_payment_id, "currency": "INR", "status": "processed",
        "speed_processed": "normal", "notes": [], **fields,
    }  # fmt: skip


def receive_event(event: str, *, account_id: str | None = None, **entities: Any) -> Webhook:
    """Have a signed webhook arrive and a worker process it."""
    body: dict[str, Any] = {"entity": "event", "event": event}
    if account_id is not None:
        body["account_id"] = account_id
    body["payload"] = {name: {"entity": entity} for name, entity in entities.items()}
    webhook = receive(json.dumps(body).encode())
    webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())
    webhook.refresh_from_db()
    return webhook

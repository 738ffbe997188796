"""What a client app of a buyer sends about a payment."""

import hashlib
import hmac
from typing import Any

from apps.payments.models import Payment


def post(client: Any, url: str, body: dict[str, Any] | None = None, *, key: str | None = None) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(url, data=body or {}, format="json", headers=headers)


def signed(payment: Payment, gateway_payment_id: str = "pay_NQxlPq2WmR8sTz", order_id: str = "") -> dict[str, Any]:
    message = f"{order_id or payment.gateway_order_id}|{gateway_payment_id}".encode()
    signature = hmac.new(b"sandbox_key_secret_0123456789", message, hashlib.sha256).hexdigest()
    return {"gateway_payment_id": gateway_payment_id, "signature": signature}

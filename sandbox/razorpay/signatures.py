"""The signatures of Razorpay, all of them hexadecimal HMAC-SHA256."""

from __future__ import annotations

import hashlib
import hmac


def sign_webhook(body: bytes, secret: str) -> str:
    """Sign the exact bytes of a webhook with the webhook secret."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def sign_checkout(*, order_id: str, payment_id: str, key_secret: str) -> str:
    """Sign what Checkout hands to the page, with the secret of the API key."""
    return hmac.new(key_secret.encode(), f"{order_id}|{payment_id}".encode(), hashlib.sha256).hexdigest()


def sign_payment_link(*, link_id: str, reference_id: str, status: str, payment_id: str, key_secret: str) -> str:
    """Sign what the page of a payment link hands to its callback, with the secret of the API key."""
    message = f"{link_id}|{reference_id}|{status}|{payment_id}"
    return hmac.new(key_secret.encode(), message.encode(), hashlib.sha256).hexdigest()

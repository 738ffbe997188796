"""The requests of each kind of work, without end where nothing else is said."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from bench.http_load import build_request, connected
from bench.measures import require_status
from bench.shop import API, Customer, Shop, build_write

_LINES = 3
_ORDERS_READ = 64
_ORDERS_TO_PAY = 400


def empty(shop: Shop) -> Iterator[bytes]:
    """Ask for the empty view, behind the middleware and log line of all routes."""
    return itertools.repeat(build_request("GET", f"{API}/bench/empty"))


def list_products(shop: Shop) -> Iterator[bytes]:
    """Ask for the first page of the public catalogue: 25 products."""
    return itertools.repeat(build_request("GET", f"{API}/products?limit=25"))


def list_uncached_products(shop: Shop) -> Iterator[bytes]:
    """Ask for the same page, made for each request."""
    return itertools.repeat(build_request("GET", f"{API}/bench/products?limit=25"))


def read_uncached_product(shop: Shop) -> Iterator[bytes]:
    """Ask for two products with their variants, made for each request."""
    return itertools.cycle(build_request("GET", f"{API}/bench/products/{product}") for product in shop.products[:2])


def search_uncached_products(shop: Shop) -> Iterator[bytes]:
    """Ask for the first page of a search, made for each request."""
    return itertools.cycle(
        build_request("GET", f"{API}/bench/products?q={word}&limit=25") for word in ("kurta", "rice", "lamp")
    )


def list_categories(shop: Shop) -> Iterator[bytes]:
    """Ask for the categories."""
    return itertools.repeat(build_request("GET", f"{API}/categories"))


def search_products(shop: Shop) -> Iterator[bytes]:
    """Ask for the first page of a search."""
    return itertools.cycle(
        build_request("GET", f"{API}/products?q={word}&limit=25") for word in ("kurta", "rice", "lamp")
    )


def read_product(shop: Shop) -> Iterator[bytes]:
    """Ask for two products with their variants."""
    return itertools.cycle(build_request("GET", f"{API}/products/{product}") for product in shop.products[:2])


def read_own_order(shop: Shop) -> Iterator[bytes]:
    """Ask for a customer's own order of three lines."""
    requests = []
    for _ in range(_ORDERS_READ):
        customer = shop.choose_customer()
        order = _send(shop, build_place_order(shop, customer), expect=201)["id"]
        requests.append(build_request("GET", f"{API}/orders/{order}", headers=customer.headers))
    return itertools.cycle(requests)


def place_order(shop: Shop) -> Iterator[bytes]:
    """Place orders of three lines."""
    while True:
        yield build_place_order(shop, shop.choose_customer())


def start_payment(shop: Shop) -> Iterator[bytes]:
    """Start payments of orders that were placed for them beforehand: a bounded number, more than a block takes."""
    requests = []
    for _ in range(_ORDERS_TO_PAY):
        customer = shop.choose_customer()
        order = _send(shop, build_place_order(shop, customer), expect=201)["id"]
        requests.append(build_write("/payments", json.dumps({"order_id": order}).encode(), customer=customer))
    return iter(requests)


def read_payment(shop: Shop) -> Iterator[bytes]:
    """Ask for the status of a payment, as a client app polls it."""
    requests = []
    for _ in range(_ORDERS_READ):
        customer = shop.choose_customer()
        order = _send(shop, build_place_order(shop, customer), expect=201)["id"]
        body = json.dumps({"order_id": order}).encode()
        payment = _send(shop, build_write("/payments", body, customer=customer), expect=202)["id"]
        requests.append(build_request("GET", f"{API}/payments/{payment}", headers=customer.headers))
    return itertools.cycle(requests)


def receive_webhook(shop: Shop) -> Iterator[bytes]:
    """Send signed webhooks of the gateway, each with an id and a body of its own."""
    secret = shop.stack.env["RAZORPAY_WEBHOOK_SECRETS"].split(",")[0].encode()
    account = shop.stack.env["RAZORPAY_ACCOUNT_ID"]
    while True:
        body = _webhook_body(account)
        headers = {
            "X-Razorpay-Signature": hmac.new(secret, body, hashlib.sha256).hexdigest(),
            "X-Razorpay-Event-Id": uuid.uuid4().hex[:14],
        }
        yield build_request("POST", f"{API}/webhooks/razorpay", headers=headers, body=body)


def _webhook_body(account: str) -> bytes:
    now, mark = int(time.time()), uuid.uuid4().hex
    entity = {
        "id": f"pay_{mark[:14]}", "entity": "payment", "amount": 149_900, "currency": "INR", "status": "captured",
        "order_id": f"order_{mark[14:28]}", "invoice_id": None, "international": False, "method": "upi",
        "amount_refunded": 0, "refund_status": None, "captured": True, "description": None, "card_id": None, "bank": None,
        "wallet": None, "vpa": "asha@okicici", "email": "asha@mail.example", "contact": "+919876543210", "notes": [],
        "fee": 3_538, "tax": 540, "error_code": None, "error_description": None, "error_source": None, "error_step": None,
        "error_reason": None, "acquirer_data": {"rrn": "412345678901"}, "created_at": now,
    }  # fmt: skip
    event = {
        "entity": "event", "account_id": account, "event": "payment.captured", "contains": ["payment"],
        "payload": {"payment": {"entity": entity}}, "created_at": now,
    }  # fmt: skip
    return json.dumps(event).encode()


def choose_basket(shop: Shop, customer: Customer) -> dict[str, Any]:
    """Return the body of an order or a quote of three lines."""
    lines = [{"variant_id": variant, "quantity": 1} for variant in shop.choose_variants(_LINES)]
    return {"lines": lines, "shipping_address_id": customer.address_id}


def build_place_order(shop: Shop, customer: Customer) -> bytes:
    """Return a request for an order of three lines."""
    return build_write("/orders", json.dumps(choose_basket(shop, customer)).encode(), customer=customer)


def _send(shop: Shop, request: bytes, *, expect: int) -> dict[str, str]:
    with connected(shop.port) as connection:
        answer = require_status(connection.send(request), expect, of=request.split(b" HTTP", 1)[0].decode())
    return dict(answer.json())

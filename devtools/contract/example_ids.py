"""Objects for generated requests to be about: one of each kind that the shop has after a sale."""

from __future__ import annotations

import uuid
from typing import Any

from devtools import demo_accounts
from devtools.contract.stack import wait_until_found
from devtools.demo.client import Api, Phone, StepFailed
from devtools.demo.orders import DELIVERY_ADDRESS
from devtools.processes import Stack


def make_example_ids(stack: Stack, api: Api) -> dict[str, str]:
    """
    Make a sale as the signed-in user and return an id of each kind, by prefix.

    :raises StepFailed: if the sale does not go as it should
    """
    product = api.get("/products?limit=1&in_stock=true")["data"][0]
    variant = api.get(f"/products/{product['id']}")["variants"][0]
    address = api.call("POST", "/me/addresses", DELIVERY_ADDRESS, expect=201).json()
    order = _order(api, variant["id"], address["id"])
    payment = _pay(stack, api, order["id"])
    invoice = wait_until_found(lambda: api.get(f"/invoices?order_id={order['id']}")["data"], what="the invoice")[0]
    messages = wait_until_found(lambda: api.get("/me/notifications")["data"], what="a message")
    open_order = _order(api, variant["id"], address["id"])
    refund = _post(api, "/refunds", {"order_id": order["id"], "amount": 100}, expect=202)["data"][0]
    return {
        **_back_office(stack, api, payment, order["id"]),
        "cat": product["category"]["id"],
        "prod": product["id"],
        "var": variant["id"],
        "addr": address["id"],
        "ord": open_order["id"],
        "line": order["lines"][0]["id"],
        "pay": payment["id"],
        "att": payment["attempts"][0]["id"],
        "rfnd": refund["id"],
        "inv": invoice["id"],
        "ntf": messages[0]["id"],
        "cus": order["customer_id"],
    }


def _back_office(stack: Stack, admin: Api, payment: dict[str, Any], order_id: str) -> dict[str, str]:
    """Return ids of what staff look at: a credit note, a dispute, a settlement and something in it that does not agree."""
    finance = Api(f"{stack.web_url}/api/v1")
    login = next(each for each in demo_accounts.STAFF if each.role == "finance")
    body = {"email": login.email, "password": login.password, "transport": "body"}
    finance.sign_in(finance.call("POST", "/auth/login", body).json()["access_token"])
    _post(finance, "/refunds", {"order_id": order_id, "amount": 500}, expect=202)
    note = wait_until_found(lambda: admin.get(f"/credit-notes?order_id={order_id}")["data"], what="the credit note")[0]
    phone = Phone(stack.sandbox_url)
    disputed = {"payment_id": payment["attempts"][0]["gateway_payment_id"], "phase": "chargeback", "amount": 1000}
    phone.control("POST", "/disputes", disputed)
    dispute = wait_until_found(lambda: admin.get("/disputes")["data"], what="the dispute")[0]
    phone.control("POST", "/settlements/run", {"errors": {"amount_mismatch": 1}})
    settlement = wait_until_found(lambda: admin.get("/settlements")["data"], what="the settlement")[0]
    exception = wait_until_found(lambda: admin.get("/reconciliation/exceptions")["data"], what="the exception")[0]
    return {
        "credit_note_id": note["id"],
        "disp": dispute["id"],
        "stl": settlement["id"],
        "rex": exception["id"],
    }


def _order(api: Api, variant_id: str, address_id: str) -> dict[str, Any]:
    body = {"lines": [{"variant_id": variant_id, "quantity": 1}], "shipping_address_id": address_id}
    return _post(api, "/orders", body, expect=201)


def _pay(stack: Stack, api: Api, order_id: str) -> dict[str, Any]:
    payment = _post(api, "/payments", {"order_id": order_id}, expect=202)
    phone = Phone(stack.sandbox_url)

    def read() -> dict[str, Any]:
        return api.get(f"/payments/{payment['id']}")

    action = wait_until_found(lambda: (read()["next_action"] or {}).get("upi"), what="the UPI link")
    phone.control("POST", f"/payments/{action['gateway_payment_id']}/approve")
    paid = wait_until_found(lambda: found if (found := read())["status"] == "succeeded" else None, what="the payment")
    if not paid["attempts"]:
        raise StepFailed("A payment that succeeded has no attempt.", where="web")
    return paid


def _post(api: Api, path: str, body: dict[str, Any], *, expect: int) -> dict[str, Any]:
    return dict(api.call("POST", path, body, expect=expect, headers={"Idempotency-Key": str(uuid.uuid4())}).json())

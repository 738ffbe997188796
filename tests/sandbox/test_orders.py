"""Razorpay orders, through the official client where it can say it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import razorpay
import requests
from razorpay.errors import BadRequestError

from sandbox.server import Sandbox


def refusal(http: requests.Session, sandbox: Sandbox, body: Any) -> tuple[int, dict[str, Any]]:
    answer = http.post(f"{sandbox.razorpay_url}/v1/orders", json=body, timeout=10)
    return answer.status_code, answer.json()["error"]


def test_created_order_has_the_documented_shape(sdk: razorpay.Client) -> None:
    order = sdk.order.create({"amount": 117_900, "currency": "INR", "receipt": "INV-1", "notes": {"k": "v"}})

    assert re.fullmatch(r"order_[A-Za-z0-9]{14}", order.pop("id"))
    assert isinstance(order.pop("created_at"), int)
    assert order == {
        "entity": "order",
        "amount": 117_900,
        "amount_paid": 0,
        "amount_due": 117_900,
        "currency": "INR",
        "receipt": "INV-1",
        "offer_id": None,
        "status": "created",
        "attempts": 0,
        "notes": {"k": "v"},
    }


def test_empty_notes_come_back_as_a_list(sdk: razorpay.Client) -> None:
    assert sdk.order.create({"amount": 100, "currency": "INR", "notes": {}})["notes"] == []


def test_order_can_be_fetched_and_its_notes_edited(sdk: razorpay.Client, order: dict[str, Any]) -> None:
    edited = sdk.order.edit(order["id"], {"notes": {"colour": "blue"}})

    assert edited == {**order, "notes": {"colour": "blue"}}
    assert sdk.order.fetch(order["id"]) == edited
    with pytest.raises(BadRequestError, match="amount is/are not required and should not be sent"):
        sdk.order.edit(order["id"], {"amount": 5, "notes": {}})


def test_orders_are_listed_newest_first_and_found_by_receipt(sdk: razorpay.Client) -> None:
    ids = [sdk.order.create({"amount": 100, "currency": "INR", "receipt": f"R{n}"})["id"] for n in range(12)]

    first_page = sdk.order.all()
    assert (first_page["entity"], first_page["count"]) == ("collection", 10)
    assert [row["id"] for row in first_page["items"]] == ids[::-1][:10]
    assert [row["id"] for row in sdk.order.all({"count": 3, "skip": 10})["items"]] == [ids[1], ids[0]]
    assert [row["id"] for row in sdk.order.all({"receipt": "R4"})["items"]] == [ids[4]]
    assert sdk.order.all({"receipt": "nobody's"})["items"] == []
    assert sdk.order.all({"to": 946_684_800})["items"] == []


def test_orders_are_filtered_by_authorized_payments_and_expanded(
    sdk: razorpay.Client, sandbox: Sandbox, order: dict[str, Any]
) -> None:
    unpaid = sdk.order.create({"amount": 100, "currency": "INR"})
    paid = sandbox.control("POST", f"/orders/{order['id']}/checkout")

    assert [row["id"] for row in sdk.order.all({"authorized": 1})["items"]] == [order["id"]]
    assert [row["id"] for row in sdk.order.all({"authorized": 0})["items"]] == [unpaid["id"]]
    expanded = sdk.order.all({"authorized": 1, "expand[]": "payments"})["items"][0]
    assert [row["id"] for row in expanded["payments"]["items"]] == [paid["razorpay_payment_id"]]


@pytest.mark.parametrize("parameter", [{"count": 101}, {"count": 0}, {"count": "x"}, {"from": 1}, {"colour": "blue"}])
def test_list_refuses_parameters_out_of_range(sdk: razorpay.Client, parameter: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError):
        sdk.order.all(parameter)


@pytest.mark.parametrize(
    ("change", "field", "reason", "description"),
    [
        (
            {"amount": 99},
            "amount",
            "amount_less_than_minimum_amount",
            "Order amount less than minimum amount allowed",
        ),
        ({"amount": 100.5}, "amount", "input_validation_failed", "The amount must be an integer."),
        ({"amount": "abc"}, "amount", "input_validation_failed", "The amount must be an integer."),
        ({"amount": True}, "amount", "input_validation_failed", "The amount must be an integer."),
        ({"amount": None}, "amount", "input_validation_failed", "amount: is required."),
        ({"currency": None}, "currency", "input_validation_failed", "The currency field is required."),
        ({"currency": "XYZ"}, "currency", "input_validation_failed", "Currency is not supported"),
        (
            {"colour": "blue"},
            "colour",
            "extra_field_sent",
            "colour is/are not required and should not be sent",
        ),
        (
            {"receipt": "x" * 41},
            "receipt",
            "input_validation_failed",
            "The receipt may not be greater than 40 characters.",
        ),
    ],
)
def test_refused_order_names_field_and_reason(
    http: requests.Session, sandbox: Sandbox, change: dict[str, Any], field: str, reason: str, description: str
) -> None:
    status, error = refusal(http, sandbox, {"amount": 100, "currency": "INR", **change})

    assert status == 400
    assert (error["code"], error["field"], error["reason"], error["description"]) == (
        "BAD_REQUEST_ERROR",
        field,
        reason,
        description,
    )
    assert sandbox.control("GET", "/truth")["orders"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"notes": {str(n): "v" for n in range(16)}},
        {"notes": {"k": "x" * 257}},
        {"notes": "text"},
        {"receipt": 7},
        {"payment": {"capture": "perhaps"}},
        {"payment": {"capture": "automatic", "capture_options": {"automatic_expiry_period": 11}}},
        {"payment_capture": 2},
        {"partial_payment": "yes"},
        {"first_payment_min_amount": 1_000},
        ["no object"],
    ],
)
def test_malformed_orders_are_refused(http: requests.Session, sandbox: Sandbox, body: Any) -> None:
    if isinstance(body, dict):
        body = {"amount": 100, "currency": "INR", **body}

    assert refusal(http, sandbox, body)[0] == 400
    assert sandbox.control("GET", "/truth")["orders"] == []


def test_body_that_is_not_json_is_refused(http: requests.Session, sandbox: Sandbox) -> None:
    assert http.post(f"{sandbox.razorpay_url}/v1/orders", data=b"{", timeout=10).status_code == 400


def test_unique_receipt_returns_the_first_order(sdk: razorpay.Client) -> None:
    body = {"amount": 100, "currency": "INR", "receipt": "R1", "unique_receipt": True}
    first = sdk.order.create(dict(body))

    assert sdk.order.create(dict(body)) == first
    with pytest.raises(BadRequestError, match="Order receipt should be unique"):
        sdk.order.create({**body, "amount": 200})
    assert sdk.order.all()["count"] == 1


def test_unique_receipt_is_refused_where_the_account_says_so(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    sandbox.control("POST", "/knobs/razorpay", {"unique_receipt": "refuse"})
    body = {"amount": 100, "currency": "INR", "receipt": "R1", "unique_receipt": True}
    sdk.order.create(dict(body))

    with pytest.raises(BadRequestError, match="Order receipt should be unique"):
        sdk.order.create(dict(body))


def test_same_receipt_without_the_flag_makes_two_orders(sdk: razorpay.Client) -> None:
    body = {"amount": 100, "currency": "INR", "receipt": "R1"}

    assert sdk.order.create(dict(body))["id"] != sdk.order.create(dict(body))["id"]


@pytest.mark.parametrize(
    ("order_id", "description"),
    [
        ("order_AAAAAAAAAAAAAA", "The id provided does not exist"),
        ("order_short", "order_short is not a valid id"),
        ("pay_AAAAAAAAAAAAAA", "pay_AAAAAAAAAAAAAA is not a valid id"),
    ],
)
def test_unknown_order_is_refused(sdk: razorpay.Client, order_id: str, description: str) -> None:
    with pytest.raises(BadRequestError, match=description):
        sdk.order.fetch(order_id)


@pytest.mark.parametrize(
    "header",
    [None, "Basic", "Basic bm9wZTpub3Bl", "Basic !!!", "basic cnpwOng=", "Bearer abc"],
)
def test_wrong_credentials_are_refused(sandbox: Sandbox, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"{sandbox.razorpay_url}/v1/orders", headers=headers, timeout=10)

    assert answer.status_code == 401
    assert answer.json() == {
        "error": {
            "code": "BAD_REQUEST_ERROR",
            "description": "The api key provided is invalid",
            "source": "NA",
            "step": "NA",
            "reason": "NA",
            "metadata": {},
        }
    }


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/nothing"), ("DELETE", "/v1/orders"), ("GET", "/orders")])
def test_unknown_url_is_a_400(http: requests.Session, sandbox: Sandbox, method: str, path: str) -> None:
    answer = http.request(method, f"{sandbox.razorpay_url}{path}", timeout=10)

    assert answer.status_code == 400
    assert answer.json()["error"]["description"] == "The requested URL was not found on the server."
    assert answer.json()["error"]["reason"] == "NA"

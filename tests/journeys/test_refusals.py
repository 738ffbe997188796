"""What the shop refuses on the way from an order to its money, as client apps over HTTP: nothing is done, nothing is lost."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.core import audit, clock
from devtools.demo.client import StepReporter, wait_until
from devtools.demo.orders import OrderScenario, find_code
from tests.support.live_shop import Shop


class Buyer(OrderScenario):
    """A buyer with an address and a list of what to buy, who may do anything."""

    def __init__(self, shop: Shop, documents: Path) -> None:
        super().__init__(shop.url, shop.world.url, StepReporter(), documents=documents)
        self._log_in()
        self._search_products()
        self._add_address()

    def post(self, path: str, body: dict[str, Any], *, expect: int) -> Any:
        return self.api.call("POST", path, body, expect=expect, headers={"Idempotency-Key": str(uuid.uuid4())}).json()

    def order_body(self, **changes: Any) -> dict[str, Any]:
        return {"lines": self.lines, "shipping_address_id": self.address_id, **changes}

    def place(self) -> dict[str, Any]:
        order = dict(self.post("/orders", self.order_body(), expect=201))
        self.order_id = order["id"]
        return order

    def ask_to_pay(self) -> dict[str, Any]:
        self.payment_url = f"/payments/{self.post('/payments', {'order_id': self.order_id}, expect=202)['id']}"
        return dict(wait_until(self.find_payable_payment, what="the UPI link"))

    def told(self) -> list[str]:
        return [entry["type"] for entry in self.api.get(f"/orders/{self.order_id}/timeline?limit=100")["data"]]


@pytest.fixture
def buyer(shop: Shop, tmp_path: Path) -> Iterator[Buyer]:
    buyer = Buyer(shop, tmp_path)
    yield buyer
    buyer.api._session.close()


def books_hold() -> bool:
    return [result.invariant.name for result in audit.run(now=clock.now()).failing] == []


def code_of(error: dict[str, Any]) -> str:
    return str(error["error"]["code"])


def test_wrong_code_is_refused_and_the_correct_one_expires_after_five_attempts(shop: Shop, tmp_path: Path) -> None:
    buyer = OrderScenario(shop.url, shop.world.url, StepReporter(), documents=tmp_path)
    asked = buyer.api.call("POST", "/auth/otp", {"phone": buyer.number}, expect=202).json()
    right = find_code(buyer.read_newest("/sms", buyer.number.removeprefix("+")))
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"

    for code in [wrong] * 5 + [right]:
        body = {"challenge_id": asked["id"], "code": code, "transport": "body"}
        assert code_of(buyer.api.call("POST", "/auth/otp/verify", body, expect=400).json()) == "invalid_otp"

    buyer.api.call("GET", "/me", expect=401)


def test_an_order_takes_no_price_from_a_client_and_no_more_than_there_is(buyer: Buyer) -> None:
    cheap = buyer.order_body(lines=[{**buyer.lines[0], "unit_price": 1}])
    assert code_of(buyer.post("/orders", cheap, expect=400)) == "unknown_field"

    much = buyer.order_body(lines=[{**buyer.lines[0], "quantity": 1000}])
    refusal = buyer.post("/orders", much, expect=409)
    assert (code_of(refusal), refusal["error"]["param"]) == ("insufficient_stock", "lines[0].quantity")

    assert buyer.api.get("/orders")["data"] == []
    assert books_hold()


def test_another_customer_finds_neither_order_nor_payment(buyer: Buyer, shop: Shop, tmp_path: Path) -> None:
    buyer.place()
    buyer.ask_to_pay()
    stranger = Buyer(shop, tmp_path)

    for path in (f"/orders/{buyer.order_id}", buyer.payment_url):
        stranger.api.call("GET", path, expect=404)
    stranger.post("/payments", {"order_id": buyer.order_id}, expect=404)
    stranger.post(f"/orders/{buyer.order_id}/cancel", {"reason": "Not mine"}, expect=404)

    assert buyer.api.get(f"/orders/{buyer.order_id}")["status"] == "pending_payment"


def test_a_declined_payment_confirms_nothing_and_may_be_tried_again(buyer: Buyer, shop: Shop) -> None:
    buyer.place()
    first = buyer.ask_to_pay()["next_action"]["upi"]["gateway_payment_id"]
    buyer.phone.control("POST", f"/payments/{first}/decline", {"reason": "insufficient_funds"})
    wait_until(lambda: "attempt.failed" in buyer.told(), what="the event of the failure")
    assert buyer.api.get(f"/orders/{buyer.order_id}")["status"] == "pending_payment"

    gateway_order = buyer.api.get(buyer.payment_url)["gateway_order_id"]
    buyer.phone.control("POST", f"/orders/{gateway_order}/checkout", {"outcome": "success", "method": "card"})

    order = wait_until(buyer.find_confirmed_order, what="the confirmation")
    assert order["paid_amount"] == order["total_amount"]
    attempts = buyer.api.get(buyer.payment_url)["attempts"]
    assert sorted(attempt["status"] for attempt in attempts) == ["captured", "failed"]
    buyer.fetch_invoice()
    assert books_hold()


def test_late_payment_of_a_cancelled_order_is_recorded_and_confirms_nothing(buyer: Buyer) -> None:
    placed = buyer.place()
    upi = buyer.ask_to_pay()["next_action"]["upi"]["gateway_payment_id"]
    assert code_of(buyer.post(f"/orders/{buyer.order_id}/cancel", {}, expect=409)) == "order_not_cancellable"
    buyer.post(f"{buyer.payment_url}/cancel", {}, expect=200)
    buyer.post(f"/orders/{buyer.order_id}/cancel", {}, expect=200)

    buyer.phone.control("POST", f"/payments/{upi}/approve")

    wait_until(lambda: buyer.api.get(buyer.payment_url)["status"] == "succeeded_late", what="the late money")
    order = buyer.api.get(f"/orders/{buyer.order_id}")
    assert (order["status"], order["paid_amount"]) == ("cancelled", placed["total_amount"])
    assert buyer.api.get(f"/invoices?order_id={buyer.order_id}")["data"] == []
    titles = wait_until(
        lambda: [one["title"] for one in buyer.api.get("/me/notifications")["data"] if "late" in one["title"].lower()],
        what="the message",
    )
    assert len(titles) == 1
    assert books_hold()

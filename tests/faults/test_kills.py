"""kill -9 of web, worker and relay at the places that matter: nothing is lost, nothing is doubled."""

import time
import uuid

import pytest
import requests

from tests.faults import points
from tests.faults.conftest import Buyer, House, wait_for

pytestmark = [pytest.mark.xdist_group("house"), pytest.mark.faults, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def buyer(house: House) -> Buyer:
    return house.sign_in("+919800000001")


def test_web_killed_before_commit_leaves_nothing_and_the_same_request_succeeds(house: House, buyer: Buyer) -> None:
    before, key = len(buyer.orders()), str(uuid.uuid4())
    points.arm(house.fault_dir, points.WEB_BEFORE_COMMIT)

    with pytest.raises(requests.ConnectionError):
        buyer.place(key)

    assert not points.is_armed(house.fault_dir, points.WEB_BEFORE_COMMIT)
    assert len(wait_for(lambda: [buyer.orders()])[0]) == before
    again = buyer.place(key)
    assert (again.status_code, again.headers.get("Idempotent-Replayed")) == (201, None)
    assert len(buyer.orders()) == before + 1
    assert house.audit() == []


def test_web_killed_after_commit_keeps_the_order_and_replays_its_answer(house: House, buyer: Buyer) -> None:
    before, key = len(buyer.orders()), str(uuid.uuid4())
    points.arm(house.fault_dir, points.WEB_AFTER_COMMIT)

    with pytest.raises(requests.ConnectionError):
        buyer.place(key)

    assert len(buyer.orders()) == before + 1
    again = buyer.place(key)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json()["id"] == buyer.orders()[0]["id"]
    assert len(buyer.orders()) == before + 1
    assert house.audit() == []


def test_worker_killed_between_the_gateways_answer_and_our_commit_makes_no_second_gateway_order(
    house: House, buyer: Buyer
) -> None:
    order_id = buyer.place().json()["id"]
    points.arm(house.fault_dir, points.WORKER_AFTER_GATEWAY)

    payment_url = buyer.start_payment(order_id)
    buyer.approve(payment_url)

    assert not points.is_armed(house.fault_dir, points.WORKER_AFTER_GATEWAY)
    confirmed = buyer.wait_until_confirmed(order_id)
    payment = buyer.api.get(payment_url)
    truth = house.phone.control("GET", "/truth")
    ours = [one for one in truth["orders"] if one["receipt"] == payment["id"]]
    assert len(ours) == 1
    assert confirmed["paid_amount"] == confirmed["total_amount"] == ours[0]["amount_paid"]
    assert house.audit() == []


@pytest.mark.parametrize("point", [points.WORKER_BEFORE_RECEIPT, points.WHOLE_WORKER_BEFORE_RECEIPT])
def test_worker_killed_behind_an_effect_and_before_its_receipt_has_it_once(
    house: House, buyer: Buyer, point: str
) -> None:
    order_id = buyer.place().json()["id"]
    payment_url = buyer.start_payment(order_id)
    wait_for(lambda: (buyer.api.get(payment_url).get("next_action") or {}).get("upi"))
    points.arm(house.fault_dir, point)

    buyer.approve(payment_url)
    wait_for(lambda: not points.is_armed(house.fault_dir, point))
    if point == points.WHOLE_WORKER_BEFORE_RECEIPT:
        house.wait_until_ended("worker")
        house.revive("worker")

    buyer.wait_until_confirmed(order_id)
    wait_for(lambda: buyer.invoices(order_id))
    time.sleep(1)
    timeline = [entry["type"] for entry in buyer.api.get(f"/orders/{order_id}/timeline?limit=100")["data"]]
    assert timeline.count("order.confirmed") == 1
    assert timeline.count("payment.succeeded") == 1
    assert len(buyer.invoices(order_id)) == 1
    assert house.audit() == []


def test_relay_killed_between_its_commit_and_the_hints_loses_no_news(house: House, buyer: Buyer) -> None:
    points.arm(house.fault_dir, points.RELAY_BEFORE_HINT)

    order_id = buyer.place().json()["id"]
    payment_url = buyer.start_payment(order_id)
    wait_for(lambda: not points.is_armed(house.fault_dir, points.RELAY_BEFORE_HINT))
    house.wait_until_ended("relay")
    house.revive("relay")

    buyer.approve(payment_url)
    buyer.wait_until_confirmed(order_id)
    assert house.audit() == []

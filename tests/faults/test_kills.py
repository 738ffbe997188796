"""kill -9 of web, worker and relay at the places that matter: nothing is lost, nothing is doubled."""

import time
import uuid

import pytest
import requests

from tests.faults import points
from tests.support.running_stack import Buyer, RunningStack, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def buyer(running: RunningStack) -> Buyer:
    return running.sign_in("+919800000001")


def test_web_killed_before_commit_leaves_nothing_and_the_same_request_succeeds(
    running: RunningStack, buyer: Buyer
) -> None:
    before, key = len(buyer.orders()), str(uuid.uuid4())
    points.arm(running.fault_dir, points.WEB_BEFORE_COMMIT)

    with pytest.raises(requests.ConnectionError):
        buyer.place(key)

    assert not points.is_armed(running.fault_dir, points.WEB_BEFORE_COMMIT)
    assert len(wait_for(lambda: [buyer.orders()])[0]) == before
    again = buyer.place(key)
    assert (again.status_code, again.headers.get("Idempotent-Replayed")) == (201, None)
    assert len(buyer.orders()) == before + 1
    assert running.audit() == []


def test_web_killed_after_commit_keeps_the_order_and_replays_its_answer(running: RunningStack, buyer: Buyer) -> None:
    before, key = len(buyer.orders()), str(uuid.uuid4())
    points.arm(running.fault_dir, points.WEB_AFTER_COMMIT)

    with pytest.raises(requests.ConnectionError):
        buyer.place(key)

    assert len(buyer.orders()) == before + 1
    again = buyer.place(key)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json()["id"] == buyer.orders()[0]["id"]
    assert len(buyer.orders()) == before + 1
    assert running.audit() == []


def test_worker_killed_before_commit_creates_no_second_gateway_order(running: RunningStack, buyer: Buyer) -> None:
    order_id = buyer.place().json()["id"]
    points.arm(running.fault_dir, points.WORKER_AFTER_GATEWAY)

    payment_url = buyer.start_payment(order_id)
    buyer.approve(payment_url)

    assert not points.is_armed(running.fault_dir, points.WORKER_AFTER_GATEWAY)
    confirmed = buyer.wait_until_confirmed(order_id)
    payment = buyer.api.get(payment_url)
    truth = running.phone.control("GET", "/truth")
    ours = [one for one in truth["orders"] if one["receipt"] == payment["id"]]
    assert len(ours) == 1
    assert confirmed["paid_amount"] == confirmed["total_amount"] == ours[0]["amount_paid"]
    assert running.audit() == []


@pytest.mark.parametrize("point", [points.WORKER_BEFORE_DONE, points.WHOLE_WORKER_BEFORE_DONE])
def test_worker_killed_between_effect_and_done_has_the_effect_once(
    running: RunningStack, buyer: Buyer, point: str
) -> None:
    order_id = buyer.place().json()["id"]
    payment_url = buyer.start_payment(order_id)
    wait_for(lambda: (buyer.api.get(payment_url).get("next_action") or {}).get("upi"))
    points.arm(running.fault_dir, point)

    buyer.approve(payment_url)
    wait_for(lambda: not points.is_armed(running.fault_dir, point))
    if point == points.WHOLE_WORKER_BEFORE_DONE:
        running.wait_until_ended("worker")
        running.restart("worker")

    buyer.wait_until_confirmed(order_id)
    wait_for(lambda: buyer.invoices(order_id))
    time.sleep(1)
    timeline = [entry["type"] for entry in buyer.api.get(f"/orders/{order_id}/timeline?limit=100")["data"]]
    assert timeline.count("order.confirmed") == 1
    assert timeline.count("payment.succeeded") == 1
    assert len(buyer.invoices(order_id)) == 1
    assert running.audit() == []


def test_relay_killed_between_commit_and_hints_loses_no_event(running: RunningStack, buyer: Buyer) -> None:
    points.arm(running.fault_dir, points.RELAY_BEFORE_HINT)

    order_id = buyer.place().json()["id"]
    payment_url = buyer.start_payment(order_id)
    wait_for(lambda: not points.is_armed(running.fault_dir, points.RELAY_BEFORE_HINT))
    running.wait_until_ended("relay")
    running.restart("relay")

    buyer.approve(payment_url)
    buyer.wait_until_confirmed(order_id)
    assert running.audit() == []

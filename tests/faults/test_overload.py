"""More work than the workers can do: buyers are served first, what cannot be served in time is refused, nothing is lost or doubled."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from tests.faults import points
from tests.support.running_stack import Buyer, RunningStack, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

#: Packing slips to render, and messages to send, of a backlog.
BACKLOG = 150
#: Events as services record them, in one transaction; `make_backlog` adds how many and the order.
_RECORD = """
from django.db import transaction
from apps.core import clock
from apps.core.events import SYSTEM, change
from apps.accounts import events as accounts
from apps.accounts.locks import lock_user
from apps.fulfilment import events as fulfilment, locks
from apps.fulfilment.models import Shipment
from apps.fulfilment.services import shipments
from apps.orders.locks import lock_order
from apps.orders.models import Order
with transaction.atomic():
    now = clock.now()
    order = lock_order(Order.objects.get(number="{number}").pk)
    shipment = Shipment.objects.filter(order_id=order.pk).first() or shipments.create_shipment(order_id=order.pk, actor=SYSTEM, now=now)
    shipment, user = locks.lock_shipment(shipment.pk), lock_user(order.customer_id)
    for _ in range({count}):
        change(shipment, fulfilment.SHIPMENT_PACKING_SLIP_REQUESTED, {{}}, root=order.pk, actor=SYSTEM, now=now)
        change(user, accounts.USER_PASSWORD_CHANGED, {{}}, actor=SYSTEM, now=now)
"""
_OPEN = "SELECT count(*) FROM core_handlerrun WHERE done_at IS NULL AND queue IN ('documents', 'messages')"
_PAYMENT_RUNS = "SELECT count(*) FROM core_handlerrun WHERE done_at IS NULL AND queue = 'buyer'"
_COUNTS = "SELECT (SELECT count(*) FROM orders_order), (SELECT count(*) FROM payments_payment), (SELECT count(*) FROM core_idempotencykey)"
_CHANGED = "accounts.user.password_changed"


@pytest.fixture(scope="module")
def buyer(running: RunningStack) -> Buyer:
    return running.sign_in("+919800000007")


def make_backlog(running: RunningStack, number: str) -> None:
    """Record what makes PDFs and messages by the hundred, and wait until all of it waits for a worker."""
    recorded = running.manage("shell", "-c", _RECORD.format(number=number, count=BACKLOG))
    assert recorded.returncode == 0, recorded.stderr
    wait_for(lambda: running.read("SELECT count(*) FROM core_outbox") == [(0,)])


def count_open(running: RunningStack) -> int:
    return int(running.read(_OPEN)[0][0])


def is_ready(buyer: Buyer, payment_url: str) -> bool:
    """Tell whether a payment can be paid."""
    return bool(buyer.api.get(payment_url).get("next_action"))


def expect_each_message_once(running: RunningStack) -> None:
    events = f"SELECT count(*) FROM core_event WHERE type = '{_CHANGED}'"
    made = running.read(
        "SELECT message.channel, count(*), count(DISTINCT event.id) FROM notifications_notification AS message"
        f" JOIN core_event AS event ON event.id = message.event_id WHERE event.type = '{_CHANGED}' GROUP BY 1"
    )
    assert made
    assert {(count, distinct) for _, count, distinct in made} == {(running.read(events)[0][0],) * 2}


def test_a_buyer_is_served_before_a_backlog_and_a_killed_worker_loses_and_doubles_nothing(
    running: RunningStack, buyer: Buyer
) -> None:
    number = buyer.order(buyer.buy()[0])["number"]
    order_id = buyer.place().json()["id"]
    with running.worker_stopped():
        make_backlog(running, number)
        payment_url = buyer.start_payment(order_id)
        wait_for(lambda: running.read(_PAYMENT_RUNS) != [(0,)])

    wait_for(lambda: is_ready(buyer, payment_url))
    waiting = count_open(running)
    points.arm(running.fault_dir, points.WHOLE_WORKER_BEFORE_DONE)
    running.wait_until_ended("worker")
    running.restart("worker")

    assert waiting > BACKLOG
    buyer.approve(payment_url)
    buyer.wait_until_confirmed(order_id)
    wait_for(lambda: count_open(running) == 0)
    expect_each_message_once(running)
    assert running.audit() == []


@contextmanager
def buyers_wait_at_most(running: RunningStack, seconds: int) -> Iterator[None]:
    """Let the web process refuse new work when buyers wait longer."""
    restart_web(running, str(seconds))
    try:
        yield
    finally:
        restart_web(running, "0")


def restart_web(running: RunningStack, most: str) -> None:
    running.stack.env["MAX_BUYER_WAIT_SECONDS"] = most
    running.terminate("web")
    running.wait_until_ended("web")
    running.restart("web")
    wait_for(running.is_ready)


def ask_to_pay(buyer: Buyer, order_id: str, key: str) -> requests.Response:
    body, headers = {"order_id": order_id}, {"Idempotency-Key": key}
    return buyer.api.call("POST", "/payments", body, expect=(202, 503), headers=headers)


def test_what_cannot_be_served_in_time_is_refused_and_what_was_accepted_is_finished(
    running: RunningStack, buyer: Buyer
) -> None:
    accepted, refused = (buyer.place().json()["id"] for _ in range(2))
    key = str(uuid.uuid4())
    with buyers_wait_at_most(running, 2):
        with running.worker_stopped():
            payment_url = buyer.start_payment(accepted)
            [answer] = wait_for(lambda: find_refusals(buyer, refused))
            count = running.read(_COUNTS)
            order_answer = buyer.place()
            assert ask_to_pay(buyer, refused, key).status_code == 503
            assert running.read(_COUNTS) == count
            assert buyer.order(refused)["status"] == "pending_payment"
            metrics = requests.get(f"{running.stack.web_url}/metrics", timeout=60).text

        wait_for(lambda: ask_to_pay(buyer, refused, key).status_code == 202)

    assert (answer.headers["Retry-After"], answer.json()["error"]["code"]) == ("5", "overloaded")
    assert (order_answer.status_code, order_answer.json()["error"]["code"]) == (503, "overloaded")
    assert 'bahi_requests_refused_overloaded_total{queue="buyer"} ' in metrics
    [other_payment] = buyer.api.get(f"/payments?order_id={refused}")["data"]
    for order_id, url in ((accepted, payment_url), (refused, f"/payments/{other_payment['id']}")):
        buyer.approve(url)
        buyer.wait_until_confirmed(order_id)
    assert running.audit() == []


def find_refusals(buyer: Buyer, order_id: str) -> list[requests.Response]:
    """Ask to pay an order, under a key of its own, and return the answer if that was refused."""
    answer = ask_to_pay(buyer, order_id, str(uuid.uuid4()))
    return [answer] if answer.status_code == 503 else []

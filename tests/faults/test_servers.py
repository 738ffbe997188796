"""Valkey emptied, stopped and frozen, Postgres restarted, while orders go on."""

import os
import signal
import threading
import time
from typing import Any

import pytest
import redis
import requests

from tests.support.running_stack import Buyer, RunningStack, wait_for

pytestmark = [
    pytest.mark.faults, pytest.mark.timeout(900),
    pytest.mark.usefixtures("no_process_ends"),
]  # fmt: skip


@pytest.fixture(scope="module")
def buyer(running: RunningStack) -> Buyer:
    return running.sign_in("+919800000002")


def test_emptied_valkey_loses_no_event(running: RunningStack, buyer: Buyer) -> None:
    client = redis.Redis.from_url(running.servers.env["REDIS_URL"])
    stop = threading.Event()

    def empty() -> None:
        while not stop.is_set():
            client.flushall()
            time.sleep(0.05)

    thread = threading.Thread(target=empty)
    thread.start()
    orders = [buyer.place().json()["id"] for _ in range(3)]
    payments = [buyer.start_payment(order_id) for order_id in orders]
    time.sleep(3)
    stop.set()
    thread.join()

    for order_id, payment_url in zip(orders, payments, strict=True):
        buyer.approve(payment_url)
        buyer.wait_until_confirmed(order_id)
    assert running.audit() == []


def test_orders_are_placed_while_valkey_is_stopped_and_go_on_when_it_is_back(
    running: RunningStack, buyer: Buyer
) -> None:
    running.servers.stop_server("valkey")
    try:
        placed = buyer.place()
        payment_url = buyer.start_payment(placed.json()["id"])
        ready = requests.get(f"{running.stack.web_url}/readyz", timeout=60)
    finally:
        running.servers.restart_server("valkey")

    assert placed.status_code == 201
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    buyer.approve(payment_url)
    buyer.wait_until_confirmed(placed.json()["id"])
    assert running.audit() == []


def test_orders_are_placed_while_valkey_is_frozen(running: RunningStack, buyer: Buyer) -> None:
    pid = running.servers.pids["valkey"]
    os.kill(pid, signal.SIGSTOP)
    try:
        statuses = [buyer.place().status_code for _ in range(3)]
    finally:
        os.kill(pid, signal.SIGCONT)

    assert statuses == [201, 201, 201]
    assert running.audit() == []


def test_a_restarted_postgres_is_found_again_and_what_was_acknowledged_is_there(
    running: RunningStack, buyer: Buyer
) -> None:
    placed = buyer.place()
    running.servers.stop_server("postgres")
    refused: Any = buyer.place()
    running.servers.restart_server("postgres")

    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
    assert "Retry-After" in refused.headers
    wait_for(lambda: requests.get(f"{running.stack.web_url}/readyz", timeout=10).status_code == 200)
    assert buyer.order(placed.json()["id"])["number"] == placed.json()["number"]
    payment_url = buyer.start_payment(placed.json()["id"])
    buyer.approve(payment_url)
    buyer.wait_until_confirmed(placed.json()["id"])
    assert running.audit() == []

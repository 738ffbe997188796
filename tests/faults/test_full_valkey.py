"""Valkey full, read-only and busy: the workers and the clock wait, the web goes on, and nothing is lost."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import redis
import requests

from config.queues import QUEUES
from devtools.demo.client import Api
from tests.support.running_stack import Buyer, RunningStack, wait_for

pytestmark = [
    pytest.mark.faults, pytest.mark.timeout(900),
    pytest.mark.usefixtures("no_process_ends"),
]  # fmt: skip


_PHONES = (f"+9198000001{number:02d}" for number in range(100))


@pytest.fixture(scope="module")
def buyer(running: RunningStack) -> Buyer:
    return running.sign_in("+919800000005")


@pytest.fixture
def valkey(running: RunningStack) -> Iterator[Any]:
    """A client of the embedded Valkey, which takes writes again afterwards."""
    client: Any = redis.Redis.from_url(running.servers.env["REDIS_URL"])
    yield client
    client.config_set("maxmemory", "256mb")
    client.execute_command("REPLICAOF", "NO", "ONE")
    client.close()


def refuses_writes(valkey: Any) -> bool:
    try:
        valkey.set("bahi:test", "", px=1)
    except redis.exceptions.ResponseError:
        return True
    return False


def fill(valkey: Any) -> None:
    """Let Valkey refuse every command that needs memory."""
    valkey.config_set("maxmemory-policy", "noeviction")
    valkey.config_set("maxmemory", "1mb")
    assert refuses_writes(valkey)


def hints(valkey: Any) -> int:
    return sum(valkey.llen(queue) for queue in QUEUES)


def check_that_web_still_answers(running: RunningStack, buyer: Buyer) -> tuple[str, str]:
    """Place an order, ask to pay it, log in by password and ask for a code; return the order's id and the payment's URL."""
    order_id = buyer.place().json()["id"]
    payment_url = buyer.start_payment(order_id)
    assert running.finance().get("/refunds?limit=1")["object"] == "list"
    body = {"phone": next(_PHONES)}  # each once: a phone is not sent a code more often than every half minute
    asked = Api(f"{running.stack.web_url}/api/v1").call("POST", "/auth/otp", body, expect=202)
    assert asked.json()["object"] == "challenge"
    assert requests.get(f"{running.stack.web_url}/livez", timeout=60).status_code == 200
    ready = requests.get(f"{running.stack.web_url}/readyz", timeout=60)
    assert ready.status_code == 200
    return order_id, payment_url


def expect_orders_to_be_processed(running: RunningStack, buyer: Buyer, *payments: tuple[str, str]) -> None:
    for order_id, payment_url in payments:
        buyer.approve(payment_url)
        buyer.wait_until_confirmed(order_id)
    assert running.audit() == []


def test_a_full_valkey_ends_no_process_and_loses_nothing(running: RunningStack, buyer: Buyer, valkey: Any) -> None:
    waits = running.count_in_log("worker", '"worker_broker_unavailable"')
    with running.worker_stopped():
        first = buyer.place().json()["id"]
        first_payment = buyer.start_payment(first)
        wait_for(lambda: hints(valkey) > 0)  # one may be about all that was recorded
        fill(valkey)

    wait_for(lambda: running.count_in_log("worker", '"worker_broker_unavailable"') > waits)
    second, second_payment = check_that_web_still_answers(running, buyer)
    wait_for(lambda: running.count_in_log("relay", '"relay_broker_unavailable"') > 0)
    valkey.config_set("maxmemory", "256mb")

    expect_orders_to_be_processed(running, buyer, (first, first_payment), (second, second_payment))
    statuses = "SELECT DISTINCT send_status FROM accounts_challenge"
    wait_for(lambda: running.read(statuses) == [("sent",)])


def test_a_valkey_that_fills_and_empties_loses_nothing(running: RunningStack, buyer: Buyer, valkey: Any) -> None:
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            valkey.config_set("maxmemory", "1mb")
            stop.wait(0.5)
            valkey.config_set("maxmemory", "256mb")
            stop.wait(0.5)

    thread = threading.Thread(target=change)
    thread.start()
    payments = []
    try:
        for _ in range(4):
            order_id = buyer.place().json()["id"]
            payments.append((order_id, buyer.start_payment(order_id)))
        time.sleep(5)
    finally:
        stop.set()
        thread.join()

    expect_orders_to_be_processed(running, buyer, *payments)


def test_a_read_only_valkey_ends_no_process(running: RunningStack, buyer: Buyer, valkey: Any) -> None:
    waits = running.count_in_log("worker", '"worker_broker_unavailable"')
    valkey.execute_command("REPLICAOF", "127.0.0.1", "1")

    wait_for(lambda: running.count_in_log("worker", '"worker_broker_unavailable"') > waits)
    payment = check_that_web_still_answers(running, buyer)
    valkey.execute_command("REPLICAOF", "NO", "ONE")

    expect_orders_to_be_processed(running, buyer, payment)


def test_a_valkey_that_is_busy_with_a_script_ends_no_process(running: RunningStack, buyer: Buyer, valkey: Any) -> None:
    waits = running.count_in_log("relay", '"relay_broker_unavailable"')
    valkey.config_set("busy-reply-threshold", 100)
    with _endless_script(running, valkey):
        payment = check_that_web_still_answers(running, buyer)
        wait_for(lambda: running.count_in_log("relay", '"relay_broker_unavailable"') > waits)

    expect_orders_to_be_processed(running, buyer, payment)


@contextmanager
def _endless_script(running: RunningStack, valkey: Any) -> Iterator[None]:
    other: Any = redis.Redis.from_url(running.servers.env["REDIS_URL"], socket_timeout=1)

    def run() -> None:
        with pytest.raises(redis.exceptions.RedisError):
            other.eval("while true do end", 0)

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: refuses_writes(valkey))
    try:
        yield
    finally:
        thread.join()
        wait_for(lambda: _is_killed(valkey))
        other.close()


def _is_killed(valkey: Any) -> bool:
    # A client that gave up may have sent the script a second time.
    with suppress(redis.exceptions.ResponseError):
        valkey.execute_command("SCRIPT", "KILL")
    return not refuses_writes(valkey)


@pytest.mark.parametrize("stop", ["full", "away"])
def test_worker_and_beat_start_without_a_broker_and_end_when_stopped(
    running: RunningStack, buyer: Buyer, valkey: Any, stop: str
) -> None:
    for name in ("worker", "beat"):
        terminate(running, name)
    if stop == "full":
        fill(valkey)
    else:
        running.servers.stop_server("valkey")
    try:
        for name in ("worker", "beat"):
            running.restart(name)
        told = {"full": "worker_broker_unavailable", "away": "Cannot connect to"}[stop]
        wait_for(lambda: told in running.stack.find_log("worker").read_text())
        assert terminate(running, "worker") == 0
        running.restart("worker")
        wait_for(lambda: told in running.stack.find_log("worker").read_text())
        payment = check_that_web_still_answers(running, buyer)
    finally:
        if stop == "away":
            running.servers.restart_server("valkey")
    valkey.config_set("maxmemory", "256mb")

    expect_orders_to_be_processed(running, buyer, payment)


def terminate(running: RunningStack, name: str) -> int:
    """End a process as a process manager does and return its exit code."""
    running.terminate(name)
    return running.wait_until_ended(name)

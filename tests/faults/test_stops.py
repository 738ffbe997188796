"""SIGTERM, as a process manager sends it at every release: what was begun is finished, and the process ends with 0."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import requests

from tests.faults.conftest import Buyer, House, wait_for

pytestmark = [pytest.mark.xdist_group("house"), pytest.mark.faults, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def buyer(house: House) -> Buyer:
    return house.sign_in("+919800000003")


def _terminate(house: House, name: str) -> None:
    os.kill(house.servers.pids[name], signal.SIGTERM)


def _exit_code(house: House, name: str, *, seconds: float = 30) -> int:
    """Wait until a process has ended and return its exit code."""
    deadline = time.monotonic() + seconds
    while name not in house.servers.ended:
        assert time.monotonic() < deadline, f"{name} had not ended {seconds} s after SIGTERM"
        house.servers.wait_for_exit(0.2)
    return house.servers.ended[name]


@contextmanager
def _stock_held(house: House) -> Iterator[psycopg.Connection]:
    """Keep every order from being placed for a moment, by the lock that placing takes."""
    with psycopg.connect(house.servers.env["DATABASE_URL"]) as held:
        held.execute("SELECT FROM catalog_stockitem FOR UPDATE")
        yield held


def _waits_for_a_lock(held: psycopg.Connection) -> bool:
    found = held.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid <> pg_backend_pid()"
    ).fetchone()
    return bool(found and found[0])


def _in_thread(deed: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    came: list[Any] = []

    def do() -> None:
        try:
            came.append(deed())
        except Exception as error:
            came.append(error)

    thread = threading.Thread(target=do)
    thread.start()
    return thread, came


def test_web_answers_the_request_that_it_has_begun_and_then_ends(house: House, buyer: Buyer) -> None:
    before = len(buyer.orders())
    with _stock_held(house) as held:
        asking, answers = _in_thread(buyer.place)
        wait_for(lambda: _waits_for_a_lock(held), seconds=10)

        _terminate(house, "web")
        time.sleep(1)

        assert answers == []
        assert "web" not in house.servers.ended
    asking.join(20)

    assert [getattr(answer, "status_code", answer) for answer in answers] == [201]
    assert _exit_code(house, "web") == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{house.stack.web_url}/livez", timeout=5)
    house.revive("web")
    house.stack._until_answers("web", f"{house.stack.web_url}/livez")
    assert len(buyer.orders()) == before + 1
    assert house.audit() == []


def test_worker_finishes_the_task_that_it_has_begun_and_then_ends(house: House, buyer: Buyer) -> None:
    order_id = buyer.place().json()["id"]
    slow = {"path": "/v1/orders", "method": "POST", "kind": "delay", "delay_ms": 3000}
    house.phone.control("POST", "/faults", slow)
    payment_url = buyer.start_payment(order_id)
    wait_for(lambda: _gateway_has(house, buyer.api.get(payment_url)["id"]), seconds=20)

    _terminate(house, "worker")

    assert (buyer.api.get(payment_url).get("next_action") or {}) == {}
    assert _exit_code(house, "worker") == 0
    assert buyer.api.get(payment_url)["next_action"]["upi"]["link"].startswith("upi://pay?")
    house.revive("worker")
    buyer.approve(payment_url)
    buyer.wait_until_confirmed(order_id, seconds=120)
    assert house.audit() == []


def _gateway_has(house: House, receipt: str) -> bool:
    return any(order["receipt"] == receipt for order in house.phone.control("GET", "/truth")["orders"])


def test_relay_ends_between_two_looks_and_news_waits_for_the_next(house: House, buyer: Buyer) -> None:
    began = time.monotonic()
    _terminate(house, "relay")

    assert _exit_code(house, "relay") == 0
    assert time.monotonic() - began < 5
    assert "relay_stopped" in house.stack.log_of("relay").read_text()
    order_id = buyer.place().json()["id"]
    payment_url = buyer.start_payment(order_id)
    time.sleep(1)
    assert not buyer.api.get(payment_url).get("next_action")
    house.revive("relay")
    buyer.approve(payment_url)
    buyer.wait_until_confirmed(order_id)
    assert house.audit() == []


def test_beat_ends_and_begins_again_with_its_schedule(house: House) -> None:
    _terminate(house, "beat")

    assert _exit_code(house, "beat") == 0
    house.revive("beat")
    house.servers.wait_for_exit(5)
    assert "beat" not in house.servers.ended

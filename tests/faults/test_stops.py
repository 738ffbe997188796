"""SIGTERM, as a process manager sends it at every release: what was begun is finished, and the process ends with 0."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from tests.faults import points
from tests.support.running_stack import WAIT_SECONDS, Buyer, RunningStack, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def buyer(running: RunningStack) -> Buyer:
    return running.sign_in("+919800000003")


@contextmanager
def _held(running: RunningStack, table: str) -> Iterator[psycopg.Connection]:
    """Keep everybody from locking a row of the table inside the block."""
    with psycopg.connect(running.servers.env["DATABASE_URL"]) as held:
        held.execute(f"SELECT FROM {table} FOR UPDATE".encode())
        yield held


def _stock_held(running: RunningStack) -> Any:
    return _held(running, "catalog_stocklevel")


def _payments_held(running: RunningStack) -> Any:
    return _held(running, "payments_payment")


def _waits_for_a_lock(held: psycopg.Connection) -> bool:
    found = held.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid <> pg_backend_pid()"
    ).fetchone()
    return bool(found and found[0])


def _in_thread(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    came: list[Any] = []

    def do() -> None:
        try:
            came.append(call())
        except Exception as error:
            came.append(error)

    thread = threading.Thread(target=do)
    thread.start()
    return thread, came


def test_web_answers_the_request_that_it_has_begun_and_then_ends(running: RunningStack, buyer: Buyer) -> None:
    before = len(buyer.orders())
    # A stopping process soon closes what is in no request; this is how one sees from outside that it has begun to stop.
    unused = socket.create_connection(("127.0.0.1", running.stack.ports.web), timeout=WAIT_SECONDS)
    with _stock_held(running) as held:
        asking, answers = _in_thread(buyer.place)
        wait_for(lambda: _waits_for_a_lock(held))

        running.terminate("web")
        assert unused.recv(1) == b""

        assert answers == []
        assert not running.has_ended("web")
    asking.join(WAIT_SECONDS)

    assert [getattr(answer, "status_code", answer) for answer in answers] == [201]
    assert running.wait_until_ended("web") == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{running.stack.web_url}/livez", timeout=WAIT_SECONDS)
    running.restart("web")
    wait_for(running.is_ready)
    assert len(buyer.orders()) == before + 1
    assert running.audit() == []


def test_worker_finishes_the_task_that_it_has_begun_and_then_ends(running: RunningStack, buyer: Buyer) -> None:
    slow = {"path": "/v1/orders", "method": "POST", "kind": "delay", "delay_ms": 5000}
    running.phone.control("POST", "/faults", slow)
    order_id = buyer.place().json()["id"]
    payment_url = buyer.start_payment(order_id)
    wait_for(lambda: _gateway_has(running, buyer.api.get(payment_url)["id"]))

    stops = running.count_in_log("worker", _WORKER_STOPS)
    with _payments_held(running) as held:  # the worker cannot record the answer before it is told to end
        wait_for(lambda: _waits_for_a_lock(held))
        running.terminate("worker")
        wait_for(lambda: running.count_in_log("worker", _WORKER_STOPS) > stops)
        assert not running.has_ended("worker")

    assert running.wait_until_ended("worker") == 0
    assert buyer.api.get(payment_url)["next_action"]["upi"]["link"].startswith("upi://pay?")
    running.restart("worker")
    buyer.approve(payment_url)
    buyer.wait_until_confirmed(order_id)
    assert running.audit() == []


#: What Celery logs when it has read the signal and accepts no new task.
_WORKER_STOPS = "Warm shutdown"


def _gateway_has(running: RunningStack, receipt: str) -> bool:
    return any(order["receipt"] == receipt for order in running.phone.control("GET", "/truth")["orders"])


def test_relay_stops_between_rounds_and_events_wait_for_the_next(running: RunningStack, buyer: Buyer) -> None:
    running.terminate("relay")

    assert running.wait_until_ended("relay") == 0
    assert "relay_stopped" in running.stack.find_log("relay").read_text()
    order_id = buyer.place().json()["id"]
    payment_url = buyer.start_payment(order_id)
    waiting = "SELECT count(*) FROM core_outbox"
    assert running.read(waiting) != [(0,)]
    running.restart("relay")
    buyer.approve(payment_url)
    buyer.wait_until_confirmed(order_id)
    wait_for(lambda: running.read(waiting) == [(0,)])
    assert running.audit() == []


def test_beat_ends_and_begins_again_with_its_schedule(running: RunningStack) -> None:
    running.terminate("beat")

    assert running.wait_until_ended("beat") == 0
    written = _schedule_written_at(running)
    assert written > 0
    running.restart("beat")
    wait_for(lambda: _schedule_written_at(running) > written)
    assert not running.has_ended("beat")


def _schedule_written_at(running: RunningStack) -> int:
    """Return when beat last wrote its schedule, which it does as soon as it runs; some databases add to the name of the file."""
    path = Path(running.stack.env["BEAT_SCHEDULE_FILE"])
    return max((one.stat().st_mtime_ns for one in path.parent.glob(f"{path.name}*")), default=0)


class TestRestore:
    """The next test finds the stack whole, whatever was going on."""

    def test_everything_is_put_back(self, running: RunningStack, buyer: Buyer) -> None:
        running.terminate("relay")
        running.wait_until_ended("relay")
        running.terminate("worker")
        os.kill(running.servers.pids["valkey"], signal.SIGSTOP)
        running.servers.stop_server("postgres")
        points.arm(running.fault_dir, points.WEB_BEFORE_COMMIT)
        running.phone.control("POST", "/faults", {"path": "/v1/orders", "method": "POST", "kind": "drop_before_commit"})
        running.phone.control("POST", "/webhooks/policy", {"mode": "drop"})

        running.restore()

        assert running.phone.control("GET", "/faults")["items"] == []
        order_id, _ = buyer.buy()
        assert buyer.order(order_id)["status"] == "confirmed"
        assert set(running.servers.ended) == set()
        assert _workers_next_to(running.servers.pids["worker"]) == [running.servers.pids["worker"]]


def _workers_next_to(pid: int) -> list[int]:
    """Return the workers that the same process has started; their children are not among them."""
    processes = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    found = []
    for process in processes:
        with suppress(OSError):  # it has ended meanwhile
            if b"worker" in (process / "cmdline").read_bytes() and _parent_of(process) == _parent_of(
                Path(f"/proc/{pid}")
            ):
                found.append(int(process.name))
    return found


def _parent_of(process: Path) -> int:
    # The name of the program, in parentheses, may hold spaces and parentheses.
    return int((process / "stat").read_text().rpartition(")")[2].split()[1])

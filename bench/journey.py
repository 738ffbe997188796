"""The whole sale: order, payment by UPI, the gateway's webhooks, invoice with PDF, ledger and messages."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.http_load import build_request, connected
from bench.measures import StatementCounter, WorkFailed, measured
from bench.requests import build_place_order
from bench.shop import API, UNFINISHED, Customer, Shop, build_write
from devtools.demo.client import Phone

_BUYERS = 4
_PATIENCE_SECONDS = 120.0
_COUNTS = {
    "events": "SELECT count(*) FROM core_event",
    "handler runs": "SELECT count(*) FROM core_handlerrun",
    "bytes": "SELECT pg_database_size(current_database())",
}
_UNFINISHED = f"{UNFINISHED} + (SELECT count(*) FROM orders_order WHERE status = 'pending_payment')"  # noqa: S608 - our own


@dataclass(frozen=True)
class JourneyCost:
    """What one sale took: CPU in milliseconds by role, and how many rows of which kind."""

    orders: int
    cpu: dict[str, float]
    client: float
    seconds: float
    counts: dict[str, float]
    statements: float
    confirmed_p95: float

    @property
    def total(self) -> float:
        """Milliseconds of Bahi's own processes and servers."""
        return sum(milliseconds for role, milliseconds in self.cpu.items() if role != "sandbox")


def measure_journey(shop: Shop, counter: StatementCounter, *, orders: int) -> JourneyCost:
    """
    Sell as fast as the shop goes, wait until nothing is left to do, and return what one order took.

    :raises WorkFailed: if something is not done within two minutes
    """
    _sell(shop, 8)  # caches, plans and connections are warm then
    idle = _count_idle_statements(counter)
    counts = _read_counts(shop)
    with measured(shop) as usage:
        waits = _sell(shop, orders)
    grown = {name: (value - counts[name]) / orders for name, value in _read_counts(shop).items()}
    return JourneyCost(
        orders=orders,
        cpu={role: seconds * 1000 / orders for role, seconds in usage.cpu.items()},
        client=usage.client * 1000 / orders,
        seconds=usage.seconds,
        counts=grown,
        statements=_count_statements(shop, counter, idle_per_second=idle),
        confirmed_p95=sorted(waits)[int(len(waits) * 0.95)],
    )


def _count_idle_statements(counter: StatementCounter) -> float:
    return counter.count(lambda: time.sleep(10)) / 10


def _count_statements(shop: Shop, counter: StatementCounter, *, idle_per_second: float, orders: int = 20) -> float:
    took = 0.0

    def work() -> None:
        nonlocal took
        began = time.monotonic()
        _sell(shop, orders)
        took = time.monotonic() - began

    return (counter.count(work) - idle_per_second * took) / orders


def _read_counts(shop: Shop) -> dict[str, int]:
    with shop.connect() as connection:
        connection.execute("CHECKPOINT")
        rows = {name: connection.execute(statement).fetchone() for name, statement in _COUNTS.items()}
    return {name: row[0] for name, row in rows.items() if row}


def _sell(shop: Shop, orders: int) -> list[float]:
    """Sell this number of orders, several buyers at once; return the milliseconds from approval to confirmation of each."""
    waits: list[float] = []
    errors: list[BaseException] = []
    left = iter(range(orders))
    lock = threading.Lock()

    def buy() -> None:
        try:
            phone = Phone(shop.stack.sandbox_url)
            while True:
                with lock:
                    if next(left, None) is None:
                        return
                    customer = shop.choose_customer()
                waits.append(_buy(shop, phone, customer))
        except BaseException as error:  # noqa: BLE001 - raised by who waits for the threads
            errors.append(error)

    threads = [threading.Thread(target=buy) for _ in range(_BUYERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    _wait_until(lambda: not _is_busy(shop), what="the shop to have nothing left to do")
    return waits


def _buy(shop: Shop, phone: Phone, customer: Customer) -> float:
    with connected(shop.port) as connection:

        def write(request: bytes, expect: int) -> dict[str, str]:
            answer = connection.send(request)
            if answer.status != expect:
                raise WorkFailed(f"{answer.status} {answer.body[:300]!r}")
            return dict(answer.json())

        def read(path: str) -> dict[str, dict[str, dict[str, str]]]:
            return dict(connection.send(build_request("GET", f"{API}{path}", headers=customer.headers)).json())

        order = write(build_place_order(shop, customer), 201)["id"]
        body = json.dumps({"order_id": order}).encode()
        payment = write(build_write("/payments", body, customer=customer), 202)["id"]
        upi = _wait_until(
            lambda: ((read(f"/payments/{payment}")["next_action"] or {}).get("upi") or {}).get("gateway_payment_id"),
            what="the UPI link of a payment",
        )
        phone.control("POST", f"/payments/{upi}/approve")
        began = time.monotonic()
        _wait_until(lambda: str(read(f"/orders/{order}")["status"]) == "confirmed", what="an order to be confirmed")
        return (time.monotonic() - began) * 1000


def _is_busy(shop: Shop) -> bool:
    with shop.connect() as connection:
        row = connection.execute(_UNFINISHED).fetchone()
    return bool(row and row[0])


def _wait_until(read: Callable[[], object], *, what: str) -> object:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (found := read()):
        if time.monotonic() > deadline:
            raise WorkFailed(f"Waited {_PATIENCE_SECONDS:.0f} s in vain for {what}.")
        time.sleep(0.2)
    return found

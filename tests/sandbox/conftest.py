"""A sandbox for the whole run, emptied before each test, with a receiver for its webhooks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import razorpay
import requests

from sandbox.server import Sandbox, running
from sandbox.settings import DEV_KEY_ID, DEV_KEY_SECRET, DEV_MSG91_AUTH_KEY
from tests.support.sandbox import Receiver, pay


@pytest.fixture(scope="session")
def _receiver_server() -> Iterator[Receiver]:
    receiver = Receiver()
    pause = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with receiver.lock:
                receiver.received.append((dict(self.headers), body))
                status = receiver.statuses.pop(0) if receiver.statuses else 200
            if receiver.delay:
                pause.wait(receiver.delay)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/api/v1/webhooks/razorpay"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield receiver
    pause.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def _sandbox(_receiver_server: Receiver) -> Iterator[Sandbox]:
    with running(webhook_url=_receiver_server.url) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_sandbox: Sandbox) -> Sandbox:
    _sandbox.control("POST", "/reset")
    _sandbox.world.scheduler.wait_idle(10)
    _sandbox.control("POST", "/webhooks/policy", {"retry_base_ms": 10, "retry_cap_ms": 20})
    return _sandbox


@pytest.fixture
def receiver(_receiver_server: Receiver, sandbox: Sandbox) -> Receiver:
    _receiver_server.received.clear()
    _receiver_server.statuses.clear()
    _receiver_server.delay = 0.0
    return _receiver_server


@pytest.fixture
def sdk(sandbox: Sandbox) -> razorpay.Client:
    """The official client, pointed at the sandbox by its base URL and otherwise untouched."""
    return razorpay.Client(auth=(DEV_KEY_ID, DEV_KEY_SECRET), base_url=sandbox.razorpay_url)


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.auth = (DEV_KEY_ID, DEV_KEY_SECRET)
        yield session


@pytest.fixture
def msg91(sandbox: Sandbox) -> Iterator[Callable[..., requests.Response]]:
    """Call MSG91 with the right key: `msg91("POST", "/api/v5/otp", mobile=...)`; `json` is the body."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["authkey"] = DEV_MSG91_AUTH_KEY

        def call(method: str, path: str, json: Any = None, **query: Any) -> requests.Response:
            return session.request(method, f"{sandbox.msg91_url}{path}", json=json, params=query, timeout=10)

        yield call


@pytest.fixture
def order(sdk: razorpay.Client) -> dict[str, Any]:
    """An order of 1,179 rupees with automatic capture."""
    return sdk.order.create({"amount": 117_900, "currency": "INR", "receipt": "ORD-1"})


@pytest.fixture
def upi_payment(sdk: razorpay.Client, order: dict[str, Any]) -> str:
    """The id of a UPI payment for `order` that waits for the payer."""
    return sdk.payment.createUpi(upi_request(order))["razorpay_payment_id"]


def upi_request(order: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The body of a server-to-server UPI payment for an order."""
    return {
        "amount": order["amount"],
        "currency": "INR",
        "order_id": order["id"],
        "email": "a@b.com",
        "contact": "9090909090",
        "method": "upi",
        "ip": "1.2.3.4",
        "referer": "https://shop.example/pay",
        "user_agent": "Mozilla/5.0",
        "description": "Order ORD-1",
        "upi": {"flow": "intent"},
        **changes,
    }


@pytest.fixture
def make_upi_request() -> Callable[..., dict[str, Any]]:
    return upi_request


@pytest.fixture
def paid(sdk: razorpay.Client, sandbox: Sandbox, order: dict[str, Any]) -> str:
    """The id of a captured card payment of 1,179 rupees for `order`."""
    return pay(sandbox, order["id"], method="card")

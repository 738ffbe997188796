"""
A whole stack that runs for the fault tests: what they do to it, and a buyer who uses it over HTTP.

Nothing here judges how long something takes: a test waits for a condition, and gives up only when it will never come.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import redis
import requests

from devtools import demo_accounts
from devtools.demo.client import Api, Phone
from devtools.demo.orders import find_code
from devtools.embedded import CHECKOUT, Servers
from devtools.processes import Stack, read_procfile
from tests.faults import points

#: Seconds after which something that has not come will never come, however busy the machine is.
WAIT_SECONDS = 240.0


ADDRESS = {
    "name": "Asha Rao",
    "phone": "+919876543210",
    "line1": "12 MG Road",
    "city": "Bengaluru",
    "state": "29",
    "pin": "560001",
}


class RunningStack:
    """The running stack, and what the tests do to it."""

    def __init__(self, servers: Servers, stack: Stack, fault_dir: Path) -> None:
        self.servers = servers
        self.stack = stack
        self.fault_dir = fault_dir
        self.phone = Phone(stack.sandbox_url)
        #: What ended and was started again by `restart_ended`, in order.
        self.restarted: list[str] = []
        #: Why each of them had ended, as far as its log tells; a process that starts overwrites it.
        self.ends: list[str] = []
        self._ending: set[str] = set()

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a manage.py command beside the stack."""
        return subprocess.run(
            [sys.executable, str(CHECKOUT / "manage.py"), *arguments],
            env=self.stack.env,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )

    def audit(self) -> list[str]:
        """Return the names of the invariants that are violated."""
        found = self.manage("audit", "--json")
        assert found.stdout, found.stderr
        return [
            result["name"] + str(result["rows"])
            for result in json.loads(found.stdout)["results"]
            if not result["holds"]
        ]

    def sign_in(self, phone: str) -> "Buyer":
        """Return a buyer who has logged in by OTP and has an address."""
        api = Api(f"{self.stack.web_url}/api/v1")
        asked = api.call("POST", "/auth/otp", {"phone": phone}, expect=202).json()
        sms = self.phone.control("GET", "/sms", to=phone.removeprefix("+"), wait=15)
        body = {"challenge_id": asked["id"], "code": find_code(sms["items"][0]), "transport": "body"}
        api.sign_in(api.call("POST", "/auth/otp/verify", body).json()["access_token"])
        address = api.call("POST", "/me/addresses", ADDRESS, expect=201).json()
        product = api.get(f"/products/{api.get('/products?in_stock=true&limit=1')['data'][0]['id']}")
        return Buyer(self, api, address["id"], product["variants"][0]["id"])

    def finance(self) -> Api:
        """Return a client app of finance."""
        api = Api(f"{self.stack.web_url}/api/v1")
        login = next(each for each in demo_accounts.STAFF if each.role == "finance")
        body = {"email": login.email, "password": login.password, "transport": "body"}
        api.sign_in(api.call("POST", "/auth/login", body).json()["access_token"])
        return api

    def read(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT."""
        with psycopg.connect(self.servers.env["DATABASE_URL"]) as database:
            return database.execute(statement.encode()).fetchall()

    def write(self, statement: str) -> None:
        """Change rows, as time would."""
        with psycopg.connect(self.servers.env["DATABASE_URL"]) as database:
            database.execute(statement.encode())

    def terminate(self, name: str) -> None:
        """Ask a process to end, as a process manager does at every release."""
        self._ending.add(name)
        os.kill(self.servers.pids[name], signal.SIGTERM)

    @contextlib.contextmanager
    def worker_stopped(self) -> Iterator[None]:
        """Let hints lie in the queues until the end."""
        worker = self.servers.pids["worker"]
        valkey: Any = redis.Redis.from_url(self.servers.env["REDIS_URL"])
        os.kill(worker, signal.SIGSTOP)
        # The worker still waits at its queues: a hint that comes before its second is over is given to it and lies in its
        # socket. What it sent just before it stopped is read at the latest with our PING, and so before our INFO.
        wait_for(lambda: _is_stopped(worker))
        valkey.ping()
        wait_for(lambda: not valkey.info("clients")["blocked_clients"])
        try:
            yield
        finally:
            os.kill(worker, signal.SIGCONT)
            valkey.close()

    def wait_until_ended(self, name: str) -> int:
        """Wait until a process has ended and return its exit code."""
        deadline = time.monotonic() + WAIT_SECONDS
        while name not in self.servers.ended:
            assert time.monotonic() < deadline, f"{name} does not end"
            self.servers.wait_for_exit(1.0)
        return self.servers.ended[name]

    def has_ended(self, name: str) -> bool:
        """Test if a process has ended by now."""
        self.servers.wait_for_exit(0.01)
        return name in self.servers.ended

    def count_in_log(self, name: str, text: str) -> int:
        """Return how often a text is in the log of a process, those before it under the same name included."""
        return self.stack.find_log(name).read_text(errors="replace").count(text)

    def restore(self) -> None:
        """Put everything back as it was at the start, whatever the test before has left: one that fails leaves it anywhere."""
        for point in points.ALL:
            (self.fault_dir / point).unlink(missing_ok=True)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.servers.pids["valkey"], signal.SIGCONT)
        if not _answers(lambda: redis.Redis.from_url(self.servers.env["REDIS_URL"]).ping()):
            self.servers.restart_server("valkey")
        if not _answers(lambda: self.read("SELECT 1")):
            self.servers.restart_server("postgres")
        for name in [*self._ending]:
            # Its end must be known: one that is told of later would start it a second time.
            self.wait_until_ended(name)
            self.restart(name)
        self.restart_ended()
        self.phone.control("DELETE", "/faults")
        self.phone.control("POST", "/webhooks/policy", {"mode": "normal"})
        self.phone.control("POST", "/knobs/razorpay", {"refund_outcome": "processed"})
        wait_for(self.is_ready)

    def is_ready(self) -> bool:
        """Tell whether the web process answers and finds its database and Redis."""
        self.restart_ended()
        with contextlib.suppress(requests.RequestException):
            return bool(requests.get(f"{self.stack.web_url}/readyz", timeout=10).json()["status"] == "ready")
        return False

    def restart_ended(self) -> None:
        """Start again what has ended, as a process manager does."""
        self.servers.wait_for_exit(0.01)
        for name in set(self.servers.ended) & set(read_procfile()):
            self.restarted.append(name)
            self.ends.append(self.stack.read_log_errors(name))
            self.restart(name)

    def restart(self, name: str) -> None:
        """Start a process of the Procfile again, as a process manager would."""
        self._ending.discard(name)
        self.servers.ended.pop(name, None)
        self.stack._spawn(name, ["/bin/sh", "-c", f"exec {read_procfile()[name]}"])


class Buyer:
    """A client app of one buyer."""

    def __init__(self, running: RunningStack, api: Api, address_id: str, variant_id: str) -> None:
        self.running = running
        self.api = api
        self.order_body = {"lines": [{"variant_id": variant_id, "quantity": 1}], "shipping_address_id": address_id}

    def place(self, key: str | None = None) -> Any:
        """Place an order and return the answer, whatever its status; raises ConnectionError if none came."""
        return self.api._session.post(
            f"{self.api.base_url}/orders",
            json=self.order_body,
            headers={"Idempotency-Key": key or str(uuid.uuid4())},
            timeout=WAIT_SECONDS,
        )

    def orders(self) -> list[dict[str, Any]]:
        return list(self.api.get("/orders?limit=100")["data"])

    def order(self, order_id: str) -> dict[str, Any]:
        return dict(self.api.get(f"/orders/{order_id}"))

    def start_payment(self, order_id: str) -> str:
        """Ask to pay and return the URL to watch."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        asked = self.api.call("POST", "/payments", {"order_id": order_id}, expect=202, headers=headers)
        return str(asked.headers["Location"].removeprefix("/api/v1"))

    def approve(self, payment_url: str) -> str:
        """Wait until the payment can be paid, pay it in the UPI app, and return the gateway's payment id."""
        upi = wait_for(lambda: self._upi_of(payment_url))
        gateway_payment = str(upi["gateway_payment_id"])
        self.running.phone.control("POST", f"/payments/{gateway_payment}/approve")
        return gateway_payment

    def _upi_of(self, payment_url: str) -> dict[str, Any] | None:
        self.running.restart_ended()
        return (self.api.get(payment_url).get("next_action") or {}).get("upi")

    def wait_until_confirmed(self, order_id: str) -> dict[str, Any]:
        wait_for(lambda: self._is_confirmed(order_id))
        return self.order(order_id)

    def _is_confirmed(self, order_id: str) -> bool:
        self.running.restart_ended()
        return bool(self.order(order_id)["status"] == "confirmed")

    def buy(self) -> tuple[str, str]:
        """Place an order, pay it, and return its id and the gateway's payment id."""
        order_id = self.place().json()["id"]
        gateway_payment = self.approve(self.start_payment(order_id))
        self.wait_until_confirmed(order_id)
        return order_id, gateway_payment

    def request_refund(self, order_id: str) -> str:
        """Ask for all money of an order back and return the refund's URL; finance must agree."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        asked = self.api.call("POST", "/refunds", {"order_id": order_id}, expect=202, headers=headers).json()
        return f"/refunds/{asked['data'][0]['id']}"

    def wait_until_refund_is(self, refund_url: str, status: str) -> dict[str, Any]:
        def arrived() -> dict[str, Any] | None:
            self.running.restart_ended()
            refund = dict(self.api.get(refund_url))
            return refund if refund["status"] == status else None

        return dict(wait_for(arrived))

    def invoices(self, order_id: str) -> list[dict[str, Any]]:
        return list(self.api.get(f"/invoices?order_id={order_id}")["data"])


def wait_for(read: Callable[[], Any]) -> Any:
    """Read until something truthy comes."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        if found := read():
            return found
        assert time.monotonic() < deadline, "it will never come"
        time.sleep(0.2)


def _is_stopped(pid: int) -> bool:
    """Tell whether a process is stopped, so that it does nothing more."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _answers(ask: Callable[[], Any]) -> bool:
    try:
        ask()
    except (OSError, redis.RedisError, psycopg.Error):
        return False
    return True

"""A whole stack for the fault tests: its own servers, processes and sandbox, and a buyer who meets it over HTTP."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from devtools import environment, logins
from devtools.demo.client import Api, Phone
from devtools.demo.story import _code_in
from devtools.embedded import CHECKOUT, Servers
from devtools.processes import Stack, read_procfile

ADDRESS = {
    "name": "Asha Rao",
    "phone": "+919876543210",
    "line1": "12 MG Road",
    "city": "Bengaluru",
    "state": "29",
    "pin": "560001",
}


class House:
    """The running stack, and what the tests do to it."""

    def __init__(self, servers: Servers, stack: Stack, fault_dir: Path) -> None:
        self.servers = servers
        self.stack = stack
        self.fault_dir = fault_dir
        self.phone = Phone(stack.sandbox_url)
        #: What ended and was started again by `heal`, in order.
        self.revived: list[str] = []

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a manage.py command beside the stack."""
        return subprocess.run(
            [sys.executable, str(CHECKOUT / "manage.py"), *arguments],
            env=self.stack.env,
            capture_output=True,
            text=True,
            timeout=90,
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
        body = {"challenge_id": asked["id"], "code": _code_in(sms["items"][0]), "transport": "body"}
        api.sign_in(api.call("POST", "/auth/otp/verify", body).json()["access_token"])
        address = api.call("POST", "/me/addresses", ADDRESS, expect=201).json()
        product = api.get(f"/products/{api.get('/products?in_stock=true&limit=1')['data'][0]['id']}")
        return Buyer(self, api, address["id"], product["variants"][0]["id"])

    def finance(self) -> Api:
        """Return a client app of finance."""
        api = Api(f"{self.stack.web_url}/api/v1")
        login = next(each for each in logins.STAFF if each.role == "finance")
        body = {"email": login.email, "password": login.password, "transport": "body"}
        api.sign_in(api.call("POST", "/auth/login", body).json()["access_token"])
        return api

    def read(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT."""
        with psycopg.connect(self.servers.env["DATABASE_URL"]) as database:
            return database.execute(statement.encode()).fetchall()

    def heal(self) -> None:
        """Start again what has ended, as a process manager does."""
        self.servers.wait_for_exit(0.01)
        for name in set(self.servers.ended) & set(read_procfile()):
            self.revived.append(name)
            self.revive(name)

    def revive(self, name: str) -> None:
        """Start a process of the Procfile again, as a process manager would."""
        self.servers.ended.pop(name, None)
        self.stack._spawn(name, ["/bin/sh", "-c", f"exec {read_procfile()[name]}"])


class Buyer:
    """A client app of one buyer."""

    def __init__(self, house: House, api: Api, address_id: str, variant_id: str) -> None:
        self.house = house
        self.api = api
        self.order_body = {"lines": [{"variant_id": variant_id, "quantity": 1}], "shipping_address_id": address_id}

    def place(self, key: str | None = None) -> Any:
        """Place an order and return the answer, whatever its status; raises ConnectionError if none came."""
        return self.api._session.post(
            f"{self.api.base_url}/orders",
            json=self.order_body,
            headers={"Idempotency-Key": key or str(uuid.uuid4())},
            timeout=20,
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

    def approve(self, payment_url: str, *, seconds: float = 60) -> str:
        """Wait until the payment can be paid, pay it in the UPI app, and return the gateway's payment id."""
        upi = wait_for(lambda: self._upi_of(payment_url), seconds=seconds)
        gateway_payment = str(upi["gateway_payment_id"])
        self.house.phone.control("POST", f"/payments/{gateway_payment}/approve")
        return gateway_payment

    def _upi_of(self, payment_url: str) -> dict[str, Any] | None:
        self.house.heal()
        return (self.api.get(payment_url).get("next_action") or {}).get("upi")

    def wait_until_confirmed(self, order_id: str, *, seconds: float = 60) -> dict[str, Any]:
        wait_for(lambda: self._is_confirmed(order_id), seconds=seconds)
        return self.order(order_id)

    def _is_confirmed(self, order_id: str) -> bool:
        self.house.heal()
        return bool(self.order(order_id)["status"] == "confirmed")

    def buy(self) -> tuple[str, str]:
        """Place an order, pay it, and return its id and the gateway's payment id."""
        order_id = self.place().json()["id"]
        gateway_payment = self.approve(self.start_payment(order_id))
        self.wait_until_confirmed(order_id)
        return order_id, gateway_payment

    def ask_back(self, order_id: str) -> str:
        """Ask for all money of an order back and return the refund's URL; finance must agree."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        asked = self.api.call("POST", "/refunds", {"order_id": order_id}, expect=202, headers=headers).json()
        return f"/refunds/{asked['data'][0]['id']}"

    def wait_until_refund_is(self, refund_url: str, status: str, *, seconds: float = 60) -> dict[str, Any]:
        def arrived() -> dict[str, Any] | None:
            self.house.heal()
            refund = dict(self.api.get(refund_url))
            return refund if refund["status"] == status else None

        return dict(wait_for(arrived, seconds=seconds))

    def invoices(self, order_id: str) -> list[dict[str, Any]]:
        return list(self.api.get(f"/invoices?order_id={order_id}")["data"])


def wait_for(read: Callable[[], Any], *, seconds: float) -> Any:
    """Read until something truthy comes."""
    deadline = time.monotonic() + seconds
    while True:
        if found := read():
            return found
        assert time.monotonic() < deadline, f"it did not come within {seconds} s"
        time.sleep(0.2)


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    place = tmp_path_factory.mktemp("house")
    # Kept, not temporary: a temporary cluster may lose its last commits when it is killed.
    servers = Servers(place / "data")
    try:
        servers.start()
        ports = environment.Ports.choose()
        env = environment.build(servers.env, ports, data_dir=place, ignore_user=True)
        env |= {"DJANGO_SETTINGS_MODULE": "tests.faults.settings", "FAULT_DIR": str(place), "LOG_FORMAT": "json"}
        stack = Stack(servers, env, ports, logs=place / "logs")
        stack.manage("migrate", "migrate", "--no-input", "--verbosity", "0")
        stack.manage("reference", "setup_reference_data")
        stack.manage("demo-data", "load_demo_data")
        stack.start()
        yield House(servers, stack, place)
    finally:
        servers.stop()


@pytest.fixture
def nothing_ends(house: House) -> Iterator[None]:
    """Fail if a process of the stack ended, whether or not it was started again."""
    revived = len(house.revived)
    yield
    house.servers.wait_for_exit(0.01)
    assert (set(house.servers.ended) & set(read_procfile()), house.revived[revived:]) == (set(), [])

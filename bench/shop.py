"""The shop that a benchmark uses: a whole Bahi on free ports with customers, and units enough of what they buy."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench.cpu import list_processes
from bench.http_load import build_request
from devtools import environment
from devtools.demo.client import Api
from devtools.embedded import Servers
from devtools.history.stack import log_in_customer, log_in_staff
from devtools.processes import Stack

SETTINGS = "bench.settings"
API = "/api/v1"
_VARIANTS = 24
_UNITS = 500_000
#: All processes and servers of the stack, and the sandbox that plays the world outside.
ROLES = ("web", "worker", "relay", "beat", "postgres", "valkey", "sandbox")
#: What is on its way: events and handler runs.
UNFINISHED = """
    SELECT (SELECT count(*) FROM core_outbox)
         + (SELECT count(*) FROM core_handlerrun WHERE done_at IS NULL AND parked_at IS NULL)
"""
#: Processes that work by themselves, whatever is asked for over HTTP.
_BACKGROUND = ("worker", "relay", "beat")
_BUDGETS = dict.fromkeys(
    ("OTP_REQUESTS_PER_NETWORK_PER_HOUR", "OTP_REQUESTS_PER_PREFIX_PER_DAY", "OTP_REQUESTS_PER_DAY"), "1000000"
)


@dataclass(frozen=True)
class Customer:
    """Somebody who is logged in, and where their goods go."""

    token: str
    address_id: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def build_write(path: str, body: bytes, *, customer: Customer) -> bytes:
    """Return a request of a customer with a new idempotency key."""
    headers = {**customer.headers, "Idempotency-Key": str(uuid.uuid4())}
    return build_request("POST", f"{API}{path}", headers=headers, body=body)


class Shop:
    """A running Bahi, and what a client app needs to use it."""

    def __init__(self, stack: Stack, data_dir: Path, *, customers: int) -> None:
        self.stack = stack
        self.data_dir = data_dir
        self.port = stack.ports.web
        self.customers = [Customer(*log_in_customer(stack, f"+91982000{number:04d}")) for number in range(customers)]
        self.products = self._list_products()
        self.variants = self._fill_shelves()
        self._chosen = itertools.cycle(self.customers)
        self._baskets = itertools.cycle(range(len(self.variants)))

    @property
    def pids(self) -> Mapping[str, int]:
        """The process ids by role."""
        return self.stack.servers.pids

    def _list_products(self) -> list[str]:
        found = Api(f"{self.stack.web_url}{API}").get(f"/products?in_stock=true&limit={_VARIANTS}")["data"]
        return [product["id"] for product in found]

    def _fill_shelves(self) -> list[str]:
        api = self._sign_in_catalogue_manager()
        variants = [api.get(f"/products/{product}")["variants"][0]["id"] for product in self.products]
        for variant in variants:
            _adjust_stock(api, variant, _UNITS)
        return variants

    def _sign_in_catalogue_manager(self) -> Api:
        api = Api(f"{self.stack.web_url}{API}")
        api.sign_in(log_in_staff(self.stack, "catalogue manager"))
        return api

    def make_hot_product(self, *, units: int) -> str:
        """Make a product that has this number of units in stock, and return the id of its only variant."""
        api = self._sign_in_catalogue_manager()
        mark = uuid.uuid4().hex[:12]
        category = api.get("/categories")["data"][0]["id"]
        product = api.call("POST", "/products", {"category_id": category, "name": f"Flash sale {mark}"}, expect=201)
        body = {"sku": f"FLASH-{mark}", "hsn": "6109", "tax_class": "gst_5", "price": 49_900}
        path = f"/products/{product.json()['id']}/variants"
        variant = str(api.call("POST", path, body, expect=201).json()["id"])
        _adjust_stock(api, variant, units)
        return variant

    def choose_customer(self) -> Customer:
        """Return one customer after another."""
        return next(self._chosen)

    def choose_variants(self, count: int) -> list[str]:
        """Return variants that are spread over all of them."""
        first = next(self._baskets)
        return [self.variants[(first + step * 7) % len(self.variants)] for step in range(count)]

    def connect(self) -> psycopg.Connection[Any]:
        """Return a connection to its database, which commits by itself."""
        return psycopg.connect(self.stack.env["DATABASE_URL"], autocommit=True)

    @contextlib.contextmanager
    def background_frozen(self) -> Iterator[None]:
        """Stop the processes that work by themselves for a while, so that what they do is not charged to a request."""
        self._signal_background(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal_background(signal.SIGCONT)

    def _signal_background(self, signum: signal.Signals) -> None:
        for role in _BACKGROUND:
            for pid in list_processes(self.pids[role]):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signum)


def _adjust_stock(api: Api, variant: str, units: int) -> None:
    body = {"variant_id": variant, "quantity": units, "reason": "For a benchmark"}
    api.call("POST", "/stock-adjustments", body, expect=201, headers={"Idempotency-Key": str(uuid.uuid4())})


@contextlib.contextmanager
def running_shop(env: Mapping[str, str] | None = None, *, customers: int = 8) -> Iterator[Shop]:
    """
    Start everything with the demonstration shop, on data that is durable and thrown away at the end.

    :param env: variables of Bahi to set in addition to its defaults, such as HOT_PATH
    :param customers: how many log in
    :raises ProcessFailed: if a process does not start
    :raises ServersFailed: if a server does not start
    """
    with tempfile.TemporaryDirectory(prefix="bahi-bench-") as place:
        # With a directory of its own the cluster is durable, as in production: fsync and synchronous_commit are on.
        servers = Servers(Path(place) / "data")
        try:
            servers.start()
            ports = environment.Ports.choose()
            found = environment.build_environment(servers.env, ports, data_dir=Path(place), ignore_user=True)
            found |= {"DJANGO_SETTINGS_MODULE": SETTINGS, "LOG_FORMAT": "json", **_BUDGETS, **(env or {})}
            stack = Stack(servers, found, ports, logs=Path(place) / "logs")
            stack.run_manage("migrate", "migrate", "--no-input", "--verbosity", "0")
            stack.run_manage("demo-data", "load_demo_data")
            stack.start()
            yield Shop(stack, Path(place) / "data", customers=customers)
        finally:
            servers.stop()

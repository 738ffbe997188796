"""The peers as processes next to Bahi's, and what a client needs to use them."""

from __future__ import annotations

import itertools
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt

from apps.core import ids
from bench.http_load import build_request, connected
from bench.peers.database import PeerFailed, connect, connection_env, make_database
from bench.shop import Shop
from devtools.embedded import CHECKOUT, STATE
from devtools.environment import find_free_port

DRF, FASTIFY = "drf", "fastify"
NAMES = (DRF, FASTIFY)
_SOURCES = Path(__file__).parent / FASTIFY
_WORK = STATE / "bench" / FASTIFY
_START_SECONDS = 60.0
_OLDEST_NODE = 20
_ORDERS_READ = 64
Requests = Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class Peer:
    """A running peer: where it listens, its first process, and its requests by the name of the work."""

    name: str
    port: int
    pid: int
    requests: Mapping[str, Requests]


def find_missing(name: str) -> str:
    """Return why a peer cannot run on this machine, or an empty text."""
    if name != FASTIFY:
        return ""
    if missing := [program for program in ("node", "npm") if shutil.which(program) is None]:
        return f"{missing[0]} is not on the PATH"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version[1:].partition(".")[0]) < _OLDEST_NODE:
        return f"Node.js {version} is older than {_OLDEST_NODE}"
    return ""


def start_peers(shop: Shop, names: Sequence[str]) -> list[Peer]:
    """
    Make the peers' database and start them with as many workers as Bahi has; they end with the shop.

    :raises PeerFailed: if one does not start
    """
    own = {name: value for name, value in shop.stack.env.items() if not name.startswith("DJANGO_")}
    env = {
        **own,
        **connection_env(shop.stack.env["DATABASE_URL"]),
        "DJANGO_SETTINGS_MODULE": "bench.peers.drf.settings",
        "PEER_KEY": secrets.token_urlsafe(48),
        "WEB_THREADS": own.get("WEB_THREADS", "4"),
        "NODE_ENV": "production",
    }
    make_database(shop.stack.env["DATABASE_URL"], env)
    customers = _read_customers(env)
    return [_start(shop, name, env, customers) for name in names]


def _start(shop: Shop, name: str, env: Mapping[str, str], customers: Sequence[tuple[str, int]]) -> Peer:
    port = find_free_port(8100)
    argv, place = _command(name, env, port)
    pid = shop.stack.servers.spawn(
        name, argv, env={**env, "PORT": str(port)}, cwd=place, log=shop.stack.logs / f"{name}.log"
    )
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(port):
        if time.monotonic() > deadline or name in shop.stack.servers.ended:
            raise PeerFailed(f"{name} did not start. {shop.stack.read_log_end(name)}")
        shop.stack.servers.wait_for_exit(0.1)
    return Peer(name, port, pid, _Client(shop, port, customers).requests(name))


def _command(name: str, env: Mapping[str, str], port: int) -> tuple[list[str], Path]:
    if name == FASTIFY:
        _install()
        return [str(shutil.which("node")), "server.js"], _WORK
    # As Bahi is served: without gunicorn's `sync` workers, which keep no connection open.
    return [
        str(Path(sys.executable).with_name("gunicorn")), "bench.peers.drf.wsgi", "--bind", f"127.0.0.1:{port}",
        "--workers", env["WEB_CONCURRENCY"], "--worker-class", "gthread", "--threads", env["WEB_THREADS"],
        "--keep-alive", "60", "--access-logfile", "-", "--log-level", "warning",
    ], CHECKOUT  # fmt: skip


def _install() -> None:
    shutil.copytree(_SOURCES, _WORK, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=_WORK, env={**os.environ, "NO_UPDATE_NOTIFIER": "1"}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode:
        raise PeerFailed(f"npm could not install what the peer needs: {done.stderr[-2000:]}")


def _answers(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/empty", timeout=2):
            return True
    except OSError:
        return False


def _read_customers(env: Mapping[str, str]) -> list[tuple[str, int]]:
    """Return an access token and the address of each customer."""
    with connect(env) as connection:
        rows = connection.execute("SELECT user_id, id FROM peer_address ORDER BY id").fetchall()
    expiry = datetime.now(tz=UTC) + timedelta(hours=12)
    return [
        (
            jwt.encode(
                {"user_id": user, "token_type": "access", "jti": uuid.uuid4().hex, "exp": expiry},
                env["PEER_KEY"],
                algorithm="HS256",
            ),
            address,
        )
        for user, address in rows
    ]


class _Client:
    """Builds the requests of the work that both peers do, each in its own paths."""

    def __init__(self, shop: Shop, port: int, customers: Sequence[tuple[str, int]]) -> None:
        self._port = port
        self._products = [str(ids.decode("prod", product)) for product in shop.products]
        self._variants = [str(ids.decode("var", variant)) for variant in shop.variants]
        self._customers = itertools.cycle(customers)
        self._baskets = itertools.cycle(range(len(self._variants)))

    def requests(self, name: str) -> dict[str, Requests]:
        page = "/products" if name == DRF else "/products?limit=25"
        return {
            "empty": lambda: itertools.repeat(build_request("GET", "/empty")),
            "list-products": lambda: itertools.repeat(build_request("GET", page)),
            "read-product": lambda: itertools.cycle(
                build_request("GET", f"/products/{product}") for product in self._products[:2]
            ),
            "read-own-order": self._read_own_order,
            "place-order": self._place_order,
        }

    def _read_own_order(self) -> Iterator[bytes]:
        requests = []
        with connected(self._port) as connection:
            for _ in range(_ORDERS_READ):
                token, address = next(self._customers)
                answer = connection.send(self.build_place_order(token, address))
                if answer.status != 201:  # noqa: PLR2004 - what placing answers
                    raise PeerFailed(f"An order was answered with {answer.status}: {answer.body[:300]!r}")
                path = f"/orders/{answer.json()['id']}"
                requests.append(build_request("GET", path, headers={"Authorization": f"Bearer {token}"}))
        return itertools.cycle(requests)

    def _place_order(self) -> Iterator[bytes]:
        while True:
            yield self.build_place_order(*next(self._customers))

    def build_place_order(self, token: str, address: int) -> bytes:
        """Return a request for an order of three lines."""
        first = next(self._baskets)
        chosen = [self._variants[(first + step * 7) % len(self._variants)] for step in range(3)]
        lines = [{"variant_id": variant, "quantity": 1} for variant in chosen]
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid.uuid4())}
        body = json.dumps({"lines": lines, "shipping_address_id": address}).encode()
        return build_request("POST", "/orders", headers=headers, body=body)

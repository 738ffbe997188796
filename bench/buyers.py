"""What buyers do in a shop, in the shares in which they do it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bench.http_load import Answer, AnswerIncomplete, build_request, connected
from bench.measures import require_status
from bench.requests import choose_basket
from bench.samples import CONFIRM, Sample, kind_of, kind_of_failure
from bench.shop import API, Customer, Shop, build_write

#: What a buyer does next: of a hundred times, how many.
SHARES: Mapping[str, int] = {
    "browse": 60, "search": 15, "own order": 10, "payment status": 10, "quote": 4, "place and pay": 1,
}  # fmt: skip
_WORDS = ("kurta", "rice", "lamp", "silk", "steel", "cotton")
_POLL_SECONDS = 1.0
_POLLS = 60


class HttpClient(Protocol):
    """What carries a request to a server: a connection, or a pool of them."""

    async def send(self, request: bytes) -> Answer:
        """Return the answer to a request."""


@dataclass(frozen=True)
class PreparedCustomer:
    """A customer with an order and a payment of their own."""

    customer: Customer
    order: str
    payment: str


def prepare_customers(shop: Shop) -> list[PreparedCustomer]:
    """
    Place an order and start its payment for each customer.

    :raises WorkFailed: if one is refused
    """
    prepared = []
    with connected(shop.port) as connection:

        def write(path: str, body: Mapping[str, Any], customer: Customer, expect: int) -> str:
            answer = connection.send(build_write(path, json.dumps(body).encode(), customer=customer))
            return str(require_status(answer, expect, of=f"POST {path}").json()["id"])

        for customer in shop.customers:
            order = write("/orders", choose_basket(shop, customer), customer, 201)
            prepared.append(PreparedCustomer(customer, order, write("/payments", {"order_id": order}, customer, 202)))
    return prepared


class Buyer:
    """
    One of the shop's buyers, who notes what each request took.

    :param client: what carries requests to the shop
    :param sandbox: what carries those to the outside world, where a payment is approved
    :param clock: the seconds that samples are in
    """

    def __init__(
        self, shop: Shop, prepared: PreparedCustomer, *, client: HttpClient, sandbox: HttpClient, samples: list[Sample],
        clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self._shop = shop
        self._prepared = prepared
        self._client = client
        self._sandbox = sandbox
        self._samples = samples
        self._clock = clock
        self._acts: Mapping[str, Callable[[float], Awaitable[None]]] = {
            "browse": self._browse, "search": self._search, "own order": self._read_order,
            "payment status": self._read_payment, "quote": self._quote, "place and pay": self._place_and_pay,
        }  # fmt: skip

    async def act(self, name: str, *, due: float) -> None:
        """Do one of `SHARES`; the latency of its first request counts from `due`, of the others from when they are sent."""
        await self._acts[name](due)

    async def _browse(self, due: float) -> None:
        if await self._get("list products", "/products?limit=25", due=due) is not None:
            await self._get("read product", f"/products/{random.choice(self._shop.products)}")

    async def _search(self, due: float) -> None:
        word = random.choice(_WORDS)
        await self._get("search products", f"/products?q={word}&limit=25", due=due)

    async def _read_order(self, due: float) -> None:
        await self._get("read own order", f"/orders/{self._prepared.order}", due=due)

    async def _read_payment(self, due: float) -> None:
        await self._get("read payment", f"/payments/{self._prepared.payment}", due=due)

    async def _quote(self, due: float) -> None:
        await self._post("quote", "/orders/quote", choose_basket(self._shop, self._prepared.customer), due=due)

    async def _place_and_pay(self, due: float) -> None:
        body = choose_basket(self._shop, self._prepared.customer)
        order = await self._post("place order", "/orders", body, due=due)
        payment = await self._post("start payment", "/payments", {"order_id": order["id"]}) if order else None
        if not order or not payment:
            return
        for _ in range(_POLLS):
            await asyncio.sleep(_POLL_SECONDS)
            seen = await self._get("poll payment", f"/payments/{payment['id']}")
            upi = ((seen or {}).get("next_action") or {}).get("upi") or {}
            if upi.get("gateway_payment_id"):
                await self._approve(upi["gateway_payment_id"], order["id"])
                return
        self._note(CONFIRM, self._clock(), error="no UPI link")

    async def _approve(self, payment: str, order: str) -> None:
        await self._sandbox.send(build_request("POST", f"/__sim__/payments/{payment}/approve", body=b"{}"))
        approved = self._clock()
        for _ in range(_POLLS):
            await asyncio.sleep(_POLL_SECONDS)
            seen = await self._get("poll order", f"/orders/{order}")
            if seen and seen["status"] == "confirmed":
                self._note(CONFIRM, approved)
                return
        self._note(CONFIRM, approved, error="not confirmed")

    def _note(self, work: str, due: float, *, sent: float | None = None, error: str = "") -> None:
        self._samples.append(Sample(work, due, due if sent is None else sent, self._clock(), error))

    async def _get(self, work: str, path: str, *, due: float | None = None) -> dict[str, Any] | None:
        headers = {} if path.startswith("/products") else self._prepared.customer.headers
        return await self._send(work, build_request("GET", f"{API}{path}", headers=headers), due)

    async def _post(
        self, work: str, path: str, body: Mapping[str, Any], *, due: float | None = None
    ) -> dict[str, Any] | None:
        customer = self._prepared.customer
        return await self._send(work, build_write(path, json.dumps(body).encode(), customer=customer), due)

    async def _send(self, work: str, request: bytes, due: float | None) -> dict[str, Any] | None:
        sent = self._clock()
        try:
            answer = await self._client.send(request)
        except (AnswerIncomplete, OSError) as error:  # a TimeoutError is an OSError
            self._note(work, sent if due is None else due, sent=sent, error=kind_of_failure(error))
            return None
        refused = answer.status >= 400  # noqa: PLR2004 - where refusals begin
        self._note(work, sent if due is None else due, sent=sent, error=kind_of(answer) if refused else "")
        return None if refused else dict(answer.json())


def choose_act(rng: random.Random) -> str:
    """Return what a buyer does next."""
    return rng.choices(list(SHARES), weights=list(SHARES.values()))[0]

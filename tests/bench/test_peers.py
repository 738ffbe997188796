"""The peers do what is compared: the same rows, an order all or nothing, once per key, never more units than there are."""

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest

from apps.core import ids
from bench import compare
from bench.http_load import Answer, build_request, connected, run_load
from bench.measures import Cost
from bench.peers.limits import measure_limit
from bench.peers.processes import DRF, FASTIFY, Peer, start_peers
from bench.shop import Shop

#: Node.js is no requirement of Bahi: `make nightly` sets NODE_PEER.
NAMES = (DRF, FASTIFY) if os.environ.get("NODE_PEER") else (DRF,)


@pytest.fixture(scope="module")
def peers(shop: Shop) -> dict[str, Peer]:
    return {peer.name: peer for peer in start_peers(shop, NAMES)}


@pytest.fixture(params=NAMES)
def peer(request: pytest.FixtureRequest, peers: Mapping[str, Peer]) -> Peer:
    return peers[request.param]


@pytest.fixture
def rows(shop: Shop) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(shop.stack.env["DATABASE_URL"], dbname="peers", autocommit=True) as connection:
        yield connection


def send(peer: Peer, request: bytes) -> Answer:
    with connected(peer.port) as connection:
        return connection.send(request)


def count(rows: psycopg.Connection[Any]) -> list[int]:
    """Return how many orders, lines and events there are, and units reserved."""
    found = rows.execute(
        "SELECT (SELECT count(*) FROM peer_order), (SELECT count(*) FROM peer_orderline),"
        " (SELECT count(*) FROM peer_outboxevent), (SELECT sum(reserved) FROM peer_stock)"
    ).fetchone()
    assert found is not None
    return [int(value) for value in found]


def with_body(request: bytes, body: dict[str, Any]) -> bytes:
    """Return the request with another body, and the same key."""
    head = request.split(b"\r\n\r\n")[0]
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    kept = {name: headers[name] for name in ("Authorization", "Idempotency-Key")}
    return build_request("POST", "/orders", headers=kept, body=json.dumps(body).encode())


def body_of(request: bytes) -> dict[str, Any]:
    return dict(json.loads(request.split(b"\r\n\r\n", 1)[1]))


class TestCatalogue:
    def test_lists_the_products_that_bahi_lists(self, shop: Shop, peer: Peer) -> None:
        with connected(shop.port) as connection:
            ours = connection.send(build_request("GET", "/api/v1/products?limit=25")).json()["data"]
        answer = send(peer, next(peer.requests["list-products"]())).json()

        theirs = answer["results"] if peer.name == DRF else answer["data"]
        # What was sold here since the peer has its rows may be sold out here, and is not there.
        assert [(each["id"], each["name"], each["lowest_price"]) for each in theirs] == [
            (str(ids.decode("prod", each["id"])), each["name"], each["lowest_price"]) for each in ours
        ]
        assert [each["in_stock"] for each in theirs] == [True] * len(ours)

    def test_reads_a_product_with_its_variants(self, shop: Shop, peer: Peer) -> None:
        with connected(shop.port) as connection:
            ours = connection.send(build_request("GET", f"/api/v1/products/{shop.products[0]}")).json()

        theirs = send(peer, next(peer.requests["read-product"]())).json()

        assert (theirs["name"], theirs["category"]["slug"]) == (ours["name"], ours["category"]["slug"])
        assert [(each["sku"], each["price"], each["in_stock"]) for each in theirs["variants"]] == [
            (each["sku"], each["price"], each["in_stock"]) for each in ours["variants"]
        ]


class TestPlaceOrder:
    def test_stores_order_lines_and_event_and_reserves(self, peer: Peer, rows: psycopg.Connection[Any]) -> None:
        before = count(rows)

        answer = send(peer, next(peer.requests["place-order"]()))

        order = answer.json()
        assert answer.status == 201
        assert [line["position"] for line in order["lines"]] == [1, 2, 3]
        assert order["total_amount"] == sum(line["unit_price"] for line in order["lines"])
        assert [now - then for now, then in zip(count(rows), before, strict=True)] == [1, 3, 1, 3]

    def test_the_same_request_again_gets_the_same_answer_and_stores_nothing(
        self, peer: Peer, rows: psycopg.Connection[Any]
    ) -> None:
        request = next(peer.requests["place-order"]())
        first, before = send(peer, request), count(rows)

        again = send(peer, request)

        assert (again.status, again.json(), count(rows)) == (201, first.json(), before)

    def test_another_request_with_the_same_key_is_refused(self, peer: Peer, rows: psycopg.Connection[Any]) -> None:
        request = next(peer.requests["place-order"]())
        send(peer, request)
        before = count(rows)
        lines = [{**line, "quantity": 2} for line in body_of(request)["lines"]]

        answer = send(peer, with_body(request, {**body_of(request), "lines": lines}))

        assert (answer.status, count(rows)) == (422, before)

    def test_the_address_of_another_customer_is_refused(self, peer: Peer, rows: psycopg.Connection[Any]) -> None:
        requests = peer.requests["place-order"]()
        mine, theirs = next(requests), next(requests)
        before = count(rows)

        answer = send(
            peer, with_body(mine, {**body_of(mine), "shipping_address_id": body_of(theirs)["shipping_address_id"]})
        )

        assert (answer.status, count(rows)) == (400, before)

    def test_buyers_at_the_same_time_get_exactly_what_is_there(self, peer: Peer, rows: psycopg.Connection[Any]) -> None:
        made = itertools.islice(peer.requests["place-order"](), 30)
        [variant] = rows.execute("SELECT variant_id FROM peer_stock ORDER BY random() LIMIT 1").fetchone() or [None]
        rows.execute("UPDATE peer_stock SET on_hand = reserved + 20 WHERE variant_id = %s", [variant])
        lines = [{"variant_id": str(variant), "quantity": 1}]
        requests = [with_body(request, {**body_of(request), "lines": lines}) for request in made]

        load = run_load(peer.port, iter(requests), clients=8, seconds=60)

        free = rows.execute("SELECT on_hand - reserved FROM peer_stock WHERE variant_id = %s", [variant]).fetchone()
        assert ([each.status for each in load.refused], len(load.seconds), free) == ([409] * 10, 30, (0,))
        again = [send(peer, request).status for request in requests]
        assert (again.count(201), again.count(409)) == (20, 10)


class TestReadOrder:
    def test_only_its_customer_reads_it(self, peer: Peer) -> None:
        requests = peer.requests["place-order"]()
        mine, theirs = next(requests), next(requests)
        order = send(peer, mine).json()
        path = f"/orders/{order['id']}"

        def read(request: bytes) -> Answer:
            token = next(line for line in request.split(b"\r\n") if line.startswith(b"Authorization: ")).decode()
            return send(peer, build_request("GET", path, headers={"Authorization": token.split(": ", 1)[1]}))

        assert (read(mine).json(), read(theirs).status, send(peer, build_request("GET", path)).status) == (
            order,
            404,
            401,
        )


class TestLimit:
    def test_writes_the_rows_of_an_order_into_a_copy(self, shop: Shop) -> None:
        tables = (
            "orders_order", "orders_orderaddress", "orders_orderline", "catalog_reservation", "core_event", "core_outbox",
            "core_idempotencykey",
        )  # fmt: skip

        with shop.background_frozen():
            cost = measure_limit(shop, rounds=1, seconds=1)

        with psycopg.connect(shop.stack.env["DATABASE_URL"], dbname="limits") as copy:
            made = [
                copy.execute(
                    f"SELECT count(*) FROM {table} WHERE created_at > (SELECT max(created_at) FROM"
                    " (SELECT created_at FROM orders_order JOIN bench_template ON order_id = id) AS it)"
                ).fetchone()
                for table in tables
            ]
        assert cost.rate[0] > 0
        orders = made[0][0] if made[0] else 0
        assert [row[0] // orders if row else None for row in made] == [1, 1, 3, 3, 1, 1, 1]


def test_the_table_has_both_sides_and_their_ratio(shop: Shop, peers: Mapping[str, Peer]) -> None:
    sides = [compare._bahi(shop), compare._side(peers[DRF])]

    with shop.background_frozen():
        compare.measure_sides(shop, sides, rounds=1, seconds=0.4)

    table = compare.format_comparison(sides, Cost(cpu={"postgres": [1.0]}, rate=[1000.0])).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[:8]]
    assert cells[0] == ["work", "bahi", "drf", "times", "statements"]
    assert [row[0] for row in cells[2:]] == [name for name, *_ in compare._PAIRS]
    assert [row[4] for row in cells[2:]] == ["0 / 0", "0 / 2", "1 / 2", "0 / 2", "3 / 3", "8 / 20"]

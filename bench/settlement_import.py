"""The import of a settlement report: a file of the sandbox, about payments and refunds that the shop has."""

from __future__ import annotations

import csv
import io
import json
import resource
import subprocess
import sys
import time
import urllib.request
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from bench.cpu import read_cpu
from bench.http_load import connected
from bench.measures import StatementCounter, WorkFailed
from bench.requests import build_place_order
from bench.shop import Shop, build_write
from devtools.embedded import CHECKOUT

#: What is wrong in a thousand lines: as many of each kind, and five times as many payments that are not the shop's.
_WRONG, _UNKNOWN = ("amount_mismatch", "fee_mismatch", "credit_mismatch", "duplicated_row"), 5
_COUNTED_LINES = 1_000
#: The command exits with 1 if it opened exceptions.
_IMPORTED = (0, 1)

#: A row of a table from what is known of it: the other columns that may not be null are empty.
_INSERT = """
    INSERT INTO {table}
    SELECT (jsonb_populate_record(NULL::{table}, nothing.columns || known.value)).*
    FROM jsonb_array_elements(%s::jsonb) AS known, (
        SELECT jsonb_object_agg(column_name, CASE data_type
            WHEN 'boolean' THEN 'false'::jsonb WHEN 'jsonb' THEN '{{}}' WHEN 'timestamp with time zone' THEN to_jsonb(now())
            WHEN 'character varying' THEN '""' WHEN 'text' THEN '""' ELSE '0' END) AS columns
        FROM information_schema.columns WHERE table_name = '{table}' AND is_nullable = 'NO' AND data_type <> 'uuid'
    ) AS nothing
"""


@dataclass(frozen=True)
class ImportCost:
    """
    What the import of a report took.

    `seconds` of the clock are of all its lines; `app` and `postgres` are milliseconds of CPU of 1,000 lines; none of these has
    the start of the command in it. `statements` are of a report of 1,000 lines, with the start.
    """

    lines: int
    seconds: float
    app: float
    postgres: float
    statements: int


def measure_settlement_import(shop: Shop, counter: StatementCounter, *, lines: int) -> ImportCost:
    """
    Import a report of this many lines, mostly payments that the shop has, then one of a thousand whose statements are counted.

    :raises WorkFailed: if the command fails
    """
    report, again = _make_report(shop, lines=lines, seed=1), _make_report(shop, lines=_COUNTED_LINES, seed=2)
    before, began = _read_cpu(shop), time.monotonic()
    added = _import(shop, report)
    seconds, after = time.monotonic() - began, _read_cpu(shop)
    began = time.monotonic()
    _import(shop, report)  # adds nothing: what is left is the start of the command
    idle_seconds, idle = time.monotonic() - began, _read_cpu(shop)
    took = {role: (after[role] - before[role] - (idle[role] - after[role])) * 1_000_000 / added for role in after}
    return ImportCost(
        lines=added,
        seconds=seconds - idle_seconds,
        app=took["app"],
        postgres=took["postgres"],
        statements=_count_statements(shop, counter, again),
    )


def _count_statements(shop: Shop, counter: StatementCounter, report: bytes) -> int:
    def work() -> None:
        _import(shop, report)

    return counter.count(work)


def _read_cpu(shop: Shop) -> dict[str, float]:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"app": ended.ru_utime + ended.ru_stime, **read_cpu({"postgres": shop.pids["postgres"]})}


def _import(shop: Shop, report: bytes) -> int:
    """Import a report as an operator does, and return how many lines that added."""
    path = shop.data_dir / "report.csv"
    path.write_bytes(report)
    command = [sys.executable, "manage.py", "import_settlements", "--csv", str(path), "--json"]
    done = subprocess.run(command, cwd=CHECKOUT, env=shop.stack.env, capture_output=True, check=False)  # noqa: S603 - our own command
    if done.returncode not in _IMPORTED:
        raise WorkFailed(f"import_settlements ended with {done.returncode}: {done.stderr.decode()[-300:]}")
    return int(json.loads(done.stdout)["lines_added"])


def _make_report(shop: Shop, *, lines: int, seed: int) -> bytes:
    """Have the sandbox make up a report, enter what it is about into the database, and return the report."""
    thousands = max(1, lines // 1_000)
    errors = {**dict.fromkeys(_WRONG, thousands), "unknown_payment": _UNKNOWN * thousands}
    recipe = {"lines": lines, "seed": seed, "adjustment_every": 200, "errors": errors}
    truth = list(csv.DictReader(io.StringIO(_synthesise(shop, {**recipe, "what": "truth"}).decode())))
    with shop.connect() as connection:
        _enter(connection, _start_payment(shop), truth)
        connection.execute("VACUUM ANALYZE")
    return _synthesise(shop, {**recipe, "what": "report"})


def _synthesise(shop: Shop, body: dict[str, Any]) -> bytes:
    url, raw = f"{shop.stack.sandbox_url}/__sim__/settlements/synthesise", json.dumps(body).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data=raw, method="POST")  # noqa: S310 - the sandbox
    with opener.open(request, timeout=120) as answer:
        return bytes(answer.read())


def _start_payment(shop: Shop) -> tuple[str, str]:
    """Start a payment, and return the ids of its order and of itself in the database."""
    customer = shop.choose_customer()
    with connected(shop.port) as http:
        order = http.send(build_place_order(shop, customer)).json()["id"]
        http.send(build_write("/payments", json.dumps({"order_id": order}).encode(), customer=customer))
    with shop.connect() as connection:
        found = connection.execute("SELECT order_id, id FROM payments_payment ORDER BY id DESC LIMIT 1").fetchone()
    if found is None:
        raise WorkFailed("No payment was started.")
    return str(found[0]), str(found[1])


def _enter(connection: psycopg.Connection[Any], ids: tuple[str, str], truth: list[dict[str, str]]) -> None:
    """Enter the payments and refunds of a report as if they had been made here, all for one order."""
    order, payment = ids
    attempts = {row["entity_id"]: _attempt(row, payment) for row in truth if row["type"] == "payment"}
    refunds = [row for row in truth if row["type"] == "refund"]
    made = [
        _refund(row, number, order=order, payment=payment, attempt=attempts[row["payment_id"]]["id"])
        for number, row in enumerate(refunds, 1)
    ]
    for table, rows in (("payments_paymentattempt", list(attempts.values())), ("payments_refund", made)):
        connection.execute(_INSERT.format(table=table), [json.dumps(rows)])


def _attempt(row: dict[str, str], payment: str) -> dict[str, Any]:
    return {
        "id": _new_id(), "payment_id": payment, "gateway": "razorpay", "gateway_payment_id": row["entity_id"], "version": 1,
        "status": "captured", "amount": int(row["amount"]), "currency": "INR", "fee_amount": int(row["fee"]),
        "fee_tax_amount": int(row["tax"]), "source": "poll", "authorized_at": _at(row), "captured_at": _at(row),
        "review_reason": "amount_mismatch", "review_opened_at": _at(row),
    }  # fmt: skip


def _refund(row: dict[str, str], number: int, *, order: str, payment: str, attempt: str) -> dict[str, Any]:
    return {
        "id": _new_id(), "number": f"{payment[-12:]}-R{number}", "order_id": order, "payment_id": payment, "attempt_id": attempt,
        "sequence": number, "amount": int(row["amount"]), "currency": "INR", "status": "processed", "reason": "other",
        "version": 1, "gateway_refund_id": row["entity_id"], "idempotency_key": _new_id(), "requested_by": "system",
        "processed_at": _at(row),
    }  # fmt: skip


def _new_id() -> str:
    return str(uuid.uuid4())


def _at(row: dict[str, str]) -> str:
    return datetime.fromtimestamp(int(row["created_at"]), tz=UTC).isoformat()

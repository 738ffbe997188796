"""The database of the peers: in the same Postgres as Bahi's, with the rows that Bahi's shop has."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import conninfo

from devtools.embedded import CHECKOUT

NAME = "peers"
#: Table of the peers -> what is copied into it, read from Bahi's tables. Variants that cannot be bought are left out.
_COPIED = {
    "peer_category (id, name, slug)": "SELECT id, name, slug FROM catalog_category",
    "peer_product (id, category_id, name, slug, brand, description, attributes, lowest_price, is_published,"
    " created_at, updated_at)": """
        SELECT id, category_id, name, slug, brand, description, attributes::text, lowest_price, is_published,
               created_at, updated_at
        FROM catalog_product""",
    "peer_variant (id, product_id, sku, title, price, attributes, position, is_active, created_at, updated_at)": """
        SELECT id, product_id, sku, title, price, attributes::text, position, is_active, created_at, updated_at
        FROM catalog_variant""",
    "peer_stock (variant_id, on_hand, reserved)": """
        SELECT variant_id, sum(on_hand_milli)::bigint / 1000, 0 FROM catalog_stocklevel GROUP BY variant_id""",
}
_CUSTOMERS = 8


class PeerFailed(RuntimeError):
    """A peer could not be prepared or started; the message says why."""


def connection_env(database_url: str) -> dict[str, str]:
    """Return the variables that say where the peers' database is, given where Bahi's is."""
    parts = conninfo.conninfo_to_dict(database_url)
    found = {"PGHOST": str(parts["host"]), "PGUSER": str(parts["user"]), "PGDATABASE": NAME}
    return found | ({"PGPORT": str(parts["port"])} if "port" in parts else {})


def connect(env: Mapping[str, str]) -> psycopg.Connection[Any]:
    """Return a connection to the peers' database, which commits by itself."""
    port = env.get("PGPORT")
    return psycopg.connect(host=env["PGHOST"], user=env["PGUSER"], dbname=env["PGDATABASE"], port=port, autocommit=True)


def make_database(database_url: str, env: Mapping[str, str]) -> None:
    """
    Make the database, its tables as the Django peer's models have them, and its rows from those of Bahi.

    :param env: the environment of the peers' processes
    :raises PeerFailed: if the tables could not be made
    """
    with psycopg.connect(database_url, autocommit=True) as source:
        source.execute(f"CREATE DATABASE {NAME}")
        _migrate(env, "auth")  # the tables of an app without migrations are made first, and refer to this one
        _migrate(env, "--run-syncdb")
        with connect(env) as target:
            _copy_catalogue(source, target)
            _make_customers(target)
            target.execute("VACUUM ANALYZE")


def _migrate(env: Mapping[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "django", "migrate", *arguments, "--verbosity", "0"],
        env=dict(env), cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise PeerFailed(f"The tables of the peers could not be made: {done.stderr[-2000:]}")


def _copy_catalogue(source: psycopg.Connection[Any], target: psycopg.Connection[Any]) -> None:
    for table, rows in _COPIED.items():
        with (
            source.cursor().copy(f"COPY ({rows}) TO STDOUT") as read,
            target.cursor().copy(f"COPY {table} FROM STDIN") as write,
        ):
            for block in read:
                write.write(block)


def _make_customers(target: psycopg.Connection[Any]) -> None:
    target.execute(
        """
        INSERT INTO auth_user (username, password, first_name, last_name, email, is_active, is_staff, is_superuser,
                               date_joined)
        SELECT 'customer-' || number, '!', 'Asha', 'Rao', '', true, false, false, now()
        FROM generate_series(1, %s) AS number
        """,
        [_CUSTOMERS],
    )
    target.execute(
        """
        INSERT INTO peer_address (user_id, name, phone, line1, city, state, pin)
        SELECT id, 'Asha Rao', '+919876543210', '12 MG Road', 'Bengaluru', '29', '560001' FROM auth_user
        """
    )

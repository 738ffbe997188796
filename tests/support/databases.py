"""The databases of the tests: the template that each is copied from, and copies for processes that commit what they do."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from psycopg import sql

ROOT = Path(__file__).resolve().parents[2]
#: What the migrations and `setup_reference_data` fill.
REFERENCE_TABLES = frozenset({
    "auth_group", "auth_group_permissions", "auth_permission", "catalog_location", "django_content_type",
    "django_migrations", "ledger_account", "tax_taxrate",
})  # fmt: skip


def make_template() -> str:
    """Return the name of a database that is migrated and holds the reference data, and make it where it is missing."""
    # Reference data comes from services and rules: what may have changed it makes another template.
    files = sorted(
        [*ROOT.glob("apps/**/*.py"), ROOT / "config" / "reference_data.py", ROOT / "requirements" / "base.txt"]
    )
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
    name = f"template_{digest}"
    with _maintenance_connection() as server:
        server.execute("SELECT pg_advisory_lock(7200)")
        if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            server.execute(f'CREATE DATABASE "{name}_building"')
            _migrate(f"{name}_building")
            server.execute(f'ALTER DATABASE "{name}_building" RENAME TO "{name}"')
    return name


def _migrate(name: str) -> None:
    original = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    call_command("migrate", verbosity=0, interactive=False)
    call_command("setup_reference_data", verbosity=0)
    connection.close()
    connection.settings_dict["NAME"] = original


@contextmanager
def copied_database(suffix: str) -> Iterator[str]:
    """Return the name of a fresh copy of the template, for a process that commits rows, and drop it at the end."""
    name = f"{connection.settings_dict['NAME']}_{suffix}"
    template = settings.DATABASES["default"]["TEST"]["TEMPLATE"]
    with _maintenance_connection() as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield name
    finally:
        with _maintenance_connection() as server:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _maintenance_connection() -> "psycopg.Connection[Any]":
    config = settings.DATABASES["default"]
    conninfo = {
        "host": config["HOST"], "port": config["PORT"] or None, "user": config["USER"],
        "password": config["PASSWORD"] or None, "dbname": "postgres",
    }  # fmt: skip
    return psycopg.connect(**{key: value for key, value in conninfo.items() if value}, autocommit=True)


def tables_with_rows() -> set[str]:
    """Return the tables of the test database that hold committed rows, without those of the reference data."""
    with connection.cursor() as cursor:
        tables = sorted(set(connection.introspection.table_names(cursor)) - REFERENCE_TABLES)
        cursor.execute(
            sql.SQL(" UNION ALL ").join(
                sql.SQL("SELECT {} WHERE EXISTS (SELECT 1 FROM {})").format(sql.Literal(table), sql.Identifier(table))
                for table in tables
            ).as_string(cursor.connection)
        )  # fmt: skip
        return {name for (name,) in cursor.fetchall()}

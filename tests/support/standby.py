"""A primary and its replica: two real servers, the second of which streams the first one's log."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections

from apps.catalog.models import Variant
from apps.catalog.services import update_product
from apps.core import clock, replica
from apps.core.events import SYSTEM
from devtools import data_dirs, embedded, posix
from devtools.servers import Postgres

_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_PATIENCE_SECONDS = 240.0


def wait_until(holds: Any) -> None:
    """Wait for a condition; fail only when it will never come."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def _program() -> Path:
    found = embedded.find_binaries()
    installation, _ = data_dirs.find_reachable_binaries(
        Path(found["postgres"]), Path(found["valkey"]), posix.find_unprivileged_account()
    )
    return installation / "bin" / "postgres"


class Node(Postgres):
    """One of the two servers."""

    @property
    def host(self) -> str:
        return str(self.dirs.sockets)

    def run(self, program: str, *arguments: str) -> None:
        """Run a program of Postgres, which must succeed."""
        done = subprocess.run(
            [str(self.program.with_name(program)), *arguments],
            check=False, capture_output=True, text=True, env=_ENVIRONMENT, cwd="/", umask=0o077,
            **posix.build_popen_arguments(self.dirs.account),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def ask(self, statement: str, *, database: str = "bahi") -> Any:
        """Return the first value that a statement returns, by a connection of its own."""
        with psycopg.connect(host=self.host, user="postgres", dbname=database, autocommit=True) as own:
            cursor = own.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None

    def count_statements(self, pattern: str, *, since: int = 0) -> int:
        """Return how many statements of Bahi with a pattern the server's own log has, from a byte of it on."""
        text = self.log.read_bytes()[since:].decode(errors="replace")
        entries = re.split(r"(?m)^(?=\d{4}-\d\d-\d\d )", text)
        ran = [entry for entry in entries if re.search(r"bahi LOG: +(execute|statement)", entry)]
        return sum(re.search(pattern, entry) is not None for entry in ran)

    @property
    def log_size(self) -> int:
        return self.log.stat().st_size

    def kill(self) -> None:
        """End the server as a power cut does."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def backends(self) -> list[int]:
        """Return the processes that answer its clients."""
        with psycopg.connect(host=self.host, user="postgres", dbname="bahi", autocommit=True) as own:
            found = own.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'").fetchall()
            return [pid for (pid,) in found if pid != own.info.backend_pid]

    def revive(self) -> None:
        """Start the server again, with the data that it had."""
        self.start(lambda: time.sleep(0.05))


class Pair:
    """A primary with the tests' schema, and its replica."""

    def __init__(self, primary: Node, replica: Node) -> None:
        self.primary = primary
        self.replica = replica

    def pause_replay(self) -> None:
        """Let the replica fall behind: it receives the log, and replays none of it."""
        self.replica.ask("SELECT pg_wal_replay_pause()")
        wait_until(lambda: self.replica.ask("SELECT pg_get_wal_replay_pause_state()") == "paused")

    def resume_replay(self) -> None:
        self.replica.ask("SELECT pg_wal_replay_resume()")

    def wait_until_replayed(self) -> None:
        """Wait until the replica has replayed all that the primary has written by now."""
        written = self.primary.ask("SELECT pg_current_wal_flush_lsn()::text")
        wait_until(lambda: self.replica.ask(f"SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn"))


@contextmanager
def primary_and_replica(place: Path) -> Iterator[Pair]:
    """Return two servers with a copy of the test template as the database `bahi`, for as long as the context lasts."""
    program = _program()
    first = data_dirs.acquire(place / "primary")
    second = data_dirs.acquire(place / "replica")
    primary, replica = Node(first, program), Node(second, program)
    try:
        primary.revive()
        _copy_schema(primary)
        primary.ask("ALTER SYSTEM SET log_statement = 'all'")
        primary.ask("SELECT pg_reload_conf()")
        second.give_to_account(second.data)
        replica.run(
            "pg_basebackup", "-h", primary.host, "-U", "postgres", "-D", str(second.data), "--write-recovery-conf",
            "--checkpoint=fast", "--no-sync", "--create-slot", "--slot=replica",
        )  # fmt: skip
        (second.data / "bahi-database-made").touch()
        replica.revive()
        pair = Pair(primary, replica)
        pair.wait_until_replayed()
        yield pair
    finally:
        replica.stop(immediate=True)
        primary.stop(immediate=True)
        first.release()
        second.release()


def _copy_schema(primary: Node) -> None:
    given = settings.DATABASES["default"]
    template = given["TEST"]["TEMPLATE"]
    source = ["-h", given["HOST"], "-U", given["USER"], *(["-p", str(given["PORT"])] if given["PORT"] else [])]
    dump = subprocess.run(
        [str(primary.program.with_name("pg_dump")), *source, template],
        check=True,
        capture_output=True,
        env=_ENVIRONMENT,
    )
    subprocess.run(
        [str(primary.program.with_name("psql")), "-q", "-v", "ON_ERROR_STOP=1", "-h", primary.host, "-U", "postgres", "bahi"],
        check=True, capture_output=True, input=dump.stdout, env=_ENVIRONMENT,
    )  # fmt: skip


@contextmanager
def used_by_django(pair: Pair) -> Iterator[None]:
    """Let Django's connections of this process be to these two servers, as the settings make them."""
    connections.close_all()
    default = connections.settings[DEFAULT_DB_ALIAS]
    given = dict(default)
    default.update(HOST=pair.primary.host, PORT="", NAME="bahi", USER="postgres", PASSWORD="")
    options = {**given["OPTIONS"], "options": f"{given['OPTIONS']['options']} -c default_transaction_read_only=on"}
    connections.settings[replica.ALIAS] = {**default, "HOST": pair.replica.host, "OPTIONS": options}
    try:
        yield
    finally:
        connections.close_all()
        del connections.settings[replica.ALIAS]
        default.update({name: given[name] for name in ("HOST", "PORT", "NAME", "USER", "PASSWORD")})


#: What a statement about the catalogue has, but not those about its version.
CATALOGUE = 'FROM "?catalog_(category|product|variant)\\b'


class Readers:
    """How many statements about the catalogue each server is sent while something is done."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._primary, self._replica = pair.primary.log_size, pair.replica.log_size

    @property
    def counts(self) -> tuple[int, int]:
        """Those of the primary and those of the replica."""
        return (
            self._pair.primary.count_statements(CATALOGUE, since=self._primary),
            self._pair.replica.count_statements(CATALOGUE, since=self._replica),
        )


def path_of(variant: Variant) -> str:
    return f"/api/v1/products/{variant.product.public_id}"


def warm_up(pair: Pair, client: Any, variant: Variant) -> None:
    """
    Read until the replica answers.

    What the primary has written and not yet flushed, such as hints that a read leaves, is sent to it a moment later.
    """
    readers = Readers(pair)

    def is_replica_read() -> bool:
        assert client.get(path_of(variant)).status_code == 200
        return readers.counts[1] > 0

    wait_until(is_replica_read)


def rename(variant: Variant, name: str) -> None:
    update_product(product_id=variant.product_id, changes={"name": name}, actor=SYSTEM, now=clock.now())

"""What operators see of a replica: audits of it, checks, readiness and metrics."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import Error, connections
from django.test import Client

from apps.accounts.models import User
from apps.catalog.models import Variant
from apps.core import audit, checks, clock, replica
from tests.factories.accounts import make_user
from tests.support.standby import Pair, Readers

ROOT = Path(__file__).resolve().parents[3]

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


class TestAudit:
    def test_all_invariants_hold_in_a_copy_of_the_books(self, pair: Pair, variant: Variant, tell: Any) -> None:
        readers = Readers(pair)

        text = tell("audit", "--replica")

        assert re.search(r"All [0-9]+ invariants hold", text)
        assert "could not be checked" not in text
        assert readers.counts[0] == 0
        assert readers.counts[1] > 0

    def test_it_finds_what_the_replica_has_replayed_since(self, pair: Pair, variant: Variant) -> None:
        [invariant] = [each for each in audit.list_invariants() if each.id == "CAT-02"]
        pair.primary.ask(
            f"UPDATE catalog_product SET active_variant_count = 7 WHERE id = '{variant.product_id}' RETURNING 1"
        )
        try:
            report = audit.run(now=clock.now(), only=[invariant.id], is_of_replica=True)
        finally:
            pair.primary.ask(
                f"UPDATE catalog_product SET active_variant_count = 1 WHERE id = '{variant.product_id}' RETURNING 1"
            )

        assert [(each.invariant.id, each.count, each.error) for each in report.results] == [("CAT-02", 1, "")]

    def test_a_replica_that_lags_is_refused(self, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audit, "_REPLICA_PATIENCE_SECONDS", 0)
        pair.pause_replay()
        make_user()

        with pytest.raises(CommandError, match="There is no replica that answers .* leave out --replica"):
            call_command("audit", "--replica")

    def test_an_audit_that_the_replica_ends_is_an_error_and_no_proof(self, pair: Pair, variant: Variant) -> None:
        def end(cursor: Any, now: Any) -> list[dict[str, Any]]:
            pair.replica.kill()
            cursor.execute("SELECT 1")
            return []

        planted = audit.Invariant(id="X-1", name="x", statement="x", sql=end)

        with mock.patch.object(audit, "list_invariants", return_value=[planted]), pytest.raises(Error):
            audit.run(now=clock.now(), is_of_replica=True)


class TestChecks:
    def test_a_replica_that_follows_is_fine_and_its_budget_is_shown(self, pair: Pair, settings: Any) -> None:
        settings.WEB_PROCESSES, settings.WEB_THREADS = 2, 4

        assert checks.check_replica(databases=["default", "replica"]) == []
        assert [each.msg for each in checks.show_connections(databases=["replica"])] == [
            "The replica allows 97 connections, and Bahi can open 10: 8 for the web process (2 x 4 threads) and 2 for operators."
        ]

    def test_one_that_does_not_answer_is_a_warning(self, pair: Pair) -> None:
        pair.replica.kill()

        [warning] = checks.check_replica(databases=["default", "replica"])

        assert (warning.id, warning.is_serious()) == ("bahi.W002", False)
        assert warning.msg.startswith("The server of DATABASE_REPLICA_URL does not answer (")
        assert checks.show_connections(databases=["replica"]) == []

    def test_a_server_that_follows_nobody_is_a_warning(self, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(connections.settings[replica.ALIAS], "HOST", pair.primary.host)
        connections[replica.ALIAS].close()

        [warning] = checks.check_replica(databases=["default", "replica"])

        assert warning.msg == (
            "DATABASE_REPLICA_URL names a server that is no streaming replica of the one of DATABASE_URL."
        )

    def test_readyz_shows_it_and_stays_ready_without_it(self, pair: Pair, buyer: User, variant: Variant) -> None:
        whole = Client().get("/readyz")
        metrics = Client().get("/metrics").content.decode()
        pair.replica.kill()
        without = Client().get("/readyz")

        assert whole.json()["checks"]["replica"] == "ok"
        assert "bahi_replica_lag_bytes" in metrics
        assert (without.status_code, without.json()["status"]) == (200, "degraded")
        assert without.json()["checks"]["replica"] == "unreachable"
        assert "bahi_replica_lag_bytes" not in Client().get("/metrics").content.decode()


class TestSettings:
    """A process that is given both URLs, with a role that owns nothing and reads all."""

    def run(self, pair: Pair, *words: str) -> "subprocess.CompletedProcess[str]":
        if not pair.primary.ask("SELECT 1 FROM pg_roles WHERE rolname = 'shop'"):
            pair.primary.ask("CREATE ROLE shop LOGIN")
            pair.primary.ask("GRANT pg_read_all_data TO shop")
            pair.wait_until_replayed()
        urls = {
            name: f"postgres://shop@{quote(node.host, safe='')}/bahi"
            for name, node in (("DATABASE_URL", pair.primary), ("DATABASE_REPLICA_URL", pair.replica))
        }
        env = {**os.environ, **urls, "REDIS_URL": settings.REDIS_URL, "WEB_CONCURRENCY": "2", "WEB_THREADS": "4"}
        env |= {"DJANGO_SETTINGS_MODULE": "config.settings.test"}
        return subprocess.run(
            [sys.executable, "manage.py", *words], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )

    def test_check_finds_the_replica_and_both_budgets(self, pair: Pair) -> None:
        done = self.run(
            pair, "check", "--deploy", "--tag", "database", "--database", "default", "--database", "replica"
        )

        assert (done.returncode, "bahi.W002" in done.stderr) == (0, False)
        assert "Postgres allows 97 connections, and Bahi can open 18: 8 for the web process (2 x 4" in done.stderr
        assert "The replica allows 97 connections, and Bahi can open 10: 8 for the web process (2 x 4" in done.stderr

    def test_an_audit_reads_the_replica(self, pair: Pair) -> None:
        size = pair.replica.log_size

        done = self.run(pair, "audit", "--replica", "--only", "CAT-02")

        assert (done.returncode, "The invariant holds" in done.stdout) == (0, True)
        assert pair.replica.count_statements("catalog_product", since=size) > 0

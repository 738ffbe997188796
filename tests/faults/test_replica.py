"""A primary and its replica, two real servers: what reads the replica, and what becomes of a reader when it lags, ends or freezes."""

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import Error, connections, transaction
from django.test import Client
from structlog.testing import capture_logs

from apps.accounts.models import User
from apps.catalog.models import Product, Variant
from apps.catalog.services import update_product
from apps.catalog.views import RESPONSES
from apps.core import audit, checks, clock, replica
from apps.core.events import SYSTEM
from tests.factories.accounts import make_staff, make_user
from tests.factories.catalog import make_registration, make_variant
from tests.support.standby import Pair, primary_and_replica, used_by_django, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

CATALOGUE = 'FROM "?catalog_(category|product|variant)\\b'


@pytest.fixture(scope="module")
def servers(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with (
        django_db_blocker.unblock(),
        primary_and_replica(tmp_path_factory.mktemp("pair")) as pair,
        used_by_django(pair),
    ):
        call_command("setup_reference_data", verbosity=0)
        make_registration()
        yield pair


@pytest.fixture
def pair(servers: Pair, django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Pair]:
    """Return the pair, whole and level, to a process that knows nothing of it yet."""
    settings.HOT_PATH = "sql"
    settings.DATABASE_ROUTERS = ["apps.core.replica.Router"]
    monkeypatch.setattr(replica, "_replica", replica._Replica())
    monkeypatch.setattr(replica, "_marks", replica._Marks())
    monkeypatch.setattr(RESPONSES, "_position", None)
    with django_db_blocker.unblock():
        yield servers
        connections[replica.ALIAS].close()
        if servers.replica.pid is None:
            servers.replica.revive()
        os.kill(servers.replica.pid, signal.SIGCONT)
        servers.resume_replay()
        servers.wait_until_replayed()


@pytest.fixture
def buyer(pair: Pair) -> User:
    return make_user()


@pytest.fixture
def variant(pair: Pair) -> Variant:
    made = make_variant(stock=3)
    pair.wait_until_replayed()
    return made


@pytest.fixture
def log() -> Iterator[Any]:
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return what runs a command and returns what it printed."""

    def run(*words: str) -> str:
        call_command(*words)
        return capsys.readouterr().out

    return run


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


class TestWhoReadsIt:
    def test_a_response_of_the_catalogue_is_made_of_the_replica(
        self, pair: Pair, variant: Variant, anonymous: Any
    ) -> None:
        warm_up(pair, anonymous, variant)
        readers = Readers(pair)

        response = anonymous.get(path_of(variant))

        assert (response.status_code, response.json()["name"]) == (200, variant.product.name)
        assert readers.counts == (0, 2)

    @pytest.mark.parametrize("hot_path", ["sql", "orm"])
    def test_so_is_what_a_customer_reads_who_is_signed_in(
        self, pair: Pair, variant: Variant, buyer: User, client_of: Any, settings: Any, hot_path: str
    ) -> None:
        settings.HOT_PATH = hot_path
        client = client_of(buyer)
        warm_up(pair, client, variant)
        readers = Readers(pair)

        listed = client.get("/api/v1/products?limit=5").json()["data"]
        [shown] = client.get(path_of(variant)).json()["variants"]
        alone = client.get(f"/api/v1/variants/{variant.public_id}").json()

        assert variant.product.public_id in [each["id"] for each in listed]
        assert shown["id"] == alone["id"] == variant.public_id
        primary, of_replica = readers.counts
        assert primary == 0
        assert of_replica >= 3

    def test_staff_read_the_primary(self, pair: Pair, variant: Variant, client_of: Any) -> None:
        client = client_of(make_staff("admin"))
        pair.wait_until_replayed()
        readers = Readers(pair)

        assert client.get(path_of(variant)).json()["variants"][0]["stock"]["on_hand"] == 3
        assert readers.counts == (2, 0)

    def test_a_transaction_reads_the_primary(self, pair: Pair, variant: Variant) -> None:
        from apps.catalog.selectors import find_shown_product

        readers = Readers(pair)

        with transaction.atomic(), replica.lag_tolerated(replica.read_position()):
            assert find_shown_product(product_id=variant.product_id, sees_all=False).name == variant.product.name
        assert readers.counts == (2, 0)

    def test_a_selector_reads_the_primary_for_callers_who_have_not_said_that_they_tolerate_lag(
        self, pair: Pair, variant: Variant
    ) -> None:
        from apps.catalog.selectors import find_shown_product

        readers = Readers(pair)

        assert find_shown_product(product_id=variant.product_id, sees_all=False).name == variant.product.name
        assert readers.counts == (2, 0)

    def test_the_replica_refuses_to_write(self, pair: Pair, variant: Variant) -> None:
        with pytest.raises(Exception, match="read-only transaction"):
            Product.objects.using(replica.ALIAS).filter(pk=variant.product_id).update(name="x")


class TestOwnReads:
    def test_nobody_reads_what_was_before_their_own_write(
        self, pair: Pair, variant: Variant, buyer: User, client_of: Any, anonymous: Any
    ) -> None:
        client = client_of(buyer)
        warm_up(pair, client, variant)
        pair.pause_replay()
        readers = Readers(pair)

        for name in ("Second", "Third"):
            rename(variant, name)
            assert client.get(path_of(variant)).json()["name"] == name

        assert (
            pair.replica.ask(f"SELECT name FROM catalog_product WHERE id = '{variant.product_id}'")
            == variant.product.name
        )
        assert readers.counts[1] == 0

    def test_control_without_a_position_the_stale_row_is_read(
        self, pair: Pair, variant: Variant, buyer: User, client_of: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = client_of(buyer)
        warm_up(pair, client, variant)
        pair.pause_replay()
        rename(variant, "Second")
        monkeypatch.setattr(replica._Replica, "has_replayed", lambda self, after: self.ask() is not None)

        assert client.get(path_of(variant)).json()["name"] == variant.product.name

    def test_other_writes_do_not_send_readers_to_the_primary(
        self, pair: Pair, variant: Variant, buyer: User, client_of: Any
    ) -> None:
        client = client_of(buyer)
        warm_up(pair, client, variant)
        pair.pause_replay()
        make_user()
        readers = Readers(pair)

        assert client.get(path_of(variant)).json()["name"] == variant.product.name
        assert readers.counts == (0, 2)

    def test_a_replica_that_has_caught_up_is_read_again(
        self, pair: Pair, variant: Variant, buyer: User, client_of: Any
    ) -> None:
        client = client_of(buyer)
        pair.pause_replay()
        rename(variant, "Second")
        assert client.get(path_of(variant)).json()["name"] == "Second"
        pair.resume_replay()
        pair.wait_until_replayed()

        warm_up(pair, client, variant)

        assert client.get(path_of(variant)).json()["name"] == "Second"

    def test_one_that_lags_too_far_is_not_read_although_nothing_shown_has_changed(
        self, pair: Pair, variant: Variant, buyer: User, client_of: Any, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        client = client_of(buyer)
        warm_up(pair, client, variant)
        pair.pause_replay()
        make_user()
        settings.REPLICA_MAX_LAG_SECONDS = 0
        monkeypatch.setattr(replica, "_KNOWN_SECONDS", 0.0)
        monkeypatch.setattr(replica, "_MARK_SECONDS", 0.0)
        readers = Readers(pair)

        assert client.get(path_of(variant)).json()["name"] == variant.product.name
        assert readers.counts == (2, 0)
        assert replica.find_state() == "lagging"


class TestDeath:
    def test_a_killed_replica_costs_no_reader_an_answer_and_is_used_when_it_is_back(
        self, pair: Pair, variant: Variant, buyer: User, client_of: Any, monkeypatch: pytest.MonkeyPatch, log: Any
    ) -> None:
        client = client_of(buyer)
        warm_up(pair, client, variant)
        pair.replica.kill()
        readers = Readers(pair)

        answers = [client.get(path_of(variant)) for _ in range(5)]

        assert [(each.status_code, each.json()["name"]) for each in answers] == [(200, variant.product.name)] * 5
        assert readers.counts == (10, 0)
        assert [each["event"] for each in log if each["event"].startswith("replica")] == ["replica_unavailable"]
        assert replica.find_state() == "unreachable"

        pair.replica.revive()
        monkeypatch.setattr(replica, "PAUSE_SECONDS", 0.0)
        warm_up(pair, client, variant)
        assert replica.find_state() == "ok"

    def test_one_that_ends_between_the_question_and_the_read_costs_no_answer(
        self, pair: Pair, variant: Variant, buyer: User, client_of: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = client_of(buyer)
        warm_up(pair, client, variant)
        real: Callable[..., bool] = replica._Replica.has_replayed

        def then_killed(self: Any, after: Any) -> bool:
            answer = real(self, after)
            if pair.replica.pid is not None:
                pair.replica.kill()
            return answer

        monkeypatch.setattr(replica._Replica, "has_replayed", then_killed)

        response = client.get(path_of(variant))

        assert (response.status_code, response.json()["name"]) == (200, variant.product.name)
        assert pair.replica.pid is None

    def test_a_frozen_one_ends_no_wait_of_a_reader(
        self, pair: Pair, variant: Variant, buyer: User, client_of: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(replica, "ANSWER_SECONDS", 0.2)
        client = client_of(buyer)
        warm_up(pair, client, variant)
        frozen = [pair.replica.pid, *pair.replica.backends()]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            answers = [client.get(path_of(variant)) for _ in range(3)]
            state = replica.find_state()
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)

        assert [(each.status_code, each.json()["name"]) for each in answers] == [(200, variant.product.name)] * 3
        assert state == "unreachable"

    def test_while_one_request_looks_for_it_the_others_do_not_wait(
        self, pair: Pair, variant: Variant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looking, looked = threading.Event(), threading.Event()
        pair.replica.kill()
        assert replica.find_state() == "unreachable"
        monkeypatch.setattr(replica, "PAUSE_SECONDS", 0.0)

        def look() -> Any:
            looking.set()
            looked.wait(60)
            raise replica.ReplicaUnusable("still away")

        monkeypatch.setattr(replica, "_connect", look)
        thread = threading.Thread(target=replica.find_state)
        thread.start()
        looking.wait(60)

        assert replica.find_state() == "unreachable"
        looked.set()
        thread.join()

    def test_a_promoted_one_is_not_read(
        self, pair: Pair, variant: Variant, monkeypatch: pytest.MonkeyPatch, log: Any
    ) -> None:
        """Its rows have parted from the primary's: here the primary itself stands for it, which has no primary either."""
        monkeypatch.setitem(connections.settings[replica.ALIAS], "HOST", pair.primary.host)
        connections[replica.ALIAS].close()

        assert replica.find_state() == "unreachable"
        assert [each["error"] for each in log if each["event"] == "replica_unavailable"] == [
            "DATABASE_REPLICA_URL names a server that follows no primary"
        ]


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

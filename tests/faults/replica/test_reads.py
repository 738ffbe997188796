"""A primary and its replica, two real servers: what reads the replica, and what becomes of a reader when it lags, ends or freezes."""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction

from apps.accounts.models import User
from apps.catalog.models import Product, Variant
from apps.core import replica
from tests.factories.accounts import make_staff, make_user
from tests.support.standby import Pair, Readers, path_of, rename, warm_up

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


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

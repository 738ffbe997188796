"""Every lock has a control that shows what it protects, or a cover: another lock that is always held when it is taken."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction

from apps.core import audit, clock
from apps.orders.locks import lock_order
from apps.orders.models import OrderNotFound
from apps.payments import locks as payment_locks
from tests.support import lock_controls
from tests.support.lock_controls import covers_checked, find_controls, find_locks, find_unproved, without_lock


class TestAllLocks:
    def test_each_has_a_control_or_a_cover(self) -> None:
        unproved = sorted(find_unproved())

        assert unproved == [], "turn each off in a test that shows what breaks (tests/support/lock_controls.py)"

    def test_what_a_control_turns_off_is_a_lock(self) -> None:
        assert sorted(find_controls().keys() - find_locks()) == []

    def test_a_cover_is_a_lock_with_a_control_of_its_own(self) -> None:
        covers = {cover for each in lock_controls.COVERS.values() for cover in each}

        assert sorted(covers - find_controls().keys()) == []

    def test_what_has_a_cover_is_a_lock_without_a_control(self) -> None:
        assert sorted(lock_controls.COVERS.keys() - find_locks()) == []
        assert sorted(lock_controls.COVERS.keys() & find_controls().keys()) == []

    def test_they_are_more_than_forty(self) -> None:
        assert len(find_locks()) > 40
        assert {"apps.core.relay._claim_waiting", "apps.accounts.sql.restore_attempts"} <= find_locks()


class TestPlantedLocks:
    """A tree of files with one lock."""

    @pytest.fixture
    def plant(self, tmp_path: Path) -> Callable[[str, str], Path]:
        def write(name: str, text: str) -> Path:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
            return tmp_path

        return write

    @pytest.mark.parametrize(
        ("file", "text", "name"),
        [
            ("apps/x/locks.py", "def lock_it(pk):\n    return lock_row(It, pk)", "apps.x.locks.lock_it"),
            ("apps/x/sql.py", "_S = 'SELECT 1 FROM t FOR UPDATE'\n\ndef take():\n    fetch(_S)", "apps.x.sql.take"),
            ("apps/x/sql/rows.py", "def take():\n    fetch('SELECT 1 FROM t SKIP LOCKED FOR SHARE')", "apps.x.sql.rows.take"),
            ("apps/core/relay.py", "def claim():\n    Row.objects.select_for_update().get()", "apps.core.relay.claim"),
            ("apps/x/services/y.py", "def go():\n    run(f'LOCK TABLE {t} IN SHARE MODE')", "apps.x.services.y.go"),
            ("apps/x/k.py", "class A:\n    def go(self):\n        run('SELECT pg_advisory_lock(1)')", "apps.x.k.A.go"),
        ],
    )  # fmt: skip
    def test_without_a_control_it_is_found(self, plant: Any, file: str, text: str, name: str) -> None:
        assert find_unproved(plant(file, text), {}) == {name}

    def test_a_docstring_takes_no_lock(self, plant: Any) -> None:
        root = plant("apps/x/services.py", 'def go():\n    """Say FOR UPDATE."""\n    return 1')

        assert find_locks(root) == set()

    def test_with_a_control_it_is_proved(self, plant: Any) -> None:
        plant("apps/x/locks.py", "def lock_it(pk): ...")
        root = plant(
            "tests/x/test_it.py", "def test_control_it():\n    with without_lock('apps.x.locks.lock_it'):\n        go()"
        )

        assert find_unproved(root, {}) == set()
        assert find_controls(root) == {"apps.x.locks.lock_it": {"tests/x/test_it.py::test_control_it"}}

    def test_with_a_cover_it_is_proved(self, plant: Any) -> None:
        root = plant("apps/x/locks.py", "def lock_it(pk): ...")

        assert find_unproved(root, {"apps.x.locks.lock_it": ("apps.x.locks.lock_other",)}) == set()

    @pytest.mark.parametrize(
        "text",
        [
            "def test_it():\n    with without_lock('apps.x.locks.lock_it'):\n        go()",
            "def control_of_it():\n    with without_lock('apps.x.locks.lock_it'):\n        go()",
            "def test_control_it():\n    name = 'apps.x.locks.lock_it'\n    with without_lock(name):\n        go()",
            "def test_control_it():\n    lock_it('apps.x.locks.lock_it')",
        ],
        ids=["says not that it is one", "is no test", "name not written out", "turns nothing off"],
    )
    def test_what_is_no_control_proves_nothing(self, plant: Any, text: str) -> None:
        plant("apps/x/locks.py", "def lock_it(pk): ...")

        assert find_unproved(plant("tests/x/test_it.py", text), {}) == {"apps.x.locks.lock_it"}


@pytest.mark.django_db
class TestTurnedOff:
    """What `without_lock` does to statements."""

    def locks_held(self) -> int:
        """Return how many advisory locks this transaction holds."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
            return int(cursor.fetchone()[0])

    def test_it_takes_one_lock_away_and_leaves_the_others(self) -> None:
        before = self.locks_held()

        with without_lock("apps.payments.locks.lock_transfer_references"):
            payment_locks.lock_transfer_references()
            assert self.locks_held() == before
            audit.run(now=clock.now(), only=["INV-01"], is_alone=True)
            assert self.locks_held() == before + 1

        payment_locks.lock_transfer_references()
        assert self.locks_held() == before + 2

    def test_a_lock_that_nobody_asked_for_is_an_error(self) -> None:
        with pytest.raises(AssertionError, match="was asked for 0 times"), without_lock("apps.orders.locks.lock_order"):
            pass


#: No code of a test stands between the lock and who calls this.
LOCK_ATTEMPTS = partial(payment_locks.lock_captured_attempts, uuid4())


@pytest.mark.django_db
class TestCovers:
    """A lock that is taken without its cover."""

    def take(self, *calls: Callable[[], Any]) -> list[str]:
        # As code of an app that calls this from there.
        text = "def take(calls):\n    for call in calls:\n        call()"
        names: dict[str, Any] = {"__name__": "apps.payments.services.planted"}
        exec(compile(text, "planted", "exec"), names)
        with covers_checked() as uncovered, transaction.atomic():
            names["take"](calls)
            found = list(uncovered)
            uncovered.clear()
        return found

    def lock_order(self) -> None:
        with pytest.raises(OrderNotFound):
            lock_order(uuid4())

    def test_is_reported(self) -> None:
        [found] = self.take(LOCK_ATTEMPTS)

        assert found == (
            "apps.payments.services.planted takes apps.payments.locks.lock_captured_attempts without"
            " apps.orders.locks.lock_order"
        )

    def test_under_its_cover_is_not_reported(self) -> None:
        assert self.take(self.lock_order, LOCK_ATTEMPTS) == []

    def test_after_another_transaction_had_its_cover_is_reported(self) -> None:
        assert self.take(self.lock_order) == []
        assert len(self.take(LOCK_ATTEMPTS)) == 1

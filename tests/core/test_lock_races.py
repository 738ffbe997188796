"""Relays, idempotency keys and audits at the same moment, each with the control that shows what its lock is for."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from apps.accounts.models import User
from apps.core import audit, clock, handler_runs, idempotency, lost_hints, relay
from apps.core.errors import Unauthenticated
from apps.core.models import HandlerRun, IdempotencyKey
from tests.factories.accounts import make_user
from tests.support.database_locks import wait_for_a_blocked_session
from tests.support.events import USER_MADE, make_event
from tests.support.lock_controls import run_amid, with_control, without_lock
from tests.support.threads import run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

NOW = clock.now()


def handle(*, event: Any, now: Any) -> None:
    """Do nothing: here it matters only who would call it."""


handle.__module__ = "apps.orders.handlers"


@pytest.fixture(autouse=True)
def _subscribed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "get_subscriptions", lambda: {USER_MADE: (relay._make_subscription(handle),)})


@transaction.atomic
def make_run(**fields: Any) -> HandlerRun:
    values = {"handler": "apps.orders.handlers.handle", "queue": "money", "created_at": NOW}
    return HandlerRun.objects.create(event=make_event(), **{**values, **fields})


class TestRelays:
    def test_an_event_is_claimed_by_one_relay_and_the_others_go_on(self) -> None:
        make_event()

        with transaction.atomic():
            first = self.claim()
            [second] = run_together(self.claim)

        assert (len(first), second, HandlerRun.objects.count()) == (1, [], 1)

    def test_control_without_the_lock_the_others_wait(self) -> None:
        make_event()
        seconds: list[Any] = []
        second = threading.Thread(target=lambda: seconds.extend(run_together(self.claim)))

        with without_lock("apps.core.relay._claim_waiting"), transaction.atomic():
            first = self.claim()
            second.start()
            wait_for_a_blocked_session()
        second.join()

        assert (len(first), seconds, HandlerRun.objects.count()) == (1, [[]], 1)

    def claim(self) -> list[HandlerRun]:
        return relay.claim_outbox(now=NOW)

    def test_a_due_run_is_sent_by_one_relay_and_the_others_go_on(self) -> None:
        make_run(send_after=NOW)

        with transaction.atomic():
            first = self.claim_due()
            [second] = run_together(self.claim_due)

        assert (len(first), second) == (1, [])

    def test_control_without_the_lock_a_due_run_is_sent_by_two(self) -> None:
        make_run(send_after=NOW)
        seconds: list[Any] = []
        second = threading.Thread(target=lambda: seconds.extend(run_together(self.claim_due)))

        with without_lock("apps.core.relay.claim_due"), transaction.atomic():
            first = self.claim_due()
            second.start()
            wait_for_a_blocked_session()
        second.join()

        assert (len(first), [len(each) for each in seconds]) == (1, [1])

    def claim_due(self) -> list[HandlerRun]:
        return relay.claim_due(now=NOW)

    @with_control
    def test_a_lost_hint_is_sent_again_by_one_relay(self, is_locked: bool) -> None:
        run = make_run(sent_at=NOW - timedelta(hours=1))

        def claim() -> list[HandlerRun]:
            return lost_hints.claim_lost(now=NOW, held={run.queue: 0})

        results = run_amid("apps.core.lost_hints._claim_sent_before", claim, claim, is_locked=is_locked)

        run.refresh_from_db()
        assert ([len(result) for result in results], run.resends) == (([1, 0], 1) if is_locked else ([1, 1], 2))

    @with_control
    def test_a_parked_run_is_retried_by_one_person(self, is_locked: bool) -> None:
        run = make_run(sent_at=NOW, parked_at=NOW, starts=handler_runs.MAX_STARTS)

        def retry() -> HandlerRun:
            return handler_runs.retry_parked(handler_run_id=run.pk, now=NOW)

        def retry_and_start() -> HandlerRun:
            retried = retry()
            handler_runs._start([run.pk], now=NOW)
            return retried

        results = run_amid("apps.core.handler_runs.retry_parked", retry, retry_and_start, is_locked=is_locked)

        # Without the lock the second one's start is forgotten.
        run.refresh_from_db()
        outcome = [type(result).__name__ for result in results], run.starts
        assert outcome == ((["HandlerRun", "HandlerRunNotParked"], 0) if is_locked else (["HandlerRun"] * 2, 0))


class TestStoredResponses:
    """A person is erased while a request of theirs is running; tests/accounts/test_erasure.py has what happens with the locks."""

    def claim(self, user: User) -> Callable[[], Any]:
        @transaction.atomic
        def run() -> Any:
            claimed = idempotency.claim(
                principal=user.public_id, user_id=user.pk, route="/orders", key="k", fingerprint="f", now=NOW
            )
            assert isinstance(claimed, idempotency.Claim)
            idempotency.store(claimed, idempotency.StoredResponse(status=201, body=b"their address", headers={}))

        return run

    def erase(self, user: User) -> Callable[[], int]:
        @transaction.atomic
        def run() -> int:
            deleted = idempotency.delete_stored_responses(principal=user.public_id)
            User.objects.filter(pk=user.pk).update(is_active=False)
            return deleted

        return run

    def test_a_request_that_waited_for_an_erasure_is_refused_and_leaves_nothing(self) -> None:
        user = make_user()

        deleted, refusal = run_amid(
            "apps.core.idempotency.delete_stored_responses", self.erase(user), self.claim(user), is_locked=True
        )

        assert (deleted, type(refusal)) == (0, Unauthenticated)
        assert not IdempotencyKey.objects.exists()

    def test_control_an_erasure_that_does_not_wait_leaves_the_answer_of_a_running_request(self) -> None:
        user = make_user()

        with without_lock("apps.core.idempotency._claim_row"), transaction.atomic():
            self.claim(user)()
            [deleted] = run_together(self.erase(user))

        assert deleted == 0
        assert IdempotencyKey.objects.filter(body=b"their address").exists()

    def test_control_a_request_that_does_not_wait_leaves_its_answer_after_an_erasure(self) -> None:
        user = make_user()

        with without_lock("apps.core.idempotency.delete_stored_responses"), transaction.atomic():
            self.erase(user)()
            [refusal] = run_together(self.claim(user))

        assert refusal is None
        assert IdempotencyKey.objects.filter(body=b"their address").exists()


@with_control
def test_of_two_audits_that_must_be_alone_one_runs(is_locked: bool) -> None:
    def run() -> Any:
        return audit.run(now=NOW, only=["INV-01"], is_alone=True)

    results = run_amid("apps.core.audit._require_only_audit", run, run, is_locked=is_locked)

    assert [type(result).__name__ for result in results] == ["Report", "AuditInProgress" if is_locked else "Report"]

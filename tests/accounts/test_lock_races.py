"""Two calls about one session or one set of attempts at the same moment, each race with its control."""

import threading
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from apps.accounts import sql
from apps.accounts.models import RateLimitCounter
from apps.accounts.rules import RateLimit
from apps.accounts.services import sessions
from apps.core import clock
from apps.core.events import SYSTEM
from tests.factories.accounts import make_session, make_user
from tests.support.database_locks import wait_for_a_blocked_session
from tests.support.lock_controls import run_amid, with_control, without_lock
from tests.support.threads import run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]


@with_control
def test_a_session_is_ended_by_one_of_two_calls(is_locked: bool) -> None:
    session = make_session(make_user())

    def end() -> Any:
        return sessions.end_session(user_id=session.user_id, session_id=session.pk, actor=SYSTEM, now=clock.now())

    results = run_amid("apps.accounts.locks.lock_session", end, end, is_locked=is_locked)

    assert [type(result).__name__ for result in results] == (
        ["NoneType", "SessionNotFound"] if is_locked else ["SubjectNotLocked", "NoneType"]
    )


@with_control
def test_two_who_restore_attempts_do_not_deadlock(is_locked: bool) -> None:
    now = clock.now()
    limits = [RateLimit(key, 5, timedelta(minutes=5)) for key in ("a", "b")]
    # Of two rows the one with the higher key lies first in the table, where a statement without order would begin.
    for limit in reversed(limits):
        RateLimitCounter.objects.create(key=limit.key, allowed=5, hits=[now], used=1, expires_at=now + limit.window)

    @transaction.atomic
    def consume_in_turn() -> Any:
        for limit in limits:
            sql.consume([limit], now=now + timedelta(seconds=1))
            if limit.key == "a" and not has_begun.is_set():
                has_begun.set()
                wait_for_a_blocked_session()

    has_begun = threading.Event()

    def restore() -> Any:
        has_begun.wait(60)
        return sql.restore_attempts(limits, consumed_at=now)

    with nullcontext() if is_locked else without_lock("apps.accounts.sql.restore_attempts"):
        results = run_together(consume_in_turn, restore)

    assert sorted(type(result).__name__ for result in results) == (
        ["NoneType", "NoneType"] if is_locked else ["NoneType", "OperationalError"]
    )

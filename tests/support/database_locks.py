"""Waiting for what another session does in the database of the test."""

import time
from collections.abc import Callable

from django.db import connection

_PATIENCE_SECONDS = 60


def wait_for_a_blocked_session(*, unless: Callable[[], bool] = lambda: False, count: int = 1) -> None:
    """
    Return as soon as this number of sessions of this database are held up by locks of others; give up when they never will be.

    It returns as soon as `unless` is true, too.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with connection.cursor() as cursor:
        while time.monotonic() < deadline and not unless():
            # Inside a transaction the view is read once, unless one asks for a new one.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if len(cursor.fetchall()) >= count:
                return
            time.sleep(0.02)

"""Waiting for what another session does in the database of the test."""

import time

from django.db import connection

_PATIENCE_SECONDS = 60


def wait_for_a_blocked_session() -> None:
    """Return as soon as a session of this database is held up by another one's lock; give up when none ever will be."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            # Inside a transaction the view is read once, unless one asks for a new one.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone():
                return
            time.sleep(0.02)

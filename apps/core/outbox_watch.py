"""
How a relay waits for events: awake it looks again and again, asleep it is woken by the next one.

To look often is a good part of what a machine at rest does. To be notified of every event would cost more under load:
Postgres lets one transaction with a notification commit at a time. Hence the trigger of the outbox notifies only while no
relay is awake, which a relay says by a lock of its database session.
"""

import select
import threading
import time
from typing import Any

import psycopg
from django.db import connection

from apps.core.models import OUTBOX_CHANNEL, RELAY_IS_AWAKE_LOCK

#: How long a relay stays awake after the last event, and how long it then goes on to look without saying that it is awake. Who
#: wrote an event while it was awake, and so woke nobody, commits in that time; if not, the event waits until the relay looks by itself.
AWAKE_SECONDS = 0.5
#: How long a relay sleeps at most: what is due by its time, or was lost, notifies nobody.
SLEEP_SECONDS = 2.0
#: How long it waits after a look that has found events: those that come together then cost one look, not one each.
GATHER_SECONDS = 0.01
#: A signal to stop does not wake it by itself.
_SLICE_SECONDS = 0.25

_SAY_AWAKE = f"SELECT pg_try_advisory_lock({RELAY_IS_AWAKE_LOCK})"
_SAY_ASLEEP = f"SELECT pg_advisory_unlock({RELAY_IS_AWAKE_LOCK})"


class OutboxWatch:
    """Waits between two looks at the outbox; `pause` is how long while it is awake, in seconds."""

    def __init__(self, *, pause: float) -> None:
        self._pause = pause
        self._saw_event_at = float("-inf")
        self._session: psycopg.Connection[Any] | None = None
        self._is_awake = False
        self._is_woken = False

    def wait(self, *, stop: threading.Event, has_found: bool) -> None:
        """
        Wait until it is time to look again, or until `stop` is set; after a look that has found events that is at once, nearly.

        :raises OperationalError, InterfaceError: if the database does not answer
        """
        session = self._listen()
        now = time.monotonic()
        if has_found:
            self._saw_event_at = now
        idle = now - self._saw_event_at
        self._say_awake(is_awake=idle < AWAKE_SECONDS)
        if has_found:
            stop.wait(GATHER_SECONDS)
        elif idle < 2 * AWAKE_SECONDS:
            stop.wait(self._pause)
        else:
            self._sleep(session, stop)

    def _listen(self) -> "psycopg.Connection[Any]":
        """Listen in the session that Django has now, and return it; a new one holds no lock."""
        connection.ensure_connection()
        session: psycopg.Connection[Any] = connection.connection
        if session is self._session:
            return session
        session.add_notify_handler(self._take_notification)
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {OUTBOX_CHANNEL}")
        self._session, self._is_awake, self._is_woken = (
            session,
            False,
            True,
        )  # what came before it listened, woke nobody
        return session

    def _take_notification(self, _: psycopg.Notify) -> None:
        self._is_woken = True

    def _say_awake(self, *, is_awake: bool) -> None:
        """Hold the lock, or let it go; if another relay holds it, that one speaks for both."""
        if is_awake == self._is_awake:
            return
        with connection.cursor() as cursor:
            cursor.execute(_SAY_AWAKE if is_awake else _SAY_ASLEEP)
            [(has_changed,)] = cursor.fetchall()
        self._is_awake = is_awake and has_changed

    def _sleep(self, session: "psycopg.Connection[Any]", stop: threading.Event) -> None:
        wakes_at = time.monotonic() + SLEEP_SECONDS
        while not self._is_woken and not stop.is_set() and (left := wakes_at - time.monotonic()) > 0:
            if select.select([session.fileno()], [], [], min(left, _SLICE_SECONDS))[0]:
                break  # the look that follows reads what has come
        self._is_woken = False

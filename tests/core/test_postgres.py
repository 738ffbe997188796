"""Connections to Postgres: whether one lives is read from its socket, and a dead one is replaced before it is used."""

import time
from datetime import UTC
from typing import Any

import psycopg
import pytest
from django.db import close_old_connections, connection
from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import register_tzloader

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What Postgres answered when it was asked whether a connection lives."""
    answers: list[bool] = []
    ask = base.DatabaseWrapper.is_usable

    def ask_and_keep(self: Any) -> bool:
        answers.append(ask(self))
        return answers[-1]

    monkeypatch.setattr(base.DatabaseWrapper, "is_usable", ask_and_keep)
    return answers


def read_pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def wait_for_news() -> None:
    deadline = time.monotonic() + 60
    while not connection._has_news():  # type: ignore[attr-defined]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def end_session(pid: int) -> None:
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_connection_that_lives_is_not_asked_for(asked: list[bool]) -> None:
    pid = read_pid()

    close_old_connections()  # what begins a request

    assert (read_pid(), asked) == (pid, [])


def test_a_connection_that_was_ended_is_replaced_before_its_next_statement(asked: list[bool]) -> None:
    pid = read_pid()
    close_old_connections()
    end_session(pid)
    wait_for_news()

    assert read_pid() != pid
    assert asked == [False]


def test_a_notice_is_no_end(asked: list[bool]) -> None:
    pid = read_pid()
    with connection.cursor() as cursor:
        cursor.execute("LISTEN news")
    close_old_connections()
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
        other.execute("NOTIFY news")
    wait_for_news()

    assert (read_pid(), asked) == (pid, [True])
    with connection.cursor() as cursor:
        cursor.execute("UNLISTEN news")


def test_after_an_error_postgres_is_asked(asked: list[bool]) -> None:
    pid = read_pid()
    connection.errors_occurred = True

    close_old_connections()

    assert (read_pid(), asked) == (pid, [True])
    assert not connection.errors_occurred


def test_a_connection_that_was_closed_is_replaced() -> None:
    pid = read_pid()
    close_old_connections()
    connection.connection.close()

    assert read_pid() != pid


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21 05:30:00.123456+00",
        "2026-11-21 11:00:00+05:30",
        "1999-12-31 23:59:59.999999+00",
        "9999-12-31 23:59:59+00",
    ],
)
def test_instants_are_those_that_django_reads(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz", [text])
        [instant] = cursor.fetchone()
        register_tzloader(UTC, cursor)
        cursor.execute("SELECT %s::timestamptz", [text])
        [by_django] = cursor.fetchone()

    assert (instant, instant.tzinfo) == (by_django, UTC)
    assert instant.tzinfo is UTC

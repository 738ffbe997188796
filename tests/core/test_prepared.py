"""Prepared statements, on whichever connection lives, and across rollbacks."""

import inspect
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, NotSupportedError, connection, transaction
from psycopg import _preparing

from apps.core import prepared

ADD = "INSERT INTO counted (number) VALUES ($1)"


@pytest.fixture
def counted(transactional_db: None) -> Iterator[None]:
    """A table of its own, on a connection that has prepared nothing yet."""
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS counted; CREATE TABLE counted (number int UNIQUE)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE counted")


def list_plans() -> list[tuple[Any, ...]]:
    """What Postgres has prepared for this connection of the statement in question, and when."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, prepare_time FROM pg_prepared_statements WHERE statement = %s", [ADD])
        return cursor.fetchall()


def numbers() -> list[int]:
    return [row["number"] for row in prepared.fetch_all("SELECT number FROM counted ORDER BY number")]


@pytest.mark.django_db(transaction=True)
def test_a_prepared_statement_finds_a_new_connection_when_the_old_one_has_died() -> None:
    assert prepared.fetch_one("SELECT pg_backend_pid() AS pid") is not None
    connection.close_if_unusable_or_obsolete()  # what begins a request: the next use asks whether the connection lives
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )

    assert prepared.fetch_one("SELECT 1 AS one") == {"one": 1}


@pytest.mark.usefixtures("counted")
class TestRollback:
    def test_a_rollback_keeps_what_was_prepared_before_it(self) -> None:
        prepared.execute(ADD, ["1"])
        [plan] = list_plans()

        with transaction.atomic():
            prepared.execute(ADD, ["2"])
            transaction.set_rollback(True)
        with pytest.raises(IntegrityError), transaction.atomic():
            prepared.execute(ADD, ["1"])
        prepared.execute(ADD, ["3"])

        assert (list_plans(), numbers()) == ([plan], [1, 3])

    def test_a_rollback_to_a_savepoint_keeps_what_was_prepared_before_it(self) -> None:
        prepared.execute(ADD, ["1"])
        [plan] = list_plans()

        with transaction.atomic():
            for _ in range(3):
                with pytest.raises(IntegrityError), transaction.atomic():
                    prepared.execute(ADD, ["1"])
            prepared.execute(ADD, ["2"])

        assert (list_plans(), numbers()) == ([plan], [1, 2])

    def test_what_is_prepared_in_a_transaction_that_is_rolled_back_serves_the_next(self) -> None:
        with transaction.atomic():
            prepared.execute(ADD, ["1"])
            transaction.set_rollback(True)
        [plan] = list_plans()

        prepared.execute(ADD, ["1"])

        assert (list_plans(), numbers()) == ([plan], [1])

    def test_a_statement_that_fails_the_first_time_is_prepared_once(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO counted (number) VALUES (1)")

        for _ in range(3):
            with pytest.raises(IntegrityError), transaction.atomic():
                prepared.execute(ADD, ["1"])
        prepared.execute(ADD, ["2"])

        assert len(list_plans()) == 1
        assert numbers() == [1, 2]

    def test_control_psycopg_alone_forgets_them(self) -> None:
        with psycopg.connect(**connection.get_connection_params(), autocommit=True) as plain:
            plain.execute("SELECT 1", prepare=True)
            with plain.transaction(force_rollback=True):
                plain.execute("SELECT 1", prepare=True)

            assert plain._prepared._names == {}


@pytest.mark.usefixtures("counted")
class TestMigration:
    def test_a_column_of_another_type_costs_one_error(self) -> None:
        statement = "SELECT number FROM counted"
        prepared.fetch_all(statement)
        with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
            other.execute("ALTER TABLE counted ALTER number TYPE bigint")

        with pytest.raises(NotSupportedError, match="cached plan must not change result type"), transaction.atomic():
            prepared.fetch_all(statement)

        assert prepared.fetch_all(statement) == []

    def test_a_new_column_costs_nothing(self) -> None:
        prepared.execute(ADD, ["1"])
        with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
            other.execute("ALTER TABLE counted ADD more text NOT NULL DEFAULT 'x'")

        prepared.execute(ADD, ["2"])

        assert numbers() == [1, 2]

    def test_what_another_session_has_deallocated_is_prepared_again(self) -> None:
        prepared.execute(ADD, ["1"])
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")

        prepared.execute(ADD, ["2"])

        assert numbers() == [1, 2]


class TestNamesOfPsycopg:
    """`StatementCache` overrides what psycopg calls private: an upgrade that moves a name fails here, with the name."""

    @pytest.mark.parametrize(
        ("name", "parameters"),
        [
            ("_should_discard", ["self", "prep", "results", "_PrepareManager__should_clear"]),
            ("validate", ["self", "key", "prep", "name", "results"]),
            ("clear", ["self"]),
            ("_rotate", ["self"]),
            ("_check_results", ["results"]),
        ],
    )
    def test_the_methods_are_there_and_take_what_they_took(self, name: str, parameters: list[str]) -> None:
        assert list(inspect.signature(getattr(_preparing.PrepareManager, name)).parameters) == parameters

    @pytest.mark.django_db
    def test_a_connection_asks_the_cache_that_it_is_given(self) -> None:
        prepared.fetch_all("SELECT 1")

        assert isinstance(connection.connection._prepared, prepared.StatementCache)
        assert len(connection.connection._prepared._names) >= 1

    def test_a_rollback_calls_clear_and_nothing_else(self) -> None:
        source = inspect.getsource(psycopg._connection_base.BaseConnection._rollback_gen)

        assert "self._prepared.clear()" in source


@pytest.mark.django_db
def test_the_query_log_has_what_is_prepared(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2):
        prepared.fetch_all("SELECT 1 AS one")
        prepared.execute("UPDATE accounts_user SET name = $1 WHERE name = $2", ["a", "b"])

"""Prepared statements, on whichever connection lives."""

import psycopg
import pytest
from django.db import connection

from apps.core import prepared


@pytest.mark.django_db(transaction=True)
def test_a_prepared_statement_finds_a_new_connection_when_the_old_one_has_died() -> None:
    assert prepared.fetch_one("SELECT pg_backend_pid() AS pid") is not None
    connection.close_if_unusable_or_obsolete()  # what begins a request: the next use asks whether the connection lives
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )

    assert prepared.fetch_one("SELECT 1 AS one") == {"one": 1}

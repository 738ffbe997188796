"""What `manage.py check` says of the machine that it runs on."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from apps.core.checks import check_connections, check_documents_dir, check_replica, show_connections
from apps.core.connection_budget import ConnectionBudget


class TestDocumentsDir:
    @pytest.mark.parametrize("name", ["", "documents", "years/2026/documents"])
    def test_one_that_can_be_written_or_made_is_fine(self, name: str, tmp_path: Path, settings: Any) -> None:
        settings.DOCUMENTS_DIR = tmp_path / name

        assert check_documents_dir() == []
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("path", ["/proc/nope", "/dev/null", "/dev/null/documents"])
    def test_one_where_no_document_can_be_kept_is_a_warning(self, path: str, settings: Any) -> None:
        settings.DOCUMENTS_DIR = Path(path)

        [warning] = check_documents_dir()

        assert (warning.id, warning.is_serious()) == ("bahi.W001", False)
        assert warning.msg.startswith(f"DOCUMENTS_DIR names {path!r}, where this process cannot store documents (")


@pytest.mark.django_db
class TestConnections:
    @pytest.fixture(autouse=True)
    def _processes(self, settings: Any) -> None:
        settings.WEB_PROCESSES, settings.WEB_THREADS, settings.WORKER_CONCURRENCY = 4, 8, 3

    @pytest.fixture
    def allowed(self) -> int:
        """What the tests' server allows, as it says itself."""
        names = ("max_connections", "superuser_reserved_connections", "reserved_connections")
        with connection.cursor() as cursor:
            numbers = []
            for name in names:
                cursor.execute("SELECT COALESCE(current_setting(%s, true), '0')::int", [name])
                numbers.append(cursor.fetchone()[0])
        return int(numbers[0] - numbers[1] - numbers[2])

    def test_the_budget_is_shown_part_by_part(self, allowed: int) -> None:
        [shown] = show_connections(databases=["default"])

        assert (shown.id, shown.is_serious()) == ("bahi.I001", False)
        assert shown.msg == (
            f"Postgres allows {allowed} connections, and Bahi can open 42: 32 for the web process (4 x 8 threads), "
            "3 for the children of a worker, 1 for the second reader of the scheduled audit, 1 for a relay and 5 for operators."
        )
        assert check_connections(databases=["default"]) == []

    def test_it_stands_in_the_output_of_check(self, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("check", "--deploy", "--database", "default", "--tag", "database")

        assert "and Bahi can open 42: 32 for the web process (4 x 8 threads)" in capsys.readouterr().err

    def test_without_a_database_nothing_is_asked(self) -> None:
        assert check_connections() == show_connections() == check_replica() == []

    def test_what_just_fits_is_allowed(self, allowed: int, settings: Any) -> None:
        settings.WEB_PROCESSES, settings.WEB_THREADS = allowed - 10, 1

        assert check_connections(databases=["default"]) == []

    def test_one_more_is_an_error(self, allowed: int, settings: Any) -> None:
        settings.WEB_PROCESSES, settings.WEB_THREADS = allowed - 9, 1

        [error] = check_connections(databases=["default"])

        assert (error.id, error.is_serious()) == ("bahi.E001", True)
        assert error.msg.startswith(f"Postgres allows {allowed} connections, and Bahi can open {allowed + 1}: ")
        assert show_connections(databases=["default"]) == []

    def test_a_limit_of_the_database_counts(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{connection.settings_dict["NAME"]}" CONNECTION LIMIT 41')

            [error] = check_connections(databases=["default"])

        assert error.msg.startswith("Postgres allows 41 connections, and Bahi can open 42: ")

    def test_the_sum_is_that_of_its_parts(self) -> None:
        budget = ConnectionBudget({"a": 3, "b": 4}, allowed=7)

        assert (budget.total, budget.fits) == (7, True)
        assert not ConnectionBudget({"a": 3, "b": 5}, allowed=7).fits

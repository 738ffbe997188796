"""`manage.py slow_queries`: what Postgres has counted, read from a real one, without a value of any statement."""

import json
import threading
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from apps.core import query_statistics
from apps.core.management.commands import slow_queries
from apps.core.query_statistics import normalise
from tests.support.database_locks import wait_for_a_blocked_session

SECRET = "asha@example.com"


@pytest.fixture
def nothing_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what the database counted while other tests ran in it."""
    for name in ("read_whole_reads", "read_dead_rows", "read_running"):
        monkeypatch.setattr(query_statistics, name, lambda **_: [])


def run(*arguments: str) -> tuple[int, str]:
    """Return how the command ended, and what it wrote."""
    out = StringIO()
    try:
        call_command("slow_queries", *arguments, "--no-color", stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def run_json(*arguments: str) -> tuple[int, dict[str, Any]]:
    code, text = run("--json", *arguments)
    return code, json.loads(text)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("SELECT *\n  FROM a WHERE id = 12", "SELECT * FROM a WHERE id = ?"),
        ("WHERE email = 'asha@example.com' AND b = 'it''s'", "WHERE email = ? AND b = ?"),
        (r"WHERE a = E'it\'s asha' AND b = e'x'", "WHERE a = ? AND b = ?"),
        ("WHERE a = 'cut off asha", "WHERE a = ?"),
        ("WHERE a = $1 AND b1 = 1.5e3", "WHERE a = $1 AND b1 = ?"),
        ("DO $tag$ asha $tag$; x", "DO ?; x"),
        ("SELECT $$asha", "SELECT ?"),
        ("SELECT 1 /* asha */ -- asha\n+ 2", "SELECT ? ? ? + ?"),
        ('SELECT "a1"."id2" FROM "a1"', 'SELECT "a1"."id2" FROM "a1"'),
        ('''SELECT "o'n", 'asha' AS "x"''', '''SELECT "o'n", ? AS "x"'''),
        ('SELECT "a--b" FROM c WHERE d = 12', 'SELECT "a--b" FROM c WHERE d = ?'),
        ("""SELECT "a/*b" || 'asha' || "c""'d" || 'asha\'""", """SELECT "a/*b" || ? || "c""'d" || ?"""),
        ("""WHERE a = 'he said "asha' AND "b" = 'x\'""", 'WHERE a = ? AND "b" = ?'),
        ("""WHERE a = 'asha' AND "cut off o'n""", """WHERE a = ? AND "cut off o?"""),
    ],
)
def test_a_statement_is_shown_without_values(typed: str, shown: str) -> None:
    assert normalise(typed) == shown


@pytest.mark.django_db
class TestWithoutTheExtension:
    @pytest.mark.usefixtures("nothing_else_is_found")
    def test_it_says_how_to_get_it_and_finds_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(query_statistics, "read_unused_indexes", lambda **_: [])
        monkeypatch.setattr(
            query_statistics, "read_statements", lambda: query_statistics.StatementSource(missing="not_loaded")
        )

        code, text = run()

        assert code == 0
        assert "Set shared_preload_libraries = 'pg_stat_statements' in postgresql.conf, restart" in text
        assert "This needs pg_stat_statements." in text
        assert "Nothing was found." in text

    def test_json_says_what_is_missing(self) -> None:
        _, body = run_json()

        statements = body["statements"]
        assert (statements["source"], statements["rows"]) == (None, [])
        assert statements["missing"] in slow_queries._HOW_TO_GET
        assert statements["how_to_get"] == slow_queries._HOW_TO_GET[statements["missing"]]


@pytest.mark.django_db
class TestStatements:
    @pytest.fixture(autouse=True)
    def _counted(self) -> None:
        """What pg_stat_statements shows, in a view of its name and columns: the embedded server does not have it."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                CREATE VIEW pg_stat_statements AS
                SELECT v.*, CASE WHEN is_ours THEN d.oid ELSE 1::oid END AS dbid
                FROM pg_database d, (VALUES
                    ('SELECT * FROM often WHERE a = $1', 9000::bigint, 18000::float, 2::float, 9000::bigint, true),
                    ('SELECT * FROM slow WHERE e = ''asha@example.com''', 200, 50000, 250, 400, true),
                    ('SELECT * FROM nightly', 3, 90000, 30000, 3, true),
                    ('<insufficient privilege>', 10, 10, 1, 10, true),
                    ('SELECT * FROM elsewhere', 500, 99000, 198, 1, false)
                ) AS v(query, calls, total_exec_time, mean_exec_time, rows, is_ours)
                WHERE d.datname = current_database()
                """
            )

    def test_those_of_this_database_stand_by_their_whole_time(self) -> None:
        code, body = run_json()

        rows = body["statements"]["rows"]
        assert code == 1
        assert [row["text"].split()[3] for row in rows] == ["nightly", "slow", "often"]
        assert rows[1] == {
            "text": "SELECT * FROM slow WHERE e = ?", "calls": 200, "total_ms": 50000.0, "mean_ms": 250.0, "rows_per_call": 2.0,
        }  # fmt: skip
        assert body["statements"]["hidden"] == 1

    def test_slow_is_what_is_slow_often(self) -> None:
        _, body = run_json()
        _, lower = run_json("--slower-than", "2", "--limit", "1")

        assert [row["text"].split()[3] for row in body["slow_statements"]] == ["slow"]
        assert [row["text"].split()[3] for row in lower["slow_statements"]] == ["slow", "often"]
        assert len(lower["statements"]["rows"]) == 1

    def test_people_read_a_table_without_values(self) -> None:
        code, text = run()

        assert code == 1
        assert "      50.0 s         200    250.0 ms         2.0  SELECT * FROM slow WHERE e = ?" in text
        assert "1 statement of other roles are hidden" in text
        assert SECRET not in text
        assert "elsewhere" not in text


@pytest.mark.django_db
class TestIndexes:
    def test_one_that_nobody_uses_is_named_with_its_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(slow_queries, "_MIN_INDEX_BYTES", 1_000_000)
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE probe AS SELECT n, n AS other FROM generate_series(1, 60000) n")
            cursor.execute("CREATE INDEX probe_unused ON probe (n)")
            cursor.execute("CREATE UNIQUE INDEX probe_rule ON probe (other)")

        code, body = run_json()
        _, text = run()

        (found,) = [each for each in body["unused_indexes"] if each["table"] == "probe"]
        assert code == 1
        assert (found["index"], found["is_valid"]) == ("probe_unused", True)
        assert 1_000_000 <= found["size"] <= 2_000_000
        assert "MiB  probe_unused of probe. It costs each write and helps no read here." in text

    @pytest.mark.usefixtures("nothing_else_is_found")
    def test_small_ones_are_left_alone(self) -> None:
        code, text = run()

        assert code == 0
        assert "None of 10 MiB or more." in text


@pytest.mark.django_db(transaction=True)
class TestTables:
    @pytest.fixture
    def probe(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """A table of a hundred rows that was read whole five times, and has three hundred dead rows."""
        monkeypatch.setattr(slow_queries, "_MIN_ROWS", 90)
        monkeypatch.setattr(slow_queries, "_MIN_SCANS", 4)
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE probe (n int) WITH (autovacuum_enabled = false)")
            cursor.execute("INSERT INTO probe SELECT n FROM generate_series(1, 400) n")
            cursor.execute("DELETE FROM probe WHERE n > 100")
            for _ in range(4):
                cursor.execute("SELECT count(*) FROM probe")
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute("SELECT 1")
        yield
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE probe")

    @pytest.mark.usefixtures("probe")
    def test_whole_reads_and_dead_rows_are_counted(self) -> None:
        code, body = run_json()
        _, text = run()

        (reads,) = [each for each in body["whole_reads"] if each["table"] == "probe"]
        (dead,) = [each for each in body["dead_rows"] if each["table"] == "probe"]
        assert code == 1
        # The deletion read the table whole as well, when all of its rows lived.
        assert (reads["rows"], reads["scans"], reads["rows_per_scan"]) == (100, 5, 160)
        assert (dead["live"], dead["dead"], dead["begins_at"], dead["last_vacuum"]) == (100, 300, 50, None)
        assert "probe (100 rows, " in text
        assert "was read whole 5 times, 160 rows each. An index is probably missing." in text
        assert "probe has 300 dead rows besides 100 live ones, about " in text
        assert "vacuum should have begun at 50. It was never vacuumed." in text

    def test_a_running_statement_is_shown_without_its_values(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(slow_queries, "_RUNNING_SECONDS", 0.0)

        def wait() -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(47110815), %s", [SECRET])
                cursor.execute("SELECT pg_advisory_unlock_all()")
            connection.close()

        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(47110815)")
            waiting = threading.Thread(target=wait)
            waiting.start()
            try:
                wait_for_a_blocked_session()
                code, text = run()
            finally:
                cursor.execute("SELECT pg_advisory_unlock_all()")
                waiting.join()

        assert code == 1
        assert "active: SELECT pg_advisory_lock(?), ?" in text
        assert SECRET not in text


@pytest.mark.django_db
def test_autovacuum_that_is_off_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_statistics, "is_autovacuum_on", lambda: False)

    code, text = run()

    assert code == 1
    assert "Autovacuum is off: nothing removes dead rows." in text


@pytest.mark.parametrize(
    "arguments", [["--limit", "0"], ["--limit", "x"], ["--slower-than", "-1"], ["--slower-than", "nan"]]
)
def test_what_is_no_number_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exception, match="is not a number"):
        call_command("slow_queries", *arguments)

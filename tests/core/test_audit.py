import contextlib
import json
import threading
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pgtrigger
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client

from apps.accounts.models import User
from apps.core import audit, clock, shared_snapshots
from apps.core.management.commands.audit import Command
from apps.core.models import AuditRun, Event, HandlerRun, IdempotencyKey, Outbox
from apps.core.tasks import run_audit
from apps.orders.models import Order
from tests.factories.accounts import make_user
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.support.events import make_event

pytestmark = pytest.mark.django_db


def violations(invariant: str, **later: float) -> list[dict[str, object]]:
    [result] = audit.run(now=clock.now() + timedelta(**later), only=[invariant]).results
    assert not result.error
    return result.rows


def make_handler_run(**fields: Any) -> HandlerRun:
    return HandlerRun.objects.create(
        event=make_event(), handler="x", queue="housekeeping", **{"created_at": clock.now(), **fields}
    )


def test_empty_shop_violates_no_invariant(reference_data: None) -> None:
    report = audit.run(now=clock.now())

    assert [(result.invariant.id, result.rows, result.error) for result in report.failing] == []
    assert len(report.results) == len(audit.list_invariants())


def test_every_invariant_has_its_own_id_and_name() -> None:
    every = audit.list_invariants()

    assert len({one.id for one in every}) == len({one.name for one in every}) == len(every)


class TestInvariantsFindViolations:
    def test_a_gap_in_the_events_of_a_subject(self) -> None:
        event = make_event()
        with pgtrigger.ignore("core.Event:frozen"):
            Event.objects.filter(pk=event.pk).update(version=2)

        assert [row["subject_id"] for row in violations("INV-37")] == [event.subject_id]

    def test_row_that_changed_without_an_event(self, reference_data: None) -> None:
        make_registration()
        first, second, third = (make_order(make_user()) for _ in range(3))
        assert violations("INV-37b") == []

        Order.objects.filter(pk=first.pk).update(status="expired")
        Order.objects.filter(pk=second.pk).update(version=2)

        rows = violations("INV-37b")
        assert {(row["kind"], row["id"], row["version"], row["recorded_version"], row["status"]) for row in rows} == {
            ("orders.order", first.pk, 1, 1, "expired"),
            ("orders.order", second.pk, 2, 1, "pending_payment"),
        }
        assert third.pk not in {row["id"] for row in rows}

    def test_event_of_a_row_that_does_not_exist(self) -> None:
        event = make_event()
        with pgtrigger.ignore("core.Event:frozen"):
            Event.objects.filter(pk=event.pk).update(subject_type="orders.order")

        assert ("orders.order", event.subject_id, None, 1) in [
            (row["kind"], row["id"], row["version"], row["recorded_version"]) for row in violations("INV-37b")
        ]

    def test_event_that_stays_in_the_outbox(self) -> None:
        event = make_event()

        assert violations("INV-38") == []
        assert [row["id"] for row in violations("INV-38", minutes=11)] == [event.pk]

    def test_handler_run_that_stays_open(self) -> None:
        handler_run = HandlerRun.objects.create(
            event=make_event(), handler="x", queue="housekeeping", created_at=clock.now(), send_after=clock.now()
        )
        Outbox.objects.all().delete()

        assert [row["id"] for row in violations("events_are_handled", minutes=11)] == [handler_run.pk]

    def test_handler_run_parked_for_more_than_a_day(self) -> None:
        HandlerRun.objects.create(
            event=make_event(),
            handler="x",
            queue="housekeeping",
            created_at=clock.now(),
            send_after=clock.now(),
            parked_at=clock.now(),
        )

        assert violations("INV-38b") == []
        assert [row["handler"] for row in violations("INV-38b", days=1, seconds=1)] == ["x"]

    def test_handler_run_that_is_neither_sent_nor_scheduled(self) -> None:
        handler_run = make_handler_run(sent_at=clock.now())
        assert violations("INV-38c") == []
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE core_handlerrun DROP CONSTRAINT handler_run_is_sent_or_scheduled")
        HandlerRun.objects.update(sent_at=None)

        assert [row["id"] for row in violations("INV-38c")] == [handler_run.pk]

    def test_a_hint_that_is_sent_again_and_again(self) -> None:
        now = clock.now()
        handler_run = make_handler_run(created_at=now, sent_at=now + timedelta(seconds=630), resends=3)
        assert violations("INV-38d") == []
        HandlerRun.objects.update(sent_at=now + timedelta(seconds=629))

        assert [(row["id"], row["resends"]) for row in violations("INV-38d")] == [(handler_run.pk, 3)]

        HandlerRun.objects.update(sent_at=now + timedelta(seconds=1349), resends=5)
        assert [row["resends"] for row in violations("INV-38d")] == [5]
        HandlerRun.objects.update(sent_at=now + timedelta(seconds=1350))
        assert violations("INV-38d") == []

        HandlerRun.objects.update(started_at=now, send_after=now, sent_at=now)
        assert violations("INV-38d") == []

    def test_second_handler_run_for_an_event_and_handler(self) -> None:
        event = make_event()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE core_handlerrun DROP CONSTRAINT one_handler_run_per_event_and_handler")
        for _ in range(2):
            HandlerRun.objects.create(
                event=event, handler="x", queue="housekeeping", created_at=clock.now(), send_after=clock.now()
            )

        assert [(row["event_id"], row["handler_runs"]) for row in violations("INV-39")] == [(event.pk, 2)]

    def test_an_idempotency_key_without_an_answer(self) -> None:
        key = IdempotencyKey.objects.create(
            principal="cus_1",
            route="POST /x",
            key="k",
            fingerprint="0" * 64,
            created_at=clock.now(),
            expires_at=clock.now(),
        )

        assert [row["id"] for row in violations("INV-43")] == [key.pk]

    def test_a_constraint_that_was_never_validated(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE core_outbox ADD CONSTRAINT planted CHECK (id > 0) NOT VALID")

        assert [row["name"] for row in violations("INV-52")] == ["planted"]

    def test_a_trigger_that_was_switched_off(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE core_event DISABLE TRIGGER USER")

        assert [row["relation"] for row in violations("INV-27")] == ["core_event"]


class TestCommand:
    def test_prints_each_invariant_with_its_name_result_and_time(self, reference_data: None) -> None:
        out = StringIO()
        call_command("audit", stdout=out)

        lines = out.getvalue().splitlines()
        assert len(lines) == len(audit.list_invariants()) + 1
        assert all("holds" in line and line.endswith("ms") for line in lines[:-1])
        assert lines[-1].startswith(f"All {len(lines) - 1} invariants hold")

    def test_exits_one_with_the_rows_that_break_it(self) -> None:
        make_event()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE core_outbox SET created_at = now() - interval '1 hour'")
        out = StringIO()

        with pytest.raises(SystemExit) as exit_info:
            call_command("audit", "--only", "INV-38", stdout=out)

        assert exit_info.value.code == 1
        assert "VIOLATED INV-38" in out.getvalue()
        assert "waiting=outbox" in out.getvalue()
        assert "The invariant is violated." in out.getvalue()

    def test_prints_json(self) -> None:
        out = StringIO()
        call_command("audit", "--json", "--only", "events_are_dense", stdout=out)

        report = json.loads(out.getvalue())
        assert (report["holds"], report["checked"], report["violated"], report["unchecked"]) == (True, 1, 0, 0)
        assert report["results"][0]["id"] == "INV-37"

    def test_lists_without_checking(self) -> None:
        out = StringIO()
        call_command("audit", "--list", stdout=out)

        assert "INV-37    events_are_dense" in out.getvalue()

    def test_unknown_name_is_an_error(self) -> None:
        with pytest.raises(CommandError, match="There is no invariant called INV-0.") as refused:
            call_command("audit", "--only", "INV-0")

        assert refused.value.returncode == 2

    def test_unknown_name_is_an_error_in_json(self) -> None:
        out = StringIO()
        with pytest.raises(CommandError):
            call_command("audit", "--only", "INV-0", "--json", stdout=out)

        assert json.loads(out.getvalue()) == {
            "error": {
                "code": "could_not_run",
                "message": "There is no invariant called INV-0. `audit --list` shows their names.",
            }
        }

    @pytest.mark.parametrize(("checks", "code"), [("b", 2), ("hb", 2), ("vb", 1), ("hv", 1)])
    def test_exits_two_if_a_check_could_not_run_and_none_is_violated(
        self, monkeypatch: pytest.MonkeyPatch, checks: str, code: int
    ) -> None:
        sql = {"b": "SELECT * FROM no_such_table", "h": "SELECT 1 WHERE false", "v": "SELECT 1 AS one"}
        chosen = [audit.Invariant(id=f"X-{kind}", name=kind, statement="x", sql=sql[kind]) for kind in checks]
        monkeypatch.setattr(audit, "list_invariants", lambda only: chosen)
        out = StringIO()

        with pytest.raises(SystemExit) as ended:
            call_command("audit", "--json", stdout=out)

        report = json.loads(out.getvalue())
        assert ended.value.code == code
        assert (report["holds"], report["violated"], report["unchecked"]) == (
            False, checks.count("v"), checks.count("b"),
        )  # fmt: skip

    @pytest.mark.parametrize("arguments", [(), ("--only", "INV-37"), ("--keep",)])
    def test_a_database_without_tables_is_one_sentence_and_2(
        self, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
    ) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE core_event RENAME TO not_migrated_yet")

        with pytest.raises(SystemExit) as ended:
            Command().run_from_argv(["manage.py", "audit", "--json", *arguments])

        said = capsys.readouterr()
        sentence = (
            "The database does not have the tables of this version; run `manage.py migrate` first"
            ' (relation "core_event" does not exist).'
        )
        assert ended.value.code == 2
        assert json.loads(said.out) == {"error": {"code": "could_not_run", "message": sentence}}
        assert sentence in said.err
        assert "Traceback" not in said.err

    def test_says_in_words_what_could_not_be_checked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        broken = audit.Invariant(id="INV-X", name="broken", statement="", sql="SELECT * FROM no_such_table")
        monkeypatch.setattr(audit, "list_invariants", lambda only: [broken])
        out = StringIO()

        with pytest.raises(SystemExit):
            call_command("audit", stdout=out, no_color=True)

        assert out.getvalue().startswith("NOT RUN  INV-X")
        assert out.getvalue().endswith("The invariant could not be checked.\n")

    @pytest.mark.parametrize(
        ("checks", "summary"),
        [
            ("h", "The invariant holds ("),
            ("hh", "All 2 invariants hold ("),
            ("v", "The invariant is violated."),
            ("hv", "1 of 2 invariants is violated."),
            ("vvb", "2 of 3 invariants are violated.\n1 of 3 invariants could not be checked."),
        ],
    )
    def test_counts_what_holds_in_a_sentence(self, monkeypatch: pytest.MonkeyPatch, checks: str, summary: str) -> None:
        sql = {"b": "SELECT * FROM no_such_table", "h": "SELECT 1 WHERE false", "v": "SELECT 1 AS one"}
        chosen = [audit.Invariant(id=f"X-{kind}", name=kind, statement="x", sql=sql[kind]) for kind in checks]
        monkeypatch.setattr(audit, "list_invariants", lambda only: chosen)
        out = StringIO()

        with contextlib.suppress(SystemExit):
            call_command("audit", stdout=out, no_color=True)

        assert summary in out.getvalue()


def test_a_check_that_cannot_run_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = audit.Invariant(id="INV-X", name="broken", statement="", sql="SELECT * FROM no_such_table")
    monkeypatch.setattr(audit, "list_invariants", lambda only: [broken])

    report = audit.run(now=clock.now())

    assert [result.invariant.id for result in report.failing] == ["INV-X"]
    assert (report.violated, report.unchecked) == ([], report.failing)
    assert "no_such_table" in report.results[0].error


def test_a_check_that_cannot_run_hinders_none_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sql = ["SELECT * FROM no_such_table", "SELECT 7 AS one", "SELECT 1 / 0 AS one", "SELECT 8 AS one"]
    chosen = [audit.Invariant(id=f"X-{n}", name=f"x{n}", statement="", sql=text) for n, text in enumerate(sql)]
    monkeypatch.setattr(audit, "list_invariants", lambda only: chosen)

    report = audit.run(now=clock.now())

    assert [(result.rows, bool(result.error)) for result in report.results] == [
        ([], True), ([{"one": 7}], False), ([], True), ([{"one": 8}], False),
    ]  # fmt: skip


def planted() -> str:
    return "planted AS MATERIALIZED (SELECT 7 AS one)"


@pytest.mark.parametrize("broken", ["", "SELECT no_such_column FROM planted"])
def test_checks_with_one_reading_are_each_judged_by_themselves(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    sql = [
        broken or "SELECT one FROM planted WHERE one < 0",
        "WITH own AS (SELECT one FROM planted) SELECT one FROM own",
    ]
    chosen = [
        audit.Invariant(id=f"X-{n}", name=f"x{n}", statement="", sql=text, reading=planted)
        for n, text in enumerate(sql)
    ]
    monkeypatch.setattr(audit, "list_invariants", lambda only: chosen)

    report = audit.run(now=clock.now())

    assert [(result.rows, bool(result.error)) for result in report.results] == [
        ([], bool(broken)),
        ([{"one": 7}], False),
    ]


class TestScheduledAudit:
    def test_a_violation_is_an_error_in_the_log_and_a_metric(self, caplog: pytest.LogCaptureFixture) -> None:
        make_event()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE core_outbox SET created_at = now() - interval '1 hour'")

        run_audit()

        assert AuditRun.objects.get().violated == {"INV-38": 1}
        assert any(
            "invariant_violated" in record.getMessage() and record.levelname == "ERROR" for record in caplog.records
        )
        metrics = Client().get("/metrics").content.decode()
        assert 'bahi_audit_violated_rows{invariant="INV-38"} 1.0' in metrics
        assert "bahi_audit_violated 1.0" in metrics
        assert "bahi_outbox 1.0" in metrics

    def test_a_kept_result_cannot_be_changed(self, reference_data: None) -> None:
        run_audit()

        with pytest.raises(Exception, match="(?i)cannot update"), transaction.atomic():
            AuditRun.objects.update(violated={})
        assert AuditRun.objects.get().violated == {}


@pytest.mark.django_db(transaction=True)
def test_all_checks_read_one_snapshot_and_may_take_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def look(cursor: Any, _now: datetime) -> list[dict[str, object]]:
        cursor.execute(
            "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'),"
            " current_setting('statement_timeout'), count(*) FROM accounts_user"
        )
        seen.append(cursor.fetchone())
        worker = threading.Thread(target=make_user_elsewhere)
        worker.start()
        worker.join()
        return []

    def make_user_elsewhere() -> None:
        make_user()
        connection.close()

    twice = [audit.Invariant(id=f"X-{number}", name="x", statement="x", sql=look) for number in range(2)]
    monkeypatch.setattr(audit, "list_invariants", lambda _only: twice)

    assert audit.run(now=clock.now()).failing == []

    assert seen == [("repeatable read", "on", "5min", 0)] * 2
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("15s",)


class TestConnections:
    @pytest.mark.django_db(transaction=True)
    def test_share_one_snapshot(self, monkeypatch: pytest.MonkeyPatch) -> None:
        both_check = threading.Barrier(2, timeout=60)
        seen = []

        def look(cursor: Any, _now: datetime) -> list[dict[str, object]]:
            both_check.wait()
            cursor.execute(
                "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'), count(*)"
                " FROM accounts_user"
            )
            seen.append((threading.current_thread().name, *cursor.fetchone()))
            return []

        self.check_twice(monkeypatch, look)

        assert audit.run(now=clock.now(), connections=2).failing == []

        assert len({name for name, *_ in seen}) == 2
        assert [values for _, *values in seen] == [["repeatable read", "on", 0]] * 2
        assert User.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_one_does_all_if_there_is_no_other(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        names = []

        def look(_cursor: Any, _now: datetime) -> list[dict[str, object]]:
            names.append(threading.current_thread().name)
            return []

        def refuse(self: Any) -> None:
            self._snapshot = "00000000-00000000-1"
            return join_snapshot(self)

        join_snapshot = shared_snapshots._Reader._join_snapshot
        monkeypatch.setattr(shared_snapshots._Reader, "_join_snapshot", refuse)
        self.check_twice(monkeypatch, look)

        report = audit.run(now=clock.now(), connections=2)

        assert (len(report.results), report.failing) == (2, [])
        assert names == [threading.current_thread().name] * 2
        assert "snapshot_not_shared" in caplog.text

    @pytest.mark.django_db(transaction=True)
    def test_an_error_of_one_ends_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        main = threading.current_thread()
        is_gone = threading.Event()

        def look(cursor: Any, _now: datetime) -> list[dict[str, object]]:
            if threading.current_thread() is main:
                is_gone.wait(60)
                return []
            is_gone.set()
            cursor.connection.close()
            raise AssertionError

        self.check_twice(monkeypatch, look)

        with pytest.raises(DatabaseError):
            audit.run(now=clock.now(), connections=2)

    @staticmethod
    def check_twice(monkeypatch: pytest.MonkeyPatch, look: Any) -> None:
        """Have an audit check the same twice, while a user is made after its snapshot."""
        checks = [audit.Invariant(id=f"X-{number}", name="x", statement="x", sql=look) for number in range(2)]
        group = audit._group

        def make_user_first(invariants: Any) -> Any:
            other = threading.Thread(target=make_user_elsewhere)
            other.start()
            other.join()
            return group(invariants)

        def make_user_elsewhere() -> None:
            make_user()
            connection.close()

        monkeypatch.setattr(audit, "list_invariants", lambda _only: checks)
        monkeypatch.setattr(audit, "_group", make_user_first)


@pytest.mark.django_db(transaction=True)
def test_schedule_starts_no_second_audit_while_one_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(_cursor: Any, _now: datetime) -> list[dict[str, object]]:
        second = threading.Thread(target=run_on_schedule)
        second.start()
        second.join(60)
        return []

    def run_on_schedule() -> None:
        run_audit()
        connection.close()

    monkeypatch.setattr(
        audit, "list_invariants", lambda _only: [audit.Invariant(id="X-1", name="x", statement="x", sql=look)]
    )

    run_audit()

    assert AuditRun.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_operator_can_audit_while_the_scheduled_audit_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[audit.Report | None] = []

    def look(_cursor: Any, _now: datetime) -> list[dict[str, object]]:
        if not reports:
            reports.append(None)
            operator = threading.Thread(target=run_manually)
            operator.start()
            operator.join(60)
        return []

    def run_manually() -> None:
        reports.append(audit.run(now=clock.now()))
        connection.close()

    monkeypatch.setattr(
        audit, "list_invariants", lambda _only: [audit.Invariant(id="X-1", name="x", statement="x", sql=look)]
    )

    run_audit()

    assert [report and report.failing for report in reports] == [None, []]
    assert AuditRun.objects.count() == 1

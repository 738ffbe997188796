"""An audit of recent changes: what it reads, what it leaves behind, and when everything is audited."""

import itertools
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.test import Client

from apps.core import audit, audit_runs, clock, tasks
from apps.core.audit import RECENT, Reads
from apps.core.audit_runs import QUICK_MILLISECONDS
from apps.core.dates import format_instant
from apps.core.event_histories import event_histories
from apps.core.models import AuditRun
from apps.orders.models import Order
from config.invariants import RECENT_ROWS
from tests.factories.accounts import make_user
from tests.factories.catalog import make_registration
from tests.factories.notifications import make_queued_sms
from tests.factories.orders import make_order
from tests.support.events import record_event
from tests.support.recent_audits import EVER, NEVER

pytestmark = pytest.mark.django_db

#: 12:00 in India; the night's audit was due at 21:30 UTC.
NOON = datetime.fromisoformat("2026-11-21T06:30:00Z")
SLOW = QUICK_MILLISECONDS + 1


@pytest.fixture
def orders(reference_data: None) -> list[Order]:
    """Return two orders, the second an hour younger, whose amounts were both changed behind the services' back."""
    make_registration()
    now = clock.now()
    found = [
        make_order(make_user(), now=now - timedelta(hours=2)),
        make_order(make_user(), now=now - timedelta(hours=1)),
    ]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE orders_order DROP CONSTRAINT order_total_adds_up")
    Order.objects.update(total_amount=models.F("total_amount") + 500)
    return found


def wrong_orders(since: datetime | None) -> list[str]:
    report = audit.run(now=clock.now(), only=["INV-08"], since=since)
    assert not report.unchecked
    return sorted(row["number"] for result in report.results for row in result.rows)


def keep(at: datetime, *, since: datetime | None = None, milliseconds: int = SLOW, **violated: int) -> AuditRun:
    return AuditRun.objects.create(
        started_at=at, since=since, duration_ms=milliseconds, checked=150 if since is None else 90, violated=violated
    )


class TestRecentAudit:
    def test_reads_the_orders_that_have_changed_since(self, orders: list[Order]) -> None:
        between = clock.now() - timedelta(minutes=90)

        assert wrong_orders(None) == wrong_orders(EVER) == sorted(order.number for order in orders)
        assert wrong_orders(between) == [orders[1].number]
        assert wrong_orders(NEVER) == []

    def test_hides_nothing_once_it_has_ended(self, orders: list[Order]) -> None:
        audit.run(now=clock.now(), since=NEVER)

        assert Order.objects.count() == 2
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_class WHERE relpersistence = 't'")
            assert cursor.fetchall() == [(0,)]

    def test_what_is_left_has_the_indexes_of_the_whole(
        self, orders: list[Order], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counts = []

        def look(cursor: Any, _now: datetime) -> list[dict[str, object]]:
            cursor.execute("SELECT count(*) FROM pg_index WHERE indrelid = 'orders_orderline'::regclass")
            counts.append(cursor.fetchone()[0])
            return []

        check = audit.Invariant(id="X-1", name="x", statement="x", sql=look, reads=Reads.ONE_ORDER)
        monkeypatch.setattr(audit, "list_invariants", lambda _only: [check])

        audit.run(now=clock.now(), since=EVER)
        audit.run(now=clock.now(), since=None)

        assert counts[0] == counts[1] > 1

    def test_an_old_message_of_an_order_that_has_changed_is_left_with_its_events(self, reference_data: None) -> None:
        make_registration()
        order = make_order(make_user(), now=clock.now() - timedelta(hours=5))
        message = make_queued_sms(make_user())
        long_ago = clock.now() - timedelta(hours=4)
        record_event("test.message.queued", subject=message, root_id=order.pk, now=long_ago)
        record_event("test.order.noted", subject=order, root_id=order.pk)

        report = audit.run(now=clock.now(), only=["INV-37b"], since=clock.now() - timedelta(hours=2))

        assert report.failing == []

    def test_hides_nothing_once_it_has_failed(self, orders: list[Order], monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(audit, "hide_other_rows", fail)

        with pytest.raises(KeyboardInterrupt):
            audit.run(now=clock.now(), since=NEVER)

        assert Order.objects.count() == 2

    def test_leaves_out_what_has_to_read_all(self, orders: list[Order]) -> None:
        report = audit.run(now=clock.now(), since=NEVER)

        checked = {result.invariant.id for result in report.results}
        assert checked == {each.id for each in audit.list_invariants() if each.reads is not Reads.ALL}
        assert {"INV-08", "INV-25", "INV-33", "INV-37b", "INV-38", "INV-60"} <= checked
        assert not checked & {"INV-02", "INV-20g", "INV-23", "INV-30"}

    def test_finds_a_row_without_an_event_of_its_last_change(self, orders: list[Order]) -> None:
        Order.objects.filter(pk=orders[1].pk).update(version=7)

        [result] = audit.run(now=clock.now(), only=["INV-37b"], since=EVER).results

        assert [(row["id"], row["version"], row["recorded_version"]) for row in result.rows] == [(orders[1].pk, 7, 1)]


Kept = list[tuple[float, float | None, int, dict[str, int]]]


def keep_all(kept: Kept) -> None:
    """Keep audits: so many hours ago, of changes from so many hours ago, with this duration and what was violated."""
    for hours, since_hours, milliseconds, violated in kept:
        recent = None if since_hours is None else NOON - timedelta(hours=since_hours)
        keep(NOON - timedelta(hours=hours), since=recent, milliseconds=milliseconds, **violated)


@pytest.mark.parametrize(
    ("kept", "hours"),
    [
        pytest.param([], None, id="everything: none was kept"),
        pytest.param([(3, None, QUICK_MILLISECONDS, {})], None, id="everything: the last was quick"),
        pytest.param([(3, None, SLOW, {})], 5, id="from two hours before the whole one"),
        pytest.param([(15, None, SLOW, {}), (0.5, 2.5, 90, {})], 2.5, id="from two hours before the last one"),
        pytest.param([(15, None, SLOW, {}), (5, 7, 90, {})], 7, id="with what changed while nobody audited"),
    ],
)
def test_each_minute_is_audited(kept: Kept, hours: float | None) -> None:
    keep_all(kept)

    assert audit_runs.choose_since(now=NOON) == (None if hours is None else NOON - timedelta(hours=hours))


@pytest.mark.parametrize(
    ("kept", "is_due"),
    [
        pytest.param([], False, id="the audit of each minute begins"),
        pytest.param([(30, None, QUICK_MILLISECONDS, {})], False, id="the audit of each minute does it"),
        pytest.param([(8, None, SLOW, {})], False, id="one was this night"),
        pytest.param([(15, None, SLOW, {})], True, id="none was this night"),
        pytest.param([(3, None, SLOW, {}), (2, 4, 90, {"INV-08": 1}), (1, 3, 90, {})], True, id="changes violated one"),
        pytest.param([(0.9, None, SLOW, {"INV-08": 1})], False, id="violated, less than an hour ago"),
        pytest.param([(1.1, None, SLOW, {"INV-08": 1})], True, id="violated, more than an hour ago"),
    ],
)
def test_everything_is_audited_by_itself(kept: Kept, is_due: bool) -> None:
    keep_all(kept)

    assert audit_runs.is_whole_audit_due(now=NOON) is is_due


def test_audit_that_takes_too_long_is_kept_and_followed_by_one_of_changes(
    reference_data: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    elapsed = itertools.count(step=100.0)
    monkeypatch.setattr(audit, "time", SimpleNamespace(monotonic=lambda: next(elapsed)))

    tasks.run_audit()

    [run] = AuditRun.objects.all()
    at_once = sum(each.reading is event_histories for each in audit.list_invariants())
    assert (run.since, len(run.violated), run.duration_ms > QUICK_MILLISECONDS) == (None, run.checked - at_once, True)
    assert set(run.violated.values()) == {"There was no time left to check it."}
    assert audit_runs.choose_since(now=clock.now()) == run.started_at - RECENT
    assert audit_runs.is_whole_audit_due(now=run.started_at + timedelta(minutes=61))


class TestState:
    def test_is_unknown_before_the_first_audit(self) -> None:
        assert audit_runs.find_state() is None

    def test_of_a_whole_audit_is_what_it_found(self) -> None:
        keep(NOON - timedelta(hours=1), **{"INV-02": 1})
        keep(NOON, **{"INV-08": 2})

        assert audit_runs.find_state() == audit_runs.State({"INV-08": 2}, 150, NOON, NOON)

    def test_of_changes_renews_what_it_can_see(self) -> None:
        night = NOON - timedelta(hours=9)
        keep(night, **{"INV-02": 1, "INV-08": 3, "INV-38": 4})
        keep(NOON, since=NOON - RECENT, **{"INV-25": 1})

        # INV-38 reads what waits and was renewed; that INV-08 found nothing among the changes mends no older order.
        assert audit_runs.find_state() == audit_runs.State({"INV-02": 1, "INV-08": 3, "INV-25": 1}, 150, NOON, night)

    def test_of_changes_forgets_nothing_that_one_of_them_found(self) -> None:
        keep(NOON - timedelta(minutes=50))
        keep(NOON - timedelta(minutes=2), since=NOON - RECENT, **{"INV-08": 1, "INV-38": 1})
        keep(NOON, since=NOON - RECENT)

        assert audit_runs.find_state() == audit_runs.State({"INV-08": 1}, 150, NOON, NOON - timedelta(minutes=50))

    def test_is_what_operators_see(self) -> None:
        keep(clock.now() - timedelta(hours=9), **{"INV-02": 1})
        keep(clock.now(), since=clock.now() - RECENT)

        metrics = Client().get("/metrics").content.decode()

        assert 'bahi_audit_violated_rows{invariant="INV-02"} 1.0' in metrics
        assert "bahi_audit_violated 1.0" in metrics
        assert 32_400 <= float(metrics.split("\nbahi_whole_audit_age_seconds ")[1].split()[0]) < 33_000


class TestCommand:
    def test_checks_what_has_changed(self, orders: list[Order], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            call_command("audit", "--recent", "--keep", no_color=True)

        [run] = AuditRun.objects.all()
        assert run.started_at - run.since == RECENT
        assert run.violated["INV-08"] >= 1
        assert "INV-02" not in capsys.readouterr().out

    def test_says_from_when_on(self, reference_data: None, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("audit", "--recent", no_color=True)

        assert f"hold for what has changed since {format_instant(clock.now() - RECENT)[:6]}" in capsys.readouterr().out

    def test_keeps_no_part(self) -> None:
        with pytest.raises(CommandError, match="leave one out"):
            call_command("audit", "--only", "INV-02", "--keep")

        assert not AuditRun.objects.exists()


def test_old_rows_violate_nothing_that_is_about_single_orders(orders: list[Order]) -> None:
    report = audit.run(now=clock.now(), since=NEVER)

    # The events of these orders were never sent.
    assert [(result.invariant.id, result.error) for result in report.failing] == [("INV-38", "")]
    assert {"INV-08", "INV-38"} <= {result.invariant.id for result in audit.run(now=clock.now()).violated}


def test_each_condition_is_of_a_table() -> None:
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))

    assert set(RECENT_ROWS) <= tables

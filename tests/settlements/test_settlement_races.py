"""One report read by two at once, and by a reader that died: every line once, and nothing left lying. With its control."""

import csv
import io
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db import IntegrityError

from apps.core import clock, handler_runs, relay
from apps.core.events import SYSTEM, SubjectNotLocked
from apps.core.models import Event
from apps.ledger import selectors as ledger
from apps.ledger.models import ReconciliationException
from apps.payments.services import ledger_accounts
from apps.settlements import locks as settlement_locks
from apps.settlements.models import Settlement, SettlementImport, SettlementLine
from apps.settlements.services import reconciliation, report_imports
from apps.settlements.services.import_claims import CLAIM_TTL, ImportClaim, ImportInProgress
from apps.settlements.sql import report_lines
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.support.database_locks import wait_for_a_blocked_session
from tests.support.gateway_payments import make_orders_paid_at_gateway
from tests.support.settlements import counts, download, import_csv, load_truth, synthesise, violated
from tests.support.threads import run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race, pytest.mark.timeout(600)]

RECIPE: dict[str, Any] = {
    "lines": 1_000,
    "errors": {"amount_mismatch": 3, "fee_mismatch": 3, "missing_row": 3, "duplicated_row": 3, "unknown_payment": 2},
    "seed": 7,
}
#: INV-26 is left out where the captures were entered in bulk, without their postings.
INVARIANTS = ("INV-21", "INV-21b", "INV-21c", "INV-26b", "INV-28c")


@pytest.fixture
def report(reference_data: None, owner: Any, sandbox: Any) -> bytes:
    """A report of a thousand lines about money that we have, with fourteen errors in it."""
    make_registration()
    ledger_accounts.set_up_reference_data(now=clock.now())
    load_truth(make_order(owner), synthesise(sandbox, "truth", **RECIPE))
    return download(sandbox, "report", **RECIPE)


def expected(sandbox: Any) -> Counter[str]:
    return Counter(row["entity_id"] for row in synthesise(sandbox, "planted", **RECIPE))


def found() -> Counter[str]:
    return Counter(ReconciliationException.objects.values_list("entity_id", flat=True))


def test_one_file_read_by_two_at_once_is_booked_once(report: bytes, sandbox: Any) -> None:
    later = clock.now() + timedelta(days=6)
    results = run_together(*[lambda: import_csv(report, now=later)] * 2)

    done = SettlementImport.objects.get()
    assert done.status == "completed"
    assert {result.pk if isinstance(result, SettlementImport) else type(result) for result in results} <= {
        done.pk, ImportInProgress,
    }  # fmt: skip
    assert found() == expected(sandbox)
    assert (done.lines_added, done.exceptions_opened) == (SettlementLine.objects.count(), 14)
    assert Event.objects.filter(type="settlements.settlement_import.completed").count() == 1
    before = counts()
    assert import_csv(report, now=later).pk == done.pk
    assert counts() == before
    assert violated(*INVARIANTS) == []


def test_two_files_with_the_same_lines_read_at_once_are_booked_once(report: bytes, sandbox: Any) -> None:
    later = clock.now() + timedelta(days=6)
    other = report.replace(b"\n", b"\r\n")
    results = run_together(lambda: import_csv(report, now=later), lambda: import_csv(other, now=later))

    assert [getattr(result, "status", result) for result in results] == ["completed", "completed"]
    assert sum(result.lines_added for result in results) == SettlementLine.objects.count()
    assert sum(result.exceptions_opened for result in results) == 14
    assert found() == expected(sandbox)
    assert violated(*INVARIANTS) == []


def test_the_api_and_a_file_read_at_once_book_each_line_once(reference_data: None, owner: Any, sandbox: Any) -> None:
    make_registration()
    orders = make_orders_paid_at_gateway(owner, sandbox, 5)
    sandbox.control("POST", "/settlements/run", {"due_only": False})
    (settled,) = sandbox.control("GET", "/truth")["settlements"]
    url = f"{sandbox.url}/__sim__/settlements/report.csv"
    report = requests.get(url, params={"settlement_id": settled["id"]}, timeout=10).content
    now = clock.now()
    asked = reconciliation.request_settlement_import(day=clock.ist_date(now), actor=SYSTEM, now=now)

    results = run_together(
        lambda: reconciliation.import_settlements(import_id=asked.pk, now=now), lambda: import_csv(report, now=now)
    )

    assert [getattr(result, "status", result) for result in results] == ["completed", "completed"]
    settlement = Settlement.objects.get()
    assert (settlement.line_count, SettlementLine.objects.count()) == (5, 5)
    assert (settlement.amount, settlement.lines_amount) == (settled["amount"], settled["amount"])
    assert sum(result.lines_added for result in results) == 5
    assert ReconciliationException.objects.count() == 0
    assert ledger.balance_of("settlement_in_transit") == settled["amount"]
    assert ledger.balance_of("gateway_receivable:razorpay") == 0
    assert sum(order.total_amount for order in orders) > settled["amount"] > 0
    assert violated(*INVARIANTS, "INV-26") == []


def with_a_line_of_each_settlement(report: bytes, *, entity_id: str) -> bytes:
    """Return a report with one more line of each of its settlements, about a payment that nobody knows."""
    rows = list(csv.DictReader(io.StringIO(report.decode())))
    last = {row["settlement_id"]: row for row in rows if row["settlement_id"] and row["type"] == "payment"}
    more = [{**row, "entity_id": f"{entity_id}{number:08d}"} for number, row in enumerate(last.values())]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows([*rows, *more])
    return out.getvalue().encode()


def test_control_without_the_lock_one_of_two_readers_fails(report: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    both_have_read, readers = threading.Barrier(2), iter(range(2))

    def unlocked(*, gateway: str, gateway_settlement_id: str) -> Settlement | None:
        settlement = Settlement.objects.filter(gateway=gateway, gateway_settlement_id=gateway_settlement_id).first()
        if next(readers, None) is not None:
            both_have_read.wait(60)
        return settlement

    first, has_added, real = threading.Lock(), threading.Event(), report_lines.add_lines

    def meet(**values: Any) -> Any:
        """The first adds and commits only when the second is about to add the same and waits for it, however long that takes."""
        if not first.acquire(blocking=False):
            has_added.wait(60)
            return real(**values)
        added = real(**values)
        has_added.set()
        wait_for_a_blocked_session()
        return added

    # The settlements are known already, or the second would wait for the first where it makes them.
    known = {row["settlement_id"] for row in csv.DictReader(io.StringIO(report.decode()))} - {""}
    Settlement.objects.bulk_create(
        Settlement(gateway="razorpay", gateway_settlement_id=each, settled_at=clock.now(), currency="INR")
        for each in known
    )
    monkeypatch.setattr(settlement_locks, "lock_line_booking", lambda: None)
    monkeypatch.setattr(settlement_locks, "lock_settlement", unlocked)
    monkeypatch.setattr(report_lines, "add_lines", meet)
    # Each has a line of every settlement that the other one does not have: whoever comes second has something to add.
    one, other = (with_a_line_of_each_settlement(report, entity_id=name) for name in ("pay_Only1", "pay_Only2"))
    results = run_together(lambda: import_csv(one), lambda: import_csv(other))

    # It depends on what the second one writes first: the lines, or the settlement whose version has moved on.
    assert {IntegrityError, SubjectNotLocked} & {type(result) for result in results}
    assert SettlementImport in [type(result) for result in results]


# Readers that died ----------------------------------------------------------------------------------------------------


def begin_and_die(report: SettlementImport, *, now: Any) -> None:
    """Claim a report as a worker does that is then killed."""
    ImportClaim(report, now=now).take()


def test_what_a_dead_reader_left_is_free_before_the_relay_gives_up(reference_data: None, owner: Any) -> None:
    """The last of a handler run's starts comes when the claim of one that died in the first is over."""
    last_start = relay.RESEND_AFTER + sum(handler_runs.BACKOFF[1:], timedelta())
    assert last_start > CLAIM_TTL


def test_the_report_of_a_dead_reader_is_asked_for_again(reference_data: None, owner: Any) -> None:
    now = clock.now()
    day = clock.ist_date(now)
    asked = reconciliation.request_settlement_import(day=day, actor=SYSTEM, now=now)
    begin_and_die(asked, now=now)

    def requested() -> int:
        return Event.objects.filter(type="settlements.settlement_import.requested").count()

    soon, late = now + timedelta(seconds=30), now + timedelta(hours=6)
    assert reconciliation.request_settlement_import(day=day, actor=SYSTEM, now=soon).pk == asked.pk
    assert requested() == 1
    again = reconciliation.request_settlement_import(day=day, actor=SYSTEM, now=late)
    assert (again.pk, again.status, again.claimed_until, requested()) == (asked.pk, "waiting", None, 2)
    reconciliation.request_settlement_import(day=day, actor=SYSTEM, now=late)
    assert requested() == 2


def test_a_report_that_was_completed_meanwhile_is_not_completed_again(report: bytes, monkeypatch: Any) -> None:
    stale = import_csv(report)
    stale.status = "waiting"

    done = report_imports._import(stale, stream=io.BytesIO(report), now=clock.now(), on_progress=None)

    assert (done.pk, done.status) == (stale.pk, "completed")
    assert Event.objects.filter(type="settlements.settlement_import.completed").count() == 1

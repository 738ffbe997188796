"""`import_settlements` and `reconcile` against the sandbox: a report by API and by webhook, and two books that agree."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pgtrigger
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.ledger.models import ReconciliationException
from apps.payments.facts import GatewayError
from apps.payments.gateways.interface import GatewayOutcomeUnknown
from apps.payments.models import Dispute, PaymentAttempt, Refund
from apps.payments.services import gateway_orders, ledger_accounts, payments, polling, webhooks
from apps.payments.services.refunds import requests, submission
from apps.settlements import handlers
from apps.settlements.models import Settlement, SettlementImport, SettlementLine
from apps.settlements.services import import_claims, reconciliation, report_imports, sandbox_diff
from tests.factories.orders import make_order
from tests.factories.payments import make_payment
from tests.support.settlements import violated

pytestmark = pytest.mark.django_db


@pytest.fixture
def settled(sandbox: Any, order: Any, settings: Any) -> Any:
    """The order was paid at the sandbox, which has paid it out."""
    settings.SANDBOX_URL = sandbox.url
    ledger_accounts.set_up_reference_data(now=clock.now())
    payment = payments.start_payment(order_id=order.pk, customer_id=order.customer_id, actor=SYSTEM, now=clock.now())
    gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())
    payment.refresh_from_db()
    sandbox.control("POST", f"/orders/{payment.gateway_order_id}/checkout", {"outcome": "success", "method": "card"})
    polling.sync_payment(payment_id=payment.pk, now=clock.now())
    return sandbox


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def outcome(*arguments: str) -> tuple[int, str]:
    out, code = StringIO(), 0
    try:
        call_command(*arguments, stdout=out, stderr=StringIO(), no_color=True)
    except SystemExit as end:
        code = int(str(end.code))
    return code, out.getvalue()


def test_a_report_by_api_is_booked_and_checked_against_the_transfer(settled: Any) -> None:
    settled.control("POST", "/settlements/run", {})

    assert "1 line added. No exception was opened." in run("import_settlements")
    assert "0 lines added. No exception was opened." in run("import_settlements")

    settlement = Settlement.objects.get()
    assert settlement.amount == settlement.lines_amount > 0
    assert violated("INV-21", "INV-21b", "INV-21c", "INV-26", "INV-26b", "INV-28c") == []


def test_a_sum_that_is_too_small_is_found_by_api(settled: Any) -> None:
    settled.control("POST", "/settlements/run", {"errors": {"sum_mismatch": 1}})

    code, text = outcome("import_settlements", "--json")

    assert (code, json.loads(text)["open_exceptions"]) == (1, {"sum_mismatch": 1})

    assert ReconciliationException.objects.get().reason == "sum_mismatch"
    assert SettlementLine.objects.get().problem == ""


def test_the_books_agree_with_the_sandbox_once_everything_was_asked(settled: Any) -> None:
    settled.control("POST", "/settlements/run", {})

    code, text = outcome("reconcile", "--against-sandbox", "--json")

    told = json.loads(text)
    assert (code, told["holds"], told["differences"]) == (0, True, [])
    assert (told["reports"], told["new_lines"], told["unanswered"], told["not_attempted"]) == (2, 1, 0, 0)
    assert Settlement.objects.get().amount is not None


def test_everything_that_is_open_is_asked_about(settled: Any, order: Any) -> None:
    attempt = PaymentAttempt.objects.get(status="captured")
    (refund,) = requests.request_refund_by_amount(
        order_id=order.pk, amount=10_000, reason="other", actor=SYSTEM, now=clock.now()
    )
    submission.submit_refund(refund_id=refund.pk, now=clock.now())
    left = attempt.amount - refund.amount
    settled.control(
        "POST", "/disputes", {"payment_id": attempt.gateway_payment_id, "amount": left, "deduct_at_onset": True}
    )

    code, text = outcome("reconcile", "--since", "2020-01-01", "--against-sandbox", "--json")

    told = json.loads(text)
    assert (code, told["differences"]) == (0, [])
    assert (told["payments"], told["refunds"], told["disputes"], told["new_disputes"]) == (1, 1, 1, 1)
    assert Dispute.objects.get().amount_deducted == left


def _plant_payment(_: Any) -> None:
    PaymentAttempt.objects.filter(status="captured").update(amount=1)


def _plant_fee(_: Any) -> None:
    PaymentAttempt.objects.filter(status="captured").update(fee_amount=1)


def _plant_refund(_: Any) -> None:
    Refund.objects.update(gateway_refund_id="rfnd_of_nobody")


def _plant_dispute(_: Any) -> None:
    Dispute.objects.update(status="lost")


def _plant_settlement(_: Any) -> None:
    Settlement.objects.update(amount=1)


@pytest.mark.parametrize(
    ("kind", "plant", "count"),
    [
        ("payment", _plant_payment, 1),
        ("fee", _plant_fee, 1),
        ("refund", _plant_refund, 2),  # ours that they do not know, and theirs that we do not
        ("dispute", _plant_dispute, 1),
        ("settlement", _plant_settlement, 1),
    ],
)
def test_a_planted_difference_of_each_kind_is_found(
    settled: Any, order: Any, kind: str, plant: Any, count: int
) -> None:
    attempt = PaymentAttempt.objects.get(status="captured")
    (refund,) = requests.request_refund_by_amount(
        order_id=order.pk, amount=10_000, reason="other", actor=SYSTEM, now=clock.now()
    )
    submission.submit_refund(refund_id=refund.pk, now=clock.now())
    settled.control("POST", "/disputes", {"payment_id": attempt.gateway_payment_id})
    settled.control("POST", "/settlements/run", {})
    reconciliation.reconcile(now=clock.now(), since=clock.now() - timedelta(days=1))
    assert sandbox_diff.compare_with_sandbox() == []

    with pgtrigger.ignore():
        plant(settled)

    found = sandbox_diff.compare_with_sandbox()
    assert [one.kind for one in found] == [kind] * count
    assert all(one.ours != one.theirs for one in found)


def test_what_the_gateway_alone_knows_is_a_difference(settled: Any) -> None:
    with pgtrigger.ignore():
        PaymentAttempt.objects.filter(status="captured").update(gateway_payment_id="pay_of_nobody")

    code, text = outcome("reconcile", "--against-sandbox")

    assert code == 1
    assert "payment pay_of_nobody: ours captured" in text
    assert "theirs nothing" in text
    assert "ours nothing, theirs captured" in text


def test_a_gateway_that_does_not_answer_is_said_and_not_waited_for(
    settled: Any, owner: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.settlements.services.reconciliation._MAX_FAILURES_PER_ROUND", 2)
    for _ in range(4):
        make_payment(make_order(owner))
    asked: list[Any] = []
    monkeypatch.setattr(
        "apps.settlements.services.reconciliation.payment_services.sync_payment",
        lambda **which: asked.append(which["payment_id"]) or False,
    )

    code, text = outcome("reconcile", "--json")

    told = json.loads(text)
    assert (code, told["holds"], len(asked)) == (1, False, 2)
    assert (told["payments"], told["unanswered"], told["not_attempted"]) == (2, 2, 2)


def test_days_whose_report_was_not_asked_for_are_counted(settled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.settlements.services.reconciliation._MAX_FAILURES_PER_ROUND", 2)
    monkeypatch.setattr("apps.settlements.services.reconciliation._read_report", lambda *_, **__: None)
    now = clock.now()
    monkeypatch.setattr(
        "apps.settlements.services.reconciliation.payments.first_captured_at", lambda: now - timedelta(days=9)
    )

    result = reconciliation.reconcile(now=now, since=now - timedelta(days=5))

    # Six days with today: two are asked for without an answer, and the others are left out.
    assert (result.reports, result.unanswered, result.not_attempted) == (2, 2, 4)


def test_many_rows_are_walked_some_at_a_time(owner: Any, settled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.settlements.services.reconciliation._BATCH_SIZE", 2)
    made = {make_payment(make_order(owner)).pk for _ in range(5)}
    asked: list[Any] = []
    monkeypatch.setattr(
        "apps.settlements.services.reconciliation.payment_services.sync_payment",
        lambda **which: asked.append(which["payment_id"]),
    )

    reconciliation.reconcile(now=clock.now())

    assert len(asked) == len(set(asked))
    assert made <= set(asked)


def test_a_report_that_the_gateway_does_not_give_is_said_without_a_traceback(
    settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise GatewayOutcomeUnknown(GatewayError(code="NO_ANSWER", description="the line is dead"))

    monkeypatch.setattr("apps.payments.gateways.razorpay.adapter.Razorpay.list_settlement_rows", away)

    with pytest.raises(CommandError, match="the line is dead") as failure:
        run("import_settlements")
    assert failure.value.returncode == 2
    assert SettlementImport.objects.get().status == "failed"

    monkeypatch.undo()
    assert "No exception was opened." in run("import_settlements")


def test_a_worker_that_was_quicker_is_waited_for(settled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_by_a_worker(*, import_id: Any, **_: Any) -> Any:
        SettlementImport.objects.filter(pk=import_id).update(
            status="completed", lines_added=7, completed_at=clock.now()
        )
        raise import_claims.ImportInProgress

    monkeypatch.setattr(report_imports, "import_settlements", read_by_a_worker)

    assert "7 lines added. No exception was opened." in run("import_settlements")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["reconcile", "--since", "yesterday"], "'yesterday' is not a time; write 2026-11-20"),
        (["reconcile", "--since", "2199-01-01"], "is in the future"),
        (["import_settlements", "--date", "24/11/2026"], "'24/11/2026' is not a date; write it as 2026-11-20"),
        (["import_settlements", "--date", "2199-01-01"], "There is no report of 2199-01-01 yet"),
        (["import_settlements", "--date", "0001-01-01"], "'0001-01-01' is not between 2000 and 2199"),
        (["import_settlements", "--date", "2026-W47-6"], "'2026-W47-6' is not a date; write it as 2026-11-20"),
        (["import_settlements", "--csv", "/nowhere/report.csv"], "/nowhere/report.csv cannot be read: No such file"),
    ],
)
def test_what_cannot_be_read_is_said(arguments: list[str], says: str, db: None) -> None:
    with pytest.raises(CommandError, match=says):
        run(*arguments)


@pytest.mark.parametrize(
    ("failure", "code", "says"),
    [
        (OperationalError("connection refused\nIs the server running?"), 2, "The database does not answer"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_a_dead_database_and_ctrl_c_end_it_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, failure: BaseException, code: int, says: str
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise failure

    monkeypatch.setattr(reconciliation, "reconcile", fail)

    with pytest.raises((CommandError, SystemExit)) as ended:
        run("reconcile")
    assert getattr(ended.value, "returncode", None) or ended.value.code == code  # type: ignore[union-attr]
    assert says in str(ended.value)
    assert "Is the server running" not in str(ended.value)


def test_without_a_sandbox_there_is_nothing_to_compare_with(settled: Any, settings: Any) -> None:
    settings.SANDBOX_URL = ""
    with pytest.raises(CommandError, match="SANDBOX_URL is not set"):
        run("reconcile", "--against-sandbox")
    with pytest.raises(sandbox_diff.SandboxNotConfigured):
        sandbox_diff.compare_with_sandbox()


def test_a_webhook_of_a_settlement_asks_for_its_report(settled: Any) -> None:
    from tests.support.webhooks import receive

    now = clock.now()
    entity = {"id": "setl_00000000000009", "entity": "settlement", "amount": 5, "created_at": int(now.timestamp())}
    body = {"event": "settlement.processed", "contains": ["settlement"], "payload": {"settlement": {"entity": entity}}}
    webhook = receive(json.dumps(body).encode())
    webhooks.process_webhook(webhook_id=webhook.pk, now=now)

    webhook.refresh_from_db()
    assert webhook.outcome == "processed"
    [event] = Event.objects.filter(type="payments.settlement.reported")
    assert event.subject_id == webhook.pk
    assert not SettlementImport.objects.exists()

    handlers.request_reported_settlement(event=event, now=now)
    handlers.request_reported_settlement(event=event, now=now)

    report = SettlementImport.objects.get()
    assert (report.day, report.status) == (clock.ist_date(now), "waiting")
    report_imports.run_import_if_waiting(import_id=report.pk, now=now)
    report.refresh_from_db()
    assert report.status == "completed"

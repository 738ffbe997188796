"""`import_settlements` and `reconcile` against the sandbox: a report by API and by webhook, and two books that agree."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.core import clock
from apps.core.events import SYSTEM
from apps.payments import services
from apps.payments.models import ReconciliationException, Settlement, SettlementImport, SettlementLine
from tests.payments.test_settlements import violated

pytestmark = pytest.mark.django_db


@pytest.fixture
def settled(sandbox: Any, order: Any, settings: Any) -> Any:
    """The order was paid at the sandbox, which has paid it out."""
    settings.SANDBOX_URL = sandbox.url
    services.set_up_reference_data(now=clock.now())
    payment = services.start_payment(order_id=order.pk, customer_id=order.customer_id, actor=SYSTEM, now=clock.now())
    services.create_gateway_order(payment_id=payment.pk, now=clock.now())
    payment.refresh_from_db()
    sandbox.control("POST", f"/orders/{payment.gateway_order_id}/checkout", {"outcome": "success", "method": "card"})
    services.sync_payment(payment_id=payment.pk, now=clock.now())
    return sandbox


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_a_report_by_api_is_booked_and_checked_against_the_transfer(settled: Any) -> None:
    settled.control("POST", "/settlements/run", {})

    assert "1 lines added, 0 exceptions opened" in run("import_settlements")
    assert "0 lines added, 0 exceptions opened" in run("import_settlements")

    settlement = Settlement.objects.get()
    assert settlement.amount == settlement.lines_amount > 0
    assert violated("INV-21", "INV-21b", "INV-21c", "INV-26", "INV-26b", "INV-28c") == []


def test_a_sum_that_is_too_small_is_found_by_api(settled: Any) -> None:
    settled.control("POST", "/settlements/run", {"errors": {"sum_mismatch": 1}})

    run("import_settlements")

    assert ReconciliationException.objects.get().reason == "sum_mismatch"
    assert SettlementLine.objects.get().problem == ""


def test_the_books_agree_with_the_sandbox_and_a_lack_is_told(settled: Any) -> None:
    settled.control("POST", "/settlements/run", {})
    with pytest.raises(SystemExit):
        run("reconcile", "--against-sandbox", "--json")

    run("import_settlements")
    told = json.loads(run("reconcile", "--against-sandbox", "--json", "--since", "2020-01-01"))

    assert (told["holds"], told["differences"], told["settlements"]) == (True, [], 1)


def test_without_a_sandbox_there_is_nothing_to_compare_with(settled: Any, settings: Any) -> None:
    settings.SANDBOX_URL = ""
    with pytest.raises(CommandError, match="SANDBOX_URL is not set"):
        run("reconcile", "--against-sandbox")


def test_a_webhook_of_a_settlement_asks_for_its_report(settled: Any) -> None:
    from tests.payments.test_webhooks import receive

    now = clock.now()
    entity = {"id": "setl_00000000000009", "entity": "settlement", "amount": 5, "created_at": int(now.timestamp())}
    body = {"event": "settlement.processed", "contains": ["settlement"], "payload": {"settlement": {"entity": entity}}}
    webhook = receive(json.dumps(body).encode())
    services.process_webhook(webhook_id=webhook.pk, now=now)

    webhook.refresh_from_db()
    assert webhook.outcome == "processed"
    report = SettlementImport.objects.get()
    assert (report.day, report.status) == (clock.ist_date(now), "waiting")
    services.import_requested_settlements(import_id=report.pk, now=now)
    report.refresh_from_db()
    assert report.status == "completed"

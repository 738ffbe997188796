"""`manage.py order replay --all`: whatever makes news is what its events say, and a difference in any kind of row is found."""

import json
from io import StringIO
from typing import Any

import pgtrigger
import pytest
from django.core.management import call_command
from django.db import connection

from apps.backoffice.services import event_replay
from apps.core import clock
from apps.core.events import SYSTEM
from apps.invoicing.models import Invoice
from apps.ledger.models import ReconciliationException
from apps.orders.models import Order
from apps.payments.models import Dispute, Payment, PaymentAttempt, Refund
from apps.payments.services import gateway_orders, payments, polling
from apps.payments.services.refunds import requests, submission
from apps.settlements.models import Settlement, SettlementImport
from apps.settlements.services import reconciliation
from tests.factories.invoicing import issue_credit_note, issue_invoice
from tests.factories.orders import make_order
from tests.factories.payments import apply_refund

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]


@pytest.fixture
def world(owner: Any, sandbox: Any) -> Any:
    """An order that was paid at the sandbox, invoiced, partly refunded and credited, disputed, and settled with an exception."""
    order = make_order(owner, quantity=2)
    payment = payments.start_payment(order_id=order.pk, customer_id=owner.pk, actor=SYSTEM, now=clock.now())
    gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())
    payment.refresh_from_db()
    sandbox.control("POST", f"/orders/{payment.gateway_order_id}/checkout", {"outcome": "success", "method": "card"})
    polling.sync_payment(payment_id=payment.pk, now=clock.now())
    issue_invoice(order_id=order.pk, actor=SYSTEM, now=clock.now())
    (refund,) = requests.request_refund_by_amount(
        order_id=order.pk, amount=10_000, reason="other", actor=SYSTEM, now=clock.now()
    )
    submission.submit_refund(refund_id=refund.pk, now=clock.now())
    apply_refund(refund)
    issue_credit_note(refund_id=refund.pk, actor=SYSTEM, now=clock.now())
    attempt = PaymentAttempt.objects.get(status="captured")
    sandbox.control("POST", "/disputes", {"payment_id": attempt.gateway_payment_id})
    sandbox.control("POST", "/settlements/run", {"errors": {"sum_mismatch": 1}})
    reconciliation.reconcile(now=clock.now())
    return order


def run(*arguments: str) -> tuple[int, str]:
    out, code = StringIO(), 0
    try:
        call_command("order", "replay", *arguments, stdout=out, stderr=StringIO(), no_color=True)
    except SystemExit as end:
        code = int(str(end.code))
    return code, out.getvalue()


def test_replay_of_an_order_matches_its_rows(world: Any) -> None:
    code, text = run("--all", "--json")

    told = json.loads(text)
    assert (code, told["holds"], told["differences"], told["difference_count"]) == (0, True, [], 0)
    assert {kind for kind, count in told["rows"].items() if count} == {
        "orders", "payments", "attempts", "refunds", "disputes", "documents", "settlements", "imports", "exceptions",
    }  # fmt: skip
    assert told["rows"]["documents"] == 2
    assert run(world.number)[0] == 0


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        (Order, "refunded_amount", 1),
        (Payment, "amount", 100),
        (PaymentAttempt, "rrn", "000000000000"),
        (Refund, "status", "failed"),
        (Dispute, "reason_code", "another"),
        (Invoice, "order_number", "ORD-0000-000000"),
        (Settlement, "utr", "ANOTHER"),
        (SettlementImport, "lines_added", 77),
        (ReconciliationException, "note", "nobody said so"),
    ],
)
def test_a_difference_in_each_kind_of_row_is_found(world: Any, model: Any, field: str, value: Any) -> None:
    connection.check_constraints()
    row = model.objects.order_by("-pk").first()
    with pgtrigger.ignore():
        model.objects.filter(pk=row.pk).update(**{field: value})

    code, text = run("--all", "--json")

    told = json.loads(text)
    assert (code, told["difference_count"]) == (1, 1)
    (found,) = told["differences"]
    assert (found["subject"], found["id"], found["field"]) == (model._meta.label_lower, row.public_id, field)
    assert (found["stored"], found["replayed"]) == (value, getattr(row, field))
    belongs_to_none = model in (Settlement, SettlementImport, ReconciliationException)
    assert found["order"] == ("" if belongs_to_none else world.number)


def test_differences_above_the_limit_are_only_counted(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        make_order(owner)
    Order.objects.update(place_of_supply_reason="changed")
    monkeypatch.setattr("apps.backoffice.services.event_replay.MAX_DIFFERENCES_KEPT", 2)

    replay = event_replay.replay_everything()

    assert (replay.difference_count, len(replay.differences), replay.is_consistent) == (4, 2, False)

"""`manage.py ledger`: trial balance, statement, and an order's story."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.core import clock
from apps.ledger.models import LedgerEntry
from apps.ledger.selectors import balance_of
from apps.ledger.services import checkpoints
from apps.payments.services import ledger_accounts
from tests.factories.orders import make_order
from tests.factories.payments import pay

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(owner: Any) -> Any:
    order = make_order(owner)
    pay(order)
    return order


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("ledger", *arguments, stdout=out, no_color=True)
    return out.getvalue()


def test_the_trial_balance_balances(paid: Any) -> None:
    data = json.loads(run("--json"))
    amounts = {account["code"]: account["amount"] for account in data["accounts"]}

    assert (data["sum"], data["balances"]) == (0, True)
    assert amounts["gateway_receivable:razorpay"] == paid.total_amount
    assert amounts["customer_advances"] == -paid.total_amount
    assert "the books balance." in run()


def test_a_trial_balance_that_is_out_fails(paid: Any) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET session_replication_role = replica")
        try:
            LedgerEntry.objects.filter(account_id="customer_advances").update(amount=-1)
        finally:
            cursor.execute("SET session_replication_role = DEFAULT")

    with pytest.raises(SystemExit):
        run()


def test_a_statement_runs_the_balance_along(owner: Any, paid: Any) -> None:
    other = make_order(owner)
    pay(other)

    data = json.loads(run("--account", "customer_advances", "--json"))
    assert [entry["balance"] for entry in data["entries"]] == [
        -paid.total_amount,
        -paid.total_amount - other.total_amount,
    ]
    last = json.loads(run("--account", "customer_advances", "--last", "1", "--json"))
    assert (last["opening"], last["balance"]) == (-paid.total_amount, data["balance"])
    assert len(last["entries"]) == 1
    assert [sorted(entry) for entry in data["entries"]] == [["amount", "at", "balance", "description", "kind"]] * 2
    assert "customer_advances holds" in run("--account", "customer_advances")
    assert json.loads(run("--account", "bank", "--last", "5", "--json"))["entries"] == []


def test_the_trial_balance_is_one_statement_with_and_without_checkpoints(
    paid: Any, owner: Any, count_queries: Any
) -> None:
    checkpoints.checkpoint_balances(now=clock.now())
    pay(make_order(owner))
    with count_queries() as queries:
        data = json.loads(run("--json"))

    assert len(queries) == 1
    assert data["sum"] == 0
    held = {account["code"]: account["amount"] for account in data["accounts"]}
    assert held == {code: balance_of(code) for code in held}
    assert held["bank"] == 0


def test_shows_the_history_of_an_order(paid: Any) -> None:
    history = json.loads(run("--order", paid.number, "--json"))

    assert list(history) == ["order", "events", "payments", "attempts", "refunds", "disputes", "ledger", "documents"]
    assert (history["order"]["number"], history["order"]["paid_amount"]) == (paid.number, paid.total_amount)
    assert history["events"][0]["type"] == "orders.order.placed"
    assert [(one["status"], one["amount"]) for one in history["attempts"]] == [("captured", paid.total_amount)]
    assert sum(entry["amount"] for entry in history["ledger"]) == 0
    text = run("--order", paid.number.lower())
    assert "disputes (0)" in text
    assert "events (" in text
    assert text.endswith("The order's postings balance.\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--account", "nonsense"], "The ledger has no account nonsense. `ledger` lists the accounts."),
        (["--account", "customer_advance"], "Did you mean customer_advances?"),
        (["--account", "bnak"], "Did you mean bank?"),
        (["--order", "ORD-1"], "There is no such order. Numbers look like"),
        (["--last", "3"], "goes with --account"),
    ],
)
def test_unknown_account_and_order_are_reported(reference_data: None, arguments: list[str], says: str) -> None:
    ledger_accounts.set_up_reference_data(now=None)  # type: ignore[arg-type]

    with pytest.raises(CommandError, match=says):
        run(*arguments)

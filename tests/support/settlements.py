"""Settlement reports for tests: made by the sandbox or by hand, read in, and what became of them."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import requests
from django.db import connection

from apps.core import audit, clock, ids
from apps.core.events import SYSTEM
from apps.ledger.models import LedgerEntry, LedgerTransaction, ReconciliationException
from apps.payments.models import PaymentAttempt, Refund
from apps.settlements.models import Settlement, SettlementImport, SettlementLine, SettlementReportRow
from apps.settlements.services import report_imports
from tests.factories.payments import make_payment

HEADER = (
    "entity_id,type,debit,credit,amount,currency,fee,tax,settled,created_at,settled_at,settlement_id,settlement_utr,"
    "payment_id,dispute_id,credit_type,description"
)


def synthesise(sandbox: Any, what: str, **body: Any) -> list[dict[str, str]]:
    """Return the rows of a large report that the sandbox makes up."""
    return list(csv.DictReader(io.StringIO(download(sandbox, what, **body).decode())))


def download(sandbox: Any, what: str, **body: Any) -> bytes:
    """Return a large report that the sandbox makes up, or the list of its errors, as CSV."""
    answer = requests.post(f"{sandbox.url}/__sim__/settlements/synthesise", json={"what": what, **body}, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer.content


def load_truth(order: Any, rows: list[dict[str, str]]) -> None:
    """Enter what a report contains as if it had happened here: in bulk, with its postings, for one order."""
    now = clock.now()
    payment = make_payment(order)
    attempts = {}
    for row in rows:
        if row["type"] == "payment":
            at = datetime.fromtimestamp(int(row["created_at"]), tz=UTC)
            attempts[row["entity_id"]] = PaymentAttempt(
                payment=payment, gateway_payment_id=row["entity_id"], status="captured", amount=int(row["amount"]),
                currency="INR", fee_amount=int(row["fee"]), fee_tax_amount=int(row["tax"]), source="poll",
                authorized_at=at, captured_at=at, version=1, review_reason="amount_mismatch", review_opened_at=at,
            )  # fmt: skip
    PaymentAttempt.objects.bulk_create(attempts.values(), batch_size=5_000)
    load_refunds(order, payment, attempts, rows, now)
    connection.check_constraints()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE payments_paymentattempt, payments_refund")


def load_refunds(order: Any, payment: Any, attempts: Any, rows: Any, now: datetime) -> None:
    """Enter the refunds of a report in bulk."""
    refunds = [row for row in rows if row["type"] == "refund"]
    Refund.objects.bulk_create(
        [
            Refund(
                number=f"{order.number}-R{number}", order=order, payment=payment, attempt=attempts[row["payment_id"]],
                sequence=number, amount=int(row["amount"]), status="processed", reason="other", version=1,
                gateway_refund_id=row["entity_id"], idempotency_key=str(ids.new()), requested_by="system",
                processed_at=now,
            )
            for number, row in enumerate(refunds, 1)
        ],
        batch_size=5_000,
    )  # fmt: skip


def import_csv(report: bytes, *, now: datetime | None = None, on_progress: Any = None) -> SettlementImport:
    """Import a report as an operator does."""
    return report_imports.import_settlement_file(
        stream=io.BytesIO(report), name="report.csv", actor=SYSTEM, now=now or clock.now(), on_progress=on_progress
    )


def counts() -> dict[str, int]:
    """Return how many rows of settlements and of the ledger there are."""
    models = (Settlement, SettlementLine, ReconciliationException, LedgerTransaction, LedgerEntry, SettlementReportRow)
    return {model.__name__: model.objects.count() for model in models}


def violated(*only: str) -> list[str]:
    """Return the ids of the violated invariants; fail if one cannot be checked."""
    report = audit.run(now=clock.now(), only=only)
    assert [(result.invariant.id, result.error) for result in report.results if result.error] == []
    return [result.invariant.id for result in report.failing]


def line(entity_id: str, kind: str = "payment", **overrides: Any) -> dict[str, Any]:
    """Return a line of a report with the columns of the API."""
    at = int(clock.now().timestamp())
    return {
        "entity_id": entity_id, "type": kind, "debit": 0, "credit": 0, "amount": 0, "currency": "INR", "fee": 0, "tax": 0,
        "settled": "true", "created_at": at, "settled_at": at + 60, "settlement_id": "setl_00000000000001",
        "settlement_utr": "UTR1", "payment_id": "", "dispute_id": "", "credit_type": "default", "description": "", **overrides,
    }  # fmt: skip


def line_of(attempt: PaymentAttempt, **overrides: Any) -> dict[str, Any]:
    """Return the line that settles an attempt, as the gateway would report it."""
    fee = attempt.fee_amount
    values = {"amount": attempt.amount, "credit": attempt.amount - fee, "fee": fee, "tax": attempt.fee_tax_amount}
    return line(attempt.gateway_payment_id, **{**values, **overrides})


def as_csv(*lines: dict[str, Any]) -> bytes:
    """Return a report of these lines."""
    return "\n".join([HEADER, *(",".join(str(one[name]) for name in HEADER.split(",")) for one in lines), ""]).encode()


def amounts(posting: LedgerTransaction) -> dict[str, int]:
    """Return the amount by account (paise) of a posting."""
    return {entry.account_id: entry.amount for entry in posting.entries.all()}


def found() -> list[tuple[str, str, int]]:
    """Return reason, id at the gateway and held amount of each exception, oldest first."""
    rows = ReconciliationException.objects.order_by("pk")
    return list(rows.values_list("reason", "entity_id", "held_amount"))

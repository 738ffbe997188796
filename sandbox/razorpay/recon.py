"""The lines of the combined reconciliation report, the errors that can be planted in them, and their CSV form."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sandbox.razorpay.bankdays import IST
from sandbox.razorpay.entities import Adjustment, Notes, Refund, Settlement
from sandbox.razorpay.state import Order, Payment

COLUMNS = (
    "entity_id",
    "type",
    "debit",
    "credit",
    "amount",
    "currency",
    "fee",
    "tax",
    "on_hold",
    "settled",
    "created_at",
    "settled_at",
    "settlement_id",
    "posted_at",
    "credit_type",
    "description",
    "notes",
    "payment_id",
    "settlement_utr",
    "order_id",
    "order_receipt",
    "method",
    "card_network",
    "card_issuer",
    "card_type",
    "dispute_id",
)
ERRORS = {
    "amount_mismatch": "a payment's amount and credit are one rupee too high; the settlement's amount agrees with them",
    "fee_mismatch": "a payment's fee is one rupee higher than it was told with the payment; the credit agrees with it",
    "credit_mismatch": "a payment's credit is one rupee less than amount minus fee; the settlement's amount agrees",
    "missing_row": "a line is left out, though the settlement's amount has it",
    "duplicated_row": "a line comes twice, though the settlement's amount has it once",
    "unknown_payment": "a line of a payment that nobody made; the settlement's amount has it",
    "sum_mismatch": "the settlement's amount is one rupee less than its lines",
}
_OFF_BY = 100


def notes_in_report(notes: Notes) -> str | None:
    """Return notes as the report has them: JSON in a text, or nothing."""
    return json.dumps(notes, separators=(",", ":"), ensure_ascii=False) if notes else None


def _line(**fields: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row.update(debit=0, credit=0, currency="INR", fee=0, tax=0, on_hold=False, settled=True, credit_type="default")
    row.update(fields)
    return row


def _stamp(settlement: Settlement) -> dict[str, Any]:
    return {
        "settlement_id": settlement.id,
        "settlement_utr": settlement.utr,
        "settled_at": settlement.created_at,
    }


def _source(payment: Payment, order: Order | None) -> dict[str, Any]:
    card = payment.card or {}
    return {
        "order_id": payment.order_id,
        "order_receipt": order.receipt if order is not None else None,
        "method": payment.method,
        "card_network": card.get("network"),
        "card_issuer": card.get("issuer"),
        "card_type": card.get("type"),
    }


def payment_line(
    settlement: Settlement, payment: Payment, order: Order | None, *, by_fee_credits: bool = False
) -> dict[str, Any]:
    """Return a payment's line; what prepaid fee credits pay of its fee is not taken off."""
    fee = payment.fee or 0
    return _line(
        entity_id=payment.id,
        type="payment",
        amount=payment.amount,
        credit=payment.amount if by_fee_credits else payment.amount - fee,
        credit_type="fee" if by_fee_credits else "default",
        fee=fee,
        tax=payment.tax or 0,
        created_at=payment.created_at,
        description=payment.description,
        notes=notes_in_report(payment.notes),
        **_source(payment, order),
        **_stamp(settlement),
    )


def refund_line(settlement: Settlement, refund: Refund, payment: Payment, order: Order | None) -> dict[str, Any]:
    return _line(
        entity_id=refund.id,
        type="refund",
        amount=refund.amount,
        debit=refund.amount,
        created_at=refund.created_at,
        notes=notes_in_report(refund.notes),
        payment_id=payment.id,
        **_source(payment, order),
        **_stamp(settlement),
    )


def adjustment_line(settlement: Settlement, adjustment: Adjustment) -> dict[str, Any]:
    return _line(
        entity_id=adjustment.id,
        type=adjustment.kind,
        amount=abs(adjustment.amount + adjustment.fee),
        debit=max(0, -adjustment.amount),
        credit=max(0, adjustment.amount),
        fee=adjustment.fee,
        tax=adjustment.tax,
        credit_type=adjustment.credit_type,
        created_at=adjustment.created_at,
        description=adjustment.description,
        payment_id=adjustment.payment_id,
        dispute_id=adjustment.dispute_id,
        **_stamp(settlement),
    )


def net(rows: Iterable[dict[str, Any]]) -> int:
    """Return credits minus debits in paise."""
    return sum(row["credit"] - row["debit"] for row in rows)


def spread(errors: dict[str, int], rows: list[dict[str, Any]], *, seed: str) -> list[tuple[str, str]]:
    """Choose lines of payments for the errors, each line for one at most; return pairs of kind and entity id."""
    ids = [row["entity_id"] for row in rows if row["type"] == "payment"]
    kinds = [kind for kind, count in errors.items() for _ in range(count) if kind != "sum_mismatch"]
    chosen = random.Random(seed).sample(ids, min(len(ids), len(kinds)))
    pairs = list(zip(kinds, chosen, strict=False))
    return pairs + [("sum_mismatch", "")] * errors.get("sum_mismatch", 0)


def plant(settlement: Settlement, rows: list[dict[str, Any]], errors: Iterable[tuple[str, str]]) -> None:
    """Give a settlement its lines and its amount, with errors in them; `planted` then says what is wrong where."""
    reported = list(rows)
    transferred = net(rows)
    for kind, entity_id in errors:
        note: dict[str, Any] = {"kind": kind, "settlement_id": settlement.id, "entity_id": entity_id or settlement.id}
        if kind == "sum_mismatch":
            transferred -= _OFF_BY
            settlement.planted.append(note)
            continue
        index = next(i for i, row in enumerate(reported) if row["entity_id"] == entity_id)
        transferred += _spoil(reported, index, kind, note)
        settlement.planted.append(note)
    settlement.rows = reported
    settlement.lines = len(reported)
    settlement.amount = transferred
    settlement.fees = sum(row["fee"] for row in reported)
    settlement.tax = sum(row["tax"] for row in reported)


def _spoil(rows: list[dict[str, Any]], index: int, kind: str, note: dict[str, Any]) -> int:
    """Spoil one line; return by how many paise that changes what is transferred."""
    row = dict(rows[index])
    if kind == "missing_row":
        del rows[index]
        return 0
    if kind == "duplicated_row":
        rows.insert(index + 1, row)
        return 0
    if kind == "unknown_payment":
        note["entity_id"] = stranger(row["entity_id"])
        row.update(entity_id=note["entity_id"], order_id=None, order_receipt=None, notes=None)
        rows.insert(index + 1, row)
        return int(row["credit"])
    changes = {
        "amount_mismatch": {"amount": _OFF_BY, "credit": _OFF_BY},
        "fee_mismatch": {"fee": _OFF_BY, "credit": -_OFF_BY},
        "credit_mismatch": {"credit": -_OFF_BY},
    }[kind]
    for name, difference in changes.items():
        row[name] += difference
    rows[index] = row
    return changes["credit"]


def stranger(entity_id: str) -> str:
    """Return the id of a payment that nobody made, by turning round that of one."""
    prefix, _, rest = entity_id.partition("_")
    return f"{prefix}_{rest[::-1].swapcase()}"


#: The columns of the dashboard's Settlement Recon report, and where each has its value from.
DASHBOARD_COLUMNS: dict[str, str | None] = {
    "transaction_entity": "type",
    "entity_id": "entity_id",
    "amount": "amount",
    "currency": "currency",
    "fee (exclusive tax)": "fee",
    "tax": "tax",
    "debit": "debit",
    "credit": "credit",
    "payment_method": "method",
    "card_type": "card_type",
    "issuer_name": "card_issuer",
    "entity_created_at": "created_at",
    "payment_captured_at": None,
    "payment_notes": "notes",
    "refund_notes": None,
    "arn": None,
    "entity_description": "description",
    "order_id": "order_id",
    "order_receipt": "order_receipt",
    "order_notes": None,
    "dispute_id": "dispute_id",
    "dispute_created_at": None,
    "dispute_reason": None,
    "settlement_id": "settlement_id",
    "settled_at": "settled_at",
    "settlement_utr": "settlement_utr",
    "settled_by": None,
}
_AMOUNTS = frozenset({"amount", "fee", "tax", "debit", "credit"})
_TIMES = frozenset({"created_at", "settled_at"})


def dashboard_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a line as the dashboard's Settlement Recon report has it: rupees, the fee without its tax, times of India by day."""
    net = {**row, "fee": row["fee"] - row["tax"]}
    found: dict[str, Any] = {}
    for column, name in DASHBOARD_COLUMNS.items():
        if name is None or net[name] is None:
            found[column] = None
        elif name in _AMOUNTS:
            found[column] = f"{net[name] // 100}.{net[name] % 100:02d}"
        elif name in _TIMES:
            found[column] = f"{datetime.fromtimestamp(net[name], tz=IST):%d/%m/%Y %H:%M:%S}"
        else:
            found[column] = net[name]
    return {**found, "settled_by": "Razorpay"}


def write_csv(rows: Iterable[dict[str, Any]], columns: Iterable[str] = COLUMNS) -> Iterator[str]:
    """Yield a header and a line for each row: amounts in paise, times in Unix seconds, nothing for null."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = list(columns)
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in names])
        if buffer.tell() > 60_000:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value

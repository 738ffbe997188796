"""The lines of the combined reconciliation report, the errors that can be planted in them, and their CSV form."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple, cast

from sandbox.razorpay.bank_calendar import IST
from sandbox.razorpay.entities import Adjustment, Notes, Order, Payment, PlantedError, Refund, ReportLine, Settlement

COLUMNS = tuple(ReportLine.__annotations__)
_COMMON: ReportLine = {
    "debit": 0,
    "credit": 0,
    "currency": "INR",
    "fee": 0,
    "tax": 0,
    "on_hold": False,
    "settled": True,
    "credit_type": "default",
}
ERRORS = {
    "amount_mismatch": "a payment's amount and credit are one rupee too high; the settlement's amount agrees with them",
    "fee_mismatch": "a payment's fee is one rupee higher than the payment reported; the credit agrees with it",
    "credit_mismatch": "a payment's credit is one rupee less than amount minus fee; the settlement's amount agrees",
    "missing_row": "a line is left out, though the settlement's amount has it",
    "duplicated_row": "a line comes twice, though the settlement's amount has it once",
    "unknown_payment": "a line of a payment that nobody made; the settlement's amount has it",
    "sum_mismatch": "the settlement's amount is one rupee less than its lines",
}
_OFF_BY = 100
_CHUNK_CHARACTERS = 60_000


class _Change(NamedTuple):
    """By how many paise an error changes a line."""

    amount: int = 0
    fee: int = 0
    credit: int = 0


_CHANGES = {
    "amount_mismatch": _Change(amount=_OFF_BY, credit=_OFF_BY),
    "fee_mismatch": _Change(fee=_OFF_BY, credit=-_OFF_BY),
    "credit_mismatch": _Change(credit=-_OFF_BY),
}


def make_line(settlement: Settlement, *parts: ReportLine) -> ReportLine:
    """Return a line of a settlement; what its parts do not say is null, zero, or as usual."""
    line: dict[str, object] = {**dict.fromkeys(COLUMNS), **_COMMON}
    for part in parts:
        line.update(part)
    line.update(settlement_id=settlement.id, settlement_utr=settlement.utr, settled_at=settlement.created_at)
    return cast("ReportLine", line)


def _describe_source(payment: Payment, order: Order | None) -> ReportLine:
    card = payment.card
    return {
        "order_id": payment.order_id,
        "order_receipt": order.receipt if order is not None else None,
        "method": payment.method,
        "card_network": card["network"] if card else None,
        "card_issuer": card["issuer"] if card else None,
        "card_type": card["type"] if card else None,
    }


def _format_notes(notes: Notes) -> str | None:
    """Return notes as the report has them: JSON in a text, or nothing."""
    return json.dumps(notes, separators=(",", ":"), ensure_ascii=False) if notes else None


def make_payment_line(
    settlement: Settlement, payment: Payment, order: Order | None, *, by_fee_credits: bool = False
) -> ReportLine:
    """Return a payment's line; what prepaid fee credits pay of its fee is not taken off."""
    fee = payment.fee or 0
    line: ReportLine = {
        "entity_id": payment.id,
        "type": "payment",
        "amount": payment.amount,
        "credit": payment.amount if by_fee_credits else payment.amount - fee,
        "credit_type": "fee" if by_fee_credits else "default",
        "fee": fee,
        "tax": payment.tax or 0,
        "created_at": payment.created_at,
        "description": payment.description,
        "notes": _format_notes(payment.notes),
    }
    return make_line(settlement, line, _describe_source(payment, order))


def make_refund_line(settlement: Settlement, refund: Refund, payment: Payment, order: Order | None) -> ReportLine:
    line: ReportLine = {
        "entity_id": refund.id,
        "type": "refund",
        "amount": refund.amount,
        "debit": refund.amount,
        "created_at": refund.created_at,
        "notes": _format_notes(refund.notes),
        "payment_id": payment.id,
    }
    return make_line(settlement, line, _describe_source(payment, order))


def make_adjustment_line(settlement: Settlement, adjustment: Adjustment) -> ReportLine:
    line: ReportLine = {
        "entity_id": adjustment.id,
        "type": adjustment.kind,
        "amount": abs(adjustment.amount + adjustment.fee),
        "debit": max(0, -adjustment.amount),
        "credit": max(0, adjustment.amount),
        "fee": adjustment.fee,
        "tax": adjustment.tax,
        "credit_type": adjustment.credit_type,
        "created_at": adjustment.created_at,
        "description": adjustment.description,
        "payment_id": adjustment.payment_id,
        "dispute_id": adjustment.dispute_id,
    }
    return make_line(settlement, line)


def sum_lines(lines: Iterable[ReportLine]) -> int:
    """Return credits minus debits in paise."""
    return sum(line["credit"] - line["debit"] for line in lines)


def choose_lines(errors: Mapping[str, int], lines: list[ReportLine], *, seed: str) -> list[tuple[str, str]]:
    """Choose lines of payments for the errors, each line for one at most; return pairs of kind and entity id."""
    ids = [line["entity_id"] for line in lines if line["type"] == "payment"]
    kinds = [kind for kind, count in errors.items() for _ in range(count) if kind != "sum_mismatch"]
    chosen = random.Random(seed).sample(ids, min(len(ids), len(kinds)))
    pairs = list(zip(kinds, chosen, strict=False))
    return pairs + [("sum_mismatch", "")] * errors.get("sum_mismatch", 0)


def fill_settlement(settlement: Settlement, lines: list[ReportLine], errors: Iterable[tuple[str, str]]) -> None:
    """Give a settlement its lines and its amount, with errors in them; `planted` then says what is wrong where."""
    reported = list(lines)
    transferred = sum_lines(lines)
    for kind, entity_id in errors:
        note = PlantedError(kind=kind, settlement_id=settlement.id, entity_id=entity_id or settlement.id)
        transferred += _plant_error(reported, note)
        settlement.planted.append(note)
    settlement.rows = reported
    settlement.lines = len(reported)
    settlement.amount = transferred
    settlement.fees = sum(line["fee"] for line in reported)
    settlement.tax = sum(line["tax"] for line in reported)


def _plant_error(lines: list[ReportLine], note: PlantedError) -> int:
    """Plant one error in the lines; return by how many paise that changes what is transferred."""
    if note["kind"] == "sum_mismatch":
        return -_OFF_BY
    index = next(i for i, line in enumerate(lines) if line["entity_id"] == note["entity_id"])
    if note["kind"] == "missing_row":
        del lines[index]
        return 0
    if note["kind"] == "duplicated_row":
        lines.insert(index + 1, lines[index].copy())
        return 0
    if note["kind"] == "unknown_payment":
        note["entity_id"] = _invent_id(note["entity_id"])
        lines.insert(index + 1, _make_unknown(lines[index], note["entity_id"]))
        return lines[index]["credit"]
    change = _CHANGES[note["kind"]]
    lines[index] = _change_line(lines[index], change)
    return change.credit


def _make_unknown(line: ReportLine, entity_id: str) -> ReportLine:
    """Return a line like another, of a payment that nobody made."""
    unknown = line.copy()
    unknown.update({"entity_id": entity_id, "order_id": None, "order_receipt": None, "notes": None})
    return unknown


def _change_line(line: ReportLine, change: _Change) -> ReportLine:
    changed = line.copy()
    changed["amount"] += change.amount
    changed["fee"] += change.fee
    changed["credit"] += change.credit
    return changed


def _invent_id(entity_id: str) -> str:
    """Return an id that nobody has, made by turning another round."""
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


def to_dashboard_row(line: ReportLine) -> dict[str, object]:
    """Return a line as the dashboard's Settlement Recon report has it: rupees, the fee without its tax, times of India by day."""
    values: dict[str, object] = {**line, "fee": line["fee"] - line["tax"]}
    row = {
        column: _format_dashboard_value(name, values[name]) if name is not None else None
        for column, name in DASHBOARD_COLUMNS.items()
    }
    return {**row, "settled_by": "Razorpay"}


def _format_dashboard_value(name: str, value: object) -> object:
    if isinstance(value, int) and name in _AMOUNTS:
        return f"{value // 100}.{value % 100:02d}"
    if isinstance(value, int) and name in _TIMES:
        return f"{datetime.fromtimestamp(value, tz=IST):%d/%m/%Y %H:%M:%S}"
    return value


def write_csv(rows: Iterable[Mapping[str, object]], columns: Iterable[str] = COLUMNS) -> Iterator[str]:
    """Yield a header and a line for each row: amounts in paise, times in Unix seconds, nothing for null."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = list(columns)
    writer.writerow(names)
    for row in rows:
        writer.writerow([_format_cell(row[name]) for name in names])
        if buffer.tell() > _CHUNK_CHARACTERS:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _format_cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value

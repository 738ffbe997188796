"""
SQL that imports a settlement report in sets of rows: a month's lines would take an hour row by row.

`_ADD_LINES` alone matches, judges and books a line. The rules by which it judges are in `line_rules`.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core import ids
from apps.core.event_sql import to_json
from apps.core.prepared import fetch_rows, to_array
from apps.payments.facts import SettlementRow
from apps.settlements.sql import line_rules

_COPY = """
    COPY settlements_settlementreportrow (
        id, report_id, position, gateway_settlement_id, utr, settled_at, entity_id, kind, amount, debit, credit,
        fee_amount, tax_amount, currency, entity_created_at, method, gateway_payment_id, dispute_id, description,
        reported_kind, credit_type
    ) FROM STDIN
"""

#: The staged lines of a settlement, with what their own report says of them.
STAGED_LINES = """
    WITH numbered AS (
        -- A line is known by what it is about and by its kind: a charge may name the payment that it is for.
        SELECT r.*, row_number() OVER (PARTITION BY r.entity_id, r.kind, r.reported_kind ORDER BY r.position) AS occurrence,
            -- One without an id is known by its amounts and its day: only at the same time is it the same line again.
            row_number() OVER (
                PARTITION BY r.entity_id, r.kind, r.reported_kind, CASE WHEN r.kind = 'other' THEN r.entity_created_at END
                ORDER BY r.position
            ) AS repetition,
            -- By this its amount moves what is transferred to us.
            CASE WHEN r.kind = 'payment' THEN 1 WHEN r.kind = 'refund' OR r.debit > r.credit THEN -1 ELSE 1 END AS sign
        FROM settlements_settlementreportrow r
        WHERE r.report_id = %(report)s AND r.gateway_settlement_id = %(gateway_settlement_id)s
    ), said AS (
        -- What is transferred beyond the amount less its fee was paid from prepaid credits, if the gateway says so.
        SELECT n.*, CASE
                WHEN n.credit_type IN ('fee', 'amount')
                 AND n.credit - n.debit - n.sign * n.amount + n.fee_amount BETWEEN 0 AND n.fee_amount
                THEN n.credit - n.debit - n.sign * n.amount + n.fee_amount ELSE 0 END AS fee_credit
        FROM numbered n
    )
"""

#: Each staged line with the rows in Bahi that it is about; `line_rules` says what these are.
MATCHED_LINES = """
        FROM said s
        LEFT JOIN payments_paymentattempt a ON s.kind = 'payment' AND a.gateway = %(gateway)s
             AND a.gateway_payment_id = s.entity_id AND a.status = 'captured'
        -- An adjustment corrects a payment only if we hold the payment, or the dispute, that it names; and all that it names fits.
        LEFT JOIN payments_paymentattempt about ON s.kind = 'adjustment' AND about.gateway = %(gateway)s
             AND about.gateway_payment_id = s.gateway_payment_id AND about.status = 'captured'
        LEFT JOIN payments_dispute d ON s.kind = 'adjustment' AND s.dispute_id <> '' AND d.gateway_dispute_id = s.dispute_id
        LEFT JOIN payments_paymentattempt disputed ON disputed.id = d.attempt_id AND disputed.gateway = %(gateway)s
        LEFT JOIN LATERAL (
            SELECT coalesce(about.id, disputed.id) AS attempt_id
            WHERE (s.gateway_payment_id = '' OR about.id IS NOT NULL) AND s.credit_type <> 'fee'
              AND (about.id IS NULL OR disputed.id IS NULL OR about.id = disputed.id)
              AND coalesce(about.currency, disputed.currency) = s.currency
        ) corrected ON s.kind = 'adjustment'
        -- What failed here, or was paid by hand, is not owed by the gateway: its line has cleared nothing.
        LEFT JOIN payments_refund f ON s.kind = 'refund' AND f.gateway_refund_id = s.entity_id
             AND f.status IN ('pending', 'unknown', 'processed') AND f.transfer_reference = ''
"""

_ADD_LINES = f"""
    -- Computed once: without MATERIALIZED the planner repeats every rule, and what it looks up, for each column that has the verdict.
    {STAGED_LINES}, judged AS MATERIALIZED (
        SELECT s.*, coalesce(a.id, corrected.attempt_id) AS attempt_id, f.id AS refund_id, a.amount AS paid,
            f.amount AS refunded, coalesce(a.fee_amount, s.fee_amount) AS true_fee,
            coalesce(a.fee_tax_amount, s.tax_amount) AS true_tax,
            {line_rules.REASON} AS problem
        {MATCHED_LINES}
    ), classified AS (
        SELECT j.*, {line_rules.IS_OURS} AS is_ours
        FROM judged j
    ), booked AS (
        SELECT u.*,
            -- The gateway's transfer has a line once, however often its report has it.
            CASE WHEN repetition > 1 THEN 0 ELSE credit - debit END AS bank,
            CASE WHEN NOT is_ours THEN 0 WHEN kind <> 'adjustment' THEN true_fee
                 WHEN attempt_id IS NULL THEN debit - credit ELSE 0 END AS fee,
            CASE WHEN is_ours AND kind <> 'adjustment' THEN true_tax ELSE 0 END AS tax,
            CASE WHEN is_ours AND kind <> 'adjustment' THEN fee_credit ELSE 0 END AS credited,
            CASE WHEN is_ours AND kind IN ('transfer', 'reversal') THEN -sign * amount ELSE 0 END AS transferred,
            CASE WHEN NOT is_ours OR kind IN ('transfer', 'reversal') THEN 0
                 WHEN kind = 'adjustment' THEN CASE WHEN attempt_id IS NULL THEN 0 ELSE credit - debit END
                 ELSE coalesce(paid, -refunded) END AS cleared
        FROM classified u
    ), added AS (
        INSERT INTO settlements_settlementline (
            id, created_at, updated_at, settlement_id, report_id, part, entity_id, occurrence, kind, reported_kind, amount,
            debit, credit, reported_fee_amount, reported_tax_amount, currency, entity_created_at, method,
            gateway_payment_id, dispute_id, credit_type, description, attempt_id, refund_id, problem, bank_amount, fee_amount,
            tax_amount, fee_credit_amount, transfer_amount, cleared_amount, held_amount
        )
        SELECT id, %(now)s, %(now)s, %(settlement)s, report_id, %(part)s, entity_id, occurrence, kind, reported_kind, amount,
            debit, credit, fee_amount, tax_amount, currency, entity_created_at, method,
            gateway_payment_id, dispute_id, credit_type, description, attempt_id, refund_id, problem, bank, fee,
            tax, credited, transferred, cleared, cleared - bank - fee + credited - transferred
        FROM booked ORDER BY position
        ON CONFLICT (settlement_id, entity_id, kind, reported_kind, occurrence) DO NOTHING
        RETURNING bank_amount, fee_amount, tax_amount, fee_credit_amount, transfer_amount, cleared_amount, held_amount
    )
    SELECT count(*), coalesce(sum(bank_amount), 0), coalesce(sum(fee_amount), 0), coalesce(sum(tax_amount), 0),
        coalesce(sum(fee_credit_amount), 0), coalesce(sum(transfer_amount), 0),
        coalesce(sum(cleared_amount), 0), coalesce(sum(held_amount), 0) FROM added
"""  # noqa: S608 - only constants of the code are interpolated


@dataclass(frozen=True)
class Added:
    """The totals of a part of a settlement, in paise; the fee includes its tax and what prepaid credits paid."""

    count: int
    bank: int
    fee: int
    tax: int
    fee_credit: int
    transferred: int
    cleared: int
    held: int


def stage(report_id: UUID, *, position: int, rows: Iterable[SettlementRow | None]) -> None:
    """Stage rows of a report as they were reported, from a position on; rows that are not settled are left out."""
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for number, row in enumerate(rows, position):
            if row is not None:
                copy.write_row((ids.new(), report_id, number, *row))


def list_staged_settlements(report_id: UUID) -> list[tuple[str, str, datetime, str]]:
    """Return id, UTR, time and currency of each settlement in a staged report, oldest first."""
    return _rows(
        "SELECT gateway_settlement_id, min(utr), min(settled_at), min(currency) FROM settlements_settlementreportrow"
        " WHERE report_id = %(report)s GROUP BY gateway_settlement_id ORDER BY 3, 1",
        {"report": report_id},
    )


def list_staged_uncaptured_payments(report_id: UUID, *, gateway: str, limit: int) -> list[str]:
    """Return the gateway's ids of staged payments that we do not have as captured."""
    rows = _rows(
        """
        SELECT DISTINCT r.entity_id FROM settlements_settlementreportrow r
        LEFT JOIN payments_paymentattempt a ON a.gateway = %(gateway)s AND a.gateway_payment_id = r.entity_id
             AND a.status = 'captured'
        WHERE r.report_id = %(report)s AND r.kind = 'payment' AND a.id IS NULL
          AND NOT EXISTS (
              SELECT 1 FROM settlements_settlementline l WHERE l.entity_id = r.entity_id AND l.kind = 'payment'
          )
        ORDER BY 1 LIMIT %(limit)s
        """,
        {"report": report_id, "gateway": gateway, "limit": limit},
    )
    return [row[0] for row in rows]


def list_staged_unknown_refunds(report_id: UUID, *, gateway: str, limit: int) -> list[str]:
    """Return the gateway's ids of staged refunds that we do not have as made."""
    rows = _rows(
        """
        SELECT DISTINCT r.entity_id FROM settlements_settlementreportrow r
        WHERE r.report_id = %(report)s AND r.kind = 'refund' AND NOT EXISTS (
              SELECT 1 FROM payments_refund f JOIN payments_paymentattempt a ON a.id = f.attempt_id
              WHERE a.gateway = %(gateway)s AND f.gateway_refund_id = r.entity_id
                AND f.status IN ('pending', 'unknown', 'processed')
          ) AND NOT EXISTS (
              SELECT 1 FROM settlements_settlementline l WHERE l.entity_id = r.entity_id AND l.kind = 'refund'
          )
        ORDER BY 1 LIMIT %(limit)s
        """,
        {"report": report_id, "gateway": gateway, "limit": limit},
    )
    return [row[0] for row in rows]


def list_staged_unknown_disputes(report_id: UUID, *, limit: int) -> list[str]:
    """Return the gateway's ids of disputes in staged adjustments that we do not have."""
    rows = _rows(
        """
        SELECT DISTINCT r.dispute_id FROM settlements_settlementreportrow r
        LEFT JOIN payments_dispute d ON d.gateway_dispute_id = r.dispute_id
        WHERE r.report_id = %(report)s AND r.kind = 'adjustment' AND r.dispute_id <> '' AND d.id IS NULL
          AND NOT EXISTS (
              SELECT 1 FROM settlements_settlementline l WHERE l.entity_id = r.entity_id AND l.kind = 'adjustment'
          )
        ORDER BY 1 LIMIT %(limit)s
        """,
        {"report": report_id, "limit": limit},
    )
    return [row[0] for row in rows]


def add_lines(*, report_id: UUID, settlement: Any, part: int, now: datetime) -> Added:
    """Match and book the staged rows of a locked settlement; rows that it already has change nothing."""
    values = {
        "report": report_id,
        "settlement": settlement.pk,
        "gateway_settlement_id": settlement.gateway_settlement_id,
        "gateway": settlement.gateway,
        "part": part,
        "now": now,
    }
    return Added(*(int(value) for value in _rows(_ADD_LINES, values)[0]))


def delete_staged(report_id: UUID) -> None:
    """Delete the staged rows of a report."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM settlements_settlementreportrow WHERE report_id = %s", [report_id])


def analyse_staged() -> None:
    """Update the planner's statistics of the staging table, which would still say that it is empty."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE settlements_settlementreportrow")


_UNEXPLAINED = """
    SELECT settlement.id FROM settlements_settlement AS settlement
    WHERE settlement.id = ANY($1::uuid[]) AND settlement.amount - settlement.lines_amount + (
        SELECT coalesce(sum(held.held_amount), 0) FROM ledger_reconciliationexception AS held
        WHERE held.settlement_id = settlement.id AND held.line_id IS NULL AND held.resolution <> 'arrived'
    ) <> 0
    ORDER BY array_position($1::uuid[], settlement.id)
"""


def list_unexplained(settlement_ids: Iterable[UUID]) -> list[UUID]:
    """Return those of some settlements whose transferred amount is not what lines and exceptions say, in the same order."""
    return [settlement_id for (settlement_id,) in fetch_rows(_UNEXPLAINED, [to_array(settlement_ids)])]


_KNOWN_TRANSFERS = """
    SELECT settlement.gateway_settlement_id, settlement.amount, settlement.settled_at
    FROM json_array_elements_text($2::json) AS wanted (id)
    JOIN settlements_settlement AS settlement ON settlement.gateway_settlement_id = wanted.id
    WHERE settlement.gateway = $1
"""


def list_known_transfers(*, gateway: str, gateway_ids: Collection[str]) -> list[tuple[str, int | None, datetime]]:
    """Return transferred amount (paise) and time of the settlements with these ids at a gateway, by that id."""
    rows = fetch_rows(_KNOWN_TRANSFERS, [gateway, to_json(list(gateway_ids))])
    return [(gateway_id, amount, settled_at) for gateway_id, amount, settled_at in rows]


def span_of_payments(settlement_id: UUID) -> tuple[datetime, datetime] | None:
    """Return the times of the first and the last payment of a settlement, or None if it has none."""
    first, last = _rows(
        "SELECT min(entity_created_at), max(entity_created_at) FROM settlements_settlementline"
        " WHERE settlement_id = %(settlement)s AND kind = 'payment'",
        {"settlement": settlement_id},
    )[0]
    return (first, last) if first is not None else None


def _rows(statement: str, values: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def batched(rows: Iterator[SettlementRow | None], size: int) -> Iterator[list[SettlementRow | None]]:
    """Yield lists of at most `size` rows."""
    batch: list[SettlementRow | None] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch

"""
SQL that imports a settlement report in sets of rows: a month's lines would take an hour row by row.

`_ADD_LINES` alone matches and books a line. Its reasons are in order of precedence.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core import ids
from apps.payments.gateways import SettlementRow
from apps.payments.models.receivables import HAS_NO_OPEN_EXCEPTION, RECEIVABLES

_COPY = """
    COPY payments_settlementreportrow (
        id, report_id, position, gateway_settlement_id, utr, settled_at, entity_id, kind, amount, debit, credit,
        fee_amount, tax_amount, currency, entity_created_at, method, gateway_payment_id, dispute_id, description,
        reported_kind, credit_type
    ) FROM STDIN
"""

_ADD_LINES = """
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
        FROM payments_settlementreportrow r
        WHERE r.report_id = %(report)s AND r.gateway_settlement_id = %(gateway_settlement_id)s
    ), said AS (
        -- What is transferred beyond the amount less its fee was paid from prepaid credits, if the gateway says so.
        SELECT n.*, CASE
                WHEN n.credit_type IN ('fee', 'amount')
                 AND n.credit - n.debit - n.sign * n.amount + n.fee_amount BETWEEN 0 AND n.fee_amount
                THEN n.credit - n.debit - n.sign * n.amount + n.fee_amount ELSE 0 END AS fee_credit
        FROM numbered n
    ), judged AS (
        SELECT s.*, coalesce(a.id, corrected.attempt_id) AS attempt_id, f.id AS refund_id, a.amount AS paid,
            f.amount AS refunded, coalesce(a.fee_amount, s.fee_amount) AS true_fee,
            coalesce(a.fee_tax_amount, s.tax_amount) AS true_tax,
            CASE
                WHEN s.repetition > 1 OR EXISTS (
                    SELECT 1 FROM payments_settlementline l
                    WHERE l.entity_id = s.entity_id AND l.kind = s.kind AND l.reported_kind = s.reported_kind
                      AND l.settlement_id <> %(settlement)s
                ) OR s.kind IN ('payment', 'refund') AND EXISTS (
                    SELECT 1 FROM payments_reconciliationexception e
                    WHERE e.entity_id = s.entity_id AND e.reason = 'missing_line'
                      AND (e.resolution IN ('written_off', 'paid_outside')
                           OR e.resolution = 'cleared' AND e.held_amount <> 0)
                ) THEN 'duplicated_line'
                WHEN s.kind = 'payment' THEN CASE
                    WHEN a.id IS NULL THEN 'unknown_payment'
                    WHEN (s.amount, s.currency) <> (a.amount, a.currency) THEN 'amount_mismatch'
                    WHEN s.credit - s.debit <> s.amount - s.fee_amount + s.fee_credit THEN 'credit_mismatch'
                    WHEN s.fee_amount <> coalesce(a.fee_amount, s.fee_amount)
                      OR s.tax_amount <> coalesce(a.fee_tax_amount, s.tax_amount) OR s.tax_amount > s.fee_amount
                    THEN 'fee_mismatch' ELSE '' END
                WHEN s.kind = 'refund' THEN CASE
                    WHEN f.id IS NULL THEN 'unknown_payment'
                    WHEN (s.amount, s.currency) <> (f.amount, f.currency) THEN 'amount_mismatch'
                    WHEN s.debit - s.credit <> s.amount + s.fee_amount - s.fee_credit THEN 'credit_mismatch'
                    WHEN s.tax_amount > s.fee_amount THEN 'fee_mismatch' ELSE '' END
                WHEN s.kind IN ('transfer', 'reversal') THEN CASE
                    WHEN s.credit - s.debit <> s.sign * s.amount - s.fee_amount + s.fee_credit THEN 'credit_mismatch'
                    WHEN s.tax_amount > s.fee_amount THEN 'fee_mismatch' ELSE '' END
                WHEN s.kind = 'adjustment' THEN CASE
                    WHEN s.credit_type = 'fee' OR corrected.attempt_id IS NOT NULL THEN '' ELSE 'unknown_adjustment' END
                ELSE 'unknown_kind'
            END AS problem
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
    ), classified AS (
        SELECT j.*, problem NOT IN ('duplicated_line', 'unknown_payment', 'unknown_adjustment', 'unknown_kind') AS is_ours
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
        INSERT INTO payments_settlementline (
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
"""

_NOT_SETTLED = """
    SELECT a.id, a.gateway_payment_id, a.amount, coalesce(a.fee_amount, 0) AS fee, coalesce(a.fee_tax_amount, 0) AS tax,
        a.currency, a.captured_at
    FROM payments_paymentattempt a
    WHERE a.gateway = %(gateway)s AND a.status = 'captured'
      AND a.captured_at >= %(since)s AND a.captured_at <= %(until)s
      -- The line of the payment itself, not one of an adjustment of it. Two keys, that the planner can hash.
      AND NOT EXISTS (
          SELECT 1 FROM payments_settlementline l
          WHERE l.attempt_id = a.id AND l.entity_id = a.gateway_payment_id AND l.kind = 'payment'
      )
      AND NOT EXISTS (
          SELECT 1 FROM payments_reconciliationexception e WHERE e.attempt_id = a.id AND e.reason = 'missing_line'
      )
      AND a.id NOT IN (
          SELECT e.attempt_id FROM payments_reconciliationexception e
          WHERE e.reason = 'receivable_overdue' AND e.attempt_id IS NOT NULL
      )
    ORDER BY a.captured_at, a.id LIMIT %(limit)s
"""

_REFUNDS_NOT_SETTLED = """
    SELECT r.id FROM payments_refund r JOIN payments_paymentattempt a ON a.id = r.attempt_id
    WHERE a.gateway = %(gateway)s AND r.status = 'processed' AND r.gateway_refund_id IS NOT NULL AND r.transfer_reference = ''
      AND r.processed_at >= %(since)s AND r.processed_at <= %(until)s
      AND NOT EXISTS (SELECT 1 FROM payments_settlementline l WHERE l.refund_id = r.id)
      AND NOT EXISTS (
          SELECT 1 FROM payments_reconciliationexception e
          WHERE e.entity_id = r.gateway_refund_id AND e.reason = 'missing_line'
      )
    ORDER BY r.processed_at, r.id LIMIT %(limit)s
"""

_OVERDUE = f"""
    SELECT receivable.attempt_id, coalesce(a.gateway_payment_id, ''), receivable.amount, receivable.currency, receivable.since
    FROM ({RECEIVABLES}) receivable LEFT JOIN payments_paymentattempt a ON a.id = receivable.attempt_id
    WHERE receivable.gateway = %(gateway)s AND receivable.amount <> 0 AND receivable.since < %(before)s
      AND {HAS_NO_OPEN_EXCEPTION}
    ORDER BY receivable.since, receivable.attempt_id LIMIT %(limit)s
"""  # noqa: S608 - constants of ours

_OVERDUE_IN_ALL = f"""
    SELECT count(*), coalesce(sum(receivable.amount), 0)::bigint, min(receivable.since)
    FROM ({RECEIVABLES}) receivable
    WHERE receivable.gateway = %(gateway)s AND receivable.amount <> 0 AND receivable.since < %(before)s
      AND {HAS_NO_OPEN_EXCEPTION}
"""  # noqa: S608 - constants of ours

_OVERDUE_NO_MORE = f"""
    SELECT x.id FROM payments_reconciliationexception x
    LEFT JOIN ({RECEIVABLES}) receivable ON receivable.gateway = x.gateway AND receivable.currency = x.currency
         AND receivable.attempt_id IS NOT DISTINCT FROM x.attempt_id
    WHERE x.gateway = %(gateway)s AND x.reason = 'receivable_overdue' AND x.resolved_at IS NULL
      AND coalesce(receivable.amount, 0) <> x.expected_amount
    ORDER BY x.id
"""  # noqa: S608 - constants of ours


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


@dataclass(frozen=True)
class Unsettled:
    """A captured payment that is not settled yet, in paise; the fee includes its tax."""

    id: UUID
    gateway_payment_id: str
    amount: int
    fee: int
    tax: int
    currency: str
    captured_at: datetime

    @property
    def credit(self) -> int:
        """The expected credit of its settlement line."""
        return self.amount - self.fee


@dataclass(frozen=True)
class Receivable:
    """The receivable from the gateway for one payment or for none, in paise; `since` is its last change."""

    attempt_id: UUID | None
    gateway_payment_id: str
    amount: int
    currency: str
    since: datetime


def stage(report_id: UUID, *, position: int, rows: Iterable[SettlementRow | None]) -> None:
    """Stage rows of a report as they were reported, from a position on; rows that are not settled are left out."""
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for number, row in enumerate(rows, position):
            if row is not None:
                copy.write_row((ids.new(), report_id, number, *row))


def list_staged_settlements(report_id: UUID) -> list[tuple[str, str, datetime, str]]:
    """Return id, UTR, time and currency of each settlement in a staged report, oldest first."""
    return _rows(
        "SELECT gateway_settlement_id, min(utr), min(settled_at), min(currency) FROM payments_settlementreportrow"
        " WHERE report_id = %(report)s GROUP BY gateway_settlement_id ORDER BY 3, 1",
        {"report": report_id},
    )


def list_staged_uncaptured_payments(report_id: UUID, *, gateway: str, limit: int) -> list[str]:
    """Return the gateway's ids of staged payments that we do not have as captured."""
    rows = _rows(
        """
        SELECT DISTINCT r.entity_id FROM payments_settlementreportrow r
        LEFT JOIN payments_paymentattempt a ON a.gateway = %(gateway)s AND a.gateway_payment_id = r.entity_id
             AND a.status = 'captured'
        WHERE r.report_id = %(report)s AND r.kind = 'payment' AND a.id IS NULL
          AND NOT EXISTS (
              SELECT 1 FROM payments_settlementline l WHERE l.entity_id = r.entity_id AND l.kind = 'payment'
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
        SELECT DISTINCT r.entity_id FROM payments_settlementreportrow r
        WHERE r.report_id = %(report)s AND r.kind = 'refund' AND NOT EXISTS (
              SELECT 1 FROM payments_refund f JOIN payments_paymentattempt a ON a.id = f.attempt_id
              WHERE a.gateway = %(gateway)s AND f.gateway_refund_id = r.entity_id
                AND f.status IN ('pending', 'unknown', 'processed')
          ) AND NOT EXISTS (
              SELECT 1 FROM payments_settlementline l WHERE l.entity_id = r.entity_id AND l.kind = 'refund'
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
        SELECT DISTINCT r.dispute_id FROM payments_settlementreportrow r
        LEFT JOIN payments_dispute d ON d.gateway_dispute_id = r.dispute_id
        WHERE r.report_id = %(report)s AND r.kind = 'adjustment' AND r.dispute_id <> '' AND d.id IS NULL
          AND NOT EXISTS (
              SELECT 1 FROM payments_settlementline l WHERE l.entity_id = r.entity_id AND l.kind = 'adjustment'
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
        cursor.execute("DELETE FROM payments_settlementreportrow WHERE report_id = %s", [report_id])


def analyse_staged() -> None:
    """Update the planner's statistics of the staging table, which would still say that it is empty."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE payments_settlementreportrow")


def list_unsettled(*, gateway: str, since: datetime, until: datetime, limit: int) -> list[Unsettled]:
    """Return the payments captured in a period without a settlement line or an exception about it; oldest first."""
    values = {"gateway": gateway, "since": since, "until": until, "limit": limit}
    return [Unsettled(*row) for row in _rows(_NOT_SETTLED, values)]


def list_unsettled_refunds(*, gateway: str, since: datetime, until: datetime, limit: int) -> list[UUID]:
    """Return the gateway's refunds processed in a period without a settlement line or exception; oldest first."""
    values = {"gateway": gateway, "since": since, "until": until, "limit": limit}
    return [row[0] for row in _rows(_REFUNDS_NOT_SETTLED, values)]


def sum_overdue_receivables(*, gateway: str, before: datetime) -> tuple[int, int, datetime | None]:
    """Return the number, sum (paise) and oldest time of unexplained receivables unchanged since an instant."""
    [(count, amount, since)] = _rows(_OVERDUE_IN_ALL, {"gateway": gateway, "before": before})
    return count, amount, since


def list_overdue_receivables(*, gateway: str, before: datetime, limit: int) -> list[Receivable]:
    """Return the unexplained receivables unchanged since an instant, oldest first."""
    rows = _rows(_OVERDUE, {"gateway": gateway, "before": before, "limit": limit})
    return [
        Receivable(attempt_id, key, int(amount), currency, since) for attempt_id, key, amount, currency, since in rows
    ]


def list_changed_overdue_exceptions(*, gateway: str) -> list[UUID]:
    """Return the open exceptions about overdue receivables whose amount has changed."""
    return [row[0] for row in _rows(_OVERDUE_NO_MORE, {"gateway": gateway})]


def receivable_of(attempt_id: UUID | None, *, gateway: str, currency: str) -> int:
    """Return the receivable from the gateway for a payment, or for none, in paise."""
    rows = _rows(
        f"SELECT amount FROM ({RECEIVABLES}) receivable WHERE gateway = %(gateway)s AND currency = %(currency)s"  # noqa: S608 - constants
        " AND attempt_id IS NOT DISTINCT FROM %(attempt)s",
        {"gateway": gateway, "currency": currency, "attempt": attempt_id},
    )
    return int(rows[0][0]) if rows else 0


def span_of_payments(settlement_id: UUID) -> tuple[datetime, datetime] | None:
    """Return the times of the first and the last payment of a settlement, or None if it has none."""
    first, last = _rows(
        "SELECT min(entity_created_at), max(entity_created_at) FROM payments_settlementline"
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

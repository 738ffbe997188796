"""
SQL of what a gateway owes us: the receivable per payment, what of it is overdue, and what is not settled yet.

The ledger has only the total that the gateway owes. `RECEIVABLES` derives it per payment: captures, less refunds, dispute
deductions and settlements, with the resolutions of exceptions. `since` is the last change. What belongs to no payment
is in the row without an attempt. The audit and the search for overdue receivables share it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

RECEIVABLES = """
    SELECT moved.gateway, moved.attempt_id, moved.currency, sum(moved.amount) AS amount, max(moved.at) AS since
    FROM (
        SELECT a.gateway, a.id AS attempt_id, a.currency, a.amount, a.captured_at AS at
        FROM payments_paymentattempt a WHERE a.status = 'captured'
        UNION ALL
        SELECT a.gateway, a.id, r.currency, -r.amount, r.processed_at
        FROM payments_refund r JOIN payments_paymentattempt a ON a.id = r.attempt_id
        WHERE r.status = 'processed' AND r.transfer_reference = ''
        UNION ALL
        SELECT a.gateway, a.id, d.currency, -d.amount_deducted, coalesce(d.decided_at, d.opened_at)
        FROM payments_dispute d JOIN payments_paymentattempt a ON a.id = d.attempt_id WHERE d.amount_deducted <> 0
        UNION ALL
        SELECT s.gateway, coalesce(l.attempt_id, r.attempt_id), s.currency, -l.cleared_amount, l.created_at
        FROM settlements_settlementline l JOIN settlements_settlement s ON s.id = l.settlement_id
        LEFT JOIN payments_refund r ON r.id = l.refund_id WHERE l.cleared_amount <> 0
        UNION ALL
        -- What a failed transfer should have brought is owed again, of no payment: its payments were settled.
        SELECT s.gateway, NULL, s.currency, s.lines_amount - coalesce((
            SELECT sum(x.held_amount) FROM ledger_reconciliationexception x
            WHERE x.settlement_id = s.id AND x.line_id IS NULL AND x.resolution <> 'arrived'
        ), 0), s.failed_at
        FROM settlements_settlement s WHERE s.transfer_status = 'failed'
        UNION ALL
        -- A line that came before in a settlement that failed pays for that settlement, which is owed of no payment.
        SELECT x.gateway, CASE WHEN x.reason = 'duplicated_line' AND EXISTS (
                SELECT 1 FROM settlements_settlementline o JOIN settlements_settlement s ON s.id = o.settlement_id
                WHERE o.entity_id = x.entity_id AND s.transfer_status = 'failed'
            ) THEN NULL ELSE coalesce(x.attempt_id, settled.attempt_id, missed.attempt_id) END, e.currency, e.amount, t.created_at
        FROM ledger_reconciliationexception x
        JOIN ledger_ledgertransaction t
             ON t.source_type = 'ledger.reconciliationexception' AND t.source_id = x.id AND t.kind = 'resolution'
        JOIN ledger_ledgerentry e ON e.transaction_id = t.id AND e.account_id = 'gateway_receivable:' || x.gateway
        LEFT JOIN settlements_settlementline l ON l.id = x.line_id
        LEFT JOIN payments_refund settled ON settled.id = l.refund_id
        LEFT JOIN payments_refund missed ON x.reason = 'missing_line' AND missed.gateway_refund_id = x.entity_id
        WHERE x.resolved_at IS NOT NULL AND x.resolution <> 'arrived'
    ) moved
    GROUP BY moved.gateway, moved.attempt_id, moved.currency
"""

#: A condition on `receivable`: no settlement of the gateway has been imported, and one open exception says so for all
#: rows.
AWAITS_IMPORT = """
    EXISTS (
        SELECT 1 FROM ledger_reconciliationexception x
        WHERE x.gateway = receivable.gateway AND x.reason = 'settlements_not_imported' AND x.resolved_at IS NULL
    )
"""

#: A condition on `receivable`: no open exception or dispute explains it. It compares by equality, so the planner can
#: hash.
HAS_NO_OPEN_EXCEPTION = """
    NOT EXISTS (
        SELECT 1 FROM (
            -- A claim about a fee says nothing about what is owed of the payment.
            SELECT x.attempt_id FROM ledger_reconciliationexception x
            WHERE x.resolved_at IS NULL AND x.reason <> 'fee_overcharged'
            UNION ALL
            SELECT r.attempt_id FROM ledger_reconciliationexception x JOIN settlements_settlementline l ON l.id = x.line_id
            JOIN payments_refund r ON r.id = l.refund_id WHERE x.resolved_at IS NULL
            UNION ALL
            SELECT r.attempt_id FROM ledger_reconciliationexception x JOIN payments_refund r ON r.id = x.refund_id
            WHERE x.resolved_at IS NULL
            UNION ALL
            SELECT r.attempt_id FROM ledger_reconciliationexception x
            JOIN payments_refund r ON r.gateway_refund_id = x.entity_id
            WHERE x.resolved_at IS NULL AND x.reason = 'missing_line'
            UNION ALL
            SELECT d.attempt_id FROM payments_dispute d WHERE d.status IN ('open', 'under_review')
        ) explained WHERE explained.attempt_id = receivable.attempt_id
    ) AND NOT (
        receivable.attempt_id IS NULL AND EXISTS (
            SELECT 1 FROM ledger_reconciliationexception x
            WHERE x.resolved_at IS NULL AND x.attempt_id IS NULL AND x.reason IN ('receivable_overdue', 'settlement_failed')
        )
    )
"""

_NOT_SETTLED = """
    SELECT a.id, a.gateway_payment_id, a.amount, coalesce(a.fee_amount, 0) AS fee, coalesce(a.fee_tax_amount, 0) AS tax,
        a.currency, a.captured_at
    FROM payments_paymentattempt a
    WHERE a.gateway = %(gateway)s AND a.status = 'captured'
      AND a.captured_at >= %(since)s AND a.captured_at <= %(until)s
      -- The line of the payment itself, not one of an adjustment of it. Two keys, that the planner can hash.
      AND NOT EXISTS (
          SELECT 1 FROM settlements_settlementline l
          WHERE l.attempt_id = a.id AND l.entity_id = a.gateway_payment_id AND l.kind = 'payment'
      )
      AND NOT EXISTS (
          SELECT 1 FROM ledger_reconciliationexception e WHERE e.attempt_id = a.id AND e.reason = 'missing_line'
      )
      AND a.id NOT IN (
          SELECT e.attempt_id FROM ledger_reconciliationexception e
          WHERE e.reason = 'receivable_overdue' AND e.attempt_id IS NOT NULL
      )
    ORDER BY a.captured_at, a.id LIMIT %(limit)s
"""

_REFUNDS_NOT_SETTLED = """
    SELECT r.id FROM payments_refund r JOIN payments_paymentattempt a ON a.id = r.attempt_id
    WHERE a.gateway = %(gateway)s AND r.status = 'processed' AND r.gateway_refund_id IS NOT NULL AND r.transfer_reference = ''
      AND r.processed_at >= %(since)s AND r.processed_at <= %(until)s
      AND NOT EXISTS (SELECT 1 FROM settlements_settlementline l WHERE l.refund_id = r.id)
      AND NOT EXISTS (
          SELECT 1 FROM ledger_reconciliationexception e
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
"""  # noqa: S608 - only constants of the code are interpolated

_OVERDUE_IN_ALL = f"""
    SELECT count(*), coalesce(sum(receivable.amount), 0)::bigint, min(receivable.since)
    FROM ({RECEIVABLES}) receivable
    WHERE receivable.gateway = %(gateway)s AND receivable.amount <> 0 AND receivable.since < %(before)s
      AND {HAS_NO_OPEN_EXCEPTION}
"""  # noqa: S608 - only constants of the code are interpolated

_OVERDUE_NO_MORE = f"""
    SELECT x.id FROM ledger_reconciliationexception x
    LEFT JOIN ({RECEIVABLES}) receivable ON receivable.gateway = x.gateway AND receivable.currency = x.currency
         AND receivable.attempt_id IS NOT DISTINCT FROM x.attempt_id
    WHERE x.gateway = %(gateway)s AND x.reason = 'receivable_overdue' AND x.resolved_at IS NULL
      AND coalesce(receivable.amount, 0) <> x.expected_amount
    ORDER BY x.id
"""  # noqa: S608 - only constants of the code are interpolated


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


def _rows(statement: str, values: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())

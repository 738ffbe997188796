"""
SQL that finds where captured money is at an instant: one query and one snapshot for any number of payments.

`POSITIONS` takes each captured payment apart by what moved its money: the capture, refunds, disputes, settlement lines and the
resolutions of exceptions. Each movement takes from one state what it adds to others, so that the states of a payment sum to
what was captured. A state can be negative for one payment: its refund was deducted before the payment itself was settled.
Money of no payment, such as an unknown line, is in the rows without an attempt.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

#: How far the transfer of each settlement had come, by its events: on the bank's statement, failed and owed again, or in transit.
TRANSFERS = """
    SELECT DISTINCT ON (subject_id) subject_id AS settlement_id, CASE changes->>'transfer_status'
        WHEN 'banked' THEN 'banked' WHEN 'failed' THEN 'captured' ELSE 'settled' END AS state
    FROM core_event
    WHERE subject_type = 'settlements.settlement' AND changes ? 'transfer_status' AND created_at <= %(at)s
    ORDER BY subject_id, version DESC
"""

POSITIONS = f"""
    WITH transfers AS MATERIALIZED (
        {TRANSFERS}
    ), lines AS MATERIALIZED (
        SELECT coalesce(l.attempt_id, r.attempt_id) AS attempt_id, coalesce(t.state, 'settled') AS state, l.bank_amount,
            l.fee_amount - l.fee_credit_amount + l.transfer_amount AS deducted, l.held_amount, l.cleared_amount
        FROM settlements_settlementline l
        LEFT JOIN transfers t ON t.settlement_id = l.settlement_id
        LEFT JOIN payments_refund r ON r.id = l.refund_id
        WHERE l.created_at <= %(at)s
    ), moved (attempt_id, state, amount) AS (
        SELECT t.source_id, 'captured', e.amount FROM ledger_ledgertransaction t
        JOIN ledger_ledgerentry e ON e.transaction_id = t.id AND e.account_id LIKE 'gateway_receivable:%%'
        WHERE t.source_type = 'payments.paymentattempt' AND t.kind = 'capture' AND t.occurred_at <= %(at)s
        UNION ALL
        SELECT r.attempt_id, side.state, side.amount FROM payments_refund r
        CROSS JOIN LATERAL (VALUES
            ('refunded', r.amount), (CASE r.transfer_reference WHEN '' THEN 'captured' ELSE 'banked' END, -r.amount)
        ) side (state, amount)
        WHERE r.status = 'processed' AND r.processed_at <= %(at)s
        UNION ALL
        SELECT d.attempt_id, side.state, side.amount FROM payments_dispute d
        JOIN ledger_ledgertransaction t ON t.source_type = 'payments.dispute' AND t.source_id = d.id AND t.occurred_at <= %(at)s
        JOIN ledger_ledgerentry e ON e.transaction_id = t.id AND e.account_id LIKE 'gateway_receivable:%%'
        CROSS JOIN LATERAL (VALUES ('captured', e.amount), ('disputed', -e.amount)) side (state, amount)
        UNION ALL
        SELECT l.attempt_id, side.state, side.amount FROM lines l
        CROSS JOIN LATERAL (VALUES
            ('captured', -l.cleared_amount), (l.state, l.bank_amount), ('deducted', l.deducted), ('suspense', l.held_amount)
        ) side (state, amount)
        WHERE side.amount <> 0
        UNION ALL
        -- What exceptions moved: a difference when it was opened, a resolution when it was decided.
        SELECT coalesce(x.attempt_id, settled.attempt_id, missed.attempt_id), CASE
                WHEN e.account_id = 'suspense' THEN 'suspense'
                WHEN t.kind = 'difference' OR x.resolution = 'arrived' THEN coalesce(transfers.state, 'settled')
                WHEN e.account_id LIKE 'gateway_receivable:%%' THEN 'captured'
                WHEN e.account_id LIKE 'gateway_fees:%%' OR e.account_id = 'input_gst' THEN 'deducted'
                WHEN e.account_id = 'settlement_in_transit' THEN coalesce(transfers.state, 'settled')
                ELSE 'banked' END, e.amount
        FROM ledger_reconciliationexception x
        JOIN ledger_ledgertransaction t ON t.source_type = 'ledger.reconciliationexception' AND t.source_id = x.id
             AND t.kind IN ('difference', 'resolution')
        JOIN ledger_ledgerentry e ON e.transaction_id = t.id
        LEFT JOIN transfers ON transfers.settlement_id = x.settlement_id
        LEFT JOIN settlements_settlementline l ON l.id = x.line_id
        LEFT JOIN payments_refund settled ON settled.id = l.refund_id
        LEFT JOIN payments_refund missed ON x.reason = 'missing_line' AND missed.gateway_refund_id = x.entity_id
        WHERE CASE t.kind WHEN 'difference' THEN x.opened_at ELSE x.resolved_at END <= %(at)s
          -- A bank's line that staff assigned to a settlement: its settlement is banked by its event.
          AND NOT (t.kind = 'resolution' AND x.resolution = 'booked')
    ), positions AS (
        SELECT attempt_id, state, sum(amount)::bigint AS amount FROM moved GROUP BY attempt_id, state HAVING sum(amount) <> 0
    )
"""  # noqa: S608 - only constants of the code are interpolated

#: The same of all that has ever been recorded, for the audit.
ALL_POSITIONS = POSITIONS.replace("%(at)s", "'infinity'::timestamptz")

#: The payments that were captured until the instant, and since another one if it is given.
_CAPTURED = """
    captured AS (
        SELECT a.id, a.amount, a.gateway_payment_id, a.payment_id, a.captured_at,
            (a.captured_at AT TIME ZONE 'Asia/Kolkata')::date AS day
        FROM payments_paymentattempt a
        WHERE a.status = 'captured' AND a.captured_at <= %(at)s
          AND (%(since)s::timestamptz IS NULL OR a.captured_at >= %(since)s)
    )
"""

#: Payments whose own line is in a settlement that the bank's statement shows, with nothing open about the line.
_EXPLAINED = """
    explained AS (
        SELECT DISTINCT l.attempt_id FROM settlements_settlementline l
        JOIN transfers t ON t.settlement_id = l.settlement_id AND t.state = 'banked'
        WHERE l.kind = 'payment' AND l.attempt_id IS NOT NULL AND l.created_at <= %(at)s
          AND (l.problem = '' OR EXISTS (
              SELECT 1 FROM ledger_reconciliationexception x WHERE x.line_id = l.id AND x.resolved_at <= %(at)s
          ))
    )
"""

_SUMMARY = f"""
    {POSITIONS}, {_CAPTURED}, {_EXPLAINED}
    SELECT 'captured total' AS kind, c.day, count(*), sum(c.amount)::bigint FROM captured c GROUP BY c.day
    UNION ALL
    SELECT 'explained', c.day, count(*), sum(c.amount)::bigint FROM captured c JOIN explained ON explained.attempt_id = c.id
    GROUP BY c.day
    UNION ALL
    SELECT p.state, c.day, count(*), sum(p.amount)::bigint FROM positions p JOIN captured c ON c.id = p.attempt_id
    GROUP BY p.state, c.day
    UNION ALL
    SELECT p.state, NULL, count(*), sum(p.amount)::bigint FROM positions p
    WHERE p.attempt_id IS NULL AND %(since)s::timestamptz IS NULL GROUP BY p.state
"""  # noqa: S608 - only constants of the code are interpolated

_LINES = f"""
    {POSITIONS}, {_CAPTURED}, {_EXPLAINED}, chosen AS (
        SELECT c.*, p.amount AS position FROM captured c JOIN positions p ON p.attempt_id = c.id AND p.state = %(state)s
        UNION ALL
        SELECT c.*, c.amount FROM captured c LEFT JOIN explained ON explained.attempt_id = c.id
        WHERE %(state)s = 'unexplained' AND explained.attempt_id IS NULL AND c.day <= %(due)s
    )
    SELECT c.id, c.payment_id, c.gateway_payment_id, o.id, o.number, c.captured_at, c.amount, c.position,
        coalesce((
            SELECT s.gateway_settlement_id FROM settlements_settlementline l
            JOIN settlements_settlement s ON s.id = l.settlement_id
            WHERE l.attempt_id = c.id AND l.kind = 'payment' AND l.created_at <= %(at)s ORDER BY l.id LIMIT 1
        ), '')
    FROM chosen c JOIN payments_payment pay ON pay.id = c.payment_id JOIN orders_order o ON o.id = pay.order_id
    WHERE (c.captured_at, c.id) > (%(after_at)s, %(after_id)s)
    ORDER BY c.captured_at, c.id LIMIT %(limit)s
"""  # noqa: S608 - only constants of the code are interpolated

_BEGINNING = (datetime(2000, 1, 1, tzinfo=UTC), UUID(int=0))
_CHUNK = 2_000


@dataclass(frozen=True)
class Sum:
    """A sum (paise) of one kind: a state, `captured total` or `explained`; `day` is that of the capture, None for money of no payment."""

    kind: str
    day: date | None
    count: int
    amount: int


@dataclass(frozen=True)
class MoneyLine:
    """The money of one captured payment in a state, in paise; `settlement` is the gateway's id of its settlement, or empty."""

    attempt_id: UUID
    payment_id: UUID
    gateway_payment_id: str
    order_id: UUID
    order_number: str
    captured_at: datetime
    captured_amount: int
    amount: int
    settlement: str


def list_sums(*, at: datetime, since: datetime | None) -> list[Sum]:
    """Return the sums by state and day of capture, at an instant."""
    with connection.cursor() as cursor:
        cursor.execute(_SUMMARY, {"at": at, "since": since})
        return [Sum(*row) for row in cursor.fetchall()]


def iterate_lines(
    *,
    state: str,
    at: datetime,
    since: datetime | None,
    due: date,
    after: tuple[datetime, UUID] | None = None,
    limit: int | None = None,
) -> Iterator[MoneyLine]:
    """
    Yield the payments that have money in a state, oldest capture first, from one query through a cursor of the server.

    The state `unexplained` has those captured on or before the day `due` that are not explained three ways.
    """
    after_at, after_id = after or _BEGINNING
    values: dict[str, Any] = {
        "state": state, "at": at, "since": since, "due": due, "after_at": after_at, "after_id": after_id, "limit": limit,
    }  # fmt: skip
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(_LINES, values)
        while rows := cursor.fetchmany(_CHUNK):
            for row in rows:
                yield MoneyLine(*row)

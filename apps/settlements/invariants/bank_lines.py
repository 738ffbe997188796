"""Invariants of lines of bank statements."""

from apps.core.audit import Invariant

INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        id="INV-26g",
        name="banked_settlements_have_one_bank_line",
        statement="A settlement is banked exactly if one line of a bank's statement, of its amount, brought it.",
        sql="""
            SELECT s.id, s.gateway_settlement_id, s.transfer_status, s.amount, b.amount AS bank
            FROM settlements_settlement s FULL JOIN settlements_bankline b ON b.settlement_id = s.id
            WHERE (s.transfer_status = 'banked' OR b.settlement_id IS NOT NULL)
              AND (s.transfer_status IS DISTINCT FROM 'banked' OR s.amount IS DISTINCT FROM b.amount)
        """,
    ),
    Invariant(
        id="INV-26h",
        name="bank_lines_are_posted",
        statement="Each line of a bank's statement is posted once, between the bank and the account of its kind. A line of a refund is"
        " not: its transfer was posted before. Nothing else debits the bank.",
        sql="""
            WITH booked AS (
                SELECT t.source_id AS id, sum(e.amount) FILTER (WHERE e.account_id = 'bank') AS bank,
                    sum(e.amount) FILTER (WHERE b.kind = 'charge' AND e.account_id = 'input_gst') AS tax,
                    sum(e.amount) FILTER (WHERE e.account_id = CASE WHEN b.kind = 'charge' THEN 'bank_charges'
                        WHEN b.exception_id IS NOT NULL THEN 'suspense' ELSE 'settlement_in_transit' END) AS other
                FROM ledger_ledgertransaction t JOIN ledger_ledgerentry e ON e.transaction_id = t.id
                LEFT JOIN settlements_bankline b ON b.id = t.source_id
                WHERE t.source_type = 'settlements.bankline' GROUP BY t.source_id
            ), expected AS (
                SELECT id, kind, CASE kind WHEN 'refund' THEN 0 ELSE amount END AS bank, tax_amount AS tax,
                    CASE kind WHEN 'refund' THEN 0 ELSE -amount - tax_amount END AS other
                FROM settlements_bankline
            )
            SELECT id::text AS source, expected.kind, expected.bank AS expected, booked.bank AS booked
            FROM expected FULL JOIN booked USING (id)
            WHERE (coalesce(expected.bank, 0), coalesce(expected.tax, 0), coalesce(expected.other, 0))
                  <> (coalesce(booked.bank, 0), coalesce(booked.tax, 0), coalesce(booked.other, 0))
            UNION ALL
            SELECT t.source_id::text, t.source_type, 0, e.amount FROM ledger_ledgerentry e
            JOIN ledger_ledgertransaction t ON t.id = e.transaction_id
            WHERE e.account_id = 'bank' AND e.amount > 0 AND t.source_type <> 'settlements.bankline'
        """,
    ),
    Invariant(
        id="INV-26i",
        name="bank_lines_match_their_references",
        statement="A line in suspense has an exception that holds its amount, the exception of a line that was assigned later is resolved"
        " as booked, and a line of a refund shows a transfer that staff confirmed.",
        sql="""
            SELECT b.id, b.kind, b.amount, e.held_amount, e.resolution FROM settlements_bankline b
            LEFT JOIN ledger_reconciliationexception e ON e.id = b.exception_id
            LEFT JOIN payments_refund r ON r.id = b.refund_id
            WHERE b.exception_id IS NOT NULL AND e.held_amount IS DISTINCT FROM -b.amount
               OR b.exception_id IS NOT NULL AND (b.kind = 'settlement') <> (e.resolution = 'booked')
               OR (b.kind = 'refund') <> (r.id IS NOT NULL)
               OR r.status <> 'processed' OR r.transfer_reference = ''
        """,
    ),
    Invariant(
        id="INV-26j",
        name="lines_of_settlements_are_not_in_suspense",
        statement="No line of a bank's statement stays in suspense for an hour that has the UTR of one settlement in transit, and its"
        " amount, unless it contradicted that settlement when it came.",
        grace_seconds=3_600,
        # A UTR counts as a whole word. Staff decide about a line that names two settlements, and about one that contradicted its
        # settlement when it came, such as that of a transfer that had failed, whatever becomes of the settlement later.
        sql="""
            SELECT b.id, b.amount, min(s.gateway_settlement_id) AS settlement FROM settlements_bankline b
            JOIN ledger_reconciliationexception e
                 ON e.id = b.exception_id AND e.resolved_at IS NULL
                 AND e.reason NOT IN ('failed_settlement_banked', 'bank_line_repeated')
            JOIN settlements_settlement s ON s.utr ~ '^[A-Za-z0-9]{8,}$'
                 AND ' ' || b.reference || ' ' || b.description || ' ' ~* ('[^A-Z0-9]' || s.utr || '[^A-Z0-9]')
            WHERE b.kind = 'suspense' GROUP BY b.id
            HAVING count(*) = 1 AND bool_and(
                s.transfer_status = 'in_transit' AND (coalesce(s.amount, s.lines_amount), s.currency) = (b.amount, b.currency)
                AND greatest(b.created_at, s.created_at) < %(now)s - interval '1 hour')
        """,
    ),
    Invariant(
        id="INV-26k",
        name="transfers_are_not_missed_too_early",
        statement="No settlement is missed on the bank's statement before the third day after its own.",
        # Days are India's, so the third day may begin little more than two days after the transfer.
        sql="""
            SELECT e.id, s.gateway_settlement_id, s.settled_at, e.opened_at FROM ledger_reconciliationexception e
            JOIN settlements_settlement s ON s.id = e.settlement_id
            WHERE e.reason = 'transfer_overdue' AND e.opened_at < s.settled_at + interval '2 days'
        """,
    ),
)

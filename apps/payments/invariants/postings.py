"""Invariants of what payments are posted to the ledger."""

from apps.core.audit import Invariant, Reads

POSTINGS = (
    Invariant(
        id="INV-25",
        name="captures_are_posted_once",
        statement="Every captured attempt has one posting of its amount, and every capture posted has its attempt.",
        sql="""
            SELECT a.id AS attempt, t.id AS posting, a.amount, e.amount AS posted
            FROM (SELECT * FROM payments_paymentattempt WHERE status = 'captured') a
            FULL JOIN (SELECT * FROM ledger_ledgertransaction WHERE kind = 'capture') t
                 ON t.source_type = 'payments.paymentattempt' AND t.source_id = a.id
            LEFT JOIN ledger_ledgerentry e
                 ON e.transaction_id = t.id AND e.account_id = 'gateway_receivable:' || a.gateway
                 AND e.currency = a.currency
            WHERE a.id IS NULL OR t.id IS NULL OR e.amount IS DISTINCT FROM a.amount
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-25f",
        name="accepted_differences_are_posted",
        statement="What a payer was charged beyond or below the accepted amount is posted once, by its reason; nothing else is, and no"
        " more is reversed than was posted.",
        sql="""
            WITH due AS (
                SELECT id, amount - accepted_amount AS difference,
                    CASE WHEN difference_reason IN ('payer_fee', 'surcharge') THEN 'payer_fees' ELSE 'payment_differences' END AS account
                FROM payments_paymentattempt WHERE accepted_amount <> amount
            ), booked AS (
                SELECT t.source_id AS id, e.account_id AS account, -sum(e.amount) AS difference
                FROM ledger_ledgertransaction t JOIN ledger_ledgerentry e ON e.transaction_id = t.id
                WHERE t.source_type = 'payments.paymentattempt' AND t.kind = 'payment_difference'
                  AND e.account_id <> 'customer_advances'
                GROUP BY t.source_id, e.account_id
            ), reversed AS (
                SELECT r.attempt_id AS id, e.account_id AS account, sum(e.amount) AS difference
                FROM ledger_ledgertransaction t JOIN ledger_ledgerentry e ON e.transaction_id = t.id
                JOIN payments_refund r ON r.id = t.source_id
                WHERE t.source_type = 'payments.refund' AND t.kind = 'difference_reversal'
                  AND e.account_id <> 'customer_advances'
                GROUP BY r.attempt_id, e.account_id
            )
            SELECT id, account, due.difference, booked.difference AS booked, reversed.difference AS reversed
            FROM due FULL JOIN booked USING (id, account) FULL JOIN reversed USING (id, account)
            WHERE due.difference IS DISTINCT FROM booked.difference
               OR coalesce(reversed.difference, 0) NOT BETWEEN least(due.difference, 0) AND greatest(due.difference, 0)
        """,
        reads=Reads.ONE_ORDER,
    ),
)

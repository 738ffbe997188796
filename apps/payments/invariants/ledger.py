"""Invariants of the ledger."""

from apps.core.audit import Invariant

LEDGER = (
    Invariant(
        id="INV-22",
        name="postings_sum_to_zero",
        statement="Every posting has at least two entries, none of them zero, that sum to zero in each currency.",
        sql="""
            SELECT t.id, t.kind, e.currency, count(e.id) AS entries, sum(e.amount) AS sum
            FROM payments_ledgertransaction t LEFT JOIN payments_ledgerentry e ON e.transaction_id = t.id
            GROUP BY t.id, t.kind, e.currency
            HAVING count(e.id) < 2 OR sum(e.amount) <> 0 OR bool_or(e.amount = 0)
        """,
    ),
    Invariant(
        id="INV-23",
        name="ledger_sums_to_zero",
        statement="All entries together sum to zero in each currency.",
        sql="SELECT currency, sum(amount) AS sum FROM payments_ledgerentry GROUP BY currency HAVING sum(amount) <> 0",
    ),
    Invariant(
        id="INV-24",
        name="checkpoints_match_entries",
        statement="Every checkpoint is the sum of its account's entries up to its place.",
        sql="""
            SELECT c.id, c.account_id, c.last_entry_id, c.balance, sum(e.amount) AS entries
            FROM payments_balancecheckpoint c
            LEFT JOIN payments_ledgerentry e
                 ON e.account_id = c.account_id AND e.currency = c.currency AND e.id <= c.last_entry_id
            GROUP BY c.id HAVING c.balance IS DISTINCT FROM sum(e.amount)
        """,
    ),
    Invariant(
        id="INV-25",
        name="captures_are_posted_once",
        statement="Every captured attempt has one posting of its amount, and every capture in the books has its attempt.",
        sql="""
            SELECT a.id AS attempt, t.id AS posting, a.amount, e.amount AS posted
            FROM (SELECT * FROM payments_paymentattempt WHERE status = 'captured') a
            FULL JOIN (SELECT * FROM payments_ledgertransaction WHERE kind = 'capture') t
                 ON t.source_type = 'payments.paymentattempt' AND t.source_id = a.id
            LEFT JOIN payments_ledgerentry e
                 ON e.transaction_id = t.id AND e.account_id = 'gateway_receivable:' || a.gateway
                 AND e.currency = a.currency
            WHERE a.id IS NULL OR t.id IS NULL OR e.amount IS DISTINCT FROM a.amount
        """,
    ),
    Invariant(
        id="INV-25b",
        name="facts_are_posted_once",
        statement="No business fact is in the books twice.",
        sql="""
            SELECT source_type, source_id, kind, count(*) AS postings FROM payments_ledgertransaction
            GROUP BY source_type, source_id, kind HAVING count(*) > 1
        """,
    ),
    Invariant(
        id="INV-25e",
        name="postings_have_a_source",
        statement="Every posting is of a fact that exists, of a kind that such facts have.",
        sql="""
            SELECT t.id, t.source_type, t.source_id, t.kind FROM payments_ledgertransaction t
            WHERE NOT CASE t.source_type
                WHEN 'payments.paymentattempt' THEN t.kind IN ('capture', 'payment_difference')
                     AND EXISTS (SELECT FROM payments_paymentattempt f WHERE f.id = t.source_id AND f.status = 'captured')
                WHEN 'payments.refund' THEN split_part(t.kind, ':', 1) IN (
                         'refund_due', 'refund_reinstated', 'refund_reversal', 'refund', 'refund_transferred', 'late_credit',
                         'difference_reversal')
                     AND EXISTS (SELECT FROM payments_refund f WHERE f.id = t.source_id)
                WHEN 'payments.settlement' THEN split_part(t.kind, ':', 1) = 'settlement'
                     AND EXISTS (SELECT FROM payments_settlement f WHERE f.id = t.source_id)
                WHEN 'payments.reconciliationexception' THEN t.kind IN ('difference', 'resolution')
                     AND EXISTS (SELECT FROM payments_reconciliationexception f WHERE f.id = t.source_id)
                WHEN 'payments.dispute' THEN split_part(t.kind, ':', 1) IN ('dispute_taken', 'dispute_returned', 'dispute_lost')
                     AND EXISTS (SELECT FROM payments_dispute f WHERE f.id = t.source_id)
                WHEN 'invoicing.invoice' THEN t.kind IN ('invoice', 'credit_note')
                ELSE false END
        """,
    ),
    Invariant(
        id="INV-25f",
        name="accepted_differences_are_posted",
        statement="What a payer was charged beyond or below the accepted amount is booked once, by its reason; nothing else is, and no"
        " more is reversed than was booked.",
        sql="""
            WITH due AS (
                SELECT id, amount - accepted_amount AS difference,
                    CASE WHEN difference_reason IN ('payer_fee', 'surcharge') THEN 'payer_fees' ELSE 'payment_differences' END AS account
                FROM payments_paymentattempt WHERE accepted_amount <> amount
            ), booked AS (
                SELECT t.source_id AS id, e.account_id AS account, -sum(e.amount) AS difference
                FROM payments_ledgertransaction t JOIN payments_ledgerentry e ON e.transaction_id = t.id
                WHERE t.source_type = 'payments.paymentattempt' AND t.kind = 'payment_difference'
                  AND e.account_id <> 'customer_advances'
                GROUP BY t.source_id, e.account_id
            ), reversed AS (
                SELECT r.attempt_id AS id, e.account_id AS account, sum(e.amount) AS difference
                FROM payments_ledgertransaction t JOIN payments_ledgerentry e ON e.transaction_id = t.id
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
    ),
    Invariant(
        id="INV-28",
        name="liabilities_are_not_negative",
        statement="No account of what we owe, such as the output GST of a registration or refunds under way, is overdrawn."
        " (Advances and transfers to linked accounts may be: what a linked account is due is not known before it is paid.)",
        sql="""
            SELECT e.account_id, e.currency, sum(e.amount) AS overdrawn FROM payments_ledgerentry e
            JOIN payments_account a ON a.code = e.account_id
            WHERE a.kind = 'liability' AND a.code NOT IN ('customer_advances', 'transfers_payable')
            GROUP BY e.account_id, e.currency HAVING sum(e.amount) > 0
        """,
    ),
    Invariant(
        id="INV-28b",
        name="suspense_is_empty",
        statement="RelatedRows what exceptions of settlements hold, nothing is in suspense for longer than a day.",
        grace_seconds=86_400,
        sql="""
            SELECT e.currency, sum(e.amount) AS held FROM payments_ledgerentry e
            JOIN payments_ledgertransaction t ON t.id = e.transaction_id
            WHERE e.account_id = 'suspense' AND t.created_at < %(now)s - interval '1 day'
              AND t.source_type NOT IN ('payments.settlement', 'payments.reconciliationexception')
            GROUP BY e.currency HAVING sum(e.amount) <> 0
        """,
    ),
)

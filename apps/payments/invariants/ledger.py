"""What must hold of the books."""

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
        name="the_book_sums_to_zero",
        statement="All entries together sum to zero in each currency.",
        sql="SELECT currency, sum(amount) AS sum FROM payments_ledgerentry GROUP BY currency HAVING sum(amount) <> 0",
    ),
    Invariant(
        id="INV-24",
        name="checkpoints_are_true",
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
        id="INV-28",
        name="advances_are_not_overdrawn",
        statement=(
            "No order has used more of its customer's money than came in for it, but for refunds whose credit note is to come."
        ),
        sql="""
            SELECT t.order_id, e.currency, sum(e.amount) AS overdrawn FROM payments_ledgerentry e
            JOIN payments_ledgertransaction t ON t.id = e.transaction_id
            WHERE e.account_id = 'customer_advances' GROUP BY t.order_id, e.currency
            HAVING sum(e.amount) > (
                SELECT coalesce(sum(r.amount), 0) FROM payments_refund r WHERE r.order_id = t.order_id
                  AND r.currency = e.currency AND r.status IN ('pending', 'unknown', 'manual', 'processed')
            )
        """,
    ),
    Invariant(
        id="INV-28b",
        name="suspense_is_empty",
        statement="Beside what exceptions of settlements hold, nothing is in suspense for longer than a day.",
        settles_in=86_400,
        sql="""
            SELECT e.currency, sum(e.amount) AS held FROM payments_ledgerentry e
            JOIN payments_ledgertransaction t ON t.id = e.transaction_id
            WHERE e.account_id = 'suspense' AND t.created_at < %(now)s - interval '1 day'
              AND t.source_type NOT IN ('payments.settlement', 'payments.reconciliationexception')
            GROUP BY e.currency HAVING sum(e.amount) <> 0
        """,
    ),
)

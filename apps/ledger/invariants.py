"""Invariants of the ledger and of its exceptions."""

from apps.core.audit import Invariant, Reads

#: The rows of orders that changed lately.
RECENT_ROWS = {
    "ledger_ledgertransaction": "order_id IN (SELECT id FROM recent_root)",
    "ledger_ledgerentry": "transaction_id IN (SELECT id FROM ledger_ledgertransaction)",
}

INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        id="INV-22",
        name="postings_sum_to_zero",
        statement="Every posting has at least two entries, none of them zero, that sum to zero in each currency.",
        sql="""
            SELECT t.id, t.kind, e.currency, count(e.id) AS entries, sum(e.amount) AS sum
            FROM ledger_ledgertransaction t LEFT JOIN ledger_ledgerentry e ON e.transaction_id = t.id
            GROUP BY t.id, t.kind, e.currency
            HAVING count(e.id) < 2 OR sum(e.amount) <> 0 OR bool_or(e.amount = 0)
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-23",
        name="ledger_sums_to_zero",
        statement="All entries together sum to zero in each currency.",
        sql="SELECT currency, sum(amount) AS sum FROM ledger_ledgerentry GROUP BY currency HAVING sum(amount) <> 0",
    ),
    Invariant(
        id="INV-24",
        name="checkpoints_match_entries",
        statement="Every checkpoint is the sum of its account's entries up to it.",
        # Each entry is found its place among the checkpoints, so that the ledger is read once and nothing as long as it is sorted.
        sql="""
            WITH checkpoint AS MATERIALIZED (
                SELECT *, row_number() OVER (PARTITION BY account_id, currency ORDER BY last_entry_id, id) AS place
                FROM ledger_balancecheckpoint
            ), of_account AS MATERIALIZED (
                SELECT account_id, currency, array_agg(last_entry_id ORDER BY place) AS last_entry_ids FROM checkpoint
                GROUP BY account_id, currency
            ), moved AS (
                SELECT account_id, currency, width_bucket(entry.id - 1, last_entry_ids) + 1 AS place, sum(amount) AS amount
                FROM ledger_ledgerentry entry JOIN of_account USING (account_id, currency) GROUP BY 1, 2, 3
            ), summed AS (
                SELECT checkpoint.*, sum(moved.amount) OVER (PARTITION BY account_id, currency ORDER BY place) AS entries
                FROM checkpoint LEFT JOIN moved USING (account_id, currency, place)
            )
            SELECT id, account_id, last_entry_id, balance, entries FROM summed WHERE balance IS DISTINCT FROM entries
        """,
    ),
    Invariant(
        id="INV-24b",
        name="balances_are_checkpointed",
        statement="Every entry that is older than two days is in a checkpoint of its account.",
        grace_seconds=172_800,
        sql="""
            WITH latest AS (
                SELECT account_id, currency, max(last_entry_id) AS last_entry_id FROM ledger_balancecheckpoint
                GROUP BY account_id, currency
            )
            SELECT e.account_id, e.currency, count(*) AS entries, min(t.created_at) AS oldest
            FROM ledger_ledgerentry e JOIN ledger_ledgertransaction t ON t.id = e.transaction_id
            LEFT JOIN latest ON latest.account_id = e.account_id AND latest.currency = e.currency
            WHERE t.created_at < %(now)s - interval '2 days' AND e.id > coalesce(latest.last_entry_id, 0)
            GROUP BY e.account_id, e.currency
        """,
    ),
    Invariant(
        id="INV-25b",
        name="facts_are_posted_once",
        statement="No business fact is posted twice.",
        sql="""
            SELECT source_type, source_id, kind, count(*) AS postings FROM ledger_ledgertransaction
            GROUP BY source_type, source_id, kind HAVING count(*) > 1
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-28",
        name="liabilities_are_not_negative",
        statement="No account of what we owe, such as the output GST of a registration or refunds under way, is overdrawn."
        " (Advances and transfers to linked accounts may be: what a linked account is due is not known before it is paid.)",
        sql="""
            SELECT e.account_id, e.currency, sum(e.amount) AS overdrawn FROM ledger_ledgerentry e
            JOIN ledger_account a ON a.code = e.account_id
            WHERE a.kind = 'liability' AND a.code NOT IN ('customer_advances', 'transfers_payable')
            GROUP BY e.account_id, e.currency HAVING sum(e.amount) > 0
        """,
    ),
    Invariant(
        id="INV-10c",
        name="exceptions_have_an_owner",
        statement="No exception is open for more than a week without an owner.",
        grace_seconds=604_800,
        sql="""
            SELECT id, reason, entity_id, opened_at FROM ledger_reconciliationexception
            WHERE resolved_at IS NULL AND owner_id IS NULL AND opened_at < %(now)s - interval '7 days'
        """,
    ),
)

"""SQL for the hot path."""

from collections.abc import Mapping
from functools import cache

import orjson
from django.db import connection

from apps.core.event_sql import new_values, to_json
from apps.core.prepared import fetch_rows
from apps.core.rows import insert_from_json
from apps.ledger.models import LedgerTransaction

# The unique constraint decides, and who comes second waits for the first: nothing is looked up before, and no error is caught.
_POST = """
    WITH entry AS MATERIALIZED (
        SELECT * FROM json_to_recordset($2::json) AS it (account_id text, amount bigint)
    ), unknown AS MATERIALIZED (
        SELECT account_id FROM entry WHERE NOT EXISTS (SELECT 1 FROM ledger_account AS known WHERE known.code = entry.account_id)
    ), verdict AS MATERIALIZED (
        SELECT count(*) = 0 AS holds FROM unknown
    ), posted AS (
        {posting} ON CONFLICT (source_type, source_id, kind) DO NOTHING RETURNING id
    ), entered AS (
        INSERT INTO ledger_ledgerentry (transaction_id, account_id, amount, currency)
        SELECT posted.id, entry.account_id, entry.amount, $3 FROM posted, entry
    )
    SELECT (SELECT count(*) FROM posted), (SELECT json_agg(account_id)::text FROM unknown)
"""


@cache
def _statement() -> str:
    return _POST.format(posting=insert_from_json(LedgerTransaction, 1, guard="verdict"))


def insert_posting(posting: LedgerTransaction, entries: Mapping[str, int], currency: str) -> tuple[bool, list[str]]:
    """
    Store a posting with its entries, all or nothing, unless its fact is posted already.

    :returns: if it was stored, and the codes among its entries that are not in the chart of accounts
    """
    rows = [{"account_id": code, "amount": amount} for code, amount in entries.items()]
    [(stored, unknown)] = fetch_rows(_statement(), [to_json([new_values(posting)]), to_json(rows), currency])
    if stored:
        posting._state.adding, posting._state.db = False, connection.alias
    return bool(stored), orjson.loads(unknown or "[]")

"""SQL that posts to the ledger: one fact of the hot path, or all of an import at once."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple
from uuid import UUID

import orjson
from django.db import connection

from apps.core.event_sql import new_values, to_json
from apps.core.prepared import fetch_rows
from apps.core.rows import insert_from_json
from apps.ledger.models import LedgerTransaction

# The unique constraint decides, and who comes second waits for the first: nothing is looked up before, and no error is caught.
_POST = """
    WITH entry AS MATERIALIZED (
        SELECT * FROM ROWS FROM (
            json_to_recordset($2::json) AS (transaction_id uuid, account_id text, amount bigint, currency text)
        ) WITH ORDINALITY AS it (transaction_id, account_id, amount, currency, position)
    ), unknown AS MATERIALIZED (
        SELECT DISTINCT account_id FROM entry
        WHERE NOT EXISTS (SELECT 1 FROM ledger_account AS known WHERE known.code = entry.account_id)
    ), verdict AS MATERIALIZED (
        SELECT count(*) = 0 AS holds FROM unknown
    ), posted AS (
        {posting} ON CONFLICT (source_type, source_id, kind) DO NOTHING RETURNING id
    ), entered AS (
        INSERT INTO ledger_ledgerentry (transaction_id, account_id, amount, currency)
        SELECT posted.id, entry.account_id, entry.amount, entry.currency
        FROM posted JOIN entry ON entry.transaction_id = posted.id ORDER BY entry.position
    )
    SELECT (SELECT json_agg(id)::text FROM posted), (SELECT json_agg(account_id)::text FROM unknown)
"""


class Posting(NamedTuple):
    """A new transaction with its entries: paise by the code of the account, in one currency."""

    row: LedgerTransaction
    entries: Mapping[str, int]
    currency: str


@cache
def _statement() -> str:
    return _POST.format(posting=insert_from_json(LedgerTransaction, 1, guard="verdict"))


def insert_postings(postings: Sequence[Posting]) -> tuple[set[UUID], list[str]]:
    """
    Store postings with their entries in one statement, but for those whose fact is posted already; nothing if an account is unknown.

    :returns: the ids of those that were stored, and the codes among all entries that are not in the chart of accounts
    """
    rows = [new_values(posting.row) for posting in postings]
    entries = [
        {"transaction_id": posting.row.pk, "account_id": code, "amount": amount, "currency": posting.currency}
        for posting in postings
        for code, amount in posting.entries.items()
    ]
    [(ids, unknown)] = fetch_rows(_statement(), [to_json(rows), to_json(entries)])
    stored = {UUID(one) for one in orjson.loads(ids or "[]")}
    for posting in postings:
        if posting.row.pk in stored:
            posting.row._state.adding, posting.row._state.db = False, connection.alias
    return stored, orjson.loads(unknown or "[]")

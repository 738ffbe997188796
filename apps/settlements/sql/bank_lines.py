"""SQL that matches lines of bank statements in sets: the words of some hundred lines are thousands of possible references."""

from collections.abc import Collection

from apps.core.event_sql import to_json
from apps.core.prepared import fetch_rows

_NAMED = """
    WITH word AS MATERIALIZED (
        SELECT word FROM json_array_elements_text($1::json) AS it (word)
    )
    SELECT word FROM word JOIN settlements_settlement AS settlement ON settlement.utr = word AND settlement.utr <> ''
    UNION
    SELECT word FROM word JOIN payments_refund AS refund ON refund.transfer_reference = word AND refund.transfer_reference <> ''
"""


def find_references(words: Collection[str]) -> set[str]:
    """Return those of some words that are the UTR of a settlement, or the reference of a refund's bank transfer."""
    return {word for (word,) in fetch_rows(_NAMED, [to_json(sorted(words))])}

"""SQL that the ORM cannot say."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from apps.core.prepared import fetch_all

_UPDATE_COUNTS = """
    UPDATE catalog_stockitem AS stock
    SET reserved = stock.reserved + change.reserved, on_hand = stock.on_hand + change.on_hand, updated_at = %(now)s
    FROM unnest(%(variants)s::uuid[], %(reserved)s::int[], %(on_hand)s::int[]) AS change (variant_id, reserved, on_hand)
    WHERE stock.variant_id = change.variant_id
    RETURNING stock.variant_id
"""


def update_stock_counts(
    *, now: datetime, reserved: Mapping[UUID, int] | None = None, on_hand: Mapping[UUID, int] | None = None
) -> None:
    """
    Add to the counts of stock rows, each once, in one statement.

    It adds to what is stored and never writes a count that was read before, so that the CHECK on the table refuses an
    oversell even if the caller has forgotten to lock.
    """
    reserved, on_hand = reserved or {}, on_hand or {}
    variants = sorted(reserved.keys() | on_hand.keys())
    fetch_all(
        _UPDATE_COUNTS,
        {
            "now": now,
            "variants": variants,
            "reserved": [reserved.get(variant, 0) for variant in variants],
            "on_hand": [on_hand.get(variant, 0) for variant in variants],
        },
    )

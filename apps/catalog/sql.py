"""SQL that the ORM cannot say."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from apps.core.prepared import fetch_all, fetch_rows

#: The primary key of a stock level: (variant_id, location_id).
StockKey = tuple[UUID, UUID]

_UPDATE_COUNTS = """
    UPDATE catalog_stocklevel AS stock
    SET reserved_milli = stock.reserved_milli + change.reserved_milli,
        on_hand_milli = stock.on_hand_milli + change.on_hand_milli,
        updated_at = %(now)s
    FROM unnest(%(variants)s::uuid[], %(locations)s::uuid[], %(reserved)s::bigint[], %(on_hand)s::bigint[])
        AS change (variant_id, location_id, reserved_milli, on_hand_milli)
    WHERE stock.variant_id = change.variant_id AND stock.location_id = change.location_id
    RETURNING stock.variant_id
"""


def update_stock_counts(
    *, now: datetime, reserved: Mapping[StockKey, int] | None = None, on_hand: Mapping[StockKey, int] | None = None
) -> None:
    """
    Add thousandths of units to the counts of stock levels, each once, in one statement.

    It adds to what is stored and never writes a count that was read before, so that the CHECK on the table refuses an
    oversell even if the caller has forgotten to lock.

    :raises LookupError: if one of the stock levels does not exist; then the caller's transaction must be rolled back
    """
    reserved, on_hand = reserved or {}, on_hand or {}
    keys = sorted(reserved.keys() | on_hand.keys())
    updated = fetch_all(
        _UPDATE_COUNTS,
        {
            "now": now,
            "variants": [variant_id for variant_id, _ in keys],
            "locations": [location_id for _, location_id in keys],
            "reserved": [reserved.get(key, 0) for key in keys],
            "on_hand": [on_hand.get(key, 0) for key in keys],
        },
    )
    if len(updated) != len(keys):
        raise LookupError("a stock level that is to change does not exist")


def read_catalog_version() -> int:
    """Return the number of the catalogue's present version, or 0 while nothing was ever written."""
    rows = fetch_rows("SELECT number FROM catalog_catalogversion", [])
    return int(rows[0][0]) if rows else 0

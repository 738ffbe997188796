"""Invariants of stock, and of the stored copies that lists read."""

from datetime import datetime
from typing import Any

from django.conf import settings

from apps.core.audit import Invariant, Reads
from apps.core.clock import ist_date
from apps.tax.rules import CODES_OF_ONE_RATE, CODES_WITH_VALUE_LIMIT, DESCRIPTION_LIMITS, SERVICE_UQC, UQCS, value_limit

_UNINVOICEABLE_VARIANTS = """
    SELECT variant.sku, array_remove(ARRAY[
        CASE WHEN variant.uqc <> ALL (%(uqcs)s) OR (variant.uqc = %(service)s) <> (variant.hsn LIKE '99%%') THEN 'uqc' END,
        CASE WHEN length(variant.hsn) < %(digits)s AND variant.hsn NOT LIKE '99%%' THEN 'hsn' END,
        CASE WHEN product.name ~ %(forbidden)s OR length(product.name) NOT BETWEEN %(fewest)s AND %(most)s THEN 'name' END,
        CASE WHEN variant.title ~ %(forbidden)s THEN 'title' END,
        CASE WHEN variant.hsn ~ %(limited)s AND variant.hsn !~ %(unlimited)s AND rate.rate < %(higher)s AND %(limit)s <
            CASE WHEN variant.price_includes_tax THEN round(variant.price * 10000.0 / (10000 + rate.rate)) ELSE variant.price END
            THEN 'tax_class' END
    ], NULL) AS invalid_fields
    FROM catalog_variant variant
    JOIN catalog_product product ON product.id = variant.product_id
    LEFT JOIN tax_taxrate rate ON rate.tax_class = variant.tax_class
        AND rate.valid_from <= %(day)s AND (rate.valid_to IS NULL OR rate.valid_to >= %(day)s)
    WHERE variant.is_active
"""


def _find_uninvoiceable_variants(cursor: Any, now: datetime) -> list[dict[str, Any]]:
    day = ist_date(now)
    clothes = value_limit("61", day)
    facts = {
        "uqcs": list(UQCS),
        "service": SERVICE_UQC,
        "digits": settings.HSN_MIN_DIGITS,
        "forbidden": r'["\\]',
        "fewest": DESCRIPTION_LIMITS.fewest,
        "most": DESCRIPTION_LIMITS.most,
        "limited": CODES_WITH_VALUE_LIMIT,
        "unlimited": CODES_OF_ONE_RATE,
        "limit": clothes.limit if clothes else None,
        "higher": clothes.higher_rate if clothes else None,
        "day": day,
    }
    cursor.execute(f"SELECT * FROM ({_UNINVOICEABLE_VARIANTS}) AS variants WHERE invalid_fields <> '{{}}'", facts)  # noqa: S608 - a constant
    return [{"sku": sku, "invalid_fields": list(invalid_fields)} for sku, invalid_fields in cursor.fetchall()]


INVARIANTS = (
    Invariant(
        id="INV-01",
        name="stock_is_never_oversold",
        statement="No more units are reserved than are on hand at a location: 0 <= reserved <= on_hand. Each variant has a stock level.",
        sql="""
            SELECT variant.id AS variant_id, sku, location_id, on_hand_milli, reserved_milli
            FROM catalog_variant AS variant LEFT JOIN catalog_stocklevel AS stock ON stock.variant_id = variant.id
            WHERE stock.variant_id IS NULL OR on_hand_milli < 0 OR reserved_milli < 0 OR reserved_milli > on_hand_milli
        """,
    ),
    Invariant(
        id="INV-02",
        name="stock_is_the_sum_of_its_movements",
        statement="The units on hand of a variant at a location are the sum of its movements there.",
        sql="""
            SELECT variant_id, location_id, stock.on_hand_milli, coalesce(moved.total, 0) AS moved
            FROM catalog_stocklevel AS stock
            FULL JOIN (
                SELECT variant_id, location_id, sum(quantity_milli) AS total
                FROM catalog_stockmovement GROUP BY variant_id, location_id
            ) AS moved USING (variant_id, location_id)
            WHERE stock.on_hand_milli IS DISTINCT FROM coalesce(moved.total, 0)
        """,
    ),
    Invariant(
        id="INV-03",
        name="reserved_is_the_sum_of_active_reservations",
        statement="The reserved units of a stock level are the units that its held and committed reservations have not consumed.",
        sql="""
            SELECT variant_id, location_id, stock.reserved_milli, coalesce(live.total, 0) AS live
            FROM catalog_stocklevel AS stock
            FULL JOIN (
                SELECT variant_id, location_id, sum(quantity_milli - consumed_milli) AS total FROM catalog_reservation
                WHERE status IN ('held', 'committed') GROUP BY variant_id, location_id
            ) AS live USING (variant_id, location_id)
            WHERE stock.reserved_milli IS DISTINCT FROM coalesce(live.total, 0)
        """,
    ),
    Invariant(
        id="INV-04",
        name="consumed_reservations_match_dispatches",
        statement=(
            "The dispatch movements of a reservation sum to its consumed units; it is consumed if and only if those are all its units,"
            " and each dispatch movement has a reservation."
        ),
        sql="""
            SELECT reservation.id AS reservation_id, reservation.status, reservation.quantity_milli,
                   reservation.consumed_milli, moved.total AS moved
            FROM catalog_reservation AS reservation
            FULL JOIN (
                SELECT reservation_id, variant_id, location_id, sum(quantity_milli) AS total
                FROM catalog_stockmovement WHERE kind = 'dispatch' OR reservation_id IS NOT NULL GROUP BY 1, 2, 3
            ) AS moved ON moved.reservation_id = reservation.id
                AND moved.variant_id = reservation.variant_id AND moved.location_id = reservation.location_id
            WHERE reservation.consumed_milli IS DISTINCT FROM -coalesce(moved.total, 0)
               OR (reservation.status = 'consumed') <> (reservation.consumed_milli = reservation.quantity_milli)
               OR (reservation.status IN ('held', 'expired') AND reservation.consumed_milli <> 0)
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="CAT-01",
        name="lowest_price_matches_variants",
        statement="The lowest price that lists show of a product is that of its cheapest active variant, or 0 without one.",
        sql="""
            SELECT product.id AS product_id, product.lowest_price, coalesce(found.lowest, 0) AS found
            FROM catalog_product AS product
            LEFT JOIN (
                SELECT product_id, min(price) AS lowest FROM catalog_variant WHERE is_active GROUP BY product_id
            ) AS found ON found.product_id = product.id
            WHERE product.lowest_price <> coalesce(found.lowest, 0)
        """,
    ),
    Invariant(
        id="CAT-02",
        name="product_counts_match_variants_and_stock",
        statement="The counts of a product, which lists read, are those of its active variants and of their stock levels with free units.",
        sql="""
            SELECT product.id AS product_id, active_variant_count, coalesce(found.variants, 0) AS variants,
                   levels_in_stock_count, coalesce(found.levels, 0) AS levels
            FROM catalog_product AS product
            LEFT JOIN (
                SELECT variant.product_id, count(DISTINCT variant.id) AS variants,
                       count(*) FILTER (WHERE level.on_hand_milli > level.reserved_milli) AS levels
                FROM catalog_variant AS variant LEFT JOIN catalog_stocklevel AS level ON level.variant_id = variant.id
                WHERE variant.is_active GROUP BY variant.product_id
            ) AS found ON found.product_id = product.id
            WHERE active_variant_count <> coalesce(found.variants, 0) OR levels_in_stock_count <> coalesce(found.levels, 0)
        """,
    ),
    Invariant(
        id="INV-55",
        name="active_variants_are_invoiceable",
        statement="Each active variant has an official unit, as many HSN digits as the shop must print, a name that an invoice carries,"
        " and the rate of its side of the value limit of clothes and shoes.",
        sql=_find_uninvoiceable_variants,
    ),
)

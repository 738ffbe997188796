"""What must hold of stock and of the copies that lists read."""

from apps.core.audit import Invariant

INVARIANTS = (
    Invariant(
        id="INV-01",
        name="nothing_is_oversold",
        statement="Nothing is promised that does not lie in the house: 0 <= reserved <= on_hand, and each variant has a count.",
        sql="""
            SELECT variant.id AS variant_id, sku, on_hand, reserved
            FROM catalog_variant AS variant LEFT JOIN catalog_stockitem AS stock ON stock.variant_id = variant.id
            WHERE stock.variant_id IS NULL OR on_hand < 0 OR reserved < 0 OR reserved > on_hand
        """,
    ),
    Invariant(
        id="INV-02",
        name="stock_is_the_sum_of_its_movements",
        statement="What lies in the house of a variant is the sum of its movements.",
        sql="""
            SELECT stock.variant_id, stock.on_hand, coalesce(moved.total, 0) AS moved
            FROM catalog_stockitem AS stock
            LEFT JOIN (
                SELECT variant_id, sum(quantity) AS total FROM catalog_stockmovement GROUP BY variant_id
            ) AS moved USING (variant_id)
            WHERE stock.on_hand <> coalesce(moved.total, 0)
            UNION ALL
            SELECT variant_id, NULL, sum(quantity) FROM catalog_stockmovement AS movement
            WHERE NOT EXISTS (SELECT FROM catalog_stockitem AS stock WHERE stock.variant_id = movement.variant_id)
            GROUP BY variant_id
        """,
    ),
    Invariant(
        id="INV-03",
        name="reserved_is_the_sum_of_live_reservations",
        statement="What is reserved of a variant is the sum of its reservations that are held or committed.",
        sql="""
            SELECT stock.variant_id, stock.reserved, coalesce(live.total, 0) AS live
            FROM catalog_stockitem AS stock
            LEFT JOIN (
                SELECT variant_id, sum(quantity) AS total FROM catalog_reservation
                WHERE status IN ('held', 'committed') GROUP BY variant_id
            ) AS live USING (variant_id)
            WHERE stock.reserved <> coalesce(live.total, 0)
        """,
    ),
    Invariant(
        id="INV-04",
        name="a_reservation_ends_once",
        statement="A reservation is consumed if and only if one dispatch took exactly its units out of the house.",
        sql="""
            SELECT reservation.id AS reservation_id, reservation.status, reservation.quantity, movement.quantity AS moved
            FROM catalog_reservation AS reservation
            FULL JOIN (
                SELECT variant_id, reference, quantity FROM catalog_stockmovement WHERE kind = 'dispatch'
            ) AS movement ON movement.reference = reservation.reference AND movement.variant_id = reservation.variant_id
            WHERE (reservation.status = 'consumed' AND movement.quantity IS DISTINCT FROM -reservation.quantity)
               OR (movement.quantity IS NOT NULL AND reservation.status IS DISTINCT FROM 'consumed')
        """,
    ),
    Invariant(
        id="CAT-01",
        name="lowest_price_is_the_lowest",
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
)

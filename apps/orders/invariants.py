"""What must hold of orders, their stock and their events."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from apps.core.audit import Invariant, Reads
from apps.core.event_histories import event_histories
from apps.core.states import InvalidTransition
from apps.orders import states
from apps.orders.states import OrderStatus
from apps.tax.rules import STATES_OF_PIN_PREFIX

_PIN_PREFIXES = ", ".join(
    f"('{prefix}', '{state}')" for prefix, states in STATES_OF_PIN_PREFIX.items() for state in states
)
# Orders of before PIN codes were compared say nothing of it.
_PINS = f"""
    WITH of_state (prefix, state) AS (VALUES {_PIN_PREFIXES})
    SELECT orders.number, part.name, address.pin, address.state
    FROM orders_order orders
    CROSS JOIN LATERAL (VALUES ('shipping', orders.shipping_address_id), ('billing', orders.billing_address_id)) AS part (name, id)
    JOIN orders_orderaddress address ON address.id = part.id
    WHERE address.pin_check <> '' AND address.pin_check IS DISTINCT FROM CASE
        WHEN address.pin LIKE '9%%' THEN 'army_post'
        WHEN (left(address.pin, 3), address.state) IN (SELECT prefix, state FROM of_state) THEN 'lies_in_state'
        WHEN left(address.pin, 3) NOT IN (SELECT prefix FROM of_state) THEN 'unknown_prefix' END
"""  # noqa: S608 - our own tables


def _find_orders_to_close(cursor: Any, now: datetime) -> list[dict[str, Any]]:
    latest = now - settings.RETURN_WINDOW - timedelta(days=1)
    cursor.execute(
        "SELECT number, completed_at FROM orders_order WHERE status = 'completed' AND completed_at < %(latest)s",
        {"latest": latest},
    )
    return [{"number": number, "completed_at": completed_at} for number, completed_at in cursor.fetchall()]


def _is_allowed(before: str | None, after: str) -> bool:
    if before is None:
        return after == OrderStatus.PENDING_PAYMENT
    try:
        states.transition(OrderStatus(before), to=OrderStatus(after))
    except (InvalidTransition, ValueError):
        return False
    return True


_ALLOWED_TRANSITIONS = ", ".join(
    f"('{before or ''}', '{after}')"
    for before in (None, *OrderStatus.values)
    for after in OrderStatus.values
    if _is_allowed(before, after)
)

#: What the events of an order record of its money.
RECORDED_FIELDS = {"orders.order": ("paid_amount", "refunded_amount")}

#: The rows of orders that changed lately.
RECENT_ROWS = {
    "orders_order": "id IN (SELECT id FROM recent_root)",
    "orders_orderline": "order_id IN (SELECT id FROM recent_root)",
    "catalog_reservation": "reference IN (SELECT id FROM orders_orderline)",
    "catalog_stockmovement": "reservation_id IN (SELECT id FROM catalog_reservation)",
}

INVARIANTS = (
    Invariant(
        id="INV-05",
        name="confirmed_orders_have_reservations",
        statement=(
            "Every line of a confirmed order has a committed or consumed reservation of its variant and quantity; once the order is"
            " completed, the units that were not dispatched may be released."
        ),
        sql="""
            SELECT o.number, l.id AS line_id, l.quantity_milli, r.quantity_milli AS reserved, r.status
            FROM orders_orderline l
            JOIN orders_order o ON o.id = l.order_id
            LEFT JOIN catalog_reservation r ON r.reference = l.id AND (r.status IN ('committed', 'consumed')
                OR (r.status = 'released' AND o.status IN ('completed', 'closed')))
            WHERE o.status IN ('confirmed', 'on_hold', 'in_fulfilment', 'completed', 'closed')
              AND (r.quantity_milli IS DISTINCT FROM l.quantity_milli OR r.variant_id IS DISTINCT FROM l.variant_id)
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-05b",
        name="only_open_orders_have_reservations",
        statement="Lines waiting for payment hold their quantity; those of cancelled and expired orders, or of none, hold nothing.",
        sql="""
            SELECT o.number, l.id AS reference, o.status AS order_status, r.status, r.quantity_milli
            FROM orders_orderline l
            JOIN orders_order o ON o.id = l.order_id
            LEFT JOIN catalog_reservation r ON r.reference = l.id
            WHERE o.status = 'pending_payment'
              AND (r.status IS DISTINCT FROM 'held' OR r.quantity_milli <> l.quantity_milli OR r.variant_id <> l.variant_id)
            UNION ALL
            SELECT o.number, r.reference, o.status, r.status, r.quantity_milli
            FROM catalog_reservation r
            LEFT JOIN orders_orderline l ON l.id = r.reference
            LEFT JOIN orders_order o ON o.id = l.order_id
            WHERE r.status IN ('held', 'committed') AND (o.id IS NULL OR o.status IN ('cancelled', 'expired'))
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-08",
        name="order_totals_add_up",
        statement="Each amount of an order is the sum of its lines'; total = taxable + taxes + round-off of half a rupee at most.",
        sql="""
            SELECT o.number, o.total_amount
            FROM orders_order o
            LEFT JOIN (
                SELECT order_id, sum(discount_amount) AS discount, sum(shipping_amount) AS shipping,
                       sum(taxable_amount) AS taxable, sum(cgst_amount) AS cgst, sum(sgst_amount) AS sgst,
                       sum(utgst_amount) AS utgst, sum(igst_amount) AS igst, sum(total_amount) AS total
                FROM orders_orderline GROUP BY order_id
            ) l ON l.order_id = o.id
            WHERE (o.discount_amount, o.shipping_amount, o.taxable_amount, o.cgst_amount, o.sgst_amount, o.utgst_amount,
                   o.igst_amount, o.total_amount)
                  IS DISTINCT FROM
                  (l.discount, l.shipping, l.taxable, l.cgst, l.sgst, l.utgst, l.igst, l.total + o.round_off_amount)
               OR o.round_off_amount NOT BETWEEN -50 AND 50 OR o.total_amount < 0
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-08c",
        name="lines_have_the_registration_of_their_order",
        statement="Each line of an order is sold under the registration for which its tax was computed, which is the order's.",
        sql="""
            SELECT o.number, l.position, l.registration_id, o.registration_id AS of_order
            FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id
            WHERE l.registration_id <> o.registration_id
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-08b",
        name="order_line_prices_are_correct",
        statement=(
            "A line's gross follows from unit price and quantity (a paisa apart at most where the price includes tax), and its"
            " tax from taxable value, rate and place of supply: IGST alone, or CGST and as much SGST or UTGST."
        ),
        sql="""
            SELECT o.number, l.position, l.taxable_amount, l.tax_rate
            FROM orders_orderline l
            JOIN orders_order o ON o.id = l.order_id
            JOIN tax_registration g ON g.id = o.registration_id
            WHERE abs(
                    l.gross_amount - round(
                        l.unit_price::numeric * l.quantity_milli / 1000
                        * CASE WHEN l.price_includes_tax THEN 10000.0 / (10000 + l.tax_rate) ELSE 1 END
                    )
                  ) > CASE WHEN l.price_includes_tax THEN 1 ELSE 0 END
               OR CASE WHEN g.state <> o.place_of_supply THEN
                    l.igst_amount <> round(l.taxable_amount::numeric * l.tax_rate / 10000)
                    OR l.cgst_amount + l.sgst_amount + l.utgst_amount <> 0
                  ELSE
                    l.cgst_amount <> round(l.taxable_amount::numeric * l.tax_rate / 20000)
                    OR l.cgst_amount <> l.sgst_amount + l.utgst_amount
                    OR (l.sgst_amount <> 0 AND l.utgst_amount <> 0) OR l.igst_amount <> 0
                  END
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-09",
        name="orders_match_their_events",
        statement="The version, status, paid and refunded amounts of an order are those that its events give.",
        sql="""
            WITH sums AS (
                SELECT subject_id, substr(max((lpad(version::text, 10, '0') || paid_amount) COLLATE "C"), 11)::bigint AS paid,
                       substr(max((lpad(version::text, 10, '0') || refunded_amount) COLLATE "C"), 11)::bigint AS refunded
                FROM recorded WHERE subject_type = 'orders.order' AND coalesce(paid_amount, refunded_amount) IS NOT NULL
                GROUP BY subject_id
            )
            SELECT o.number, o.version, e.version AS latest, o.status, e.status AS event_status, o.paid_amount,
                   sums.paid AS event_paid, o.refunded_amount, sums.refunded AS event_refunded
            FROM orders_order o
            LEFT JOIN (SELECT * FROM history WHERE subject_type = 'orders.order') e ON e.subject_id = o.id
            LEFT JOIN sums ON sums.subject_id = o.id
            WHERE (o.version, o.status::text, o.paid_amount) IS DISTINCT FROM (e.version, e.status, sums.paid)
               OR o.refunded_amount <> coalesce(sums.refunded, 0)
        """,
        reads=Reads.ONE_ORDER,
        reading=event_histories,
    ),
    Invariant(
        id="INV-09b",
        name="order_transitions_are_allowed",
        statement="Every order began as pending_payment, and every later transition is one that the transition table allows.",
        sql=f"""
            SELECT subject_id AS order_id, version, previous AS before, status AS after FROM moves
            WHERE subject_type = 'orders.order' AND (coalesce(previous, ''), status) NOT IN (VALUES {_ALLOWED_TRANSITIONS})
        """,  # noqa: S608 - only constants of the code are interpolated
        reads=Reads.ONE_ORDER,
        reading=event_histories,
    ),
    Invariant(
        id="INV-10",
        name="unpaid_orders_expire_in_time",
        statement="No order stays open more than ten minutes past its time while no payment is under way and no money is under review.",
        grace_seconds=600,
        sql="""
            SELECT number, expires_at, payment_live_until FROM orders_order
            WHERE status = 'pending_payment' AND under_review_amount = 0
              AND greatest(expires_at, payment_live_until) < %(now)s - interval '10 minutes'
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-11a",
        name="confirmed_orders_are_paid",
        statement="No order is confirmed, or in a later status, with less than its total paid.",
        sql="""
            SELECT number, status, total_amount, paid_amount FROM orders_order
            WHERE status IN ('confirmed', 'on_hold', 'in_fulfilment', 'completed', 'closed') AND paid_amount < total_amount
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-11b",
        name="fulfilment_status_matches_lines",
        statement="The fulfilment status of an order is the one that the counters of its lines give.",
        sql="""
            SELECT o.number, o.fulfilment_status, l.ordered, l.dispatched, l.delivered, l.returned, l.cancelled
            FROM orders_order o
            JOIN (
                SELECT order_id, sum(quantity_milli) AS ordered, sum(dispatched_milli) AS dispatched, sum(delivered_milli) AS delivered,
                       sum(returned_milli) AS returned, sum(cancelled_milli) AS cancelled
                FROM orders_orderline GROUP BY order_id
            ) l ON l.order_id = o.id
            WHERE o.fulfilment_status <> CASE
                WHEN l.dispatched = 0 THEN 'unfulfilled'
                WHEN l.returned = l.dispatched THEN 'returned'
                WHEN l.dispatched < l.ordered - l.cancelled THEN 'partial'
                WHEN l.delivered = l.dispatched THEN 'delivered' ELSE 'shipped' END
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-11c",
        name="completed_orders_hold_no_stock",
        statement=(
            "A completed order has the time of its completion, each of its units is dispatched or cancelled, and nothing is reserved"
            " for it. A closed order also has the time of its closing."
        ),
        sql="""
            SELECT o.number, o.status, o.completed_at, o.closed_at, l.position, r.status AS reservation
            FROM orders_order o
            JOIN orders_orderline l ON l.order_id = o.id
            LEFT JOIN catalog_reservation r ON r.reference = l.id
            WHERE o.status IN ('completed', 'closed') AND (
                o.completed_at IS NULL OR (o.status = 'closed') <> (o.closed_at IS NOT NULL)
                OR l.dispatched_milli + l.cancelled_milli <> l.quantity_milli OR r.status IN ('held', 'committed'))
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-11d",
        name="completed_orders_are_closed_in_time",
        statement="No completed order stays open for more than a day after its return window.",
        grace_seconds=86_400,
        sql=_find_orders_to_close,
    ),
    Invariant(
        id="INV-12",
        name="one_order_per_idempotency_key",
        statement="Every stored response to a placed order names an existing order of the caller, and no two keys name the same order.",
        sql="""
            WITH answers AS (
                SELECT id, principal, convert_from(body, 'UTF8')::jsonb AS answer FROM core_idempotencykey
                WHERE route = 'POST /api/v1/orders' AND status = 201
            )
            SELECT a.id, a.principal, a.answer ->> 'number' AS number
            FROM answers a LEFT JOIN orders_order o ON o.number = a.answer ->> 'number'
            WHERE o.id IS NULL OR a.answer ->> 'customer_id' IS DISTINCT FROM a.principal
            UNION ALL
            SELECT max(id), max(principal), answer ->> 'number' FROM answers
            GROUP BY answer ->> 'number' HAVING count(*) > 1
        """,
    ),
    Invariant(
        id="INV-13",
        name="discounts_do_not_exceed_prices",
        statement="No line is discounted by more than its price, and no amount of a line is negative.",
        sql="""
            SELECT o.number, l.position, l.gross_amount, l.discount_amount
            FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id
            WHERE l.discount_amount NOT BETWEEN 0 AND l.gross_amount
               OR least(l.unit_price, l.shipping_amount, l.taxable_amount, l.cgst_amount, l.sgst_amount, l.utgst_amount,
                        l.igst_amount, l.total_amount) < 0
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-54",
        name="address_pins_match_states",
        statement="The PIN code of an order's address is of the address's state, unless it belongs to the army post or to no known range.",
        sql=_PINS,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-50b",
        name="orders_of_erased_customers_are_erased",
        statement="An order of an erased customer has no name, address or typed text, and awaits no payment.",
        sql="""
            SELECT o.number, o.status FROM orders_order o
            JOIN accounts_user u ON u.id = o.customer_id AND u.erased_at IS NOT NULL
            JOIN orders_orderaddress billing ON billing.id = o.billing_address_id
            JOIN orders_orderaddress shipping ON shipping.id = o.shipping_address_id
            WHERE billing.erased_at IS NULL OR shipping.erased_at IS NULL OR o.note <> '' OR o.cancel_reason <> ''
               OR o.status = 'pending_payment' OR (o.status <> 'cancelled' AND o.confirmed_at > u.erased_at)
        """,
        reads=Reads.ONE_ORDER,
    ),
)

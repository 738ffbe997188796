"""What must always hold of shipments, and between them and orders, stock, documents and refunds."""

from apps.core.audit import Invariant, Reads
from apps.core.event_histories import event_histories

_LEFT_STOCK = "('dispatched', 'delivered', 'lost', 'damaged')"
_RESERVING = "('requires_approval', 'pending', 'unknown', 'awaiting_transfer', 'processed')"

_MOVEMENTS = f"""
    SELECT sent.number, sent.line_id AS shipment_line, sent.quantity_milli, movement.id AS movement, movement.quantity_milli AS moved,
           reservation.reference AS reserved_for
    FROM (
        SELECT shipment.number, line.id AS line_id, line.order_line_id, line.quantity_milli
        FROM fulfilment_shipmentline line JOIN fulfilment_shipment shipment ON shipment.id = line.shipment_id
        WHERE shipment.status IN {_LEFT_STOCK}
    ) sent
    FULL JOIN (SELECT * FROM catalog_stockmovement WHERE kind = 'dispatch') movement ON movement.reference = sent.line_id
    LEFT JOIN catalog_reservation reservation ON reservation.id = movement.reservation_id
    WHERE movement.quantity_milli IS DISTINCT FROM -sent.quantity_milli
       OR reservation.reference IS DISTINCT FROM sent.order_line_id
"""  # noqa: S608 - our own names

_NOT_INVOICED = f"""
    SELECT orders.number, ordered.position, sent.units AS dispatched, coalesce(invoiced.units, 0) AS invoiced
    FROM (
        SELECT line.order_line_id, sum(line.quantity_milli) AS units
        FROM fulfilment_shipmentline line JOIN fulfilment_shipment shipment ON shipment.id = line.shipment_id
        WHERE shipment.status IN {_LEFT_STOCK} GROUP BY 1
    ) sent
    JOIN orders_orderline ordered ON ordered.id = sent.order_line_id
    JOIN orders_order orders ON orders.id = ordered.order_id
    LEFT JOIN (
        SELECT invoice.order_id, line.order_line_id, sum(line.quantity_milli) AS units
        FROM invoicing_invoice invoice JOIN invoicing_invoiceline line ON line.invoice_id = invoice.id
        WHERE invoice.type <> 'credit_note' AND invoice.status <> 'cancelled' GROUP BY 1, 2
    ) invoiced ON invoiced.order_id = orders.id AND invoiced.order_line_id = ordered.id
    WHERE sent.units > coalesce(invoiced.units, 0)
"""  # noqa: S608 - our own names

_TWICE_SHIPPED = """
    SELECT orders.number, ordered.position, ordered.quantity_milli, ordered.cancelled_milli, sum(line.quantity_milli) AS shipped
    FROM fulfilment_shipmentline line
    JOIN fulfilment_shipment shipment ON shipment.id = line.shipment_id
    JOIN orders_orderline ordered ON ordered.id = line.order_line_id
    JOIN orders_order orders ON orders.id = ordered.order_id
    WHERE shipment.status <> 'cancelled'
    GROUP BY orders.id, ordered.id
    HAVING sum(line.quantity_milli) > ordered.quantity_milli - ordered.cancelled_milli
    UNION ALL
    SELECT shipment.number, ordered.position, ordered.quantity_milli, ordered.cancelled_milli, line.quantity_milli
    FROM fulfilment_shipmentline line
    JOIN fulfilment_shipment shipment ON shipment.id = line.shipment_id
    JOIN orders_orderline ordered ON ordered.id = line.order_line_id
    WHERE ordered.order_id <> shipment.order_id
    UNION ALL
    SELECT shipment.number, NULL, NULL, NULL, NULL FROM fulfilment_shipment shipment
    WHERE NOT EXISTS (SELECT FROM fulfilment_shipmentline WHERE shipment_id = shipment.id)
"""

# Ids grow with time, and those of a refund and of an event are made under the lock of their order: so they say which came first.
# A refund that failed, and was processed by the gateway all the same, reserved nothing meanwhile.
# Sums along the time of each line, and joins by equality: a list that is searched for each parcel may be read whole that often.
_SHIPPED_AND_REFUNDED = f"""
    WITH sent AS (
        SELECT shipment.number, shipment.refund_override_reason, line.id, line.order_line_id, line.quantity_milli, event.id AS event_id,
               coalesce(sum(line.quantity_milli) OVER (
                   PARTITION BY line.order_line_id ORDER BY event.id RANGE UNBOUNDED PRECEDING EXCLUDE GROUP), 0) AS earlier
        FROM fulfilment_shipment shipment
        JOIN fulfilment_shipmentline line ON line.shipment_id = shipment.id
        JOIN recorded event ON event.subject_type = 'fulfilment.shipment' AND event.subject_id = shipment.id
            AND event.action = 'dispatched'
    ), refunded AS (
        SELECT refund.id, line.order_line_id, line.quantity_milli - line.sent_milli AS unsent
        FROM payments_refundline line JOIN payments_refund refund ON refund.id = line.refund_id
        WHERE refund.status IN {_RESERVING} AND refund.id NOT IN (
            SELECT subject_id FROM recorded WHERE subject_type = 'payments.refund' AND action IN ('failed', 'cancelled'))
    )
    SELECT sent.number, ordered.position, ordered.quantity_milli, sent.earlier AS sent, sent.quantity_milli AS sent_now,
           coalesce(sum(refunded.unsent), 0) AS refunded
    FROM sent
    JOIN orders_orderline ordered ON ordered.id = sent.order_line_id
    LEFT JOIN refunded ON refunded.order_line_id = sent.order_line_id AND refunded.id < sent.event_id
    WHERE sent.refund_override_reason = ''
    GROUP BY sent.id, sent.event_id, sent.number, sent.earlier, sent.quantity_milli, ordered.id
    HAVING sent.earlier + sent.quantity_milli + coalesce(sum(refunded.unsent), 0) > ordered.quantity_milli
"""  # noqa: S608 - our own names

_COUNTERS = f"""
    SELECT orders.number, ordered.position, ordered.dispatched_milli, ordered.delivered_milli,
           coalesce(sent.dispatched, 0) AS in_shipments, coalesce(sent.delivered, 0) AS in_delivered_shipments
    FROM (SELECT * FROM orders_orderline WHERE dispatched_milli <> 0 OR delivered_milli <> 0
          OR id IN (SELECT order_line_id FROM fulfilment_shipmentline)) ordered
    JOIN orders_order orders ON orders.id = ordered.order_id
    LEFT JOIN (
        SELECT line.order_line_id, sum(line.quantity_milli) AS dispatched,
               coalesce(sum(line.quantity_milli) FILTER (WHERE shipment.status = 'delivered'), 0) AS delivered
        FROM fulfilment_shipmentline line JOIN fulfilment_shipment shipment ON shipment.id = line.shipment_id
        WHERE shipment.status IN {_LEFT_STOCK} GROUP BY 1
    ) sent ON sent.order_line_id = ordered.id
    WHERE ordered.dispatched_milli <> coalesce(sent.dispatched, 0) OR ordered.delivered_milli <> coalesce(sent.delivered, 0)
"""  # noqa: S608 - our own names

_WRONG_ORDERS = """
    SELECT shipment.number, shipment.status, orders.number AS order_number, orders.status AS order_status
    FROM fulfilment_shipment shipment JOIN orders_order orders ON orders.id = shipment.order_id
    WHERE (shipment.status <> 'cancelled' AND orders.status IN ('draft', 'pending_payment', 'expired', 'cancelled'))
       OR (shipment.status NOT IN ('cancelled', 'pending') AND orders.status IN ('confirmed', 'on_hold'))
       OR (shipment.status IN ('pending', 'packed', 'dispatched') AND orders.status IN ('completed', 'closed'))
"""

#: Of an order line `ordered`, the units that processed refunds took before they were sent, and before they arrived.
_REFUNDED_OF_LINE = """
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(line.quantity_milli - line.sent_milli), 0) AS unsent,
               coalesce(sum(line.sent_milli - line.delivered_milli), 0) AS undelivered
        FROM payments_refundline line JOIN payments_refund refund ON refund.id = line.refund_id
        WHERE line.order_line_id = ordered.id AND refund.status = 'processed'
    ) refunded
"""

#: What is left of the money by which an order was paid again, and which goes back without regard to its goods.
_SURPLUS = """
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(greatest(0, attempt.amount - back.refunded - back.lost)), 0) AS amount
        FROM payments_payment payment JOIN payments_paymentattempt attempt ON attempt.payment_id = payment.id
        CROSS JOIN LATERAL (
            SELECT coalesce((SELECT sum(refund.amount) FROM payments_refund refund
                             WHERE refund.attempt_id = attempt.id AND refund.status = 'processed'), 0) AS refunded,
                   coalesce((SELECT sum(dispute.amount_deducted) FROM payments_dispute dispute
                             WHERE dispute.attempt_id = attempt.id AND dispute.status = 'lost'), 0) AS lost
        ) back
        WHERE payment.order_id = orders.id AND attempt.status = 'captured' AND attempt.review_reason = 'paid_twice'
    ) surplus
"""

# What a dispute has lost counts as refunded. Less than ₹1.00, or what was waived, is never refunded. A unit that was refunded before
# it was sent or arrived counts as one of those that were not sent, or did not arrive: the same unit never counts twice.
_NOT_DONE = f"""
    SELECT orders.number, ordered.position, ordered.quantity_milli, ordered.delivered_milli, units.unsent + units.gone AS refunded
    FROM orders_order orders
    JOIN orders_orderline ordered ON ordered.order_id = orders.id
    {_REFUNDED_OF_LINE}
    CROSS JOIN LATERAL (
        SELECT least(refunded.unsent, ordered.quantity_milli - ordered.dispatched_milli) AS unsent,
               least(refunded.undelivered + greatest(0, refunded.unsent - (ordered.quantity_milli - ordered.dispatched_milli)),
                     ordered.dispatched_milli - ordered.delivered_milli) AS gone
    ) units
    {_SURPLUS}
    WHERE orders.status IN ('completed', 'closed')
      AND ordered.delivered_milli + units.unsent + units.gone < ordered.quantity_milli
      AND orders.refunded_amount + orders.lost_amount <= orders.paid_amount - 100
          - least(surplus.amount, greatest(0, orders.paid_amount - orders.lost_amount - orders.total_amount))
"""  # noqa: S608 - our own names

# An order whose money moves, is reviewed or is disputed is not done yet; neither is one without its invoice.
_DONE_AND_OPEN = f"""
    SELECT orders.number, orders.updated_at FROM orders_order orders
    WHERE orders.status = 'in_fulfilment' AND orders.updated_at < %(now)s - interval '10 minutes'
      AND orders.disputed_amount = 0 AND orders.under_review_amount = 0 AND NOT orders.is_payment_processing
      AND orders.paid_amount - orders.refunded_amount - orders.lost_amount <= orders.total_amount
      AND NOT EXISTS (SELECT FROM fulfilment_shipment WHERE order_id = orders.id AND status IN ('pending', 'packed', 'dispatched'))
      AND NOT EXISTS (SELECT FROM payments_refund WHERE order_id = orders.id AND status NOT IN ('processed', 'cancelled'))
      AND NOT EXISTS (SELECT FROM payments_payment WHERE order_id = orders.id
                      AND status IN ('requires_payment', 'processing', 'requires_capture'))
      AND EXISTS (SELECT FROM invoicing_invoice WHERE order_id = orders.id)
      AND NOT EXISTS (
        SELECT FROM orders_orderline ordered
        {_REFUNDED_OF_LINE}
        CROSS JOIN LATERAL (
            SELECT ordered.quantity_milli - ordered.cancelled_milli - ordered.dispatched_milli AS unsent,
                   ordered.dispatched_milli - ordered.delivered_milli AS gone
        ) left_over
        WHERE ordered.order_id = orders.id
          AND left_over.unsent + left_over.gone > least(refunded.unsent, left_over.unsent)
              + least(refunded.undelivered + greatest(0, refunded.unsent - left_over.unsent), left_over.gone)
    )
"""  # noqa: S608 - our own names

_REFUNDED_UNITS = f"""
    SELECT orders.number, ordered.position, ordered.dispatched_milli, ordered.delivered_milli, refunded.sent, refunded.delivered
    FROM (
        SELECT line.order_line_id, sum(line.sent_milli) AS sent, sum(line.delivered_milli) AS delivered
        FROM payments_refundline line JOIN payments_refund refund ON refund.id = line.refund_id
        WHERE refund.status IN {_RESERVING} GROUP BY 1
    ) refunded
    JOIN orders_orderline ordered ON ordered.id = refunded.order_line_id
    JOIN orders_order orders ON orders.id = ordered.order_id
    WHERE refunded.sent > ordered.dispatched_milli OR refunded.delivered > ordered.delivered_milli
"""  # noqa: S608 - our own names

_SHIPMENT_EVENTS = """
    SELECT shipment.number, shipment.version, last.version AS latest, shipment.status, last.status AS event_status
    FROM fulfilment_shipment shipment
    LEFT JOIN (SELECT * FROM history WHERE subject_type = 'fulfilment.shipment') last ON last.subject_id = shipment.id
    WHERE (shipment.version, shipment.status::text) IS DISTINCT FROM (last.version, last.status)
       OR shipment.id IN (SELECT subject_id FROM recorded WHERE subject_type = 'fulfilment.shipment' AND NOT has_root)
"""

#: The rows of orders that changed lately.
RECENT_ROWS = {
    "fulfilment_shipment": "order_id IN (SELECT id FROM recent_root)",
    "fulfilment_shipmentline": "shipment_id IN (SELECT id FROM fulfilment_shipment)",
}

INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        "INV-60",
        "dispatched_units_were_reserved",
        "Each line of a dispatched shipment has one dispatch movement of exactly its units, from the reservation of its order line;"
        " no other dispatch movement exists.",
        _MOVEMENTS,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-61",
        "dispatched_units_are_invoiced",
        "No more units of an order line have left than its invoices cover (CGST Act, section 31(1)).",
        _NOT_INVOICED,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-62",
        "units_are_in_one_shipment",
        "A unit is in at most one shipment that is not cancelled. A shipment has at least one line, and only lines of its own order.",
        _TWICE_SHIPPED,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-63",
        "refunded_units_leave_for_a_reason",
        "No refunded unit leaves unless its shipment records the reason; units that are refunded after they left do not count.",
        _SHIPPED_AND_REFUNDED,
        reads=Reads.ONE_ORDER,
        reading=event_histories,
    ),
    Invariant(
        "INV-64",
        "line_counters_match_shipments",
        "The dispatched and delivered units of an order line are the sums over its shipments.",
        _COUNTERS,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-65",
        "shipments_fit_their_orders",
        "An unpaid, expired or cancelled order has only cancelled shipments, nothing of an order on hold is packed, and nothing of a"
        " completed order is on its way.",
        _WRONG_ORDERS,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-66",
        "completed_orders_are_done",
        "Each unit of a completed order is delivered or refunded, unless all of its money was refunded or lost in disputes.",
        _NOT_DONE,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-66b",
        "done_orders_are_completed",
        "No order stays in fulfilment for more than ten minutes whose every unit is delivered, cancelled or refunded and whose money"
        " is settled with its customer.",
        _DONE_AND_OPEN,
        grace_seconds=600,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-67",
        "shipments_match_their_events",
        "The version and status of a shipment are those of its latest events, and each of its events belongs to an order.",
        _SHIPMENT_EVENTS,
        reads=Reads.ONE_ORDER,
        reading=event_histories,
    ),
    Invariant(
        "INV-68",
        "refunded_units_fit_shipments",
        "Refunds took no more sent units of an order line than were dispatched, and no more delivered ones than were delivered.",
        _REFUNDED_UNITS,
        reads=Reads.ONE_ORDER,
    ),
)

"""Invariants of ownership: a row has the order, the payment and the gateway of its parent."""

from datetime import datetime
from typing import Any

from apps.core import ids
from apps.core.audit import Invariant, Reads
from apps.orders import events as order_events
from apps.payments import events


def _customers_texts_in_events(cursor: Any, now: datetime) -> list[dict[str, Any]]:
    # The actor of an event is text, so it is compared with the customer of the order here.
    cursor.execute(
        """
        SELECT e.id, e.type, e.actor, o.number, o.customer_id FROM core_event e
        JOIN orders_order o ON o.id = e.root_id
        WHERE e.type = ANY(%(types)s) AND e.reason <> '' AND e.created_at > %(now)s - interval '1 day'
        """,
        {"types": _WITH_TYPED_TEXT, "now": now},
    )
    return [
        {"id": event_id, "type": event_type, "order": number}
        for event_id, event_type, actor, number, customer_id in cursor.fetchall()
        if actor == f"user:{ids.encode('cus', customer_id)}"
    ]


#: Events with a reason that a customer may have typed.
_WITH_TYPED_TEXT = [order_events.ORDER_CANCELLED, events.REFUND_REQUESTED, events.REFUND_CANCELLED]

OWNERSHIP = (
    Invariant(
        id="INV-49",
        name="related_rows_share_an_order",
        statement="Refunds and disputes have the order, payment and gateway of the attempt that they are about.",
        sql="""
            SELECT 'refund' AS kind, r.id FROM payments_refund r
            JOIN payments_payment p ON p.id = r.payment_id JOIN payments_paymentattempt a ON a.id = r.attempt_id
            JOIN orders_order o ON o.id = r.order_id
            WHERE p.order_id <> r.order_id OR a.payment_id <> r.payment_id OR o.customer_id <> p.customer_id
            UNION ALL
            SELECT 'dispute', d.id FROM payments_dispute d
            JOIN payments_payment p ON p.id = d.payment_id JOIN payments_paymentattempt a ON a.id = d.attempt_id
            WHERE p.order_id <> d.order_id OR a.payment_id <> d.payment_id OR a.currency <> d.currency OR d.amount > a.amount
            UNION ALL
            SELECT 'retry', r.id FROM payments_refund r JOIN payments_refund f ON f.id = r.retry_of_id
            WHERE f.order_id <> r.order_id
            UNION ALL
            SELECT 'attempt', a.id FROM payments_paymentattempt a JOIN payments_payment p ON p.id = a.payment_id
            WHERE p.gateway <> a.gateway
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-49b",
        name="postings_belong_to_their_order",
        statement="Each capture, refund and dispute is posted under its own order.",
        sql="""
            SELECT t.id, t.source_type, t.kind, t.order_id, of.order_id AS belongs_to FROM ledger_ledgertransaction t
            JOIN (
                SELECT 'payments.paymentattempt' AS source_type, a.id, p.order_id FROM payments_paymentattempt a
                JOIN payments_payment p ON p.id = a.payment_id
                UNION ALL SELECT 'payments.refund', id, order_id FROM payments_refund
                UNION ALL SELECT 'payments.dispute', id, order_id FROM payments_dispute
            ) of ON of.source_type = t.source_type AND of.id = t.source_id
            WHERE t.order_id IS DISTINCT FROM of.order_id
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-50c",
        name="erased_payers_are_anonymised",
        statement="A payment of an erased customer names no payer and no device, and a refund has no note, ten minutes after the erasure.",
        grace_seconds=600,
        sql="""
            SELECT p.id, a.gateway_payment_id FROM payments_payment p
            JOIN accounts_user u ON u.id = p.customer_id AND u.erased_at < %(now)s - interval '10 minutes'
            LEFT JOIN payments_paymentattempt a ON a.payment_id = p.id AND a.payer <> 'erased'
            WHERE a.id IS NOT NULL OR p.payer_ip IS NOT NULL OR p.payer_user_agent <> ''
            UNION ALL
            SELECT r.id, r.number FROM payments_refund r
            JOIN orders_order o ON o.id = r.order_id
            JOIN accounts_user u ON u.id = o.customer_id AND u.erased_at < %(now)s - interval '10 minutes'
            WHERE r.note <> ''
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-50f",
        name="events_keep_no_text_of_customers",
        statement="No event of the last day keeps a reason that the order's customer has typed.",
        sql=_customers_texts_in_events,
        reads=Reads.ONE_ORDER,
    ),
)

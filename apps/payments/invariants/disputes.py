"""Invariants of disputes."""

from apps.core.audit import Invariant, Reads
from apps.payments.invariants.refunds import REFUND_MADE_UNEXPECTEDLY, RESERVING_REFUNDS

DISPUTES = (
    Invariant(
        id="INV-25d",
        name="dispute_balance_matches_deductions",
        statement="The books have the deducted amount of each undecided dispute, a loss for each lost one, and nothing for the others.",
        sql="""
            SELECT d.id, d.status, d.amount_deducted, coalesce(b.held, 0) AS held, coalesce(b.lost, 0) AS lost
            FROM payments_dispute d
            LEFT JOIN (
                SELECT t.source_id, sum(e.amount) FILTER (WHERE e.account_id = 'disputes') AS held,
                       sum(e.amount) FILTER (WHERE e.account_id = 'dispute_losses') AS lost
                FROM ledger_ledgertransaction t JOIN ledger_ledgerentry e ON e.transaction_id = t.id
                WHERE t.source_type = 'payments.dispute' GROUP BY t.source_id
            ) b ON b.source_id = d.id
            WHERE coalesce(b.held, 0)
                  <> CASE WHEN d.status IN ('open', 'under_review') THEN d.amount_deducted ELSE 0 END
               OR coalesce(b.lost, 0) <> CASE WHEN d.status = 'lost' THEN d.amount_deducted ELSE 0 END
               OR (d.status IN ('won', 'closed') AND d.amount_deducted <> 0)
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-18e",
        name="undecided_disputes_are_polled",
        statement="Every undecided dispute is polled within an hour of its time; a decided one has its time of decision and is not polled.",
        grace_seconds=3600,
        sql="""
            SELECT id, gateway_dispute_id, status, next_check_at, decided_at FROM payments_dispute
            WHERE CASE WHEN status IN ('open', 'under_review')
                  THEN decided_at IS NOT NULL OR coalesce(next_check_at, '-infinity') < %(now)s - interval '1 hour'
                  ELSE decided_at IS NULL OR next_check_at IS NOT NULL END
        """,
        reads=Reads.ONE_ORDER,
    ),
    # The ids give the order of creation, because they are made under the lock of the order. Timestamps do not: a writer
    # may read the clock first and get the lock last. A remainder was decided with the refund that it is a rest of.
    Invariant(
        id="INV-14d",
        name="disputed_money_is_not_refunded",
        statement="No refund that was requested here after a dispute takes money of that dispute, whether undecided or lost. What"
        " somebody refunds at the gateway all the same is an exception.",
        sql=f"""
            SELECT a.id, a.gateway_payment_id, a.amount, r.number, kept.amount AS disputed, refunded.amount AS refunded
            FROM payments_refund r JOIN payments_paymentattempt a ON a.id = r.attempt_id
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(CASE WHEN d.status IN ('open', 'under_review') THEN d.amount
                                         WHEN d.status = 'lost' THEN d.amount_deducted END), 0) AS amount
                FROM payments_dispute d WHERE d.attempt_id = a.id AND d.id < coalesce(r.remainder_of_id, r.id)
            ) kept
            CROSS JOIN LATERAL (
                SELECT sum(b.amount) AS amount FROM payments_refund b
                WHERE b.attempt_id = a.id AND b.status IN {RESERVING_REFUNDS} AND b.id <= r.id
                  AND (b.id = r.id OR NOT {REFUND_MADE_UNEXPECTEDLY.replace("r.", "b.")})
            ) refunded
            WHERE r.status IN {RESERVING_REFUNDS} AND r.requested_by NOT LIKE 'gateway:%%' AND NOT {REFUND_MADE_UNEXPECTEDLY}
              AND kept.amount > 0 AND refunded.amount + kept.amount > a.amount
        """,  # noqa: S608 - our own names
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-18h",
        name="disputes_are_answered_in_time",
        statement="No dispute is open without a response an hour after its deadline.",
        grace_seconds=3600,
        sql="""
            SELECT id, gateway_dispute_id, respond_by, response, gateway_call FROM payments_dispute
            WHERE status = 'open' AND respond_by < %(now)s - interval '1 hour'
        """,
    ),
    Invariant(
        id="INV-20f",
        name="order_disputed_amount_matches",
        statement="An order's copies of what is disputed and of what was lost are the sums of its disputes.",
        sql="""
            SELECT o.id, o.number, o.disputed_amount, o.lost_amount, d.disputed, d.lost FROM orders_order o
            LEFT JOIN (
                SELECT d.order_id, sum(d.amount) FILTER (WHERE d.status IN ('open', 'under_review')) AS disputed,
                       sum(d.amount_deducted) FILTER (
                           WHERE d.status = 'lost' AND a.review_reason <> 'amount_mismatch' AND d.currency = o.currency) AS lost
                FROM payments_dispute d JOIN payments_paymentattempt a ON a.id = d.attempt_id
                JOIN orders_order o ON o.id = d.order_id GROUP BY d.order_id
            ) d ON d.order_id = o.id
            WHERE (o.disputed_amount, o.lost_amount) IS DISTINCT FROM (coalesce(d.disputed, 0), coalesce(d.lost, 0))
        """,
        reads=Reads.ONE_ORDER,
    ),
)

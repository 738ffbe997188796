"""Invariants of refunds."""

from apps.core import ids
from apps.core.audit import Invariant, Reads
from apps.payments import rules

#: The smallest refund of an attempt `a`: ₹1, and at least one smallest unit of the payer's own currency. A smaller rest
#: stays with us.
SMALLEST_REFUND = (
    f"greatest({rules.MINIMUM_REFUND_PAISE}, coalesce((a.amount + a.payer_amount - 1) / nullif(a.payer_amount, 0), 0))"
)
#: The amount deducted for lost disputes of an attempt `a`.
LOST_OF_ATTEMPT = """
    (SELECT coalesce(sum(d.amount_deducted), 0) FROM payments_dispute d WHERE d.attempt_id = a.id AND d.status = 'lost')
"""
RESERVING_REFUNDS = "('requires_approval', 'pending', 'unknown', 'awaiting_transfer', 'processed')"
#: The gateway made the refund `r` after it had failed or was cancelled; another refund may have covered it meanwhile.
#: Or it made `r` although it still required approval, and nobody approved it after.
REFUND_MADE_UNEXPECTEDLY = """
    (r.status <> 'awaiting_transfer' AND r.transfer_reference = '' AND (EXISTS (
        SELECT FROM ledger_ledgertransaction again WHERE again.source_type = 'payments.refund'
        AND again.source_id = r.id AND again.kind LIKE 'refund_reinstated%%')
      OR (r.status = 'processed' AND r.approved_by = '' AND EXISTS (
        SELECT FROM ledger_reconciliationexception e WHERE e.refund_id = r.id AND e.reason = 'unexpected_refund')
      AND EXISTS (SELECT FROM core_event asked WHERE asked.subject_type = 'payments.refund' AND asked.subject_id = r.id
                  AND asked.version = 1 AND asked.changes ->> 'status' = 'requires_approval'))))
"""
#: The customer of an order `o` as the actor of an event: their public id.
_CUSTOMER = "'user:cus_' || " + " || ".join(
    f"substr('{ids.ALPHABET}', substring(customer.bits FROM {5 * position + 1} FOR 5)::bit(5)::int + 1, 1)"
    for position in range(26)
)

REFUNDS = (
    Invariant(
        id="INV-14b",
        name="refunds_within_captured_amount",
        statement="What is refunded of an attempt and what refunds reserve of it is together not more than was captured, in its"
        " currency. It is more only until the gateway rejects Bahi's refund, or staff reject it or cancel its transfer, because"
        " somebody had made one there.",
        sql=f"""
            SELECT a.id, a.gateway_payment_id, a.status, a.amount, sum(r.amount) AS given_back FROM payments_refund r
            JOIN payments_paymentattempt a ON a.id = r.attempt_id
            CROSS JOIN LATERAL (
                SELECT r.status <> 'awaiting_transfer' AND r.requested_by LIKE 'gateway:%%'
                           OR {REFUND_MADE_UNEXPECTEDLY} AS is_by_gateway,
                       r.status = 'pending' AND r.gateway_call = 'pending' AS is_unsent
            ) refund
            WHERE r.status IN {RESERVING_REFUNDS}
            GROUP BY a.id HAVING a.status <> 'captured' OR bool_or(r.currency <> a.currency)
                OR sum(r.amount) FILTER (WHERE refund.is_by_gateway OR r.status = 'processed') > a.amount
                OR sum(r.amount) FILTER (WHERE NOT refund.is_by_gateway) > a.amount
                OR sum(r.amount) FILTER (WHERE r.status <> 'requires_approval') > a.amount
                   AND bool_or(refund.is_unsent AND NOT refund.is_by_gateway)
        """,  # noqa: S608 - our own names
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-14g",
        name="refunds_and_losses_within_captured_amount",
        statement="What refunds and disputes have taken of an attempt is together not more than was captured, in its currency; and"
        " no dispute is about more than was captured.",
        sql="""
            WITH gone AS (
                SELECT attempt_id, amount, currency FROM payments_refund WHERE status = 'processed'
                UNION ALL SELECT attempt_id, amount_deducted, currency FROM payments_dispute
            )
            SELECT a.id, a.gateway_payment_id, a.amount, sum(g.amount) AS gone FROM payments_paymentattempt a
            JOIN gone g ON g.attempt_id = a.id
            GROUP BY a.id HAVING sum(g.amount) > a.amount OR bool_or(g.currency <> a.currency)
            UNION ALL
            SELECT a.id, a.gateway_payment_id, a.amount, d.amount FROM payments_dispute d
            JOIN payments_paymentattempt a ON a.id = d.attempt_id WHERE d.amount > a.amount
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-14c",
        name="refunded_units_within_sold_units",
        statement="The units that refunds hold of an order line are not more than were ordered, and of the refund's own order.",
        sql=f"""
            SELECT l.id, l.quantity_milli, sum(b.quantity_milli) AS refunded FROM payments_refundline b
            JOIN payments_refund r ON r.id = b.refund_id JOIN orders_orderline l ON l.id = b.order_line_id
            WHERE r.status IN {RESERVING_REFUNDS} AND NOT {REFUND_MADE_UNEXPECTEDLY}
            GROUP BY l.id HAVING sum(b.quantity_milli) > l.quantity_milli OR bool_or(r.order_id <> l.order_id)
        """,  # noqa: S608 - our own names
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-14e",
        name="refunds_take_each_line_once",
        statement="What refunds hold of an order line is not more than its total, and no refund holds more of its lines than its amount.",
        sql=f"""
            SELECT taken.line_id::text AS line, l.total_amount AS limit, sum(taken.amount) AS taken FROM payments_refund r
            CROSS JOIN LATERAL (SELECT key::uuid AS line_id, value::bigint AS amount FROM jsonb_each_text(r.line_amounts)) taken
            LEFT JOIN orders_orderline l ON l.id = taken.line_id AND l.order_id = r.order_id
            WHERE r.status IN {RESERVING_REFUNDS}
            GROUP BY taken.line_id, l.id, l.total_amount
            HAVING l.id IS NULL OR sum(taken.amount) > l.total_amount OR min(taken.amount) <= 0
            UNION ALL
            SELECT r.number, r.amount, sum(taken.value::bigint) FROM payments_refund r
            JOIN orders_order o ON o.id = r.order_id CROSS JOIN LATERAL jsonb_each_text(r.line_amounts) taken
            GROUP BY r.id, o.id HAVING sum(taken.value::bigint) > r.amount + greatest(0, -o.round_off_amount)
        """,  # noqa: S608 - our own names
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-19b",
        name="refunds_leave_no_remainder",
        statement="No refund that was requested here leaves less of a captured payment than a gateway refunds, which is ₹1.00.",
        sql=f"""
            SELECT a.id, a.gateway_payment_id, a.amount, refunds.amount AS refunded FROM payments_paymentattempt a
            CROSS JOIN LATERAL (
                SELECT sum(r.amount) AS amount, bool_or(r.requested_by LIKE 'gateway:%%' OR {REFUND_MADE_UNEXPECTEDLY}) AS is_by_gateway
                FROM payments_refund r WHERE r.attempt_id = a.id AND r.status IN {RESERVING_REFUNDS}
            ) refunds
            WHERE a.status = 'captured' AND least(a.amount, a.accepted_amount) - refunds.amount BETWEEN 1 AND {SMALLEST_REFUND} - 1
              AND NOT refunds.is_by_gateway AND NOT EXISTS (SELECT FROM payments_dispute d WHERE d.attempt_id = a.id)
        """,  # noqa: S608 - our own names
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-14f",
        name="no_self_approval_on_own_order",
        statement="No refund was approved or transferred by the order's own customer, or decided alone by them, except by cancelling;"
        " none was transferred by the person who requested it.",
        sql=f"""
            SELECT r.id, r.number, r.requested_by, r.approved_by, r.transferred_by FROM payments_refund r
            JOIN orders_order o ON o.id = r.order_id
            CROSS JOIN LATERAL (SELECT B'00' || ('x' || replace(o.customer_id::text, '-', ''))::bit(128) AS bits) customer
            CROSS JOIN LATERAL (SELECT {_CUSTOMER} AS actor) own
            WHERE own.actor IN (r.approved_by, r.transferred_by) OR r.transferred_by = r.requested_by
               OR (own.actor = r.requested_by AND r.approved_by = '' AND r.reason <> 'order_cancelled'
                   AND r.status IN ('pending', 'unknown', 'processed') AND NOT {REFUND_MADE_UNEXPECTEDLY})
        """,  # noqa: S608 - our own names
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-18d",
        name="open_refunds_are_polled",
        statement="Every open refund is polled within six hours, and none that is to be polled is overdue by a quarter of an hour.",
        grace_seconds=900,
        sql="""
            SELECT id, number, status, gateway_call, next_check_at FROM payments_refund
            WHERE (status IN ('pending', 'unknown') AND (next_check_at IS NULL OR next_check_at > %(now)s + interval '6 hours'))
               OR next_check_at < %(now)s - interval '15 minutes'
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-14h",
        name="reasons_are_kept_once",
        statement="The reason of a decision about a refund is in its event, or in the note where a customer's words can be erased:"
        " never in both.",
        sql="""
            SELECT e.subject_id, e.version, e.type FROM core_event e
            WHERE e.subject_type = 'payments.refund' AND e.reason <> '' AND e.version > 1 AND e.changes -> 'personal_fields' ? 'note'
        """,
        reads=Reads.ONE_ROW,
    ),
    Invariant(
        id="INV-20c",
        name="order_refunded_amount_matches",
        statement="An order's copy of what was refunded is the sum of its processed refunds of money that counts as paid.",
        sql=f"""
            WITH whole AS (
                -- What a payer never paid of an accepted payment, once all that was captured of it is refunded, to the last rupee.
                SELECT p.order_id, sum(a.accepted_amount - a.amount) AS shortfall FROM payments_paymentattempt a
                JOIN payments_payment p ON p.id = a.payment_id
                WHERE a.accepted_amount > a.amount AND a.amount - {LOST_OF_ATTEMPT} < {SMALLEST_REFUND} + (
                    SELECT coalesce(sum(r.amount), 0) FROM payments_refund r WHERE r.attempt_id = a.id AND r.status = 'processed'
                )
                GROUP BY p.order_id
            )
            SELECT o.id, o.number, o.refunded_amount, coalesce(back.amount, 0) + coalesce(whole.shortfall, 0) AS processed
            FROM orders_order o LEFT JOIN whole ON whole.order_id = o.id
            LEFT JOIN (
                SELECT r.order_id, sum(r.amount) AS amount FROM payments_refund r
                JOIN payments_paymentattempt a ON a.id = r.attempt_id JOIN payments_payment p ON p.id = r.payment_id
                WHERE r.status = 'processed' AND a.review_reason <> 'amount_mismatch' AND r.currency = p.currency
                GROUP BY r.order_id
            ) back ON back.order_id = o.id
            WHERE o.refunded_amount <> coalesce(back.amount, 0) + coalesce(whole.shortfall, 0)
        """,  # noqa: S608 - our own names
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-25c",
        name="refunds_are_posted",
        statement="The books owe exactly what refunds reserve and have not paid yet, and show exactly what was refunded.",
        sql="""
            SELECT r.id, r.number, r.status, r.amount, posted.owed, posted.gone FROM payments_refund r
            LEFT JOIN (
                SELECT t.source_id, t.source_type,
                       sum(e.amount) FILTER (WHERE e.account_id = 'refunds_payable') AS owed,
                       sum(e.amount) FILTER (WHERE e.account_id = 'bank' OR e.account_id LIKE 'gateway_receivable:%%') AS gone
                FROM ledger_ledgertransaction t JOIN ledger_ledgerentry e ON e.transaction_id = t.id
                WHERE t.source_type = 'payments.refund' GROUP BY t.source_id, t.source_type
            ) posted ON posted.source_id = r.id
            WHERE coalesce(posted.owed, 0)
                  <> CASE WHEN r.status IN ('pending', 'unknown', 'awaiting_transfer') THEN -r.amount ELSE 0 END
               OR coalesce(posted.gone, 0) <> CASE WHEN r.status = 'processed' THEN -r.amount ELSE 0 END
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-20d",
        name="refunds_are_decided_by_two",
        statement="Nobody approved the refund that they requested, and only failed refunds were retried.",
        sql="""
            SELECT r.id, r.number, r.requested_by, r.approved_by FROM payments_refund r
            LEFT JOIN payments_refund f ON f.id = r.retry_of_id
            WHERE (r.approved_by <> '' AND (r.approved_by = r.requested_by OR r.approved_at IS NULL))
               OR (f.id IS NOT NULL AND (f.attempt_id <> r.attempt_id OR f.amount <> r.amount OR NOT EXISTS (
                   SELECT FROM ledger_ledgertransaction t WHERE t.source_type = 'payments.refund' AND t.source_id = f.id
                   AND t.kind LIKE 'refund_reversal%%')))
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-20g",
        name="a_bank_transfer_pays_one_customer",
        statement="No two customers were refunded by bank transfers with the same reference.",
        sql="""
            SELECT upper(r.transfer_reference) AS transfer_reference, array_agg(r.number ORDER BY r.number) AS refunds
            FROM payments_refund r JOIN orders_order o ON o.id = r.order_id
            WHERE r.transfer_reference <> ''
            GROUP BY upper(r.transfer_reference) HAVING count(DISTINCT o.customer_id) > 1
        """,
    ),
    Invariant(
        id="INV-20e",
        name="surplus_is_refunded_or_reviewed",
        statement="Money that is flagged for staff has an open review, or all of it was refunded or lost in disputes.",
        sql=f"""
            SELECT a.id, a.gateway_payment_id, a.amount, a.review_reason, a.review_closed_at FROM payments_paymentattempt a
            CROSS JOIN LATERAL (
                SELECT a.amount - {LOST_OF_ATTEMPT} - coalesce(sum(h.amount), 0) AS amount FROM payments_refund h
                WHERE h.attempt_id = a.id AND h.status IN {RESERVING_REFUNDS}
            ) rest
            WHERE a.status = 'captured' AND a.review_reason <> '' AND (
                a.review_opened_at IS NULL
                -- A failed refund can be retried while enough is left for all of it.
                OR (a.review_closed_at IS NOT NULL AND rest.amount >= {SMALLEST_REFUND} + (
                    SELECT coalesce(sum(r.amount), 0) FROM payments_refund r
                    WHERE r.attempt_id = a.id AND r.status = 'failed' AND r.amount <= rest.amount AND NOT EXISTS (
                        SELECT FROM payments_refund again WHERE again.retry_of_id = r.id AND again.status <> 'cancelled'))))
        """,  # noqa: S608 - our own names
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-20i",
        name="open_reviews_have_something_to_decide",
        statement="Money under review is not all refunded or lost in disputes.",
        sql=f"""
            SELECT a.id, a.gateway_payment_id, a.amount, a.review_reason, a.review_opened_at FROM payments_paymentattempt a
            WHERE a.status = 'captured' AND a.review_reason <> '' AND a.review_opened_at IS NOT NULL AND a.review_closed_at IS NULL
              AND a.amount - {LOST_OF_ATTEMPT} - (
                  SELECT coalesce(sum(r.amount), 0) FROM payments_refund r WHERE r.attempt_id = a.id AND r.status = 'processed'
              ) < {SMALLEST_REFUND}
        """,  # noqa: S608 - our own names
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-10b",
        name="refunds_finish_in_time",
        statement="No refund waits for its approval, a bank transfer or a retry for more than a week.",
        grace_seconds=604_800,
        sql=f"""
            SELECT r.id, r.number, r.status, r.created_at, r.updated_at FROM payments_refund r
            WHERE (r.status = 'requires_approval' AND r.created_at < %(now)s - interval '7 days')
               OR (r.status = 'awaiting_transfer' AND r.updated_at < %(now)s - interval '7 days')
            UNION ALL
            SELECT r.id, r.number, r.status, r.created_at, r.updated_at FROM payments_refund r
            JOIN payments_paymentattempt a ON a.id = r.attempt_id JOIN orders_order o ON o.id = r.order_id
            WHERE r.status = 'failed' AND r.updated_at < %(now)s - interval '7 days'
              -- Nobody may keep this money: it has to go back in one way or another.
              AND (o.status IN ('cancelled', 'expired') OR a.review_reason <> '')
              AND least(a.amount, a.accepted_amount) - {LOST_OF_ATTEMPT} >= {SMALLEST_REFUND} + (
                  SELECT coalesce(sum(h.amount), 0) FROM payments_refund h WHERE h.attempt_id = a.id AND h.status IN {RESERVING_REFUNDS})
        """,  # noqa: S608 - our own names
    ),
)

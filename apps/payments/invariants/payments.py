"""Invariants of payments and webhooks."""

from apps.core.audit import Invariant, Reads
from apps.core.event_histories import event_histories
from apps.payments.invariants.refunds import LOST_OF_ATTEMPT, SMALLEST_REFUND

PAYMENTS = (
    Invariant(
        id="INV-14",
        name="captured_money_was_authorised",
        statement="Captured money is positive, was authorised, and not after it was captured.",
        sql="""
            SELECT id, gateway_payment_id, amount, authorized_at, captured_at FROM payments_paymentattempt
            WHERE status = 'captured' AND (amount <= 0 OR captured_at IS NULL OR authorized_at IS NULL
                                           OR authorized_at > captured_at)
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-15",
        name="gateway_ids_are_unique",
        statement="No two rows are for the same order, link, payment, refund or dispute of a gateway.",
        sql="""
            SELECT 'payment' AS kind, gateway_order_id AS gateway_id, count(*) AS rows FROM payments_payment
            WHERE gateway_order_id IS NOT NULL GROUP BY gateway, gateway_order_id HAVING count(*) > 1
            UNION ALL
            SELECT 'link', gateway_link_id, count(*) FROM payments_payment
            WHERE gateway_link_id IS NOT NULL GROUP BY gateway, gateway_link_id HAVING count(*) > 1
            UNION ALL
            SELECT 'attempt', gateway_payment_id, count(*) FROM payments_paymentattempt
            GROUP BY gateway, gateway_payment_id HAVING count(*) > 1
            UNION ALL
            SELECT 'refund', gateway_refund_id, count(*) FROM payments_refund
            WHERE gateway_refund_id IS NOT NULL GROUP BY gateway_refund_id HAVING count(*) > 1
            UNION ALL
            SELECT 'dispute', gateway_dispute_id, count(*) FROM payments_dispute
            GROUP BY gateway_dispute_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        id="INV-16",
        name="captured_amount_matches_payment",
        statement="Captured money of another amount or currency than the payment's is under review, or was accepted.",
        sql="""
            SELECT a.id, a.gateway_payment_id, a.amount, a.currency, p.amount AS asked, p.currency AS asked_currency
            FROM payments_paymentattempt a JOIN payments_payment p ON p.id = a.payment_id
            WHERE a.status = 'captured' AND (a.amount, a.currency) IS DISTINCT FROM (p.amount, p.currency)
              AND (a.review_reason <> 'amount_mismatch' OR a.review_opened_at IS NULL)
              AND (a.accepted_amount IS NULL OR a.currency <> p.currency)
              -- Late money and second payments of another amount are refunded as a whole.
              AND (a.review_reason NOT IN ('order_closed', 'paid_twice') OR a.review_closed_at IS NULL)
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-16e",
        name="only_other_amounts_are_mismatches",
        statement="Money that is flagged as another amount than requested is of another amount or currency.",
        sql="""
            SELECT a.id, a.gateway_payment_id, a.amount, a.currency FROM payments_paymentattempt a
            JOIN payments_payment p ON p.id = a.payment_id
            WHERE a.review_reason = 'amount_mismatch' AND (a.amount, a.currency) = (p.amount, p.currency)
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-16c",
        name="order_under_review_amount_matches",
        statement="An order's copy of money under review is the sum of its captured attempts of another amount that await a decision.",
        sql=f"""
            SELECT o.id, o.number, o.under_review_amount, coalesce(open.amount, 0) AS under_review FROM orders_order o
            LEFT JOIN (
                SELECT p.order_id, sum(a.amount) AS amount FROM payments_paymentattempt a
                JOIN payments_payment p ON p.id = a.payment_id
                WHERE a.status = 'captured' AND a.review_reason = 'amount_mismatch' AND a.currency = p.currency
                  AND a.review_opened_at IS NOT NULL AND a.review_closed_at IS NULL
                  AND a.amount - {LOST_OF_ATTEMPT} >= {SMALLEST_REFUND} + (
                      SELECT coalesce(sum(r.amount), 0) FROM payments_refund r WHERE r.attempt_id = a.id
                      AND r.status IN ('pending', 'unknown', 'awaiting_transfer', 'processed'))
                GROUP BY p.order_id
            ) open ON open.order_id = o.id
            WHERE o.under_review_amount <> coalesce(open.amount, 0)
        """,  # noqa: S608 - our own names
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-16d",
        name="paid_orders_do_not_expire",
        statement="No order expired while captured money for it was under review.",
        sql="""
            SELECT o.id, o.number, o.expired_at, a.gateway_payment_id, a.captured_at FROM orders_order o
            JOIN payments_payment p ON p.order_id = o.id JOIN payments_paymentattempt a ON a.payment_id = p.id
            WHERE o.expired_at IS NOT NULL AND a.review_opened_at IS NOT NULL AND a.captured_at < o.expired_at
              AND (a.review_reason = 'amount_mismatch' OR a.accepted_at IS NOT NULL)
              AND (a.review_closed_at IS NULL OR a.review_closed_at > o.expired_at)
              AND NOT EXISTS (SELECT FROM payments_refund r WHERE r.attempt_id = a.id AND r.created_at <= o.expired_at)
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-10d",
        name="reviews_are_closed_in_time",
        statement="No captured money is under review for more than a week.",
        grace_seconds=604_800,
        sql="""
            SELECT a.id, a.gateway_payment_id, a.amount, a.review_opened_at FROM payments_paymentattempt a
            WHERE a.status = 'captured' AND a.review_reason <> '' AND a.review_closed_at IS NULL
              AND a.review_opened_at < %(now)s - interval '7 days'
        """,
    ),
    Invariant(
        id="INV-16b",
        name="payment_amount_matches_amount_due",
        statement="A payment requests no more than its order's total, in its currency, of its customer.",
        sql="""
            SELECT p.id, p.amount, p.currency, o.total_amount FROM payments_payment p
            JOIN orders_order o ON o.id = p.order_id
            WHERE p.amount > o.total_amount OR p.currency <> o.currency OR p.customer_id <> o.customer_id
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-17",
        name="attempt_rank_never_falls",
        statement="The highest rank that an attempt's events ever recorded is the rank that it has.",
        sql="""
            WITH rank(status, height) AS (
                VALUES ('created', 0), ('failed', 1), ('authorized', 2), ('auto_refunded', 3), ('captured', 4)
            ), highest AS (
                SELECT e.subject_id, max(r.height) AS height FROM recorded e
                JOIN rank r ON r.status = e.status
                WHERE e.subject_type = 'payments.paymentattempt' GROUP BY e.subject_id
            )
            SELECT a.id, a.gateway_payment_id, a.status, highest.height AS recorded FROM payments_paymentattempt a
            JOIN rank r ON r.status = a.status
            LEFT JOIN highest ON highest.subject_id = a.id
            WHERE highest.height IS DISTINCT FROM r.height
        """,
        reads=Reads.ONE_ORDER,
        reading=event_histories,
    ),
    Invariant(
        id="INV-17b",
        name="payment_status_matches_attempts",
        statement="A payment has succeeded if and only if an attempt of the requested amount was captured.",
        sql="""
            SELECT p.id, p.status, count(a.id) AS captured FROM payments_payment p
            LEFT JOIN payments_paymentattempt a ON a.payment_id = p.id AND a.status = 'captured'
                 AND a.review_reason <> 'amount_mismatch'
            GROUP BY p.id
            HAVING (p.status IN ('succeeded', 'succeeded_late')) <> (count(a.id) > 0)
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-17d",
        name="payments_in_progress_are_not_requested_again",
        statement="A payment does not ask its payer for money while an attempt is in progress or authorised.",
        sql="""
            SELECT p.id, a.gateway_payment_id, a.status FROM payments_payment p
            JOIN payments_paymentattempt a ON a.payment_id = p.id
            WHERE p.status = 'requires_payment' AND a.review_reason <> 'amount_mismatch' AND (
                a.status = 'authorized'
                -- After a failure the UPI attempt that Bahi opened itself may not have been begun by anybody.
                OR (a.status = 'created' AND NOT EXISTS (
                    SELECT FROM payments_paymentattempt failed WHERE failed.payment_id = p.id AND failed.status = 'failed')))
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-18",
        name="open_payments_are_polled",
        statement="Every live payment is polled within the hour, and none is overdue by a quarter of an hour.",
        grace_seconds=900,
        sql="""
            SELECT id, status, gateway_call, next_check_at FROM payments_payment
            WHERE status IN ('requires_payment', 'processing', 'requires_capture')
              AND (next_check_at IS NULL OR next_check_at > %(now)s + interval '1 hour'
                   OR next_check_at < %(now)s - interval '15 minutes')
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-18l",
        name="payments_are_open_for_a_time",
        statement="The time in which a payment can be made ends after it was begun.",
        sql="SELECT id, created_at, live_until FROM payments_payment WHERE live_until <= created_at",
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-18m",
        name="payers_are_told_how_to_pay",
        statement="A payment that awaits money, and that the gateway knows, says how to pay, unless a call is under way, another"
        " amount was charged, or its link is closed.",
        sql="""
            SELECT p.id, p.channel, p.status, p.gateway_order_id, p.gateway_link_id FROM payments_payment p
            WHERE p.status IN ('requires_payment', 'processing') AND p.gateway_call = 'succeeded' AND p.next_action = '{}'
              AND p.link_closed_at IS NULL AND (p.claimed_until IS NULL OR p.claimed_until < %(now)s)
              AND NOT EXISTS (SELECT FROM payments_paymentattempt a WHERE a.payment_id = p.id AND a.status = 'captured')
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-18b",
        name="one_live_payment_per_order",
        statement="At most one payment of an order is under way.",
        sql="""
            SELECT order_id, count(*) AS live FROM payments_payment WHERE status IN ('requires_payment', 'processing', 'requires_capture')
            GROUP BY order_id HAVING count(*) > 1
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-18c",
        name="order_live_payment_matches",
        statement="An order's copy of how long a payment is open is that payment's.",
        sql="""
            SELECT o.id, o.number, o.payment_live_until, p.live_until FROM orders_order o
            LEFT JOIN payments_payment p ON p.order_id = o.id AND p.status IN ('requires_payment', 'processing', 'requires_capture')
            WHERE o.payment_live_until IS DISTINCT FROM p.live_until
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-18j",
        name="orders_know_if_somebody_is_paying",
        statement="An order's copy of whether a payment is processing agrees with its payment.",
        sql="""
            SELECT o.id, o.number, o.is_payment_processing, p.status FROM orders_order o
            LEFT JOIN payments_payment p ON p.order_id = o.id AND p.status IN ('processing', 'requires_capture')
            WHERE o.is_payment_processing <> (p.id IS NOT NULL)
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-19",
        name="no_unattributed_money",
        statement="Captured money belongs to an order that it paid for, is flagged for staff, or was refunded or lost in disputes,"
        " except for less than a gateway refunds.",
        sql=f"""
            SELECT a.id, a.gateway_payment_id, a.amount, o.number, o.status FROM payments_paymentattempt a
            JOIN payments_payment p ON p.id = a.payment_id JOIN orders_order o ON o.id = p.order_id
            WHERE a.status = 'captured' AND a.review_reason = ''
              AND o.status IN ('pending_payment', 'cancelled', 'expired')
              AND least(a.amount, a.accepted_amount) - {LOST_OF_ATTEMPT} >= {SMALLEST_REFUND} + (
                  SELECT coalesce(sum(r.amount), 0) FROM payments_refund r
                  WHERE r.attempt_id = a.id AND r.status <> 'cancelled')
        """,  # noqa: S608 - our own names
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-20",
        name="orders_are_paid_once",
        statement="The payments of an order are not more than its total; what arrived beyond that is flagged for staff.",
        sql="""
            SELECT o.id, o.number, o.total_amount, sum(coalesce(a.accepted_amount, a.amount)) AS paid FROM orders_order o
            JOIN payments_payment p ON p.order_id = o.id JOIN payments_paymentattempt a ON a.payment_id = p.id
            WHERE a.status = 'captured' AND a.review_reason = ''
            GROUP BY o.id HAVING sum(coalesce(a.accepted_amount, a.amount)) > o.total_amount
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-20h",
        name="reviews_are_recorded",
        statement="Captured money that is flagged for staff has the event that notifies them, an hour after it was captured.",
        grace_seconds=3_600,
        sql="""
            SELECT a.id, a.gateway_payment_id, a.review_reason, a.review_opened_at FROM payments_paymentattempt a
            WHERE a.status = 'captured' AND a.review_reason <> '' AND a.captured_at < %(now)s - interval '1 hour'
              AND NOT EXISTS (
                  SELECT FROM core_event e WHERE e.subject_type = 'payments.paymentattempt' AND e.subject_id = a.id
                    AND e.type = 'payments.attempt.review_opened' AND e.changes ->> 'review_reason' = a.review_reason)
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-20b",
        name="order_paid_amount_matches",
        statement="An order's copy of what was paid is the sum of the requested or accepted amounts of its captured attempts.",
        sql="""
            SELECT o.id, o.number, o.paid_amount, coalesce(paid.amount, 0) AS captured FROM orders_order o
            LEFT JOIN (
                SELECT p.order_id, sum(coalesce(a.accepted_amount, a.amount)) AS amount FROM payments_paymentattempt a
                JOIN payments_payment p ON p.id = a.payment_id
                WHERE a.status = 'captured' AND a.review_reason <> 'amount_mismatch' AND a.currency = p.currency
                GROUP BY p.order_id
            ) paid ON paid.order_id = o.id
            WHERE o.paid_amount <> coalesce(paid.amount, 0)
        """,
        reads=Reads.ONE_ORDER,
    ),
)

WEBHOOKS = (
    Invariant(
        id="INV-41",
        name="webhooks_are_processed",
        statement="Every webhook is processed within two minutes, is attempted again in time, or is parked for staff.",
        grace_seconds=120,
        sql="""
            SELECT w.id, w.event_type, w.received_at FROM payments_webhook w
            WHERE w.processed_at IS NULL AND w.received_at < %(now)s - interval '2 minutes' AND w.parked_at IS NULL
              AND coalesce(w.next_attempt_at, '-infinity') < %(now)s - interval '2 minutes' AND NOT EXISTS (
                SELECT 1 FROM core_handlerrun d JOIN core_event e ON e.id = d.event_id
                WHERE e.subject_id = w.id AND e.subject_type = 'payments.webhook' AND d.parked_at IS NOT NULL
            )
        """,
        reads=Reads.ONE_ROW,
    ),
    Invariant(
        id="INV-41b",
        name="webhook_bodies_are_unchanged",
        statement="Every webhook's body has the hash that was taken when it was received, and no two have the same.",
        sql="""
            SELECT min(id::text) AS id, body_sha256, count(*) AS rows FROM payments_webhook
            GROUP BY gateway, body_sha256
            HAVING count(*) > 1 OR bool_or(encode(sha256(body), 'hex') <> body_sha256)
        """,
    ),
    Invariant(
        id="INV-41c",
        name="processed_webhooks_have_an_outcome",
        statement="A processed webhook has an outcome, and a reason if it was ignored.",
        sql="""
            SELECT id, event_type, outcome, outcome_reason FROM payments_webhook
            WHERE (processed_at IS NULL) <> (outcome = '') OR (outcome = 'ignored' AND outcome_reason = '')
        """,
        reads=Reads.ONE_ROW,
    ),
    Invariant(
        id="INV-18i",
        name="webhook_attempts_are_bounded",
        statement="No webhook is attempted more than six times, and a parked one has an exception for staff.",
        sql="""
            SELECT w.id, w.event_type, w.attempts, w.parked_at FROM payments_webhook w
            WHERE w.attempts > 6 OR (w.parked_at IS NOT NULL AND w.processed_at IS NOT NULL)
               OR (w.parked_at IS NOT NULL AND NOT EXISTS (
                   SELECT 1 FROM ledger_reconciliationexception e
                   WHERE e.webhook_id = w.id AND e.reason = 'webhook_failed'))
        """,
    ),
    Invariant(
        id="INV-42b",
        name="rejected_facts_are_not_posted",
        statement="A refund that an open exception says is more than was left, or in another currency, has no row with that"
        " amount and currency; one of another account has none at all.",
        sql="""
            SELECT e.id, e.reason, e.entity_id, e.actual_amount, r.number FROM ledger_reconciliationexception e
            JOIN payments_refund r ON r.gateway_refund_id = e.entity_id
            WHERE e.resolved_at IS NULL AND (
                (e.reason IN ('refund_exceeds_payment', 'currency_mismatch') AND r.transfer_reference = ''
                 AND r.status IN ('pending', 'unknown', 'processed') AND e.refund_id IS NULL
                 AND (r.amount, r.currency) = (e.actual_amount, coalesce(nullif(e.actual_currency, ''), e.currency))))
            UNION ALL
            SELECT e.id, e.reason, e.entity_id, e.actual_amount, d.gateway_dispute_id
            FROM ledger_reconciliationexception e JOIN payments_dispute d ON d.gateway_dispute_id = e.entity_id
            WHERE e.resolved_at IS NULL AND e.reason IN ('dispute_exceeds_payment', 'currency_mismatch')
              AND d.amount_deducted > coalesce(e.expected_amount, 0)
              AND (d.amount, d.currency) = (e.actual_amount, coalesce(nullif(e.actual_currency, ''), e.currency))
        """,
    ),
    Invariant(
        id="INV-42c",
        name="rejected_facts_are_ignored",
        statement="A webhook about another account, or about a refund or dispute that contradicts itself or Bahi's records, is ignored.",
        sql="""
            SELECT w.id, w.event_type, w.outcome, e.reason FROM ledger_reconciliationexception e
            JOIN payments_webhook w ON w.id = e.webhook_id
            WHERE w.outcome = 'processed' AND (
                e.reason = 'account_mismatch'
                OR (e.reason IN ('currency_mismatch', 'contradictory_facts', 'unreadable_facts', 'amount_mismatch')
                    AND (e.entity_id LIKE 'rfnd!_%%' ESCAPE '!' OR e.entity_id LIKE 'disp!_%%' ESCAPE '!')))
        """,
    ),
    Invariant(
        id="INV-42",
        name="only_stored_webhooks_have_effects",
        statement="Every change whose source is a webhook has a webhook that was signed, stored and processed.",
        sql="""
            SELECT a.id, a.gateway_payment_id FROM payments_paymentattempt a
            WHERE a.source = 'webhook' AND NOT EXISTS (
                SELECT 1 FROM payments_webhook w
                WHERE w.outcome = 'processed' AND w.metadata ->> 'gateway_payment_id' = a.gateway_payment_id
            )
        """,
    ),
)

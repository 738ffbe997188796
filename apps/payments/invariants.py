"""What must always hold of payments, webhooks and the ledger."""

from apps.core.audit import Invariant

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
    ),
    Invariant(
        id="INV-15",
        name="gateway_ids_are_unique",
        statement="No two of our rows stand for one order or one payment of a gateway.",
        sql="""
            SELECT 'payment' AS kind, gateway_order_id AS gateway_id, count(*) AS rows FROM payments_payment
            WHERE gateway_order_id IS NOT NULL GROUP BY gateway, gateway_order_id HAVING count(*) > 1
            UNION ALL
            SELECT 'attempt', gateway_payment_id, count(*) FROM payments_paymentattempt
            GROUP BY gateway, gateway_payment_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        id="INV-16",
        name="money_is_what_was_asked",
        statement="Captured money of another amount or currency than the payment's is flagged for staff.",
        sql="""
            SELECT a.id, a.gateway_payment_id, a.amount, a.currency, p.amount AS asked, p.currency AS asked_currency
            FROM payments_paymentattempt a JOIN payments_payment p ON p.id = a.payment_id
            WHERE a.status = 'captured' AND (a.amount, a.currency) IS DISTINCT FROM (p.amount, p.currency)
              AND (a.review_reason <> 'amount_differs' OR a.review_opened_at IS NULL)
        """,
    ),
    Invariant(
        id="INV-16b",
        name="payments_ask_for_what_is_due",
        statement="A payment asks for no more than its order's total, in its currency, of its customer.",
        sql="""
            SELECT p.id, p.amount, p.currency, o.total_amount FROM payments_payment p
            JOIN orders_order o ON o.id = p.order_id
            WHERE p.amount > o.total_amount OR p.currency <> o.currency OR p.customer_id <> o.customer_id
        """,
    ),
    Invariant(
        id="INV-17",
        name="attempts_never_go_back",
        statement="The highest rank that an attempt's news ever told is the rank that it has.",
        sql="""
            WITH rank(status, height) AS (
                VALUES ('created', 0), ('failed', 1), ('authorized', 2), ('auto_refunded', 3), ('captured', 4)
            ), told AS (
                SELECT e.subject_id, max(r.height) AS height FROM core_event e
                JOIN rank r ON r.status = e.changed ->> 'status'
                WHERE e.subject_type = 'payments.paymentattempt' GROUP BY e.subject_id
            )
            SELECT a.id, a.gateway_payment_id, a.status, told.height AS told FROM payments_paymentattempt a
            JOIN rank r ON r.status = a.status
            LEFT JOIN told ON told.subject_id = a.id
            WHERE told.height IS DISTINCT FROM r.height
        """,
    ),
    Invariant(
        id="INV-17b",
        name="payments_agree_with_their_attempts",
        statement="A payment has succeeded if and only if an attempt of the asked amount was captured.",
        sql="""
            SELECT p.id, p.status, count(a.id) AS captured FROM payments_payment p
            LEFT JOIN payments_paymentattempt a ON a.payment_id = p.id AND a.status = 'captured'
                 AND a.review_reason <> 'amount_differs'
            GROUP BY p.id
            HAVING (p.status IN ('succeeded', 'succeeded_late')) <> (count(a.id) > 0)
        """,
    ),
    Invariant(
        id="INV-18",
        name="open_payments_are_looked_after",
        statement="Every live payment is looked at within the hour, and none has waited a quarter of an hour in vain.",
        settles_in=900,
        sql="""
            SELECT id, status, gateway_call, next_check_at FROM payments_payment
            WHERE status IN ('requires_payment', 'processing', 'requires_capture')
              AND (next_check_at IS NULL OR next_check_at > %(now)s + interval '1 hour'
                   OR next_check_at < %(now)s - interval '15 minutes')
        """,
    ),
    Invariant(
        id="INV-18b",
        name="one_live_payment_per_order",
        statement="At most one payment of an order is under way.",
        sql="""
            SELECT order_id, count(*) AS live FROM payments_payment WHERE status IN ('requires_payment', 'processing', 'requires_capture')
            GROUP BY order_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        id="INV-18c",
        name="orders_know_their_live_payment",
        statement="An order's copy of how long a payment is under way is that payment's.",
        sql="""
            SELECT o.id, o.number, o.payment_live_until, p.live_until FROM orders_order o
            LEFT JOIN payments_payment p ON p.order_id = o.id AND p.status IN ('requires_payment', 'processing', 'requires_capture')
            WHERE o.payment_live_until IS DISTINCT FROM p.live_until
        """,
    ),
    Invariant(
        id="INV-19",
        name="no_orphan_money",
        statement="Captured money belongs to an order that is paid with it, is flagged for staff, or was asked back in full.",
        sql="""
            SELECT a.id, a.gateway_payment_id, a.amount, o.number, o.status FROM payments_paymentattempt a
            JOIN payments_payment p ON p.id = a.payment_id JOIN orders_order o ON o.id = p.order_id
            WHERE a.status = 'captured' AND a.review_reason = ''
              AND o.status IN ('pending_payment', 'cancelled', 'expired')
              AND a.amount > (SELECT coalesce(sum(r.amount), 0) FROM payments_refund r
                              WHERE r.attempt_id = a.id AND r.status <> 'cancelled')
        """,
    ),
    Invariant(
        id="INV-20",
        name="orders_are_paid_once",
        statement="The money that paid an order is not more than its total; what came beyond is flagged for staff.",
        sql="""
            SELECT o.id, o.number, o.total_amount, sum(a.amount) AS paid FROM orders_order o
            JOIN payments_payment p ON p.order_id = o.id JOIN payments_paymentattempt a ON a.payment_id = p.id
            WHERE a.status = 'captured' AND a.review_reason = ''
            GROUP BY o.id HAVING sum(a.amount) > o.total_amount
        """,
    ),
    Invariant(
        id="INV-20b",
        name="orders_know_what_was_paid",
        statement="An order's copy of what was paid is the sum of its captured attempts of the asked amount.",
        sql="""
            SELECT o.id, o.number, o.paid_amount, coalesce(paid.amount, 0) AS captured FROM orders_order o
            LEFT JOIN (
                SELECT p.order_id, sum(a.amount) AS amount FROM payments_paymentattempt a
                JOIN payments_payment p ON p.id = a.payment_id
                WHERE a.status = 'captured' AND a.review_reason <> 'amount_differs' AND a.currency = p.currency
                GROUP BY p.order_id
            ) paid ON paid.order_id = o.id
            WHERE o.paid_amount <> coalesce(paid.amount, 0)
        """,
    ),
)

REFUNDS = (
    Invariant(
        id="INV-14b",
        name="no_more_goes_back_than_came",
        statement="What is promised or given back of an attempt is not more than was captured, in its currency.",
        sql="""
            SELECT a.id, a.gateway_payment_id, a.status, a.amount, sum(r.amount) AS given_back FROM payments_refund r
            JOIN payments_paymentattempt a ON a.id = r.attempt_id
            WHERE r.status IN ('requires_approval', 'pending', 'unknown', 'manual', 'processed')
            GROUP BY a.id HAVING sum(r.amount) > a.amount OR a.status <> 'captured' OR bool_or(r.currency <> a.currency)
        """,
    ),
    Invariant(
        id="INV-14c",
        name="no_more_units_go_back_than_were_sold",
        statement="The units that refunds hold of an order line are not more than were ordered, and of the refund's own order.",
        sql="""
            SELECT l.id, l.quantity, sum(b.quantity) AS given_back FROM payments_refundline b
            JOIN payments_refund r ON r.id = b.refund_id JOIN orders_orderline l ON l.id = b.order_line_id
            WHERE r.status IN ('requires_approval', 'pending', 'unknown', 'manual', 'processed')
            GROUP BY l.id HAVING sum(b.quantity) > l.quantity OR sum(b.amount) > l.total_amount
                OR bool_or(r.order_id <> l.order_id)
        """,
    ),
    Invariant(
        id="INV-18d",
        name="open_refunds_are_looked_after",
        statement="Every open refund is looked at within six hours, and none has waited a quarter of an hour in vain.",
        settles_in=900,
        sql="""
            SELECT id, number, status, gateway_call, next_check_at FROM payments_refund
            WHERE status IN ('pending', 'unknown')
              AND (next_check_at IS NULL OR next_check_at > %(now)s + interval '6 hours'
                   OR next_check_at < %(now)s - interval '15 minutes')
        """,
    ),
    Invariant(
        id="INV-20c",
        name="orders_know_what_went_back",
        statement="An order's copy of what went back is the sum of its processed refunds of money that counts as paid.",
        sql="""
            SELECT o.id, o.number, o.refunded_amount, coalesce(back.amount, 0) AS processed FROM orders_order o
            LEFT JOIN (
                SELECT r.order_id, sum(r.amount) AS amount FROM payments_refund r
                JOIN payments_paymentattempt a ON a.id = r.attempt_id JOIN payments_payment p ON p.id = r.payment_id
                WHERE r.status = 'processed' AND a.review_reason <> 'amount_differs' AND r.currency = p.currency
                GROUP BY r.order_id
            ) back ON back.order_id = o.id
            WHERE o.refunded_amount <> coalesce(back.amount, 0)
        """,
    ),
    Invariant(
        id="INV-25c",
        name="refunds_are_in_the_books",
        statement="The books owe exactly what is promised and not yet gone, and show exactly what has gone.",
        sql="""
            SELECT r.id, r.number, r.status, r.amount, posted.owed, posted.gone FROM payments_refund r
            LEFT JOIN (
                SELECT t.source_id, t.source_type,
                       sum(e.amount) FILTER (WHERE e.account_id = 'refunds_payable') AS owed,
                       sum(e.amount) FILTER (WHERE e.account_id = 'bank' OR e.account_id LIKE 'gateway_receivable:%%') AS gone
                FROM payments_ledgertransaction t JOIN payments_ledgerentry e ON e.transaction_id = t.id
                WHERE t.source_type = 'payments.refund' GROUP BY t.source_id, t.source_type
            ) posted ON posted.source_id = r.id
            WHERE coalesce(posted.owed, 0)
                  <> CASE WHEN r.status IN ('pending', 'unknown', 'manual') THEN -r.amount ELSE 0 END
               OR coalesce(posted.gone, 0) <> CASE WHEN r.status = 'processed' THEN -r.amount ELSE 0 END
        """,
    ),
    Invariant(
        id="INV-20d",
        name="refunds_are_decided_by_two",
        statement="Nobody approved the refund that he asked for, and what was tried again had failed.",
        sql="""
            SELECT r.id, r.number, r.requested_by, r.approved_by FROM payments_refund r
            LEFT JOIN payments_refund f ON f.id = r.retry_of_id
            WHERE (r.approved_by <> '' AND (r.approved_by = r.requested_by OR r.approved_at IS NULL))
               OR (f.id IS NOT NULL AND (f.status NOT IN ('failed', 'processed') OR f.attempt_id <> r.attempt_id
                                         OR f.amount <> r.amount))
        """,
    ),
)

LEDGER = (
    Invariant(
        id="INV-22",
        name="postings_sum_to_zero",
        statement="Every posting has at least two entries, none of them zero, that sum to zero in each currency.",
        sql="""
            SELECT t.id, t.kind, e.currency, count(e.id) AS entries, sum(e.amount) AS sum
            FROM payments_ledgertransaction t LEFT JOIN payments_ledgerentry e ON e.transaction_id = t.id
            GROUP BY t.id, t.kind, e.currency
            HAVING count(e.id) < 2 OR sum(e.amount) <> 0 OR bool_or(e.amount = 0)
        """,
    ),
    Invariant(
        id="INV-23",
        name="the_book_sums_to_zero",
        statement="All entries together sum to zero in each currency.",
        sql="SELECT currency, sum(amount) AS sum FROM payments_ledgerentry GROUP BY currency HAVING sum(amount) <> 0",
    ),
    Invariant(
        id="INV-24",
        name="checkpoints_are_true",
        statement="Every checkpoint is the sum of its account's entries up to its place.",
        sql="""
            SELECT c.id, c.account_id, c.last_entry_id, c.balance, sum(e.amount) AS entries
            FROM payments_balancecheckpoint c
            LEFT JOIN payments_ledgerentry e
                 ON e.account_id = c.account_id AND e.currency = c.currency AND e.id <= c.last_entry_id
            GROUP BY c.id HAVING c.balance IS DISTINCT FROM sum(e.amount)
        """,
    ),
    Invariant(
        id="INV-25",
        name="captures_are_posted_once",
        statement="Every captured attempt has one posting of its amount, and every capture in the books has its attempt.",
        sql="""
            SELECT a.id AS attempt, t.id AS posting, a.amount, e.amount AS posted
            FROM (SELECT * FROM payments_paymentattempt WHERE status = 'captured') a
            FULL JOIN (SELECT * FROM payments_ledgertransaction WHERE kind = 'capture') t
                 ON t.source_type = 'payments.paymentattempt' AND t.source_id = a.id
            LEFT JOIN payments_ledgerentry e
                 ON e.transaction_id = t.id AND e.account_id = 'gateway_receivable:' || a.gateway
                 AND e.currency = a.currency
            WHERE a.id IS NULL OR t.id IS NULL OR e.amount IS DISTINCT FROM a.amount
        """,
    ),
    Invariant(
        id="INV-25b",
        name="facts_are_posted_once",
        statement="No business fact is in the books twice.",
        sql="""
            SELECT source_type, source_id, kind, count(*) AS postings FROM payments_ledgertransaction
            GROUP BY source_type, source_id, kind HAVING count(*) > 1
        """,
    ),
    Invariant(
        id="INV-28",
        name="advances_are_not_overdrawn",
        statement=(
            "No order has used more of its customer's money than came in for it, but for refunds whose credit note is to come."
        ),
        sql="""
            SELECT t.order_id, e.currency, sum(e.amount) AS overdrawn FROM payments_ledgerentry e
            JOIN payments_ledgertransaction t ON t.id = e.transaction_id
            WHERE e.account_id = 'customer_advances' GROUP BY t.order_id, e.currency
            HAVING sum(e.amount) > (
                SELECT coalesce(sum(r.amount), 0) FROM payments_refund r WHERE r.order_id = t.order_id
                  AND r.currency = e.currency AND r.status IN ('pending', 'unknown', 'manual', 'processed')
            )
        """,
    ),
    Invariant(
        id="INV-28b",
        name="suspense_is_empty",
        statement="Beside what exceptions of settlements hold, nothing is in suspense for longer than a day.",
        settles_in=86_400,
        sql="""
            SELECT e.currency, sum(e.amount) AS held FROM payments_ledgerentry e
            JOIN payments_ledgertransaction t ON t.id = e.transaction_id
            WHERE e.account_id = 'suspense' AND t.created_at < %(now)s - interval '1 day'
              AND t.source_type NOT IN ('payments.settlement', 'payments.reconciliationexception')
            GROUP BY e.currency HAVING sum(e.amount) <> 0
        """,
    ),
)

WEBHOOKS = (
    Invariant(
        id="INV-41",
        name="webhooks_are_processed",
        statement="Every webhook is processed within two minutes, or its delivery is parked for staff.",
        settles_in=120,
        sql="""
            SELECT w.id, w.event_type, w.received_at FROM payments_webhook w
            WHERE w.processed_at IS NULL AND w.received_at < %(now)s - interval '2 minutes' AND NOT EXISTS (
                SELECT 1 FROM core_delivery d JOIN core_event e ON e.id = d.event_id
                WHERE e.subject_id = w.id AND e.subject_type = 'payments.webhook' AND d.parked_at IS NOT NULL
            )
        """,
    ),
    Invariant(
        id="INV-41b",
        name="webhooks_are_kept_word_for_word",
        statement="Every webhook's body has the hash that was taken when it came, and no two have the same.",
        sql="""
            SELECT min(id::text) AS id, body_sha256, count(*) AS rows FROM payments_webhook
            GROUP BY gateway, body_sha256
            HAVING count(*) > 1 OR bool_or(encode(sha256(body), 'hex') <> body_sha256)
        """,
    ),
    Invariant(
        id="INV-41c",
        name="processed_webhooks_say_how",
        statement="A processed webhook has an outcome, and a reason if it was left alone.",
        sql="""
            SELECT id, event_type, outcome, outcome_reason FROM payments_webhook
            WHERE (processed_at IS NULL) <> (outcome = '') OR (outcome = 'ignored' AND outcome_reason = '')
        """,
    ),
    Invariant(
        id="INV-42",
        name="only_kept_webhooks_have_effects",
        statement="Whatever we learnt by webhook stands in a webhook that was signed, kept and processed.",
        sql="""
            SELECT a.id, a.gateway_payment_id FROM payments_paymentattempt a
            WHERE a.learnt_by = 'webhook' AND NOT EXISTS (
                SELECT 1 FROM payments_webhook w
                WHERE w.outcome = 'processed' AND w.metadata ->> 'gateway_payment_id' = a.gateway_payment_id
            )
        """,
    ),
)

SETTLEMENTS = (
    Invariant(
        id="INV-21",
        name="settled_money_is_ours_and_ours_is_settled",
        statement="Every settled line is of a payment or refund of ours of its amount, and every captured payment was settled"
        " ten days later if anything was; or an exception says why not.",
        settles_in=864_000,
        sql="""
            SELECT l.id, l.entity_id, l.amount, coalesce(a.amount, f.amount) AS ours FROM payments_settlementline l
            LEFT JOIN payments_paymentattempt a ON a.id = l.attempt_id
            LEFT JOIN payments_refund f ON f.id = l.refund_id
            LEFT JOIN payments_reconciliationexception e ON e.line_id = l.id
            WHERE e.id IS NULL AND (
                l.problem <> ''
                OR l.kind IN ('payment', 'refund') AND l.amount IS DISTINCT FROM coalesce(a.amount, f.amount)
            )
            UNION ALL
            SELECT a.id, a.gateway_payment_id, a.amount, NULL FROM payments_paymentattempt a
            WHERE a.status = 'captured' AND a.captured_at < %(now)s - interval '10 days'
              AND a.captured_at < (SELECT max(s.settled_at) FROM payments_settlement s WHERE s.gateway = a.gateway)
              AND NOT EXISTS (SELECT 1 FROM payments_settlementline l WHERE l.attempt_id = a.id)
              AND NOT EXISTS (SELECT 1 FROM payments_reconciliationexception e WHERE e.attempt_id = a.id)
        """,
    ),
    Invariant(
        id="INV-21b",
        name="settlements_are_the_sum_of_their_lines",
        statement="A settlement's copies are the sums of its lines.",
        sql="""
            SELECT s.id, s.gateway_settlement_id, s.lines_amount, sum(l.bank_amount) AS lines FROM payments_settlement s
            LEFT JOIN payments_settlementline l ON l.settlement_id = s.id
            GROUP BY s.id
            HAVING (s.lines_amount, s.fee_amount, s.tax_amount, s.line_count) IS DISTINCT FROM (
                coalesce(sum(l.bank_amount), 0), coalesce(sum(l.fee_amount), 0), coalesce(sum(l.tax_amount), 0), count(l.id)
            )
        """,
    ),
    Invariant(
        id="INV-21c",
        name="transfers_are_explained",
        statement="What a gateway transferred is the sum of the settlement's lines and of what its exceptions say.",
        settles_in=3_600,
        sql="""
            SELECT s.id, s.gateway_settlement_id, s.amount, s.lines_amount, sum(e.held_amount) AS held
            FROM payments_settlement s
            LEFT JOIN payments_reconciliationexception e
                 ON e.settlement_id = s.id AND e.line_id IS NULL AND e.resolution <> 'arrived'
            WHERE s.updated_at < %(now)s - interval '1 hour' OR e.id IS NOT NULL
            GROUP BY s.id HAVING s.amount <> s.lines_amount - coalesce(sum(e.held_amount), 0)
        """,
    ),
    Invariant(
        id="INV-26",
        name="collected_money_is_somewhere",
        statement="What was captured less what was refunded is owed by the gateway, in the bank, its fee, or in suspense.",
        sql="""
            SELECT captured.amount AS captured, refunded.amount AS refunded, booked.amount AS booked FROM
                (SELECT coalesce(sum(amount), 0) AS amount FROM payments_paymentattempt WHERE status = 'captured') captured,
                (SELECT coalesce(sum(amount), 0) AS amount FROM payments_refund WHERE status = 'processed') refunded,
                (SELECT coalesce(sum(e.amount), 0) AS amount FROM payments_ledgerentry e
                 JOIN payments_ledgertransaction t ON t.id = e.transaction_id
                 WHERE t.source_type IN ('payments.paymentattempt', 'payments.refund', 'payments.settlement',
                                         'payments.reconciliationexception')
                   AND (e.account_id IN ('bank', 'input_gst', 'suspense') OR e.account_id LIKE 'gateway_%%')) booked
            WHERE captured.amount - refunded.amount <> booked.amount
        """,
    ),
    Invariant(
        id="INV-26b",
        name="settlements_are_booked_as_their_lines_say",
        statement="Each part of a settlement has one posting, of what its lines say.",
        sql="""
            WITH said AS (
                SELECT settlement_id, CASE part WHEN 1 THEN 'settlement' ELSE 'settlement:' || part END AS kind,
                    sum(bank_amount) AS bank, sum(fee_amount) AS fee, sum(cleared_amount) AS cleared, sum(held_amount) AS held
                FROM payments_settlementline GROUP BY settlement_id, part
            ), booked AS (
                SELECT t.source_id, t.kind,
                    coalesce(sum(e.amount) FILTER (WHERE e.account_id = 'bank'), 0) AS bank,
                    coalesce(sum(e.amount) FILTER (
                        WHERE e.account_id LIKE 'gateway_fees:%%' OR e.account_id = 'input_gst'), 0) AS fee,
                    coalesce(-sum(e.amount) FILTER (WHERE e.account_id LIKE 'gateway_receivable:%%'), 0) AS cleared,
                    coalesce(sum(e.amount) FILTER (WHERE e.account_id = 'suspense'), 0) AS held
                FROM payments_ledgertransaction t JOIN payments_ledgerentry e ON e.transaction_id = t.id
                WHERE t.source_type = 'payments.settlement' GROUP BY t.id
            )
            SELECT coalesce(said.settlement_id, booked.source_id) AS settlement, coalesce(said.kind, booked.kind) AS kind
            FROM said FULL JOIN booked ON booked.source_id = said.settlement_id AND booked.kind = said.kind
            WHERE (coalesce(said.bank, 0), coalesce(said.fee, 0), coalesce(said.cleared, 0), coalesce(said.held, 0))
                  <> (coalesce(booked.bank, 0), coalesce(booked.fee, 0), coalesce(booked.cleared, 0), coalesce(booked.held, 0))
        """,
    ),
    Invariant(
        id="INV-28c",
        name="suspense_is_what_open_exceptions_hold",
        statement="What settlements left in suspense is what the open exceptions hold, to the paisa.",
        sql="""
            SELECT suspense.amount AS suspense, open.amount AS open FROM
                (SELECT coalesce(sum(e.amount), 0) AS amount FROM payments_ledgerentry e
                 JOIN payments_ledgertransaction t ON t.id = e.transaction_id
                 WHERE e.account_id = 'suspense'
                   AND t.source_type IN ('payments.settlement', 'payments.reconciliationexception')) suspense,
                (SELECT coalesce(sum(held_amount), 0) AS amount FROM payments_reconciliationexception
                 WHERE resolved_at IS NULL) open
            WHERE suspense.amount <> open.amount
        """,
    ),
)

DISPUTES = (
    Invariant(
        id="INV-29",
        name="disputes_hold_what_was_taken",
        statement="The books hold for each undecided dispute what was taken, as a loss for a lost one, and nothing for the rest.",
        sql="""
            SELECT d.id, d.status, d.amount_deducted, coalesce(b.held, 0) AS held, coalesce(b.lost, 0) AS lost
            FROM payments_dispute d
            LEFT JOIN (
                SELECT t.source_id, sum(e.amount) FILTER (WHERE e.account_id = 'disputes') AS held,
                       sum(e.amount) FILTER (WHERE e.account_id = 'dispute_losses') AS lost
                FROM payments_ledgertransaction t JOIN payments_ledgerentry e ON e.transaction_id = t.id
                WHERE t.source_type = 'payments.dispute' GROUP BY t.source_id
            ) b ON b.source_id = d.id
            WHERE coalesce(b.held, 0)
                  <> CASE WHEN d.status IN ('open', 'under_review') THEN d.amount_deducted ELSE 0 END
               OR coalesce(b.lost, 0) <> CASE WHEN d.status = 'lost' THEN d.amount_deducted ELSE 0 END
               OR (d.status IN ('won', 'closed') AND d.amount_deducted <> 0)
        """,
    ),
    Invariant(
        id="INV-29b",
        name="no_dispute_is_forgotten",
        statement="Every undecided dispute is looked at within an hour of its time; a decided one has its time and waits no more.",
        settles_in=3600,
        sql="""
            SELECT id, gateway_dispute_id, status, next_check_at, decided_at FROM payments_dispute
            WHERE CASE WHEN status IN ('open', 'under_review')
                  THEN decided_at IS NOT NULL OR coalesce(next_check_at, '-infinity') < %(now)s - interval '1 hour'
                  ELSE decided_at IS NULL OR next_check_at IS NOT NULL END
        """,
    ),
)

INVARIANTS: tuple[Invariant, ...] = (*PAYMENTS, *REFUNDS, *LEDGER, *WEBHOOKS, *SETTLEMENTS, *DISPUTES)

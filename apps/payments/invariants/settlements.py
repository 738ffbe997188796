"""What must hold of settlements and exceptions."""

from apps.core.audit import Invariant

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

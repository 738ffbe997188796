"""Invariants of settlements, of what the gateway owes, and of what they leave in suspense."""

from django.conf import settings

from apps.core.audit import Invariant
from apps.settlements.sql.fee_audit import CHARGE_OF_CHECK, CLAIMS_IT, IS_CURRENT, JUDGED_LINES
from apps.settlements.sql.receivables import AWAITS_IMPORT, HAS_NO_OPEN_EXCEPTION, RECEIVABLES

#: The search for overdue receivables opens an exception a day earlier.
_LIMIT_DAYS = 2 * settings.SETTLEMENT_OVERDUE_AFTER.days + 1


def _receivables() -> str:
    return f"receivable AS MATERIALIZED ({RECEIVABLES})"


INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        id="INV-15c",
        name="gateway_settlement_ids_are_unique",
        statement="No two rows are for the same settlement of a gateway.",
        sql="""
            SELECT gateway, gateway_settlement_id, count(*) AS rows FROM settlements_settlement
            GROUP BY gateway, gateway_settlement_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        id="INV-21",
        name="settlement_lines_match_payments",
        statement="Every settled line is of a payment or refund in Bahi, of its amount, and every captured payment and processed"
        " refund was settled ten days later if anything was; or an exception says why not.",
        grace_seconds=864_000,
        sql="""
            SELECT l.id, l.entity_id, l.amount, coalesce(a.amount, f.amount) AS ours FROM settlements_settlementline l
            LEFT JOIN payments_paymentattempt a ON a.id = l.attempt_id
            LEFT JOIN payments_refund f ON f.id = l.refund_id
            LEFT JOIN ledger_reconciliationexception e ON e.line_id = l.id
            WHERE e.id IS NULL AND (
                l.problem <> ''
                OR l.kind IN ('payment', 'refund') AND l.amount IS DISTINCT FROM coalesce(a.amount, f.amount)
            )
            UNION ALL
            SELECT a.id, a.gateway_payment_id, a.amount, NULL FROM payments_paymentattempt a
            WHERE a.status = 'captured' AND a.captured_at < %(now)s - interval '10 days'
              AND a.captured_at < (SELECT max(s.settled_at) FROM settlements_settlement s WHERE s.gateway = a.gateway)
              AND NOT EXISTS (SELECT 1 FROM settlements_settlementline l
                              WHERE l.attempt_id = a.id AND l.entity_id = a.gateway_payment_id
                                AND l.kind = 'payment')
              AND NOT EXISTS (SELECT 1 FROM ledger_reconciliationexception e
                              WHERE e.attempt_id = a.id AND e.reason IN ('missing_line', 'receivable_overdue'))
            UNION ALL
            SELECT r.id, r.gateway_refund_id, r.amount, NULL FROM payments_refund r
            JOIN payments_paymentattempt a ON a.id = r.attempt_id
            WHERE r.status = 'processed' AND r.gateway_refund_id IS NOT NULL AND r.transfer_reference = ''
              AND r.processed_at < %(now)s - interval '10 days'
              AND r.processed_at < (SELECT max(s.settled_at) FROM settlements_settlement s WHERE s.gateway = a.gateway)
              AND NOT EXISTS (SELECT 1 FROM settlements_settlementline l WHERE l.refund_id = r.id)
              AND NOT EXISTS (SELECT 1 FROM ledger_reconciliationexception e
                              LEFT JOIN settlements_settlementline l ON l.id = e.line_id
                              WHERE e.entity_id = r.gateway_refund_id
                                AND (e.reason = 'missing_line' OR l.kind = 'refund'))
        """,
    ),
    Invariant(
        id="INV-21b",
        name="settlements_are_the_sum_of_their_lines",
        statement="A settlement's copies are the sums of its lines.",
        sql="""
            SELECT s.id, s.gateway_settlement_id, s.lines_amount, sum(l.bank_amount) AS lines FROM settlements_settlement s
            LEFT JOIN settlements_settlementline l ON l.settlement_id = s.id
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
        grace_seconds=3_600,
        sql="""
            SELECT s.id, s.gateway_settlement_id, s.amount, s.lines_amount, sum(e.held_amount) AS held
            FROM settlements_settlement s
            LEFT JOIN ledger_reconciliationexception e
                 ON e.settlement_id = s.id AND e.line_id IS NULL AND e.resolution <> 'arrived'
            WHERE s.updated_at < %(now)s - interval '1 hour' OR e.id IS NOT NULL
            GROUP BY s.id HAVING s.amount <> s.lines_amount - coalesce(sum(e.held_amount), 0)
        """,
    ),
    Invariant(
        id="INV-21d",
        name="adjustments_match_known_payments",
        statement="An adjustment clears only what the gateway owes of a payment in Bahi, which it or its dispute names; one of"
        " prepaid fee credits changes the fees alone, and any other is held in suspense by an exception.",
        sql="""
            SELECT l.id, l.entity_id, l.gateway_payment_id, l.dispute_id, l.cleared_amount, l.fee_amount
            FROM settlements_settlementline l
            LEFT JOIN payments_paymentattempt a ON a.id = l.attempt_id
            LEFT JOIN payments_dispute d ON l.dispute_id <> '' AND d.gateway_dispute_id = l.dispute_id
            WHERE l.kind = 'adjustment' AND (
                l.cleared_amount <> 0 AND coalesce(
                    a.gateway_payment_id <> CASE l.gateway_payment_id WHEN '' THEN a.gateway_payment_id
                                            ELSE l.gateway_payment_id END
                    OR (l.gateway_payment_id = '' AND d.attempt_id IS DISTINCT FROM a.id), true)
                OR l.fee_amount <> 0 AND l.credit_type <> 'fee'
                OR l.cleared_amount = 0 AND l.fee_amount = 0 AND l.held_amount <> -l.bank_amount
            )
        """,
    ),
    Invariant(
        id="INV-21e",
        name="unknown_lines_are_in_suspense",
        statement="A line of an unknown kind moves money into suspense only, under an exception.",
        sql="""
            SELECT l.id, l.entity_id, l.reported_kind, l.bank_amount, l.held_amount FROM settlements_settlementline l
            LEFT JOIN ledger_reconciliationexception e ON e.line_id = l.id
            WHERE l.kind = 'other' AND (
                e.id IS NULL OR l.held_amount <> -l.bank_amount OR l.cleared_amount <> 0 OR l.fee_amount <> 0
            )
        """,
    ),
    Invariant(
        id="INV-28e",
        name="credits_and_transfers_are_of_their_lines",
        statement="Prepaid credits paid no more than the fee of a line that says so, and only transfers to linked accounts and their"
        " reversals are in transfers payable.",
        sql="""
            SELECT id, entity_id, kind, credit_type, fee_credit_amount, transfer_amount FROM settlements_settlementline
            WHERE fee_credit_amount < 0 OR fee_credit_amount > reported_fee_amount
               OR fee_credit_amount <> 0 AND credit_type NOT IN ('fee', 'amount')
               OR transfer_amount <> 0 AND kind NOT IN ('transfer', 'reversal')
        """,
    ),
    Invariant(
        id="INV-26",
        name="captured_money_is_accounted_for",
        statement="Captured less refunded, less fees settled, less transfers to linked accounts, less deducted for disputes, less bank"
        " charges is what the gateway owes, is in transit, the bank received or suspense holds: by the records on one side, by"
        " the books on the other.",
        sql="""
            WITH facts (currency, amount) AS (
                SELECT currency, amount FROM payments_paymentattempt WHERE status = 'captured'
                UNION ALL SELECT currency, -amount FROM payments_refund WHERE status = 'processed'
                UNION ALL SELECT currency, fee_credit_amount - fee_amount - transfer_amount FROM settlements_settlementline
                UNION ALL SELECT currency, -amount_deducted FROM payments_dispute
                UNION ALL SELECT currency, amount FROM settlements_bankline WHERE kind = 'charge'
                UNION ALL SELECT currency, -held_amount FROM ledger_reconciliationexception WHERE resolution = 'written_off'
                UNION ALL
                SELECT e.currency, -a.fee_amount FROM ledger_reconciliationexception e
                JOIN payments_paymentattempt a ON a.id = e.attempt_id
                WHERE e.reason = 'missing_line' AND a.fee_amount IS NOT NULL
                  AND (e.resolution = 'cleared' AND e.held_amount <> 0 OR e.resolution = 'paid_outside' AND e.held_amount = 0)
                UNION ALL
                -- What was owed, never came and was given up.
                SELECT e.currency, -coalesce(a.amount, e.expected_amount) FROM ledger_reconciliationexception e
                LEFT JOIN payments_paymentattempt a ON a.id = e.attempt_id AND e.reason = 'missing_line'
                WHERE e.reason IN ('missing_line', 'receivable_overdue', 'settlement_failed')
                  AND e.resolution = 'written_off' AND e.held_amount = 0
            ), expected AS (
                SELECT currency, sum(amount) AS amount FROM facts GROUP BY currency
            ), booked AS (
                SELECT currency, sum(amount) AS amount FROM ledger_ledgerentry
                WHERE account_id IN ('bank', 'settlement_in_transit', 'other_bank_movements', 'suspense')
                   OR account_id LIKE 'gateway_receivable:%%' GROUP BY currency
            )
            SELECT currency, expected.amount AS expected, booked.amount AS booked FROM expected FULL JOIN booked USING (currency)
            WHERE coalesce(expected.amount, 0) <> coalesce(booked.amount, 0)
        """,
    ),
    Invariant(
        id="INV-26c",
        name="receivables_match_payments",
        statement="What the books say that a gateway owes is what it owes of each payment, by the records, and nothing"
        " more: no posting of a settlement is about money without a payment in Bahi.",
        sql="""
            WITH booked AS (
                SELECT account_id, currency, sum(amount) AS amount FROM ledger_ledgerentry
                WHERE account_id LIKE 'gateway_receivable:%%' GROUP BY account_id, currency
            ), owed AS (
                SELECT 'gateway_receivable:' || gateway AS account_id, currency, sum(amount) AS amount
                FROM receivable GROUP BY gateway, currency
            )
            SELECT account_id, currency, booked.amount AS booked, owed.amount AS of_payments
            FROM booked FULL JOIN owed USING (account_id, currency)
            WHERE coalesce(booked.amount, 0) <> coalesce(owed.amount, 0)
        """,
        reading=_receivables,
    ),
    Invariant(
        id="INV-26d",
        name="overdue_receivables_have_an_exception",
        statement="What a gateway has owed for more than twice the time of a settlement and a day has an open exception or an"
        " undecided dispute that explains it.",
        grace_seconds=_LIMIT_DAYS * 86_400,
        sql=f"""
            SELECT receivable.attempt_id, receivable.gateway, receivable.amount, receivable.currency, receivable.since
            FROM receivable
            WHERE receivable.amount <> 0 AND receivable.since < %(now)s - interval '{_LIMIT_DAYS} days' AND {HAS_NO_OPEN_EXCEPTION}
              AND NOT {AWAITS_IMPORT}
        """,  # noqa: S608 - only constants of the code are interpolated
        reading=_receivables,
    ),
    Invariant(
        id="INV-26b",
        name="settlement_postings_match_lines",
        statement="Each part of a settlement has one posting, of what its lines say.",
        sql="""
            WITH said AS (
                SELECT settlement_id, CASE part WHEN 1 THEN 'settlement' ELSE 'settlement:' || part END AS kind,
                    sum(bank_amount) AS bank, sum(fee_amount - fee_credit_amount) AS fee, sum(transfer_amount) AS transferred,
                    sum(cleared_amount) AS cleared, sum(held_amount) AS held
                FROM settlements_settlementline GROUP BY settlement_id, part
            ), booked AS (
                SELECT t.source_id, t.kind,
                    coalesce(sum(e.amount) FILTER (WHERE e.account_id = 'settlement_in_transit'), 0) AS bank,
                    coalesce(sum(e.amount) FILTER (
                        WHERE e.account_id LIKE 'gateway_fees:%%' OR e.account_id = 'input_gst'), 0) AS fee,
                    coalesce(sum(e.amount) FILTER (WHERE e.account_id = 'transfers_payable'), 0) AS transferred,
                    coalesce(-sum(e.amount) FILTER (WHERE e.account_id LIKE 'gateway_receivable:%%'), 0) AS cleared,
                    coalesce(sum(e.amount) FILTER (WHERE e.account_id = 'suspense'), 0) AS held
                FROM ledger_ledgertransaction t JOIN ledger_ledgerentry e ON e.transaction_id = t.id
                WHERE t.source_type = 'settlements.settlement' AND split_part(t.kind, ':', 1) = 'settlement' GROUP BY t.id
            )
            SELECT coalesce(said.settlement_id, booked.source_id) AS settlement, coalesce(said.kind, booked.kind) AS kind
            FROM said FULL JOIN booked ON booked.source_id = said.settlement_id AND booked.kind = said.kind
            WHERE (coalesce(said.bank, 0), coalesce(said.fee, 0), coalesce(said.transferred, 0), coalesce(said.cleared, 0),
                   coalesce(said.held, 0))
                  <> (coalesce(booked.bank, 0), coalesce(booked.fee, 0), coalesce(booked.transferred, 0),
                      coalesce(booked.cleared, 0), coalesce(booked.held, 0))
        """,
    ),
    Invariant(
        id="INV-26e",
        name="in_transit_is_what_settlements_transfer",
        statement="What is in transit of each settlement is what it transfers, less the line of the bank's statement that brought it;"
        " nothing is in transit of a failed one.",
        sql="""
            WITH expected AS (
                SELECT s.id, CASE s.transfer_status WHEN 'failed' THEN 0 ELSE s.lines_amount - coalesce(sum(e.held_amount), 0)
                    - coalesce((SELECT b.amount FROM settlements_bankline b WHERE b.settlement_id = s.id), 0) END AS amount
                FROM settlements_settlement s
                LEFT JOIN ledger_reconciliationexception e
                     ON e.settlement_id = s.id AND e.line_id IS NULL AND e.resolution <> 'arrived'
                GROUP BY s.id
            ), booked AS (
                SELECT coalesce(x.settlement_id, assigned.settlement_id, b.settlement_id, t.source_id) AS id,
                    sum(e.amount) AS amount
                FROM ledger_ledgerentry e
                JOIN ledger_ledgertransaction t ON t.id = e.transaction_id
                LEFT JOIN ledger_reconciliationexception x
                     ON t.source_type = 'ledger.reconciliationexception' AND x.id = t.source_id
                LEFT JOIN settlements_bankline assigned ON assigned.exception_id = x.id
                LEFT JOIN settlements_bankline b ON t.source_type = 'settlements.bankline' AND b.id = t.source_id
                WHERE e.account_id = 'settlement_in_transit' GROUP BY 1
            )
            SELECT id, expected.amount AS expected, booked.amount AS booked FROM expected FULL JOIN booked USING (id)
            WHERE coalesce(expected.amount, 0) <> coalesce(booked.amount, 0)
        """,
    ),
    Invariant(
        id="INV-26f",
        name="failed_settlements_have_an_exception",
        statement="Each settlement whose transfer failed has an exception about it, and what the gateway says of each is known.",
        sql="""
            SELECT s.id, s.gateway_settlement_id, s.status, s.transfer_status FROM settlements_settlement s
            WHERE (s.transfer_status = 'failed' OR s.status = 'failed') AND NOT EXISTS (
                SELECT FROM ledger_reconciliationexception e WHERE e.settlement_id = s.id AND e.reason = 'settlement_failed'
            )
        """,
    ),
    Invariant(
        id="INV-28c",
        name="suspense_matches_open_exceptions",
        statement="What settlements left in suspense is what the open exceptions hold, to the paisa.",
        sql="""
            SELECT suspense.amount AS suspense, open.amount AS open FROM
                (SELECT coalesce(sum(e.amount), 0) AS amount FROM ledger_ledgerentry e
                 JOIN ledger_ledgertransaction t ON t.id = e.transaction_id
                 WHERE e.account_id = 'suspense'
                   AND t.source_type IN ('settlements.settlement', 'settlements.bankline', 'ledger.reconciliationexception')) suspense,
                (SELECT coalesce(sum(held_amount), 0) AS amount FROM ledger_reconciliationexception
                 WHERE resolved_at IS NULL) open
            WHERE suspense.amount <> open.amount
        """,
    ),
    Invariant(
        id="INV-18f",
        name="imports_complete_in_time",
        statement="No report waits for an hour without a scheduled import, and no day's report stays unread for three days.",
        grace_seconds=3_600,
        sql="""
            SELECT i.id, i.source, i.day, i.status, i.error FROM settlements_settlementimport i
            WHERE (i.status = 'waiting' AND i.updated_at < %(now)s - interval '1 hour'
                   AND coalesce(i.claimed_until, '-infinity') < %(now)s
                   AND NOT EXISTS (
                       SELECT 1 FROM core_handlerrun d JOIN core_event e ON e.id = d.event_id
                       WHERE e.subject_type = 'settlements.settlementimport' AND e.subject_id = i.id AND d.done_at IS NULL))
               OR (i.status = 'failed' AND i.day < (%(now)s AT TIME ZONE 'Asia/Kolkata')::date - 3
                   AND NOT EXISTS (
                       SELECT 1 FROM settlements_settlementimport done
                       WHERE done.gateway = i.gateway AND done.day = i.day AND done.status = 'completed'))
        """,
    ),
    Invariant(
        id="INV-28b",
        name="suspense_is_empty",
        statement="Except what exceptions of settlements hold, nothing is in suspense for longer than a day.",
        grace_seconds=86_400,
        sql="""
            SELECT e.currency, sum(e.amount) AS held FROM ledger_ledgerentry e
            JOIN ledger_ledgertransaction t ON t.id = e.transaction_id
            WHERE e.account_id = 'suspense' AND t.created_at < %(now)s - interval '1 day'
              AND t.source_type NOT IN ('settlements.settlement', 'settlements.bankline', 'ledger.reconciliationexception')
            GROUP BY e.currency HAVING sum(e.amount) <> 0
        """,
    ),
    Invariant(
        id="INV-49c",
        name="settlement_lines_match_their_references",
        statement="Settlement lines and exceptions have the settlement, payment, refund and gateway of what they are about, and"
        " what an exception refers to exists.",
        sql="""
            SELECT 'settlement line' AS kind, l.id FROM settlements_settlementline l
            JOIN settlements_settlement s ON s.id = l.settlement_id
            LEFT JOIN payments_paymentattempt a ON a.id = l.attempt_id
            LEFT JOIN payments_refund r ON r.id = l.refund_id
            WHERE a.gateway <> s.gateway OR r.gateway_refund_id <> l.entity_id
               OR l.kind = 'payment' AND a.gateway_payment_id <> l.entity_id
               OR l.kind = 'adjustment' AND l.gateway_payment_id <> '' AND a.gateway_payment_id <> l.gateway_payment_id
            UNION ALL
            SELECT 'exception', e.id FROM ledger_reconciliationexception e
            LEFT JOIN settlements_settlement s ON s.id = e.settlement_id
            LEFT JOIN settlements_settlementline l ON l.id = e.line_id
            LEFT JOIN payments_paymentattempt a ON a.id = e.attempt_id
            WHERE s.gateway <> e.gateway OR a.gateway <> e.gateway OR l.entity_id <> e.entity_id
               OR (l.id IS NOT NULL AND (l.settlement_id, l.attempt_id) IS DISTINCT FROM (e.settlement_id, e.attempt_id))
               OR (e.settlement_id IS NOT NULL AND s.id IS NULL) OR (e.line_id IS NOT NULL AND l.id IS NULL)
               OR (e.attempt_id IS NOT NULL AND a.id IS NULL)
               OR (e.refund_id IS NOT NULL AND NOT EXISTS (SELECT FROM payments_refund r WHERE r.id = e.refund_id))
               OR (e.dispute_id IS NOT NULL AND NOT EXISTS (SELECT FROM payments_dispute d WHERE d.id = e.dispute_id))
               OR (e.webhook_id IS NOT NULL AND NOT EXISTS (SELECT FROM payments_webhook w WHERE w.id = e.webhook_id))
        """,
    ),
    Invariant(
        id="INV-29",
        name="fee_checks_follow_the_rate_card",
        statement="Each check of a fee says what its line was charged and what its rate comes to, to the paisa.",
        sql=f"""
            SELECT c.id, c.line_id, c.outcome, c.charged_fee, c.expected_fee, c.expected_tax FROM settlements_feecheck c
            JOIN settlements_settlementline l ON l.id = c.line_id
            LEFT JOIN settlements_feerate rate ON rate.id = c.rate_id
            WHERE (c.charged_fee, c.charged_tax) <> (l.reported_fee_amount, l.reported_tax_amount)
               OR rate.id IS NOT NULL AND (
                    c.expected_fee <> {CHARGE_OF_CHECK} + c.expected_tax
                    OR c.expected_tax <> ({CHARGE_OF_CHECK} * rate.gst_basis_points + 5000) / 10000)
               OR c.outcome <> CASE WHEN rate.id IS NULL THEN 'no_rate' WHEN c.charged_fee > c.expected_fee THEN 'overcharged'
                    WHEN c.charged_fee < c.expected_fee THEN 'undercharged'
                    WHEN c.charged_tax <> c.expected_tax THEN 'tax_differs' ELSE 'agrees' END
        """,  # noqa: S608 - only constants of the code are interpolated
    ),
    Invariant(
        id="INV-21f",
        name="imported_rows_are_not_kept",
        statement="The staged rows of a report are deleted once it is imported.",
        sql="""
            SELECT i.id, i.completed_at, count(*) AS rows FROM settlements_settlementimport i
            JOIN settlements_settlementreportrow r ON r.report_id = i.id WHERE i.status = 'completed' GROUP BY i.id
        """,
    ),
    Invariant(
        id="INV-29b",
        name="overcharges_are_claimed",
        statement="Each fee above the rate card has an exception with the sum to claim, and no open claim is about anything else.",
        sql=f"""
            SELECT c.line_id, x.id AS exception, c.charged_fee - c.expected_fee AS overcharged,
                x.actual_amount - x.expected_amount AS claimed
            FROM (SELECT c.* FROM settlements_feecheck c WHERE c.outcome = 'overcharged' AND {IS_CURRENT}) c
            FULL JOIN (
                SELECT * FROM ledger_reconciliationexception WHERE reason = 'fee_overcharged' AND fingerprint <> ''
            ) x ON {CLAIMS_IT}
            WHERE x.id IS NULL OR c.id IS NULL AND x.resolved_at IS NULL
               OR c.charged_fee - c.expected_fee <> x.actual_amount - x.expected_amount
        """,  # noqa: S608 - only constants of the code are interpolated
    ),
    Invariant(
        id="INV-29c",
        name="settled_fees_are_audited",
        statement="Since there is a rate card, the fee of each settled line is checked within an hour.",
        grace_seconds=3_600,
        sql=f"""
            SELECT line.id, line.method, line.charged_fee FROM ({JUDGED_LINES}) line
            JOIN settlements_settlementline l ON l.id = line.id
            WHERE l.created_at > (SELECT min(r.created_at) FROM settlements_feerate r WHERE r.gateway = line.gateway)
              AND l.created_at < %(now)s - interval '1 hour'
              AND NOT EXISTS (SELECT 1 FROM settlements_feecheck c WHERE c.line_id = line.id)
        """,  # noqa: S608 - only constants of the code are interpolated
    ),
)

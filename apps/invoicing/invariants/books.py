"""What must always hold between documents, money and the books."""

from apps.core.audit import Invariant, Reads

#: What of an attempt can be refunded at least: a rupee, and no less than one unit of its payer's own currency.
_SMALLEST_REFUND = (
    "greatest(100, coalesce((attempt.amount + attempt.payer_amount - 1) / nullif(attempt.payer_amount, 0), 0))"
)

_NOT_POSTED = """
    WITH booked AS (
        SELECT ledger.source_id, split_part(entry.account_id, ':', 1) AS account, split_part(entry.account_id, ':', 2) AS gstin,
               sum(entry.amount) AS amount
        FROM ledger_ledgertransaction ledger JOIN ledger_ledgerentry entry ON entry.transaction_id = ledger.id
        WHERE ledger.source_type = 'invoicing.invoice' AND ledger.kind IN ('invoice', 'credit_note')
        GROUP BY 1, 2, 3
    ), due AS (
        SELECT invoice.id AS source_id, owed.account, CASE WHEN owed.is_of_gstin THEN registration.gstin ELSE '' END AS gstin,
               owed.amount * CASE WHEN invoice.type = 'credit_note' THEN -1 ELSE 1 END AS amount
        FROM invoicing_invoice invoice JOIN tax_registration registration ON registration.id = invoice.registration_id
        CROSS JOIN LATERAL (VALUES
            ('customer_advances', invoice.total_amount, false), ('sales', -invoice.taxable_amount, true),
            ('output_cgst', -invoice.cgst_amount, true), ('output_sgst', -invoice.sgst_amount, true),
            ('output_utgst', -invoice.utgst_amount, true), ('output_igst', -invoice.igst_amount, true),
            ('round_off', -invoice.round_off_amount, false)) AS owed (account, amount, is_of_gstin)
        WHERE owed.amount <> 0
    )
    SELECT source_id AS invoice, account, gstin, due.amount AS invoiced, booked.amount AS booked
    FROM due FULL JOIN booked USING (source_id, account, gstin)
    WHERE due.amount IS DISTINCT FROM booked.amount
    UNION ALL
    SELECT invoice.id, 'order', ledger.kind, NULL, NULL
    FROM invoicing_invoice invoice JOIN ledger_ledgertransaction ledger
         ON ledger.source_type = 'invoicing.invoice' AND ledger.source_id = invoice.id
    WHERE ledger.order_id IS DISTINCT FROM invoice.order_id
       OR ledger.kind <> CASE WHEN invoice.type = 'credit_note' THEN 'credit_note' ELSE 'invoice' END
"""

# Undecided: reserved, or refunded and neither credited nor refused a note yet, which INV-34b allows for a minute.
_ADVANCES = """
    SELECT ledger.order_id, entry.currency, sum(entry.amount) AS overdrawn, undecided.amount AS undecided
    FROM ledger_ledgerentry entry JOIN ledger_ledgertransaction ledger ON ledger.id = entry.transaction_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(refund.amount), 0) AS amount FROM payments_refund refund
        WHERE refund.order_id = ledger.order_id AND refund.currency = entry.currency
          AND (refund.status IN ('pending', 'unknown', 'awaiting_transfer') OR (
               refund.status = 'processed'
               AND NOT EXISTS (SELECT FROM invoicing_invoice WHERE refund_id = refund.id AND type = 'credit_note')
               AND NOT EXISTS (SELECT FROM core_event WHERE subject_type = 'payments.refund' AND subject_id = refund.id
                               AND type = 'invoicing.credit_note.skipped')))
    ) undecided
    WHERE entry.account_id = 'customer_advances'
    GROUP BY ledger.order_id, entry.currency, undecided.amount HAVING sum(entry.amount) > undecided.amount
"""

_LATE_CREDITS = """
    SELECT coalesce(decided.subject_id, booked.source_id) AS refund, refund.amount - fee.amount AS amount, booked.amount AS booked
    FROM (SELECT subject_id FROM core_event WHERE subject_type = 'payments.refund'
          AND type = 'invoicing.credit_note.skipped' AND reason = 'deadline_passed') decided
    FULL JOIN (
        SELECT ledger.source_id, sum(entry.amount) AS amount
        FROM ledger_ledgertransaction ledger JOIN ledger_ledgerentry entry ON entry.transaction_id = ledger.id
        WHERE ledger.source_type = 'payments.refund' AND ledger.kind = 'late_credit' AND entry.account_id LIKE 'sales:%%'
        GROUP BY ledger.source_id
    ) booked ON booked.source_id = decided.subject_id
    LEFT JOIN payments_refund refund ON refund.id = decided.subject_id
    CROSS JOIN LATERAL (
        -- A fee that the payer bore was no sale.
        SELECT coalesce(-sum(entry.amount), 0)::bigint AS amount
        FROM ledger_ledgertransaction ledger JOIN ledger_ledgerentry entry ON entry.transaction_id = ledger.id
        WHERE ledger.source_type = 'payments.refund' AND ledger.source_id = refund.id
          AND ledger.kind = 'difference_reversal' AND entry.account_id = 'customer_advances'
    ) fee
    WHERE coalesce(booked.amount, 0) <> coalesce(refund.amount - fee.amount, 0)
"""

_SHORT_ORDERS = """
    SELECT orders.number, orders.status, orders.total_amount, money.captured, money.refunded, money.explained
    FROM orders_order orders CROSS JOIN LATERAL (
        SELECT (SELECT coalesce(sum(coalesce(attempt.accepted_amount, attempt.amount)), 0) FROM payments_paymentattempt attempt
                JOIN payments_payment payment ON payment.id = attempt.payment_id
                WHERE payment.order_id = orders.id AND attempt.status = 'captured'
                  AND attempt.currency = orders.currency AND attempt.review_reason <> 'amount_mismatch') AS captured,
               coalesce(sum(refund.amount) FILTER (WHERE refund.status = 'processed'), 0) AS refunded,
               coalesce(sum(coalesce(note.total_amount + fee.amount, refund.amount)) FILTER (
                   WHERE refund.status = 'processed' AND (note.total_amount IS NOT NULL OR skipped.id IS NOT NULL
                   OR refund.processed_at > %(now)s - interval '60 seconds')), 0) AS explained
        FROM payments_refund refund
        JOIN payments_paymentattempt attempt ON attempt.id = refund.attempt_id
        CROSS JOIN LATERAL (SELECT sum(total_amount) AS total_amount FROM invoicing_invoice
                            WHERE refund_id = refund.id AND type = 'credit_note') note
        -- A fee that the payer bore was never part of the order.
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(greatest(-entry.amount, 0)), 0) AS amount
            FROM ledger_ledgertransaction ledger JOIN ledger_ledgerentry entry ON entry.transaction_id = ledger.id
            WHERE ledger.source_type = 'payments.refund' AND ledger.source_id = refund.id
              AND ledger.kind = 'difference_reversal' AND entry.account_id = 'customer_advances'
        ) fee
        LEFT JOIN core_event skipped ON skipped.subject_type = 'payments.refund' AND skipped.subject_id = refund.id
             AND skipped.type = 'invoicing.credit_note.skipped'
        WHERE refund.order_id = orders.id AND attempt.review_reason <> 'amount_mismatch'
    ) money
    WHERE orders.status IN ('confirmed', 'on_hold', 'in_fulfilment', 'completed', 'closed')
      AND money.captured - money.refunded + money.explained < orders.total_amount
      -- Of an order that is not invoiced yet nothing is credited; INV-32 says when it must be.
      AND EXISTS (SELECT FROM invoicing_invoice WHERE order_id = orders.id AND type <> 'credit_note')
"""

# A refund whose credit note is not decided yet may still take the difference back.
_DIFFERENCES_REVERSED = f"""
    SELECT attempt.id AS attempt, attempt.gateway_payment_id, attempt.amount, attempt.accepted_amount, refunds.amount AS refunded,
           reversed.amount AS reversed
    FROM payments_paymentattempt attempt
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(refund.amount), 0) AS amount,
               bool_or(skipped.id IS NULL AND NOT EXISTS (
                   SELECT FROM invoicing_invoice WHERE refund_id = refund.id AND type = 'credit_note')) AS is_undecided,
               bool_or(skipped.reason = 'deadline_passed') AS is_deadline_passed
        FROM payments_refund refund
        LEFT JOIN core_event skipped ON skipped.subject_type = 'payments.refund' AND skipped.subject_id = refund.id
             AND skipped.type = 'invoicing.credit_note.skipped'
        WHERE refund.attempt_id = attempt.id AND refund.status = 'processed'
    ) refunds
    CROSS JOIN LATERAL (
        SELECT coalesce(-sum(entry.amount), 0) AS amount
        FROM payments_refund refund
        JOIN ledger_ledgertransaction ledger ON ledger.source_type = 'payments.refund' AND ledger.source_id = refund.id
        JOIN ledger_ledgerentry entry ON entry.transaction_id = ledger.id
        WHERE refund.attempt_id = attempt.id AND ledger.kind = 'difference_reversal' AND entry.account_id = 'customer_advances'
    ) reversed
    CROSS JOIN LATERAL (
        SELECT CASE WHEN attempt.amount >= attempt.accepted_amount THEN greatest(0, refunds.amount - attempt.accepted_amount)
                    WHEN attempt.amount - refunds.amount < {_SMALLEST_REFUND} THEN attempt.amount - attempt.accepted_amount
                    ELSE 0 END AS amount
    ) due
    WHERE attempt.accepted_amount <> attempt.amount AND NOT coalesce(refunds.is_undecided, false)
      AND reversed.amount <> due.amount
      -- Too late for a credit note the sale stays, and what was waived of it.
      AND NOT (attempt.amount < attempt.accepted_amount AND refunds.is_deadline_passed AND reversed.amount = 0)
"""  # noqa: S608 - our own names


BOOKS: tuple[Invariant, ...] = (
    Invariant(
        "INV-36",
        "invoices_are_posted_to_the_ledger",
        "Sales, tax by head and GSTIN, round-off and the customer's advance are booked as invoiced and as credited, for the order,"
        " and nothing else is.",
        _NOT_POSTED,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-36b",
        "late_refunds_reduce_sales",
        "A refund after the time limit of credit notes is booked as less sales, once and whole but for a fee that the payer bore; no other"
        " refund is.",
        _LATE_CREDITS,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-25g",
        "only_refunds_reverse_differences",
        "An accepted shortfall is credited once refunds have returned all that was captured but for less than ₹1.00, and a fee that the"
        " payer bore leaves payer fees as far as it was refunded; what disputes took changes neither.",
        _DIFFERENCES_REVERSED,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-28d",
        "advances_are_not_overdrawn",
        "No order has used more of its customer's money than it received, except for refunds whose credit note is still to be issued.",
        _ADVANCES,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-11",
        "confirmed_orders_are_covered_by_payments",
        "What was captured for a confirmed order less what was refunded covers its total, or credit notes and reasons say what does not.",
        _SHORT_ORDERS,
        grace_seconds=60,
        reads=Reads.ONE_ORDER,
    ),
)

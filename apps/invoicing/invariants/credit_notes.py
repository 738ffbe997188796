"""What must always hold of credit notes."""

from apps.core.audit import Invariant, Reads
from apps.invoicing.invariants.documents import AMOUNTS

_CREDITED = (*AMOUNTS, "total_amount")
_OVER_CREDITED = f"""
    SELECT invoice.number, 'the whole' AS what, invoice.total_amount AS invoiced, sum(note.total_amount) AS credited
    FROM invoicing_invoice invoice JOIN invoicing_invoice note ON note.refers_to_id = invoice.id AND note.type = 'credit_note'
    GROUP BY invoice.id
    HAVING {" OR ".join(f"sum(note.{name}) > invoice.{name}" for name in _CREDITED)}
        OR (sum(note.total_amount) = invoice.total_amount
            AND ({" OR ".join(f"sum(note.{name}) <> invoice.{name}" for name in (*AMOUNTS, "round_off_amount"))}))
    UNION ALL
    SELECT invoice.number, 'line ' || line.position, line.total_amount, sum(part.total_amount)
    FROM invoicing_invoiceline part
    JOIN invoicing_invoice note ON note.id = part.invoice_id AND note.type = 'credit_note'
    JOIN invoicing_invoice invoice ON invoice.id = note.refers_to_id
    LEFT JOIN invoicing_invoiceline line ON line.invoice_id = invoice.id AND line.order_line_id = part.order_line_id
    GROUP BY invoice.id, line.id
    HAVING line.id IS NULL OR sum(part.quantity_milli) > line.quantity_milli
        OR {" OR ".join(f"sum(part.{name}) > line.{name}" for name in _CREDITED)}
"""  # noqa: S608 - our own names

_REFUNDS_WITHOUT_DECISION = """
    SELECT refund.number, orders.status, refund.processed_at, decided.notes, decided.reasons
    FROM payments_refund refund JOIN orders_order orders ON orders.id = refund.order_id
    CROSS JOIN LATERAL (
        SELECT (SELECT count(*) FROM invoicing_invoice WHERE refund_id = refund.id AND type = 'credit_note') AS notes,
               (SELECT count(DISTINCT refers_to_id) FROM invoicing_invoice
                WHERE refund_id = refund.id AND type = 'credit_note') AS corrected,
               (SELECT count(*) FROM core_event WHERE subject_type = 'payments.refund' AND subject_id = refund.id
                AND type = 'invoicing.credit_note.skipped') AS reasons,
               EXISTS (SELECT FROM invoicing_invoice WHERE order_id = refund.order_id AND type <> 'credit_note'
                       AND issued_at < %(now)s - interval '60 seconds')
               OR orders.status NOT IN ('confirmed', 'on_hold', 'in_fulfilment', 'completed') AS can_be_decided
    ) decided
    WHERE decided.notes > decided.corrected OR decided.reasons > 1 OR (decided.notes > 0 AND decided.reasons > 0)
       OR (decided.notes + decided.reasons = 0 AND decided.can_be_decided
           AND refund.status = 'processed'
           AND EXISTS (SELECT FROM core_event WHERE subject_type = 'payments.refund' AND subject_id = refund.id
                       AND type = 'payments.refund.processed' AND created_at < %(now)s - interval '60 seconds'))
"""

_NOTES_MISMATCHED = """
    SELECT note.number, note.total_amount, refund.number AS refund, refund.status, refund.amount, invoice.number AS invoice
    FROM invoicing_invoice note
    LEFT JOIN payments_refund refund ON refund.id = note.refund_id
    LEFT JOIN invoicing_invoice invoice ON invoice.id = note.refers_to_id
    CROSS JOIN LATERAL (
        SELECT sum(total_amount) FILTER (WHERE type = 'credit_note' AND refund_id = note.refund_id) AS amount,
               sum(CASE WHEN type = 'credit_note' THEN -total_amount ELSE total_amount END) AS left_of_order
        FROM invoicing_invoice WHERE order_id = note.order_id AND status <> 'cancelled'
    ) together
    CROSS JOIN LATERAL (
        -- What the payer never paid of an accepted payment is credited with the last of its money; a fee that the payer bore never is.
        SELECT coalesce(sum(entry.amount), 0) AS shortfall
        FROM ledger_ledgertransaction ledger JOIN ledger_ledgerentry entry ON entry.transaction_id = ledger.id
        WHERE ledger.source_type = 'payments.refund' AND ledger.source_id = note.refund_id
          AND ledger.kind = 'difference_reversal' AND entry.account_id = 'customer_advances'
    ) unpaid
    WHERE note.type = 'credit_note' AND (
        refund.id IS NULL OR invoice.id IS NULL OR refund.status <> 'processed' OR invoice.type = 'credit_note'
        OR note.order_id <> refund.order_id OR note.order_id <> invoice.order_id
        OR note.customer_id <> invoice.customer_id OR note.registration_id <> invoice.registration_id
        OR note.place_of_supply <> invoice.place_of_supply OR note.currency <> refund.currency
        OR note.seller <> invoice.seller OR note.buyer <> invoice.buyer OR note.issued_at < invoice.issued_at
        OR together.amount > refund.amount + unpaid.shortfall
        OR (together.amount < refund.amount + unpaid.shortfall AND together.left_of_order <> 0))
    UNION ALL
    SELECT number, total_amount, refund_id::text, status, NULL, refers_to_id::text FROM invoicing_invoice
    WHERE type <> 'credit_note' AND (refund_id IS NOT NULL OR refers_to_id IS NOT NULL)
"""

# Of the returned line, earlier refunds may have taken a part whose note is to come, or that failed since.
_OTHER_LINES_CREDITED_FIRST = """
    SELECT note.number, refund.number AS refund, own.position AS returned_line, own.total_amount AS worth,
           credited.amount AS credited, pending.amount AS pending, elsewhere.amount AS of_other_lines
    FROM invoicing_invoice note JOIN payments_refund refund ON refund.id = note.refund_id
    JOIN payments_refundline unit ON unit.refund_id = refund.id JOIN orders_orderline own ON own.id = unit.order_line_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(part.total_amount), 0) AS amount FROM invoicing_invoiceline part
        WHERE part.invoice_id = note.id AND part.order_line_id NOT IN (
            SELECT order_line_id FROM payments_refundline WHERE refund_id = refund.id)
    ) elsewhere
    CROSS JOIN LATERAL (
        -- Two equal heads cannot share an odd paisa: each note may leave one.
        SELECT coalesce(sum(part.total_amount + 1), 0) AS amount
        FROM invoicing_invoice earlier JOIN invoicing_invoiceline part ON part.invoice_id = earlier.id
        WHERE earlier.order_id = note.order_id AND earlier.type = 'credit_note'
          AND earlier.issued_at <= note.issued_at AND part.order_line_id = own.id
    ) credited
    CROSS JOIN LATERAL (
        SELECT coalesce(sum((other.line_amounts ->> own.id::text)::bigint), 0) AS amount
        FROM payments_refund other
        WHERE other.order_id = refund.order_id AND other.id <> refund.id AND other.created_at <= note.issued_at
          AND NOT EXISTS (SELECT FROM invoicing_invoice WHERE refund_id = other.id AND issued_at <= note.issued_at)
    ) pending
    WHERE note.type = 'credit_note' AND refund.line_amounts <> '{}' AND elsewhere.amount > 0
      AND credited.amount + pending.amount < own.total_amount
"""

# CGST Act, section 34(2): until 30 November after the end of the financial year of the supply; days are India's.
_SKIPPED_TOO_EARLY = """
    SELECT skipped.subject_id AS refund, skipped.created_at, sold.last_day FROM core_event skipped
    JOIN payments_refund refund ON refund.id = skipped.subject_id
    CROSS JOIN LATERAL (
        SELECT max(make_date(extract(year FROM invoice.invoice_date - interval '3 months')::int + 1, 11, 30)) AS last_day
        FROM invoicing_invoice invoice WHERE invoice.order_id = refund.order_id AND invoice.type <> 'credit_note'
    ) sold
    WHERE skipped.subject_type = 'payments.refund' AND skipped.type = 'invoicing.credit_note.skipped'
      AND skipped.reason = 'deadline_passed' AND (skipped.created_at AT TIME ZONE 'Asia/Kolkata')::date <= sold.last_day
"""

# Two equal heads cannot share an odd paisa: each line may leave one.
_ROUND_OFF_CREDITED_FIRST = """
    SELECT note.number, note.round_off_amount, sold.amount - credited.amount AS left_of_lines
    FROM invoicing_invoice note JOIN payments_refund refund ON refund.id = note.refund_id
    CROSS JOIN LATERAL (
        SELECT sum(part.total_amount) AS amount FROM invoicing_invoiceline part WHERE part.invoice_id = note.refers_to_id
    ) sold
    CROSS JOIN LATERAL (
        SELECT sum(part.total_amount) AS amount
        FROM invoicing_invoice earlier JOIN invoicing_invoiceline part ON part.invoice_id = earlier.id
        WHERE earlier.refers_to_id = note.refers_to_id AND earlier.type = 'credit_note' AND earlier.issued_at <= note.issued_at
    ) credited
    CROSS JOIN LATERAL (
        -- A refund that names no lines took nothing of the round-off.
        SELECT CASE WHEN refund.line_amounts = '{}' THEN 0 ELSE abs(note.total_amount - coalesce(sum(taken.amount::bigint), 0)) END
               AS amount
        FROM jsonb_each_text(refund.line_amounts) taken (line_id, amount)
        WHERE taken.line_id IN (SELECT order_line_id::text FROM invoicing_invoiceline WHERE invoice_id = note.refers_to_id)
    ) beyond
    WHERE note.type = 'credit_note' AND sold.amount > credited.amount
      AND abs(note.round_off_amount) > beyond.amount + (SELECT count(*) FROM invoicing_invoiceline WHERE invoice_id = note.id)
"""


CREDIT_NOTES: tuple[Invariant, ...] = (
    Invariant(
        "INV-34",
        "credit_notes_do_not_exceed_their_invoice",
        "Credit notes credit no more of an invoice than it has, by line and by head; those that credit all of it leave no paisa.",
        _OVER_CREDITED,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-34b",
        "refunds_have_a_credit_note_or_a_skip_reason",
        "A processed refund has one credit note per document that it corrects, or one recorded reason for none, 60 s after refund and"
        " invoice.",
        _REFUNDS_WITHOUT_DECISION,
        grace_seconds=60,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-34c",
        "credit_notes_match_refund_and_invoice",
        "The credit notes of a processed refund have its amount, or all that was left, and the parties of their invoice.",
        _NOTES_MISMATCHED,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-34d",
        "returned_lines_are_credited_first",
        "A credit note for returned units touches other lines only for what its own lines cannot give.",
        _OTHER_LINES_CREDITED_FIRST,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-34e",
        "credit_notes_are_skipped_only_after_the_deadline",
        "A refund has no credit note for being too late only after the 30 November that follows the financial year of its invoice.",
        _SKIPPED_TOO_EARLY,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-34f",
        "round_off_is_credited_last",
        "While an invoice's lines have something left, a credit note takes no more of the round-off than its refund did.",
        _ROUND_OFF_CREDITED_FIRST,
        reads=Reads.ONE_ORDER,
    ),
)

"""Invariants across all apps."""

from apps.core.audit import Invariant

INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        id="INV-25e",
        name="postings_have_a_source",
        statement="Every posting is of a fact that exists, of a kind that such facts have.",
        sql="""
            SELECT t.id, t.source_type, t.source_id, t.kind FROM ledger_ledgertransaction t
            WHERE NOT CASE t.source_type
                WHEN 'payments.paymentattempt' THEN t.kind IN ('capture', 'payment_difference')
                     AND EXISTS (SELECT FROM payments_paymentattempt f WHERE f.id = t.source_id AND f.status = 'captured')
                WHEN 'payments.refund' THEN split_part(t.kind, ':', 1) IN (
                         'refund_due', 'refund_reinstated', 'refund_reversal', 'refund', 'refund_transferred', 'late_credit',
                         'difference_reversal')
                     AND EXISTS (SELECT FROM payments_refund f WHERE f.id = t.source_id)
                WHEN 'settlements.settlement' THEN split_part(t.kind, ':', 1) IN (
                         'settlement', 'transfer_failed', 'transfer_retried')
                     AND EXISTS (SELECT FROM settlements_settlement f WHERE f.id = t.source_id)
                WHEN 'ledger.reconciliationexception' THEN t.kind IN ('difference', 'resolution')
                     AND EXISTS (SELECT FROM ledger_reconciliationexception f WHERE f.id = t.source_id)
                WHEN 'payments.dispute' THEN split_part(t.kind, ':', 1) IN ('dispute_taken', 'dispute_returned', 'dispute_lost')
                     AND EXISTS (SELECT FROM payments_dispute f WHERE f.id = t.source_id)
                WHEN 'invoicing.invoice' THEN t.kind IN ('invoice', 'credit_note')
                ELSE false END
        """,
    ),
)

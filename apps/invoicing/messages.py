"""The sentences that staff read about documents."""

#: Why a refund has no credit note, by the reason that its event has.
_SKIPPED = {
    "never_invoiced": "No credit note: the order was never invoiced.",
    "refunded_before_sale": "No credit note: the money was refunded before anything was sold.",
    "surplus": "No credit note: this payment was for nothing that was sold.",
    "fully_credited": "No credit note: the invoice has been credited in full.",
    "deadline_passed": "No credit note: the time limit of the law for credit notes had passed.",
}


def credit_note_skipped(reason: str) -> str:
    """Return why a refund has no credit note."""
    return _SKIPPED.get(reason, f"No credit note: {reason.replace('_', ' ')}.")

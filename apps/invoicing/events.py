"""News of GST documents; the root of each is the order."""

INVOICE_ISSUED = "invoicing.invoice.issued"
INVOICE_RENDERED = "invoicing.invoice.rendered"

CREDIT_NOTE_ISSUED = "invoicing.credit_note.issued"
CREDIT_NOTE_RENDERED = "invoicing.credit_note.rendered"
#: Of a refund that gets no credit note; its reason says why. The subject is the refund.
CREDIT_NOTE_SKIPPED = "invoicing.credit_note.skipped"

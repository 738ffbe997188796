"""Events of GST documents; the root of each is the order."""

INVOICE_ISSUED = "invoicing.invoice.issued"
INVOICE_RENDERED = "invoicing.invoice.rendered"

CREDIT_NOTE_ISSUED = "invoicing.credit_note.issued"
CREDIT_NOTE_RENDERED = "invoicing.credit_note.rendered"
#: A refund gets no credit note, for the event's reason. The subject is the refund.
CREDIT_NOTE_SKIPPED = "invoicing.credit_note.skipped"

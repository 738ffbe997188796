"""News of GST documents; the root of each is the order."""

INVOICE_ISSUED = "invoicing.invoice.issued"
INVOICE_RENDERED = "invoicing.invoice.rendered"

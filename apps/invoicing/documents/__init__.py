"""How a document looks on paper: the PDF of an invoice or a credit note, from its rows and the seller's settings."""

from apps.invoicing.documents.invoice import draw_invoice, invoice_data

__all__ = ["draw_invoice", "invoice_data"]

"""How a document looks on paper: the PDF of an invoice or a credit note, from its rows and the seller's settings."""

from apps.invoicing.documents.invoice import invoice_data, render_invoice_pdf

__all__ = ["invoice_data", "render_invoice_pdf"]

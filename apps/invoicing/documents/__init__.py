"""How a document looks on paper: the PDF of an invoice, drawn from its rows and nothing else."""

from apps.invoicing.documents.invoice import draw_invoice, verification_text

__all__ = ["draw_invoice", "verification_text"]

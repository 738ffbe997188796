"""Writes: issuing documents, and rendering their PDFs."""

from apps.invoicing.services.crediting import (
    RefundNotProcessed,
    credit_refunds_of_order,
    issue_credit_note,
    issue_credit_notes,
)
from apps.invoicing.services.issuing import (
    OrderDoesNotAddUp,
    OrderNotInvoiceable,
    invoice_confirmed_order,
    issue_invoice,
    issue_invoices,
)
from apps.invoicing.services.numbering import SeriesUnavailable
from apps.invoicing.services.rendering import render_document, render_missing_documents
from apps.invoicing.services.replaying import replay_everything, replay_order

__all__ = [
    "OrderDoesNotAddUp",
    "OrderNotInvoiceable",
    "RefundNotProcessed",
    "SeriesUnavailable",
    "credit_refunds_of_order",
    "invoice_confirmed_order",
    "issue_credit_note",
    "issue_credit_notes",
    "issue_invoice",
    "issue_invoices",
    "render_document",
    "render_missing_documents",
    "replay_everything",
    "replay_order",
]

"""Writes: issuing documents, and rendering their PDFs."""

from apps.invoicing.services.credit_notes import (
    RefundNotProcessed,
    credit_refunds_of_order,
    issue_credit_note,
    issue_credit_notes,
)
from apps.invoicing.services.event_replay import replay_everything, replay_order
from apps.invoicing.services.invoices import (
    OrderDoesNotAddUp,
    OrderNotInvoiceable,
    invoice_confirmed_order,
    issue_invoice,
    issue_invoices,
)
from apps.invoicing.services.number_series import SeriesUnavailable
from apps.invoicing.services.pdf import render_document, render_missing_documents

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

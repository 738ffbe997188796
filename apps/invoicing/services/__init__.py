"""Writes: issuing documents, and rendering their PDFs."""

from apps.invoicing.services.credit_notes import (
    RefundNotProcessed,
    issue_credit_notes,
    issue_pending_credit_notes,
)
from apps.invoicing.services.invoices import (
    OrderNotInvoiceable,
    OrderTotalsMismatch,
    issue_invoices,
)
from apps.invoicing.services.ledger_accounts import set_up_reference_data
from apps.invoicing.services.number_series import NumberSeriesUnavailable
from apps.invoicing.services.pdf import render_document, render_missing_documents

__all__ = [
    "NumberSeriesUnavailable",
    "OrderNotInvoiceable",
    "OrderTotalsMismatch",
    "RefundNotProcessed",
    "issue_credit_notes",
    "issue_invoices",
    "issue_pending_credit_notes",
    "render_document",
    "render_missing_documents",
    "set_up_reference_data",
]

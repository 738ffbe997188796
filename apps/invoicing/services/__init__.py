"""Writes: issuing a document, and rendering its PDF."""

from apps.invoicing.services.issuing import OrderDoesNotAddUp, OrderNotInvoiceable, SeriesUnavailable, issue_invoice
from apps.invoicing.services.rendering import render_document, render_missing_documents

__all__ = [
    "OrderDoesNotAddUp",
    "OrderNotInvoiceable",
    "SeriesUnavailable",
    "issue_invoice",
    "render_document",
    "render_missing_documents",
]

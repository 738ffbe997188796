"""The PDF of a document: rendered outside any transaction, stored whole, and recorded once."""

from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import structlog

from apps.core.events import SYSTEM, change
from apps.core.row_writes import insert_rows
from apps.core.transactions import transactional
from apps.invoicing import documents, events, locks, selectors
from apps.invoicing.gateways import pdf_files
from apps.invoicing.models import Invoice, InvoiceFile
from apps.invoicing.states import DocumentType

log = structlog.get_logger(__name__)

#: How long an invoice is left to the worker that receives its event, before the sweep renders it.
OVERDUE_AFTER = timedelta(seconds=60)


def render_document(*, invoice_id: UUID, now: datetime) -> InvoiceFile:
    """
    Render and store the PDF of a document once; a second call returns what the first one stored.

    :raises InvoiceNotFound: if there is no such invoice
    :raises DocumentStorageFailed: if the disk refuses it; nothing is left behind, and the call may be repeated
    """
    invoice = selectors.get_invoice(invoice_id)
    existing = selectors.find_file(invoice_id)
    if existing is not None:
        return existing

    content = documents.render_invoice_pdf(invoice, selectors.list_invoice_lines(invoice_id))
    path = _path_of(invoice)
    temporary = pdf_files.write_temporary(path, content)
    try:
        return _store_file(invoice_id, content, path=path, temporary=temporary, now=now)
    finally:
        pdf_files.discard(temporary)


@transactional
def _store_file(invoice_id: UUID, content: bytes, *, path: str, temporary: Path, now: datetime) -> InvoiceFile:
    invoice = locks.lock_invoice(invoice_id)
    existing = selectors.find_file(invoice_id)
    if existing is not None:
        return existing

    # Under the lock, as of two renderings only the one that writes the row may put its bytes in place.
    pdf_files.move_into_place(temporary, path)
    file = InvoiceFile(
        invoice=invoice,
        path=path,
        sha256=pdf_files.sha256_of(content),
        size=len(content),
        rendered_at=now,
        created_at=now,
    )
    insert_rows([file])

    is_credit_note = invoice.type == DocumentType.CREDIT_NOTE
    rendered = events.CREDIT_NOTE_RENDERED if is_credit_note else events.INVOICE_RENDERED
    change(invoice, rendered, {}, root=invoice.order_id, actor=SYSTEM, now=now)

    return file


def render_missing_documents(*, now: datetime, limit: int = 50) -> int:
    """Render the invoices that should have had their PDF a minute ago, and return how many were; one that fails stops no other."""
    rendered = 0
    for invoice in selectors.list_unrendered_invoices(issued_before=now - OVERDUE_AFTER)[:limit]:
        try:
            render_document(invoice_id=invoice.pk, now=now)
        except Exception as error:
            log.error("document_render_failed", invoice=invoice.public_id, number=invoice.number, exc_info=error)
        else:
            rendered += 1
    return rendered


def _path_of(invoice: Invoice) -> str:
    folder = "credit-notes" if invoice.type == DocumentType.CREDIT_NOTE else "invoices"
    return f"{folder}/{invoice.financial_year}/{invoice.seller['gstin']}/{invoice.number}.pdf"

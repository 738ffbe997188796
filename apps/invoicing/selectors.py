"""Reads of documents."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from apps.core.errors import Conflict, NotFound, Unavailable
from apps.core.models import is_staff_with
from apps.invoicing.gateways import files
from apps.invoicing.models import Invoice, InvoiceFile, InvoiceLine
from apps.invoicing.states import DocumentType, InvoiceStatus


class InvoiceNotFound(NotFound):
    message = "There is no such invoice."


class DocumentNotReady(Conflict):
    message = "The PDF of invoice {0} is being made. Ask again in a moment."


class DocumentDamaged(Unavailable):
    message = "The PDF of invoice {0} cannot be read at the moment."


def find_invoice_of_order(order_id: UUID) -> Invoice | None:
    """Return the tax invoice of an order that stands, or None."""
    return (
        Invoice.objects.filter(order_id=order_id, type=DocumentType.TAX_INVOICE)
        .exclude(status=InvoiceStatus.CANCELLED)
        .select_related("file")
        .first()
    )


def get_invoice(invoice_id: UUID) -> Invoice:
    """
    Return a document.

    :raises InvoiceNotFound: if there is none
    """
    return _one(Invoice.objects.filter(pk=invoice_id))


def list_visible_invoices(*, user: Any) -> "QuerySet[Invoice]":
    """Return the documents that a user may see: the own ones, or all for staff who may view invoices."""
    invoices = Invoice.objects.select_related("file").order_by("-created_at", "-pk")
    may_see_all = is_staff_with(user, "invoicing.view_invoice")
    return invoices if may_see_all else invoices.filter(customer_id=user.pk)


def get_visible_invoice(*, user: Any, invoice_id: UUID) -> Invoice:
    """
    Return a document that a user may see, with its lines.

    :raises InvoiceNotFound: if there is none, or it is somebody else's
    """
    lines = Prefetch("lines", queryset=InvoiceLine.objects.order_by("position"))
    return _one(list_visible_invoices(user=user).filter(pk=invoice_id).prefetch_related(lines))


def list_invoice_lines(invoice_id: UUID) -> "QuerySet[InvoiceLine]":
    """Return the lines of a document in their order."""
    return InvoiceLine.objects.filter(invoice_id=invoice_id).order_by("position")


def list_unrendered_invoices(*, issued_before: datetime) -> "QuerySet[Invoice]":
    """Return the documents that should have a PDF by now and have none, oldest first."""
    return Invoice.objects.filter(file__isnull=True, issued_at__lte=issued_before).order_by("issued_at", "pk")


def find_file(invoice_id: UUID) -> InvoiceFile | None:
    """Return what is known of a document's PDF, or None if it has not been rendered."""
    return InvoiceFile.objects.filter(invoice_id=invoice_id).first()


def get_document(invoice_id: UUID) -> tuple[InvoiceFile, bytes]:
    """
    Return the PDF of a document, its bytes compared with the hash that was kept.

    :raises InvoiceNotFound: if there is no such document
    :raises DocumentNotReady: if it has not been rendered yet
    :raises DocumentDamaged: if the stored bytes are gone or are not those that were rendered
    """
    invoice = get_invoice(invoice_id)
    file = find_file(invoice_id)
    if file is None:
        raise DocumentNotReady(invoice.number, retry_after=2)
    content = files.read(file.path)
    if content is None or files.sha256_of(content) != file.sha256:
        raise DocumentDamaged(invoice.number, retry_after=60)
    return file, content


def _one(invoices: "QuerySet[Invoice]") -> Invoice:
    invoice = invoices.select_related("file").first()
    if invoice is None:
        raise InvoiceNotFound
    return invoice

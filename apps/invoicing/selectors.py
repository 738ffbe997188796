"""Reads of documents."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Prefetch, QuerySet, Sum

from apps.core.errors import Conflict, NotFound, Unavailable
from apps.core.models import Event, HandlerRun, Outbox, Subject, is_staff_with
from apps.core.rows import find_by, find_rows, list_by
from apps.core.search import SearchTerm, any_of
from apps.invoicing import events, rules
from apps.invoicing.gateways import pdf_files
from apps.invoicing.models import Invoice, InvoiceFile, InvoiceLine, NumberSeries
from apps.invoicing.states import DocumentType, InvoiceStatus
from apps.orders.events import ORDER_CONFIRMED
from apps.tax.rules import Credit

#: The handler of a confirmation that issues the documents of its order.
_ISSUING_HANDLER: Final = "issue_invoices_of_order"

#: A number begins with up to four characters that all documents of a series share.
MIN_SEARCH_LENGTH: Final = 3


class InvoiceNotFound(NotFound):
    """There is no such invoice, or it belongs to somebody else. List the invoices."""

    message = "There is no such invoice."


class DocumentNotReady(Conflict):
    """The PDF has not been rendered yet. Repeat the request in a moment."""

    message = "The PDF of {0} is being prepared. Try again in a moment."


class DocumentCorrupted(Unavailable):
    """The stored PDF is missing or differs from its recorded hash. The operator restores it from a backup."""

    message = "The PDF of {0} cannot be read at the moment."


class CreditNoteNotFound(NotFound):
    """There is no such credit note, or it belongs to somebody else. List the credit notes."""

    message = "There is no such credit note."


@dataclass(frozen=True)
class CreditedAmounts:
    """What the credit notes of an invoice have taken of it so far, in paise; of its lines by order line."""

    lines: dict[UUID, Credit]
    round_off: int
    total: int


def find_invoice_of_order(order_id: UUID) -> Invoice | None:
    """Return the first of the documents that say what an order sold and stand, its tax invoice if it has one, or None."""
    return next(iter(list_invoices_of_order(order_id)), None)


def list_invoices_of_order(order_id: UUID) -> list[Invoice]:
    """Return the documents that say what an order sold and stand: one, or a tax invoice and a bill of supply, in this order."""
    invoices = [
        invoice
        for invoice in list_by(Invoice, order_id=order_id)
        if invoice.type in rules.SALE_DOCUMENT_TYPES and invoice.status != InvoiceStatus.CANCELLED
    ]
    return sorted(invoices, key=lambda invoice: rules.SALE_DOCUMENT_TYPES.index(invoice.type))


def is_invoice_pending(order_id: UUID) -> bool:
    """Test if a worker is still to issue the documents of a confirmed order, however long ago that was."""
    confirmed = Event.objects.filter(subject_type="orders.order", subject_id=order_id, type=ORDER_CONFIRMED).values(
        "pk"
    )
    runs = HandlerRun.objects.filter(event__in=confirmed, handler__endswith=_ISSUING_HANDLER, done_at__isnull=True)
    return Outbox.objects.filter(event__in=confirmed).exists() or runs.exists()


def sum_invoiced_units(order_id: UUID) -> dict[UUID, int]:
    """Return the units of each line of an order that its documents of the sale cover, in thousandths, by the order line's id."""
    lines = InvoiceLine.objects.filter(invoice__order_id=order_id, invoice__type__in=rules.SALE_DOCUMENT_TYPES).exclude(
        invoice__status=InvoiceStatus.CANCELLED
    )
    return dict(lines.order_by().values_list("order_line_id").annotate(Sum("quantity_milli")))


def list_documents_of_order(order_id: UUID) -> "QuerySet[Invoice]":
    """Return the documents of an order of every kind, as they were issued."""
    return Invoice.objects.filter(order_id=order_id).order_by("issued_at", "pk")


def list_rows_of_orders(order_ids: Collection[UUID]) -> "dict[str, list[tuple[UUID | None, Subject]]]":
    """Return the documents of some orders, each with its order's id."""
    rows = Invoice.objects.filter(order_id__in=order_ids)
    return {"documents": [(one.order_id, one) for one in rows]}


def find_credit_note_of_refund(refund_id: UUID) -> Invoice | None:
    """Return the first credit note of a refund, or None."""
    return list_credit_notes_of_refund(refund_id).first()


def list_credit_notes_of_refund(refund_id: UUID) -> "QuerySet[Invoice]":
    """Return the credit notes of a refund: one for each document of the sale that it takes something of."""
    return Invoice.objects.filter(refund_id=refund_id).select_related("file", "refers_to").order_by("issued_at", "pk")


def find_skip_reason(refund_id: UUID) -> str | None:
    """Return why it was decided that a refund gets no credit note, or None if it was not."""
    skipped = Event.objects.filter(
        subject_type="payments.refund", subject_id=refund_id, type=events.CREDIT_NOTE_SKIPPED
    )
    return skipped.values_list("reason", flat=True).first()


def sum_credited_amounts(invoice_id: UUID) -> CreditedAmounts:
    """Return what the credit notes of an invoice come to."""
    notes = Invoice.objects.filter(refers_to_id=invoice_id, type=DocumentType.CREDIT_NOTE)
    sums = notes.aggregate(round_off=Sum("round_off_amount", default=0), total=Sum("total_amount", default=0))
    lines: dict[UUID, Credit] = {}
    for line in InvoiceLine.objects.filter(invoice__in=notes):
        lines[line.order_line_id] = _sum(lines.get(line.order_line_id), credit_of(line))
    return CreditedAmounts(lines=lines, **sums)


def credit_of(line: InvoiceLine) -> Credit:
    """Return the quantity and money of a line of an invoice or of a credit note, in paise."""
    return Credit(
        quantity=line.quantity,
        taxable=line.taxable_amount,
        cgst=line.cgst_amount,
        sgst=line.sgst_amount,
        utgst=line.utgst_amount,
        igst=line.igst_amount,
    )


def get_invoice(invoice_id: UUID) -> Invoice:
    """
    Return a document.

    :raises InvoiceNotFound: if there is none
    """
    invoice = find_invoice(invoice_id)
    if invoice is None:
        raise InvoiceNotFound
    return invoice


def find_invoice(invoice_id: UUID) -> Invoice | None:
    """Return a document, or None."""
    return find_by(Invoice, id=invoice_id)


def list_visible_invoices(*, user: Any) -> "QuerySet[Invoice]":
    """Return the invoices that a user may see: the own ones, or all for staff who may view invoices."""
    return _visible_to(user).exclude(type=DocumentType.CREDIT_NOTE)


def list_visible_credit_notes(*, user: Any) -> "QuerySet[Invoice]":
    """Return the credit notes that a user may see: the own ones, or all for staff who may view invoices."""
    return _visible_to(user).filter(type=DocumentType.CREDIT_NOTE).select_related("refers_to")


def get_visible_credit_note(*, user: Any, credit_note_id: UUID) -> Invoice:
    """
    Return a credit note that a user may see, with its lines and its invoice.

    :raises CreditNoteNotFound: if there is none, or it is somebody else's
    """
    lines = Prefetch("lines", queryset=InvoiceLine.objects.order_by("position"))
    note = list_visible_credit_notes(user=user).filter(pk=credit_note_id).prefetch_related(lines).first()
    if note is None:
        raise CreditNoteNotFound
    return note


def get_visible_invoice(*, user: Any, invoice_id: UUID) -> Invoice:
    """
    Return an invoice that a user may see, with its lines.

    :raises InvoiceNotFound: if there is none, or it is somebody else's
    """
    lines = Prefetch("lines", queryset=InvoiceLine.objects.order_by("position"))
    return _one(list_visible_invoices(user=user).filter(pk=invoice_id).prefetch_related(lines))


def list_invoice_lines(invoice_id: UUID) -> list[InvoiceLine]:
    """Return the lines of a document in their order."""
    return find_rows(InvoiceLine, "WHERE it.invoice_id = $1 ORDER BY it.position", [str(invoice_id)])


def list_unrendered_invoices(*, issued_before: datetime) -> "QuerySet[Invoice]":
    """Return the documents that should have a PDF by now and have none, oldest first."""
    return Invoice.objects.filter(file__isnull=True, issued_at__lte=issued_before).order_by("issued_at", "pk")


def find_file(invoice_id: UUID) -> InvoiceFile | None:
    """Return what is known of a document's PDF, or None if it has not been rendered."""
    return find_by(InvoiceFile, invoice_id=invoice_id)


def get_invoice_pdf(invoice_id: UUID) -> tuple[InvoiceFile, bytes]:
    """
    Return the PDF of a document, its bytes compared with the hash that was kept.

    :raises InvoiceNotFound: if there is no such document
    :raises DocumentNotReady: if it has not been rendered yet
    :raises DocumentCorrupted: if the stored bytes are gone or are not those that were rendered
    """
    invoice = get_invoice(invoice_id)
    file = find_file(invoice_id)
    if file is None:
        raise DocumentNotReady(invoice.number, retry_after=2)
    content = pdf_files.read(file.path)
    if content is None or pdf_files.sha256_of(content) != file.sha256:
        raise DocumentCorrupted(invoice.number, retry_after=60)
    return file, content


def _visible_to(user: Any) -> "QuerySet[Invoice]":
    documents = Invoice.objects.select_related("file").order_by("-created_at", "-pk")
    may_see_all = is_staff_with(user, "invoicing.view_invoice")
    return documents if may_see_all else documents.filter(customer_id=user.pk)


def _sum(first: Credit | None, second: Credit) -> Credit:
    if first is None:
        return second
    return Credit(**{field.name: getattr(first, field.name) + getattr(second, field.name) for field in fields(Credit)})


def _one(invoices: "QuerySet[Invoice]") -> Invoice:
    invoice = invoices.select_related("file", "refers_to").first()
    if invoice is None:
        raise InvoiceNotFound
    return invoice


def search_documents(term: SearchTerm) -> "QuerySet[Invoice]":
    """Return the documents that a search means, newest first: by a public id, or by the beginning or last digits of their number."""
    pk = term.pk_of(Invoice)
    if pk is not None:
        return Invoice.objects.filter(pk=pk)
    if term.digits:
        found = Invoice.objects.filter(number__in=_numbers_ending_with(term.digits))
    elif len(term.code) >= MIN_SEARCH_LENGTH:
        found = Invoice.objects.filter(number__startswith=term.code)
    else:
        return Invoice.objects.none()
    return Invoice.objects.filter(pk__in=any_of(found.values_list("pk"))).order_by("-created_at", "-id")


def _numbers_ending_with(digits: str) -> list[str]:
    """Return the numbers that digits may mean, of each series: all after its letters (`260000002`), or its count (`2`, `0000002`)."""
    begun = {
        rules.beginning_of_numbers(prefix=prefix, financial_year=year)
        for prefix, year in NumberSeries.objects.values_list("prefix", "financial_year")
    }
    counted = {
        beginning + digits.zfill(rules.SEQUENCE_DIGITS) for beginning in begun if len(digits) <= rules.SEQUENCE_DIGITS
    }
    whole = {f"{beginning.rstrip('0123456789')}{digits}" for beginning in begun}
    return sorted(counted | whole)

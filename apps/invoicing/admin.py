"""Documents in the back office: to look at, and to download."""

from io import BytesIO
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest
from django.urls import path, reverse
from django.utils.safestring import SafeString

from apps.accounts import selectors as accounts
from apps.accounts import services as accounts_services
from apps.core import clock, ids
from apps.core.admin_actions import add_forecast, staff_actor
from apps.core.admin_contacts import can_read_contacts
from apps.core.admin_lists import KeySearch
from apps.core.admin_panels import Panel, add_panel
from apps.core.admin_site import ReadOnlyAdmin, ReadOnlyTabularInline, join_nonempty, link
from apps.core.dates import format_day
from apps.core.errors import BahiError
from apps.core.money import rupees
from apps.core.search import SearchTerm, any_of
from apps.invoicing import selectors
from apps.invoicing.messages import credit_note_skipped
from apps.invoicing.models import Invoice, InvoiceFile, InvoiceLine, NumberSeries
from apps.orders import selectors as orders
from apps.payments import selectors as payments
from apps.tax.rules import rate_label, state_name

_PARTY = ("legal_name", "company", "name", "line1", "line2", "city", "pin", "state_name", "gstin", "phone", "email")


class InvoiceLineInline(ReadOnlyTabularInline):
    """The lines of a document."""

    model = InvoiceLine
    fields = ("position", "name", "sku", "hsn", "quantity", "uqc", "taxable", "rate", "tax", "total")
    readonly_fields = fields
    ordering = ("position",)

    @admin.display(description="Taxable value")
    def taxable(self, line: InvoiceLine) -> str:
        return rupees(line.taxable_amount)

    @admin.display(description="Rate")
    def rate(self, line: InvoiceLine) -> str:
        return rate_label(line.taxability, line.tax_rate)

    @admin.display(description="Tax")
    def tax(self, line: InvoiceLine) -> str:
        return rupees(line.total_amount - line.taxable_amount)

    @admin.display(description="Total")
    def total(self, line: InvoiceLine) -> str:
        return rupees(line.total_amount)


@admin.register(Invoice)
class InvoiceAdmin(KeySearch, ReadOnlyAdmin):
    """Invoices and credit notes, with their PDF."""

    shows_contacts = True
    list_display = ("number", "type", "status", "invoice_date", "order_number", "buyer_name", "total", "pdf")
    list_filter = ("type", "status", "financial_year", "registration")
    search_fields = ("number__exact",)
    search_help_text = (
        "A document's number, its beginning or its last digits; an order number or its last digits;"
        " the gateway's payment id; a buyer's name, GSTIN, whole phone number or e-mail address."
    )
    list_select_related = ("file", "registration", "refers_to")
    ordering = ("-created_at", "-id")
    inlines = (InvoiceLineInline,)
    readonly_fields = ("public_id", "pdf", "sold_by", "billed_to", "shipped_to", "place")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("number", "pdf"),
                    ("type", "status"),
                    ("invoice_date", "issued_at"),
                    ("order", "customer"),
                    ("series", "sequence"),
                    ("payment_reference", "public_id"),
                )
            },
        ),
        ("Parties", {"fields": ("sold_by", "billed_to", "shipped_to", ("place", "is_reverse_charge"))}),
        (
            "Amounts",
            {
                "fields": (
                    ("taxable_amount", "igst_amount"),
                    ("cgst_amount", "sgst_amount"),
                    ("utgst_amount", "round_off_amount"),
                    ("total_amount", "currency"),
                )
            },
        ),
    )

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        named = orders.search_orders(term).order_by().values("pk")
        paid = payments.search_payments(term).order_by().values("order_id")
        people = accounts.search_visible_people(term, user=request.user).order_by().values("pk")
        of_people = Invoice.objects.filter(customer_id__in=people).order_by("-created_at", "-id")
        return any_of(
            selectors.search_documents(term).values_list("pk"),
            Invoice.objects.filter(order_id__in=named).values_list("pk"),
            Invoice.objects.filter(order_id__in=paid).values_list("pk"),
            of_people.values_list("pk"),
        )

    @admin.display(description="Buyer")
    def buyer_name(self, invoice: Invoice) -> str:
        return str(invoice.buyer.get("company") or invoice.buyer.get("name") or "")

    @admin.display(description="Total")
    def total(self, invoice: Invoice) -> str:
        return rupees(invoice.total_amount)

    @admin.display(description="ID")
    def public_id(self, invoice: Invoice) -> str:
        return invoice.public_id

    @admin.display(description="Sold by")
    def sold_by(self, invoice: Invoice) -> str:
        return join_nonempty(invoice.seller, _PARTY)

    @admin.display(description="Billed to")
    def billed_to(self, invoice: Invoice) -> str:
        return join_nonempty(invoice.buyer, _PARTY)

    @admin.display(description="Shipped to")
    def shipped_to(self, invoice: Invoice) -> str:
        return join_nonempty(invoice.shipping_address, _PARTY)

    @admin.display(description="Place of supply")
    def place(self, invoice: Invoice) -> str:
        return f"{invoice.place_of_supply} {state_name(invoice.place_of_supply)}"

    @admin.display(description="PDF")
    def pdf(self, invoice: Invoice) -> str:
        return _pdf_link(invoice)

    def get_urls(self) -> list[Any]:
        download = path(
            "<path:object_id>/pdf/", self.admin_site.admin_view(self.download), name="invoicing_invoice_pdf"
        )
        return [download, *super().get_urls()]

    def download(self, request: HttpRequest, object_id: str) -> FileResponse:
        """Send the PDF to staff who may view the invoice."""
        invoice = self.get_object(request, object_id)
        if invoice is None:
            raise Http404
        if not self.has_view_permission(request, invoice):
            raise PermissionDenied
        try:
            _, content = selectors.get_invoice_pdf(invoice.pk)
        except BahiError as error:
            raise Http404(error.text) from error
        if not can_read_contacts(request):
            user: Any = request.user
            accounts_services.record_contact_details_view(
                user_id=user.pk,
                page=request.path,
                public_ids=[invoice.public_id, ids.encode("cus", invoice.customer_id)],
                actor=staff_actor(request),
                now=clock.now(),
            )
        return FileResponse(
            BytesIO(content),
            as_attachment=True,
            filename=f"{invoice.number}.pdf",
            content_type="application/pdf",
            headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"},
        )


@admin.register(NumberSeries)
class NumberSeriesAdmin(ReadOnlyAdmin):
    """The series that numbers are taken from."""

    list_display = ("prefix", "document_type", "financial_year", "registration", "last_number", "last_issued_at")
    list_filter = ("document_type", "financial_year")
    search_fields = ("prefix", "registration__gstin")
    list_select_related = ("registration",)
    ordering = ("-financial_year", "prefix")


@admin.register(InvoiceFile)
class InvoiceFileAdmin(KeySearch, ReadOnlyAdmin):
    """The rendered files of documents."""

    list_display = ("path", "invoice", "size", "sha256", "rendered_at")
    search_fields = ("path__exact",)
    search_help_text = "A document's number or its beginning, or a file's whole path."
    list_select_related = ("invoice",)
    ordering = ("-id",)

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        named = selectors.search_documents(term).order_by().values("pk")
        return any_of(
            InvoiceFile.objects.filter(path=term.text).values_list("pk"),
            InvoiceFile.objects.filter(invoice_id__in=named).values_list("pk"),
        )


def _pdf_link(invoice: Invoice) -> SafeString | str:
    if not hasattr(invoice, "file"):
        return "being made"
    return link(reverse("admin:invoicing_invoice_pdf", args=[invoice.pk]), "Download")


def _link(invoice: Invoice) -> SafeString:
    return link(reverse("admin:invoicing_invoice_change", args=[invoice.pk]), invoice.number)


def _invoices_of_order(order: Any) -> list[tuple[Any, ...]]:
    invoices = Invoice.objects.filter(order_id=order.pk).select_related("file").order_by("issued_at")
    return [
        (
            _link(invoice),
            invoice.get_type_display(),
            invoice.get_status_display(),
            format_day(invoice.invoice_date),
            rupees(invoice.total_amount),
            _pdf_link(invoice),
        )
        for invoice in invoices
    ]


def _notes_of_refund(refund: Any) -> list[tuple[Any, ...]]:
    notes = selectors.list_credit_notes_of_refund(refund.pk)
    if notes:
        return [
            (_link(note), format_day(note.invoice_date), rupees(note.total_amount), _pdf_link(note)) for note in notes
        ]
    reason = selectors.find_skip_reason(refund.pk)
    return [(credit_note_skipped(reason), "", "", "")] if reason else []


add_panel(
    "payments.refund",
    Panel(
        title="Credit note",
        columns=("Number", "Date", "Total", "PDF"),
        rows=_notes_of_refund,
        permission="invoicing.view_invoice",
    ),
)
add_panel(
    "invoicing.invoice",
    Panel(
        title="Credit notes",
        columns=("Number", "Date", "Reason", "Total", "PDF"),
        rows=lambda invoice: [
            (_link(note), format_day(note.invoice_date), note.reason, rupees(note.total_amount), _pdf_link(note))
            for note in invoice.notes.select_related("file").order_by("issued_at")
        ],
        permission="invoicing.view_invoice",
    ),
)
add_panel(
    "orders.order",
    Panel(
        title="Invoices and credit notes",
        columns=("Number", "Type", "Status", "Date", "Total", "PDF"),
        rows=_invoices_of_order,
        permission="invoicing.view_invoice",
        position=30,
    ),
)


def _cancellation_forecast(order: Any) -> list[tuple[str, str]]:
    return [
        ("Documents", _document_after_cancellation(invoice)) for invoice in selectors.list_invoices_of_order(order.pk)
    ]


def _document_after_cancellation(invoice: Invoice) -> str:
    left = invoice.total_amount - selectors.sum_credited_amounts(invoice.pk).total
    return (
        f"{invoice.get_type_display()} {invoice.number} of {rupees(invoice.total_amount)} stays as it is."
        f" Credit notes for the remaining {rupees(left)} are issued with their refunds."
    )


add_forecast("orders.order", "cancel", _cancellation_forecast)


def _refund_forecast(order: Any) -> list[tuple[str, str]]:
    return [("Documents", _document_after_refund(sold)) for sold in selectors.list_invoices_of_order(order.pk)]


def _document_after_refund(sold: Invoice) -> str:
    return (
        f"{sold.get_type_display()} {sold.number} of {rupees(sold.total_amount)} stays as it is."
        " A credit note of the refunded amount is issued once the refund is paid."
    )


add_forecast("orders.order", "refund", _refund_forecast)


def _documents_of_approving(refund: Any) -> list[tuple[str, str]]:
    return _refund_forecast(refund.order)


add_forecast("payments.refund", "approve", _documents_of_approving)

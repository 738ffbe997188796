"""Invoices and credit notes: the lists, one with all that stands on it, and its PDF."""

from io import BytesIO
from typing import Any

from django.http import FileResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import services as accounts
from apps.core import clock, ids
from apps.core.api import ApiView, KeysetPagination, get_actor, get_etag, with_etag
from apps.core.api.contacts import sees_contacts_masked
from apps.core.api.pdf import PDF_RESPONSES
from apps.core.api.schema import id_parameter, id_pattern, page_example, page_parameters
from apps.core.models import public_pk
from apps.invoicing import filters, selectors
from apps.invoicing.models import Invoice
from apps.invoicing.serializers import (
    CREDIT_NOTE_EXAMPLE,
    CREDIT_NOTE_SUMMARY_EXAMPLE,
    INVOICE_EXAMPLE,
    SUMMARY_EXAMPLE,
    CreditNoteListResponse,
    CreditNoteResponse,
    CreditNoteSummaryResponse,
    InvoiceListResponse,
    InvoiceResponse,
    InvoiceSummaryResponse,
)

_NUMBER = {"type": "string", "pattern": filters.NUMBER_PATTERN}
_CREDIT_NOTE_ID = OpenApiParameter(
    "credit_note_id", {"type": "string", "pattern": id_pattern(Invoice.PREFIX)}, OpenApiParameter.PATH
)
_LIST_PARAMETERS = [
    id_parameter("order_id", "ord", "Only those of this order."),
    OpenApiParameter("number", _NUMBER, description="Only the one with this number."),
    OpenApiParameter("created_at[gte]", OpenApiTypes.DATETIME, description="Made at this instant or later."),
    OpenApiParameter("created_at[gt]", OpenApiTypes.DATETIME, description="Made after this instant."),
    OpenApiParameter("created_at[lte]", OpenApiTypes.DATETIME, description="Made at this instant or earlier."),
    OpenApiParameter("created_at[lt]", OpenApiTypes.DATETIME, description="Made before this instant."),
    *page_parameters("-created_at", "created_at"),
]


class InvoicesView(ApiView):
    """My invoices; for staff with `invoicing.view_invoice` everybody's."""

    params = {"list": (*KeysetPagination.PARAMS, *filters.PARAMS)}

    @extend_schema(
        operation_id="list_invoices",
        summary="List invoices",
        description="My invoices, newest first; staff who may view invoices get those of everybody.",
        parameters=_LIST_PARAMETERS,
        responses={200: InvoiceListResponse},
        examples=[page_example(SUMMARY_EXAMPLE)],
    )
    def list(self, request: Request) -> Response:
        user: Any = request.user
        invoices = filters.filter_documents(selectors.list_visible_invoices(user=user), self.query)
        pagination = KeysetPagination(
            sorts={"created_at": "created_at"},
            default="-created_at",
            scope=filters.cursor_scope(self.query, user_id=user.pk),
        )
        page = pagination.page(invoices, self.query)
        return with_etag(request, page.envelope(list(InvoiceSummaryResponse(page.rows, many=True).data)))

    @extend_schema(
        operation_id="get_invoice",
        summary="Read an invoice",
        description="The invoice as it was issued: lines, tax by head and by HSN code, and where its PDF is.",
        responses={200: InvoiceResponse},
        examples=[OpenApiExample("An invoice", response_only=True, value=INVOICE_EXAMPLE)],
    )
    def retrieve(self, request: Request, invoice_id: str) -> Response:
        invoice = selectors.get_visible_invoice(user=request.user, invoice_id=public_pk(Invoice, invoice_id))
        return with_etag(request, InvoiceResponse(invoice).data, etag=get_etag(invoice))


class _PdfView(ApiView):
    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        # A request with Accept: application/pdf gets the file; an error is still JSON.
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type


class InvoicePdfView(_PdfView):
    """The PDF of an invoice, to download."""

    raises = {"retrieve": (selectors.DocumentNotReady("INV260000123", retry_after=2),)}

    @extend_schema(
        operation_id="get_invoice_pdf",
        summary="Download an invoice",
        description="The PDF, always the same bytes. 409 `document_not_ready` with Retry-After while it is being prepared.",
        responses=PDF_RESPONSES,
    )
    def retrieve(self, request: Request, invoice_id: str) -> HttpResponseBase:
        invoice = selectors.get_visible_invoice(user=request.user, invoice_id=public_pk(Invoice, invoice_id))
        return _download(request, invoice)


class CreditNotesView(ApiView):
    """My credit notes; for staff with `invoicing.view_invoice` everybody's."""

    params = {"list": (*KeysetPagination.PARAMS, *filters.PARAMS)}

    @extend_schema(
        operation_id="list_credit_notes",
        summary="List credit notes",
        description="My credit notes, newest first, one for each refund of an invoice; staff who may view invoices get everybody's.",
        parameters=_LIST_PARAMETERS,
        responses={200: CreditNoteListResponse},
        examples=[page_example(CREDIT_NOTE_SUMMARY_EXAMPLE)],
    )
    def list(self, request: Request) -> Response:
        user: Any = request.user
        notes = filters.filter_documents(selectors.list_visible_credit_notes(user=user), self.query)
        pagination = KeysetPagination(
            sorts={"created_at": "created_at"},
            default="-created_at",
            scope=filters.cursor_scope(self.query, user_id=user.pk, of="credit_notes"),
        )
        page = pagination.page(notes, self.query)
        return with_etag(request, page.envelope(list(CreditNoteSummaryResponse(page.rows, many=True).data)))

    @extend_schema(
        operation_id="get_credit_note",
        summary="Read a credit note",
        parameters=[_CREDIT_NOTE_ID],
        description="The credit note as it was issued: what it takes back of which invoice, for which refund, and where its PDF is.",
        responses={200: CreditNoteResponse},
        examples=[OpenApiExample("A credit note", response_only=True, value=CREDIT_NOTE_EXAMPLE)],
    )
    def retrieve(self, request: Request, credit_note_id: str) -> Response:
        note = selectors.get_visible_credit_note(user=request.user, credit_note_id=public_pk(Invoice, credit_note_id))
        return with_etag(request, CreditNoteResponse(note).data, etag=get_etag(note))


class CreditNotePdfView(_PdfView):
    """The PDF of a credit note, to download."""

    raises = {"retrieve": (selectors.DocumentNotReady("CRN260000007", retry_after=2),)}

    @extend_schema(
        operation_id="get_credit_note_pdf",
        summary="Download a credit note",
        description="The PDF, always the same bytes. 409 `document_not_ready` with Retry-After while it is being prepared.",
        parameters=[_CREDIT_NOTE_ID],
        responses=PDF_RESPONSES,
    )
    def retrieve(self, request: Request, credit_note_id: str) -> HttpResponseBase:
        note = selectors.get_visible_credit_note(user=request.user, credit_note_id=public_pk(Invoice, credit_note_id))
        return _download(request, note)


def _download(request: Request, document: Invoice) -> HttpResponseBase:
    file, content = selectors.get_document(document.pk)
    answer = with_etag(request, None, etag=f'"{file.sha256}"')
    if answer.status_code == 304:
        return answer
    user: Any = request.user
    if sees_contacts_masked(user) and document.customer_id != user.pk:
        accounts.record_contact_details_view(
            user_id=user.pk,
            page=request.path,
            public_ids=[document.public_id, ids.encode("cus", document.customer_id)],
            actor=get_actor(request),
            now=clock.now(),
        )
    headers = {**answer.headers, "X-Content-Type-Options": "nosniff"}
    headers.pop("Content-Type", None)
    return FileResponse(
        BytesIO(content),
        as_attachment=True,
        filename=f"{document.number}.pdf",
        content_type="application/pdf",
        headers=headers,
    )

"""Invoices and credit notes: the lists, one with all of its data, and its PDF."""

from http import HTTPStatus
from io import BytesIO
from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse
from django.http.response import HttpResponseBase
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import services as accounts
from apps.core import clock, ids
from apps.core.api import ApiViewSet, get_actor, get_etag, with_etag
from apps.core.api.contacts import sees_contacts_masked
from apps.core.api.pdf import PdfMixin
from apps.core.models import public_pk
from apps.invoicing import openapi, selectors
from apps.invoicing.filters import DocumentFilterSet
from apps.invoicing.models import Invoice
from apps.invoicing.serializers import (
    CreditNoteResponse,
    CreditNoteSummaryResponse,
    InvoiceResponse,
    InvoiceSummaryResponse,
)


class _DocumentViewSet(PdfMixin, ListModelMixin, ApiViewSet):
    filterset_class = DocumentFilterSet

    def retrieve(self, request: Request, **_: str) -> Response:
        document = self.get_object()
        return self.answer(self.get_serializer(document).data, etag=get_etag(document))

    @action(detail=True, methods=["get"])
    def pdf(self, request: Request, **_: str) -> HttpResponseBase:
        return _download(request, self.get_object())


@openapi.describe_invoices
class InvoiceViewSet(_DocumentViewSet):
    """My invoices; for staff with `invoicing.view_invoice` everybody's."""

    serializer_class = InvoiceResponse
    serializer_classes = {"list": InvoiceSummaryResponse}
    lookup_url_kwarg = "invoice_id"

    def get_queryset(self) -> "QuerySet[Invoice]":
        return selectors.list_visible_invoices(user=self.request.user)

    def get_object(self) -> Invoice:
        invoice_id = public_pk(Invoice, self.kwargs["invoice_id"])
        return selectors.get_visible_invoice(user=self.request.user, invoice_id=invoice_id)


@openapi.describe_credit_notes
class CreditNoteViewSet(_DocumentViewSet):
    """My credit notes; for staff with `invoicing.view_invoice` everybody's."""

    serializer_class = CreditNoteResponse
    serializer_classes = {"list": CreditNoteSummaryResponse}
    lookup_url_kwarg = "credit_note_id"

    def get_queryset(self) -> "QuerySet[Invoice]":
        return selectors.list_visible_credit_notes(user=self.request.user)

    def get_object(self) -> Invoice:
        credit_note_id = public_pk(Invoice, self.kwargs["credit_note_id"])
        return selectors.get_visible_credit_note(user=self.request.user, credit_note_id=credit_note_id)


def _download(request: Request, document: Invoice) -> HttpResponseBase:
    file, content = selectors.get_invoice_pdf(document.pk)
    answer = with_etag(request, None, etag=f'"{file.sha256}"')
    if answer.status_code == HTTPStatus.NOT_MODIFIED:
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

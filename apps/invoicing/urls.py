"""The paths of invoices and credit notes, under /api/v1/."""

from django.urls import path

from apps.invoicing.views import CreditNotePdfView, CreditNotesView, InvoicePdfView, InvoicesView

urlpatterns = [
    path("invoices", InvoicesView.as_view({"get": "list"}), name="invoices"),
    path("invoices/<str:invoice_id>", InvoicesView.as_view({"get": "retrieve"}), name="invoice"),
    path("invoices/<str:invoice_id>/pdf", InvoicePdfView.as_view({"get": "retrieve"}), name="invoice_pdf"),
    path("credit-notes", CreditNotesView.as_view({"get": "list"}), name="credit_notes"),
    path("credit-notes/<str:credit_note_id>", CreditNotesView.as_view({"get": "retrieve"}), name="credit_note"),
    path(
        "credit-notes/<str:credit_note_id>/pdf", CreditNotePdfView.as_view({"get": "retrieve"}), name="credit_note_pdf"
    ),
]

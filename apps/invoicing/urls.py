"""The paths of invoices, under /api/v1/."""

from django.urls import path

from apps.invoicing.views import InvoicePdfView, InvoicesView

urlpatterns = [
    path("invoices", InvoicesView.as_view({"get": "list"}), name="invoices"),
    path("invoices/<str:invoice_id>", InvoicesView.as_view({"get": "retrieve"}), name="invoice"),
    path("invoices/<str:invoice_id>/pdf", InvoicePdfView.as_view({"get": "retrieve"}), name="invoice_pdf"),
]

"""Routes of tax."""

from django.urls import path

from apps.tax.views import GstinView, TaxRatesView

urlpatterns = [
    path("gst/gstin/<str:gstin>", GstinView.as_view({"get": "retrieve"})),
    path("gst/rates", TaxRatesView.as_view({"get": "list"})),
]

"""Routes of tax."""

from django.urls import path

from apps.tax.views import GstinView, StatesView, TaxRatesView

urlpatterns = [
    path("states", StatesView.as_view({"get": "list"})),
    path("gst/gstin/<str:gstin>", GstinView.as_view({"get": "retrieve"})),
    path("gst/rates", TaxRatesView.as_view({"get": "list"})),
]

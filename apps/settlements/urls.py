"""Routes of settlements."""

from django.urls import path

from apps.settlements.views import SettlementImportView, SettlementView

urlpatterns = [
    path("settlements", SettlementView.as_view({"get": "list"})),
    path("settlements/import", SettlementImportView.as_view({"post": "create"})),
    path("settlements/<str:settlement_id>", SettlementView.as_view({"get": "retrieve"})),
    path("settlements/<str:settlement_id>/lines", SettlementView.as_view({"get": "lines"})),
]

"""Routes of the ledger."""

from django.urls import path

from apps.ledger.views import ReconciliationExceptionView

urlpatterns = [
    path("reconciliation/exceptions", ReconciliationExceptionView.as_view({"get": "list"})),
    path("reconciliation/exceptions/<str:exception_id>", ReconciliationExceptionView.as_view({"get": "retrieve"})),
    path(
        "reconciliation/exceptions/<str:exception_id>/assign", ReconciliationExceptionView.as_view({"post": "assign"})
    ),
    path(
        "reconciliation/exceptions/<str:exception_id>/resolve", ReconciliationExceptionView.as_view({"post": "resolve"})
    ),
]

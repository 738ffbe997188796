"""The paths of what takes every app to answer, under /api/v1/."""

from django.urls import path

from apps.backoffice import views
from apps.core.api.routers import ApiRouter

router = ApiRouter()
router.register("orders/<str:order_id>/timeline", views.OrderTimelineViewSet, basename="order-timeline")
router.register("orders/<str:order_id>/ledger", views.OrderLedgerViewSet, basename="order-ledger")

router.register("reports/daily-sales", views.DailySalesViewSet, basename="daily-sales")
router.register("reports/best-sellers", views.BestSellerViewSet, basename="best-sellers")
router.register("reports/top-customers", views.TopCustomerViewSet, basename="top-customers")

urlpatterns = [
    path("dashboards/sales", views.SalesDashboardViewSet.as_view({"get": "retrieve"}), name="sales-dashboard"),
    *router.urls,
    path(
        "disputes/<str:dispute_id>/evidence",
        views.DisputeEvidenceViewSet.as_view({"get": "retrieve", "post": "create"}),
        name="dispute-evidence",
    ),
    path(
        "disputes/<str:dispute_id>/evidence/pdf",
        views.DisputeEvidencePdfViewSet.as_view({"get": "retrieve", "post": "create"}),
        name="dispute-evidence-pdf",
    ),
]

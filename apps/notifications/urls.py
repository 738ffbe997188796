"""Routes of notifications."""

from django.urls import path

from apps.core.api.routers import ApiRouter
from apps.notifications import views

router = ApiRouter()
router.register("me/notifications", views.NotificationViewSet, basename="notification")
router.register("orders/<str:order_id>/timeline", views.OrderTimelineViewSet, basename="order-timeline")

urlpatterns = [
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

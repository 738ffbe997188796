"""Routes of notifications."""

from django.urls import path

from apps.notifications.views import (
    DisputeEvidencePdfView,
    DisputeEvidenceView,
    MyNotificationsView,
    OrderTimelineView,
)

urlpatterns = [
    path("me/notifications", MyNotificationsView.as_view({"get": "list"})),
    path("me/notifications/read", MyNotificationsView.as_view({"post": "read_all"})),
    path("me/notifications/<str:notification_id>/read", MyNotificationsView.as_view({"post": "read_one"})),
    path("disputes/<str:dispute_id>/evidence", DisputeEvidenceView.as_view({"get": "retrieve", "post": "create"})),
    path(
        "disputes/<str:dispute_id>/evidence/pdf", DisputeEvidencePdfView.as_view({"get": "download", "post": "prepare"})
    ),
    path("orders/<str:order_id>/timeline", OrderTimelineView.as_view({"get": "list"})),
]

"""Routes of notifications."""

from django.urls import path

from apps.notifications.views import MyNotificationsView

urlpatterns = [
    path("me/notifications", MyNotificationsView.as_view({"get": "list"})),
    path("me/notifications/read", MyNotificationsView.as_view({"post": "read_all"})),
    path("me/notifications/<str:notification_id>/read", MyNotificationsView.as_view({"post": "read_one"})),
]

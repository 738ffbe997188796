"""The paths of messages, under /api/v1/."""

from apps.core.api.routers import ApiRouter
from apps.notifications.views import NotificationViewSet

router = ApiRouter()
router.register("me/notifications", NotificationViewSet, basename="notification")

urlpatterns = router.urls

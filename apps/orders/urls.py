"""Routes of orders."""

from apps.core.api.routers import ApiRouter
from apps.orders.views import OrderViewSet

router = ApiRouter()
router.register("orders", OrderViewSet, basename="order")

urlpatterns = router.urls

"""Routes of shipments."""

from apps.core.api.routers import ApiRouter
from apps.fulfilment.views import ShipmentViewSet

router = ApiRouter()
router.register("shipments", ShipmentViewSet, basename="shipment")

urlpatterns = router.urls

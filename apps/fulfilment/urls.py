"""Routes of shipments."""

from django.urls import path

from apps.core.api.routers import ApiRouter
from apps.fulfilment.views import PackingSlipViewSet, ShipmentViewSet

router = ApiRouter()
router.register("shipments", ShipmentViewSet, basename="shipment")

urlpatterns = [
    *router.urls,
    path(
        "shipments/<str:shipment_id>/packing-slip",
        PackingSlipViewSet.as_view({"get": "retrieve", "post": "create"}),
        name="packing-slip",
    ),
]

"""Routes of tax."""

from apps.core.api.routers import ApiRouter
from apps.tax import views

router = ApiRouter()
router.register("states", views.StateViewSet, basename="state")
router.register("gst/gstin", views.GstinViewSet, basename="gstin")
router.register("gst/rates", views.TaxRateViewSet, basename="tax-rate")

urlpatterns = router.urls

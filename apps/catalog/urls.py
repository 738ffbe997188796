"""Routes of the catalogue."""

from apps.catalog import views
from apps.core.api.routers import ApiRouter

router = ApiRouter()
router.register("categories", views.CategoryViewSet, basename="category")
router.register("products", views.ProductViewSet, basename="product")
router.register("products/<str:product_id>/variants", views.ProductVariantViewSet, basename="product-variant")
router.register("variants", views.VariantViewSet, basename="variant")
router.register("stock-adjustments", views.StockAdjustmentViewSet, basename="stock-adjustment")

urlpatterns = router.urls

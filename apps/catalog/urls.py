"""Routes of the catalogue."""

from django.urls import path

from apps.catalog.views import (
    CategoriesView,
    ProductsView,
    ProductVariantsView,
    StockAdjustmentsView,
    VariantsView,
)

urlpatterns = [
    path("categories", CategoriesView.as_view({"get": "list"})),
    path("products", ProductsView.as_view({"get": "list", "post": "create"})),
    path("products/<str:product_id>", ProductsView.as_view({"get": "retrieve", "patch": "update"})),
    path("products/<str:product_id>/variants", ProductVariantsView.as_view({"get": "list", "post": "create"})),
    path("variants/<str:variant_id>", VariantsView.as_view({"get": "retrieve", "patch": "update"})),
    path("stock-adjustments", StockAdjustmentsView.as_view({"post": "create"})),
]

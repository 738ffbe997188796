"""Routes of orders."""

from django.urls import path

from apps.orders.views import OrderView

urlpatterns = [
    path("orders", OrderView.as_view({"get": "list", "post": "create"})),
    path("orders/quote", OrderView.as_view({"post": "quote"})),
    path("orders/<str:order_id>", OrderView.as_view({"get": "retrieve"})),
]

"""The routes."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from bench.peers.drf import views

router = SimpleRouter(trailing_slash=False)
router.register("products", views.ProductViewSet)
router.register("orders", views.OrderViewSet, basename="order")
urlpatterns = [path("empty", views.empty), path("", include(router.urls))]

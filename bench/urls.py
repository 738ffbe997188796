"""Bahi's own routes, an empty view behind the same middleware, and products whose responses nothing stores."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path

from apps.catalog.views import ProductViewSet
from apps.core.api import ApiViewSet
from config.urls import handler400, handler403, handler404, handler500
from config.urls import urlpatterns as routes

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


def empty(request: HttpRequest) -> HttpResponse:
    """Answer with nothing to do: what every request costs."""
    return HttpResponse(b'{"ok":true}', content_type="application/json")


class UncachedProductViewSet(ProductViewSet):
    """Products as the first request after a change reads them."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return ApiViewSet.dispatch(self, request, *args, **kwargs)


urlpatterns = [
    path("api/v1/bench/empty", empty),
    path("api/v1/bench/products", UncachedProductViewSet.as_view({"get": "list"})),
    path("api/v1/bench/products/<str:product_id>", UncachedProductViewSet.as_view({"get": "retrieve"})),
    *routes,
]

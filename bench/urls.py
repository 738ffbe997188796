"""Bahi's own routes, and an empty view behind the same middleware."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.urls import handler400, handler403, handler404, handler500
from config.urls import urlpatterns as routes

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


def empty(request: HttpRequest) -> HttpResponse:
    """Answer with nothing to do: what every request costs."""
    return HttpResponse(b'{"ok":true}', content_type="application/json")


urlpatterns = [path("bench/empty", empty), *routes]

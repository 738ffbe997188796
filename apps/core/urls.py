"""Operators' URLs, outside the API."""

from django.urls import path

from apps.core import views

urlpatterns = [
    path("livez", views.livez),
    path("readyz", views.readyz),
    path("metrics", views.metrics),
]

"""URLs outside the API: of operators, and the icon that browsers ask for by themselves."""

from django.urls import path

from apps.core import views

urlpatterns = [
    path("livez", views.livez),
    path("readyz", views.readyz),
    path("metrics", views.metrics),
    path("favicon.ico", views.favicon),
]

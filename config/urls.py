"""HTTP -> views."""

from django.urls import URLPattern, URLResolver, include, path

handler400 = "apps.core.api.errors.bad_request"
handler403 = "apps.core.api.errors.permission_denied"
handler404 = "apps.core.api.errors.not_found"
handler500 = "apps.core.api.errors.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("apps.core.urls")),
]

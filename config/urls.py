"""HTTP -> views."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from apps.core.views import SchemaView, SwaggerView

handler400 = "apps.core.api.errors.bad_request"
handler403 = "apps.core.api.errors.permission_denied"
handler404 = "apps.core.api.errors.not_found"
handler500 = "apps.core.api.errors.server_error"

admin.site.index_title = "Dashboard"

#: The routes are tried in this order, so that what buyers ask for most comes first.
urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include("apps.catalog.urls")),
    path("api/v1/", include("apps.orders.urls")),
    path("api/v1/", include("apps.payments.urls")),
    path("api/v1/", include("apps.accounts.urls")),
    path("api/v1/", include("apps.backoffice.urls")),
    path("api/v1/", include("apps.fulfilment.urls")),
    path("api/v1/", include("apps.invoicing.urls")),
    path("api/v1/", include("apps.ledger.urls")),
    path("api/v1/", include("apps.notifications.urls")),
    path("api/v1/", include("apps.settlements.urls")),
    path("api/v1/", include("apps.tax.urls")),
    path("api/schema", SchemaView.as_view(), name="api-schema"),
    path("api/docs", SwaggerView.as_view(url_name="api-schema", title="Bahi API"), name="api-docs"),
    path("", include("apps.core.urls")),
    path("", RedirectView.as_view(pattern_name="api-docs")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
]

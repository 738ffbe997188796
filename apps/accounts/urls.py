"""Routes of accounts."""

from django.urls import path

from apps.accounts.views import AddressesView, CustomersView, LogInView, MeView, SessionsView

urlpatterns = [
    path("auth/otp", LogInView.as_view({"post": "request_code"})),
    path("auth/otp/verify", LogInView.as_view({"post": "verify"})),
    path("auth/otp/<str:challenge_id>", LogInView.as_view({"get": "retrieve_code"})),
    path("auth/login", LogInView.as_view({"post": "log_in"})),
    path("auth/refresh", LogInView.as_view({"post": "refresh"})),
    path("auth/logout", LogInView.as_view({"post": "log_out"})),
    path("auth/sessions", SessionsView.as_view({"get": "list", "delete": "destroy_all"})),
    path("auth/sessions/<str:session_id>", SessionsView.as_view({"delete": "destroy"})),
    path("me", MeView.as_view({"get": "retrieve", "patch": "partial_update"})),
    path("me/email", MeView.as_view({"post": "request_email"})),
    path("me/email/confirm", MeView.as_view({"post": "confirm_email"})),
    path("me/password", MeView.as_view({"post": "request_password"})),
    path("me/password/confirm", MeView.as_view({"post": "set_password"})),
    path("me/addresses", AddressesView.as_view({"get": "list", "post": "create"})),
    path(
        "me/addresses/<str:address_id>",
        AddressesView.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path("customers", CustomersView.as_view({"get": "list"})),
    path("customers/<str:customer_id>", CustomersView.as_view({"get": "retrieve"})),
]

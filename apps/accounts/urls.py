"""Routes of accounts."""

from django.urls import path

from apps.accounts import views
from apps.core.api.routers import ApiRouter

router = ApiRouter()
router.register("auth/otp", views.LogInCodeViewSet, basename="log-in-code")
router.register("auth/sessions", views.SessionViewSet, basename="session")
router.register("auth", views.LogInViewSet, basename="log-in")
router.register("me/email", views.EmailViewSet, basename="email")
router.register("me/password", views.PasswordViewSet, basename="password")
router.register("me/addresses", views.AddressViewSet, basename="address")
router.register("customers", views.CustomerViewSet, basename="customer")

urlpatterns = [
    path("me", views.MeViewSet.as_view({"get": "retrieve", "patch": "partial_update"}), name="me"),
    *router.urls,
]

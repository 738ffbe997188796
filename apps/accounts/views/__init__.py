"""The API of accounts."""

from apps.accounts.views.addresses import AddressViewSet
from apps.accounts.views.customers import CustomerViewSet
from apps.accounts.views.log_in import LogInCodeViewSet, LogInViewSet, SessionViewSet
from apps.accounts.views.profile import EmailViewSet, MeViewSet, PasswordViewSet

__all__ = [
    "AddressViewSet",
    "CustomerViewSet",
    "EmailViewSet",
    "LogInCodeViewSet",
    "LogInViewSet",
    "MeViewSet",
    "PasswordViewSet",
    "SessionViewSet",
]

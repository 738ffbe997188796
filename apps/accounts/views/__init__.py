"""The API of accounts."""

from apps.accounts.views.addresses import AddressesView
from apps.accounts.views.customers import CustomersView
from apps.accounts.views.log_in import LogInView, SessionsView
from apps.accounts.views.profile import MeView

__all__ = ["AddressesView", "CustomersView", "LogInView", "MeView", "SessionsView"]

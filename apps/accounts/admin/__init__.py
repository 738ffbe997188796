"""The back office's pages of people and their access."""

from apps.accounts.admin import contact_details, customers, log_in, passwords, users

__all__ = ["contact_details", "customers", "log_in", "passwords", "users"]

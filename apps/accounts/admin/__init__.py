"""The back office's pages of people and their access."""

from apps.accounts.admin import contacts, customers, log_in, passwords, people, search

__all__ = ["contacts", "customers", "log_in", "passwords", "people", "search"]

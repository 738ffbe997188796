"""The back office's pages of people and their access."""

from apps.accounts.admin import customers, log_in, passwords, people, search

__all__ = ["customers", "log_in", "passwords", "people", "search"]

"""The back office's pages of people and their access."""

from apps.accounts.admin import log_in, passwords, people, search

__all__ = ["log_in", "passwords", "people", "search"]

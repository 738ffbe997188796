"""The back office's pages of people and their access."""

from apps.accounts.admin import passwords, people

__all__ = ["passwords", "people"]

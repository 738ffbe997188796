"""The back office's pages of people and their access."""

from apps.accounts.admin import people

__all__ = ["people"]

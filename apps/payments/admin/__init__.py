"""The back office's pages of money: to look at. Nothing is changed here but through services."""

from apps.payments.admin import money, settlements

__all__ = ["money", "settlements"]

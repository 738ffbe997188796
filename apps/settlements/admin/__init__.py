"""Admin pages of settlements, bank statements and the fee audit: read-only, except the rate card and lines in suspense."""

from apps.settlements.admin import bank_statements, fees, settlements

__all__ = ["bank_statements", "fees", "settlements"]

"""Admin pages of the ledger. All are read-only; actions call services."""

from apps.ledger.admin import exceptions, transactions

__all__ = ["exceptions", "transactions"]

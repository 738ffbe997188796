"""Models of the ledger."""

from apps.ledger.models.exceptions import ReconciliationException, ReconciliationExceptionNotFound
from apps.ledger.models.transactions import Account, BalanceCheckpoint, LedgerEntry, LedgerTransaction

__all__ = [
    "Account",
    "BalanceCheckpoint",
    "LedgerEntry",
    "LedgerTransaction",
    "ReconciliationException",
    "ReconciliationExceptionNotFound",
]

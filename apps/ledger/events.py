"""Event types of the ledger."""

EXCEPTION_OPENED = "ledger.exception.opened"
EXCEPTION_ASSIGNED = "ledger.exception.assigned"
EXCEPTION_RESOLVED = "ledger.exception.resolved"

"""Event types of settlements."""

SETTLEMENT_IMPORT_REQUESTED = "settlements.settlement_import.requested"
SETTLEMENT_IMPORT_FAILED = "settlements.settlement_import.failed"
SETTLEMENT_IMPORT_COMPLETED = "settlements.settlement_import.completed"
SETTLEMENT_IMPORTED = "settlements.settlement.imported"
SETTLEMENT_UPDATED = "settlements.settlement.updated"
SETTLEMENT_FAILED = "settlements.settlement.failed"
SETTLEMENT_RETRIED = "settlements.settlement.retried"

"""Services of settlements that tasks and handlers call."""

from apps.settlements.services.ledger_accounts import set_up_reference_data

__all__ = ["set_up_reference_data"]

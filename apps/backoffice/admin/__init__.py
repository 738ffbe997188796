"""Pages of the back office that read every app: the dashboard, an order's timeline and ledger, search, and links of the ledger."""

from apps.backoffice.admin import dashboard, ledger, money_states, order_page, search

__all__ = ["dashboard", "ledger", "money_states", "order_page", "search"]

"""Pages of the back office that read every app: the dashboard, an order's timeline and ledger, search, and links of the ledger."""

from apps.backoffice.admin import dashboard, ledger, order_page, search

__all__ = ["dashboard", "ledger", "order_page", "search"]

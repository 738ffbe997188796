"""Pages of the back office that read every app: the dashboard, sales figures, an order's timeline and ledger, search, ledger links."""

from apps.backoffice.admin import dashboard, ledger, money_states, order_page, sales, search

__all__ = ["dashboard", "ledger", "money_states", "order_page", "sales", "search"]

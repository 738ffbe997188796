"""The shop whose books are kept."""

from tests.support.paid_orders import _no_backoff, order, paid, shop

__all__ = ["_no_backoff", "order", "paid", "shop"]

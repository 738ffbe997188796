"""The shop whose orders are paid."""

from tests.support.paid_orders import _no_backoff, order, paid, shop

__all__ = ["_no_backoff", "order", "paid", "shop"]

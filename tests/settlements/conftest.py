"""The shop whose payments are settled."""

from tests.payments.conftest import _no_backoff, order, paid, shop

__all__ = ["_no_backoff", "order", "paid", "shop"]

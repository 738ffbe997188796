"""The shop whose staff look at everything."""

from tests.invoicing.conftest import books, documents
from tests.payments.conftest import _no_backoff, order, paid, shop

__all__ = ["_no_backoff", "books", "documents", "order", "paid", "shop"]

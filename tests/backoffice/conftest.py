"""The shop whose staff look at everything."""

from tests.support.document_storage import books, documents
from tests.support.paid_orders import _no_backoff, order, paid, shop

__all__ = ["_no_backoff", "books", "documents", "order", "paid", "shop"]

"""The replay of everything that became of orders: their money, and the documents that were issued of them."""

from collections.abc import Callable
from uuid import UUID

from apps.invoicing import selectors
from apps.payments import services as payments
from apps.payments.services import Replay


def replay_order(*, order_id: UUID) -> Replay:
    """
    Fold the events of an order, its money and its documents, and compare what comes out with the rows.

    :raises OrderNotFound: if there is none
    """
    return payments.replay_order(order_id=order_id, related_rows=selectors.list_rows_of_orders)


def replay_everything(*, on_batch: Callable[[Replay], None] | None = None) -> Replay:
    """Replay every order, settlement, import and exception; `on_batch` is called with the progress after each batch."""
    total = payments.replay_all_orders(on_batch=on_batch, related_rows=selectors.list_rows_of_orders)
    payments.replay_settlements(total, on_batch=on_batch)
    return total

"""Deliveries from suppliers, and corrections by a stock count."""

from datetime import datetime
from uuid import UUID

from apps.catalog import events, locks, sql
from apps.catalog.models import MAIN_LOCATION_ID, StockMovement, VariantNotFound
from apps.catalog.states import MovementKind
from apps.core.errors import Conflict, Invalid
from apps.core.events import Actor, change
from apps.core.quantities import to_milli
from apps.core.transactions import transactional

#: More than any shop keeps, so that a number with digits too many is refused.
MAX_ON_HAND = 1_000_000_000


class InvalidStockQuantity(Invalid):
    """A receipt adds no units, or an adjustment is zero. Enter the number of units."""

    message = "A receipt must add at least 1 unit, and an adjustment must not be 0."


class StockLimitExceeded(Conflict):
    """The stock of a variant would exceed the maximum. Enter fewer units."""

    message = "A variant can have at most {0} units in stock."


class StockReserved(Conflict):
    """More units would be removed than are available. Cancel orders first, or remove fewer."""

    message = "{2} cannot be removed: {0} on hand, {1} of them reserved for orders."


@transactional
def adjust_stock(
    *,
    variant_id: UUID,
    quantity: int,
    reason: str,
    kind: MovementKind = MovementKind.ADJUSTMENT,
    actor: Actor,
    now: datetime,
) -> StockMovement:
    """
    Add units of a variant at the main location, or remove some (negative), with a movement that has the reason.

    `kind` is RECEIPT for goods that a supplier brought, ADJUSTMENT for what a count or a breakage corrects.

    :raises VariantNotFound: if there is no such variant
    :raises InvalidStockQuantity: if the quantity is zero, or that of a receipt is negative
    :raises StockReserved: if fewer units would remain than are reserved
    :raises StockLimitExceeded: if the stock would exceed MAX_ON_HAND
    """
    if quantity == 0 or kind not in (MovementKind.RECEIPT, MovementKind.ADJUSTMENT):
        raise InvalidStockQuantity(param="quantity")
    if kind == MovementKind.RECEIPT and quantity < 0:
        raise InvalidStockQuantity(param="quantity")
    key = variant_id, MAIN_LOCATION_ID
    level = locks.lock_stock([key]).get(key)
    if level is None:
        raise VariantNotFound
    stock = level.counts

    if stock.on_hand + quantity < stock.reserved:
        raise StockReserved(stock.on_hand, stock.reserved, -quantity, param="quantity")
    if stock.on_hand + quantity > max(MAX_ON_HAND, stock.on_hand):
        raise StockLimitExceeded(MAX_ON_HAND, param="quantity")

    sql.update_stock_counts(on_hand={key: to_milli(quantity)}, now=now)
    movement = StockMovement.objects.create(
        variant_id=variant_id,
        location_id=MAIN_LOCATION_ID,
        kind=kind,
        quantity_milli=to_milli(quantity),
        reason=reason,
        actor=str(actor),
        created_at=now,
    )

    # After its product, which the database may have changed with the stock level.
    variant = locks.lock_variant(variant_id)
    values = {"location_id": str(MAIN_LOCATION_ID), "on_hand_milli": stock.on_hand_milli + movement.quantity_milli}
    change(variant, events.STOCK_ADJUSTED, {}, actor=actor, event_reason=reason, event_values=values, now=now)

    return movement

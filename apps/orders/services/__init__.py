"""Everything that changes an order, by the moment of its life: placing it, noting what was paid, ending it unpaid."""

from apps.orders.rules import LineRequest, Quote
from apps.orders.services.cancellation import OrderNotCancellable, cancel_order, cancel_paid_order, expire_orders
from apps.orders.services.changing import text_for_event, text_for_row
from apps.orders.services.erasure import CustomerNotErasable, add_obstacles, check_erasable, erase_customer
from apps.orders.services.payment_totals import CustomerErased, note_payment, revive_order
from apps.orders.services.placement import (
    NothingOrdered,
    OrderTooSmall,
    QuantityOutOfRange,
    TaxClassPriceMismatch,
    TooManyLines,
    VariantNotForSale,
    place_order,
    quote_order,
)
from apps.orders.services.unpaid_orders import TooManyOpenOrders, TooManyUnpaidUnits

__all__ = [
    "CustomerErased",
    "CustomerNotErasable",
    "LineRequest",
    "NothingOrdered",
    "OrderNotCancellable",
    "OrderTooSmall",
    "QuantityOutOfRange",
    "Quote",
    "TaxClassPriceMismatch",
    "TooManyLines",
    "TooManyOpenOrders",
    "TooManyUnpaidUnits",
    "VariantNotForSale",
    "add_obstacles",
    "cancel_order",
    "cancel_paid_order",
    "check_erasable",
    "erase_customer",
    "expire_orders",
    "note_payment",
    "place_order",
    "quote_order",
    "revive_order",
    "text_for_event",
    "text_for_row",
]

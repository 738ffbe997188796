"""Everything that changes an order, by the moment of its life: placing it, noting what was paid, ending it unpaid."""

from apps.orders.rules import LineRequest, Quote
from apps.orders.services.ending import OrderNotCancellable, cancel_order, cancel_paid_order, expire_orders
from apps.orders.services.erasure import CustomerNotErasable, check_erasable, erase_customer
from apps.orders.services.paying import note_payment, revive_order
from apps.orders.services.placing import (
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
    "cancel_order",
    "cancel_paid_order",
    "check_erasable",
    "erase_customer",
    "expire_orders",
    "note_payment",
    "place_order",
    "quote_order",
    "revive_order",
]

"""Writes of orders: placement, payment totals, cancellation, expiry, erasure."""

from apps.orders.rules import (
    OrderLineInput,
)
from apps.orders.services.cancellation import (
    OrderNotCancellable,
    cancel_paid_order,
    cancel_unpaid_order,
)
from apps.orders.services.erasure import (
    CustomerNotErasable,
    add_erasure_blockers,
    check_erasable,
    erase_customer,
)
from apps.orders.services.expiry import expire_orders
from apps.orders.services.payment_totals import (
    CustomerErased,
    revive_order,
    update_payment_totals,
)
from apps.orders.services.personal_text import (
    text_to_record,
    text_to_store,
)
from apps.orders.services.placement import (
    EmptyOrder,
    OrderAmountTooSmall,
    QuantityOutOfRange,
    TaxClassPriceMismatch,
    TooManyLines,
    VariantNotForSale,
    place_order,
    quote_order,
)
from apps.orders.services.unpaid_orders import (
    TooManyUnpaidOrders,
    TooManyUnpaidUnits,
)

__all__ = [
    "CustomerErased",
    "CustomerNotErasable",
    "EmptyOrder",
    "OrderAmountTooSmall",
    "OrderLineInput",
    "OrderNotCancellable",
    "QuantityOutOfRange",
    "TaxClassPriceMismatch",
    "TooManyLines",
    "TooManyUnpaidOrders",
    "TooManyUnpaidUnits",
    "VariantNotForSale",
    "add_erasure_blockers",
    "cancel_paid_order",
    "cancel_unpaid_order",
    "check_erasable",
    "erase_customer",
    "expire_orders",
    "place_order",
    "quote_order",
    "revive_order",
    "text_to_record",
    "text_to_store",
    "update_payment_totals",
]

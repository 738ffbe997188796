"""Writes of orders: placement, payment and fulfilment totals, holds, cancellation, expiry, closing, erasure."""

from apps.orders.rules import (
    OrderLineInput,
)
from apps.orders.services.cancellation import (
    OrderNotCancellable,
    add_cancellation_effect,
    cancel_paid_order,
    cancel_unpaid_order,
)
from apps.orders.services.closure import close_orders
from apps.orders.services.drafts import (
    EmptyOrder,
    OrderAmountTooSmall,
    QuantityOutOfRange,
    TaxClassPriceMismatch,
    TooManyLines,
    VariantNotForSale,
)
from apps.orders.services.erasure import (
    CustomerNotErasable,
    add_erasure_blockers,
    check_erasable,
    erase_customer,
)
from apps.orders.services.expiry import expire_orders
from apps.orders.services.fulfilment_totals import (
    FulfilledQuantities,
    complete_order,
    update_fulfilment_totals,
)
from apps.orders.services.holds import (
    HoldReasonRequired,
    OrderNotHoldable,
    OrderNotOnHold,
    hold_order,
    release_order,
)
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
    "FulfilledQuantities",
    "HoldReasonRequired",
    "OrderAmountTooSmall",
    "OrderLineInput",
    "OrderNotCancellable",
    "OrderNotHoldable",
    "OrderNotOnHold",
    "QuantityOutOfRange",
    "TaxClassPriceMismatch",
    "TooManyLines",
    "TooManyUnpaidOrders",
    "TooManyUnpaidUnits",
    "VariantNotForSale",
    "add_cancellation_effect",
    "add_erasure_blockers",
    "cancel_paid_order",
    "cancel_unpaid_order",
    "check_erasable",
    "close_orders",
    "complete_order",
    "erase_customer",
    "expire_orders",
    "hold_order",
    "place_order",
    "quote_order",
    "release_order",
    "revive_order",
    "text_to_record",
    "text_to_store",
    "update_fulfilment_totals",
    "update_payment_totals",
]

"""Events of orders. `changes` of ORDER_PLACED holds every stored field, so that folding the events gives the row."""

ORDER_PLACED = "orders.order.placed"
ORDER_PAYMENT_UPDATED = "orders.order.payment_updated"
ORDER_CONFIRMED = "orders.order.confirmed"
ORDER_CANCELLED = "orders.order.cancelled"
ORDER_EXPIRED = "orders.order.expired"
ORDER_ERASED = "orders.order.erased"

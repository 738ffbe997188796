"""The states of an order. How it is paid, sent and invoiced is derived, and no state of its own."""

from django.db import models

from apps.core.states import transition_table


class OrderStatus(models.TextChoices):
    DRAFT = "draft", "Draft"
    PENDING_PAYMENT = "pending_payment", "Pending payment"
    CONFIRMED = "confirmed", "Confirmed"
    IN_FULFILMENT = "in_fulfilment", "In fulfilment"
    COMPLETED = "completed", "Completed"
    ON_HOLD = "on_hold", "On hold"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"
    CLOSED = "closed", "Closed"


class OrderPaymentStatus(models.TextChoices):
    """
    Derived from the order's total and its copies of payment totals, never from the clock.

    Disputed until the payer's bank decides. The amount of a lost dispute counts as refunded: the payer has it.
    """

    UNPAID = "unpaid", "Unpaid"
    PROCESSING = "processing", "Processing"
    PARTIALLY_PAID = "partially_paid", "Partially paid"
    PAID = "paid", "Paid"
    OVERPAID = "overpaid", "Overpaid"
    PARTIALLY_REFUNDED = "partially_refunded", "Partially refunded"
    REFUNDED = "refunded", "Refunded"
    DISPUTED = "disputed", "Disputed"


class FulfilmentStatus(models.TextChoices):
    """Derived from the counters of the order's lines: how far its units are dispatched, delivered and returned."""

    UNFULFILLED = "unfulfilled", "Unfulfilled"
    PARTIAL = "partial", "Partial"
    SHIPPED = "shipped", "Shipped"
    DELIVERED = "delivered", "Delivered"
    RETURNED = "returned", "Returned"


class ErasureBlocker(models.TextChoices):
    """What of an order speaks against erasing its customer."""

    AWAITING_PAYMENT = "awaiting_payment", "Awaiting payment"
    MAY_BE_PAID_LATE = "may_be_paid_late", "May be paid late"
    MONEY_UNRESOLVED = "money_unresolved", "Money disputed, under review or to be refunded"
    NOT_DELIVERED = "not_delivered", "Not delivered"
    CONFIRMED_RECENTLY = "confirmed_recently", "Confirmed recently"
    RETURNABLE = "returnable", "May be returned"


#: Closed without a sale: such an order takes no more payments.
CANCELLED_OR_EXPIRED = (OrderStatus.CANCELLED, OrderStatus.EXPIRED)
#: Paid for, with goods that are reserved or on their way.
HOLDS_STOCK = (OrderStatus.CONFIRMED, OrderStatus.ON_HOLD, OrderStatus.IN_FULFILMENT)
#: Goods of it may be packed and dispatched.
SHIPPABLE = (OrderStatus.CONFIRMED, OrderStatus.IN_FULFILMENT)

transition = transition_table(
    {
        OrderStatus.DRAFT: {OrderStatus.PENDING_PAYMENT},
        OrderStatus.PENDING_PAYMENT: {OrderStatus.CONFIRMED, OrderStatus.CANCELLED, OrderStatus.EXPIRED},
        OrderStatus.EXPIRED: {OrderStatus.CONFIRMED},
        OrderStatus.CONFIRMED: {OrderStatus.IN_FULFILMENT, OrderStatus.ON_HOLD, OrderStatus.CANCELLED},
        OrderStatus.ON_HOLD: {OrderStatus.CONFIRMED, OrderStatus.CANCELLED},
        OrderStatus.IN_FULFILMENT: {OrderStatus.COMPLETED, OrderStatus.CANCELLED},
        OrderStatus.COMPLETED: {OrderStatus.CLOSED},
    }
)

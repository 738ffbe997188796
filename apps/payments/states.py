"""The states of a payment and of an attempt; the kinds of ledger accounts."""

from django.db import models

from apps.core.states import by_table


class PaymentStatus(models.TextChoices):
    REQUIRES_PAYMENT = "requires_payment", "Requires payment"
    PROCESSING = "processing", "Processing"
    REQUIRES_CAPTURE = "requires_capture", "Requires capture"
    SUCCEEDED = "succeeded", "Succeeded"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"
    SUCCEEDED_LATE = "succeeded_late", "Succeeded late"


#: At most one payment of an order is in one of these.
LIVE = (PaymentStatus.REQUIRES_PAYMENT, PaymentStatus.PROCESSING, PaymentStatus.REQUIRES_CAPTURE)

#: The money has arrived; nothing follows.
SUCCESSFUL = (PaymentStatus.SUCCEEDED, PaymentStatus.SUCCEEDED_LATE)

#: From live to late directly: the order was closed while the payment was under way.
change = by_table(
    {
        PaymentStatus.REQUIRES_PAYMENT: {
            PaymentStatus.PROCESSING, PaymentStatus.REQUIRES_CAPTURE, PaymentStatus.SUCCEEDED,
            PaymentStatus.SUCCEEDED_LATE, PaymentStatus.CANCELLED, PaymentStatus.EXPIRED,
        },
        PaymentStatus.PROCESSING: {
            PaymentStatus.REQUIRES_PAYMENT, PaymentStatus.REQUIRES_CAPTURE, PaymentStatus.SUCCEEDED,
            PaymentStatus.SUCCEEDED_LATE, PaymentStatus.CANCELLED, PaymentStatus.EXPIRED,
        },
        PaymentStatus.REQUIRES_CAPTURE: {
            PaymentStatus.SUCCEEDED, PaymentStatus.REQUIRES_PAYMENT, PaymentStatus.PROCESSING,
            PaymentStatus.SUCCEEDED_LATE, PaymentStatus.CANCELLED, PaymentStatus.EXPIRED,
        },
        PaymentStatus.CANCELLED: {PaymentStatus.SUCCEEDED_LATE},
        PaymentStatus.EXPIRED: {PaymentStatus.SUCCEEDED_LATE},
    }
)  # fmt: skip


class AttemptStatus(models.TextChoices):
    CREATED = "created", "Created"
    FAILED = "failed", "Failed"
    AUTHORIZED = "authorized", "Authorized"
    AUTO_REFUNDED = "auto_refunded", "Given back by the gateway, not captured in time"
    CAPTURED = "captured", "Captured"


#: An attempt's rank only rises; `failed -> authorized` is the bank's late answer and normal.
RANK: dict[str, int] = {
    AttemptStatus.CREATED: 0,
    AttemptStatus.FAILED: 1,
    AttemptStatus.AUTHORIZED: 2,
    AttemptStatus.AUTO_REFUNDED: 3,
    AttemptStatus.CAPTURED: 4,
}


class GatewayCall(models.TextChoices):
    """How far our call to the gateway is, for a row that was committed before it."""

    NEEDED = "needed", "Needed"
    UNKNOWN = "unknown", "Unknown"
    DONE = "done", "Done"
    REFUSED = "refused", "Refused"


class ReviewReason(models.TextChoices):
    """Why staff must look at an attempt."""

    ORDER_CLOSED = "order_closed", "The order was cancelled or had expired"
    PAID_TWICE = "paid_twice", "The order was paid already"
    AMOUNT_DIFFERS = "amount_differs", "Amount or currency is not what was asked"


class WebhookOutcome(models.TextChoices):
    PROCESSED = "processed", "Processed"
    IGNORED = "ignored", "Ignored"
    DUPLICATE = "duplicate", "Duplicate"


class AccountKind(models.TextChoices):
    ASSET = "asset", "Asset"
    LIABILITY = "liability", "Liability"
    INCOME = "income", "Income"
    EXPENSE = "expense", "Expense"


class Source(models.TextChoices):
    """How we learnt of a gateway's payment."""

    WEBHOOK = "webhook", "Webhook"
    VERIFY = "verify", "Browser callback"
    POLL = "poll", "Poll"
    OPERATOR = "operator", "Operator"

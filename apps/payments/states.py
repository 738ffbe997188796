"""Statuses, reasons and kinds of payments, refunds and disputes, with their transitions."""

from django.db import models

from apps.core.states import transition_table


class PaymentStatus(models.TextChoices):
    REQUIRES_PAYMENT = "requires_payment", "Requires payment"
    PROCESSING = "processing", "Processing"
    REQUIRES_CAPTURE = "requires_capture", "Requires capture"
    SUCCEEDED = "succeeded", "Succeeded"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"
    SUCCEEDED_LATE = "succeeded_late", "Succeeded late"


#: At most one payment of an order has one of these statuses.
LIVE = (PaymentStatus.REQUIRES_PAYMENT, PaymentStatus.PROCESSING, PaymentStatus.REQUIRES_CAPTURE)

#: An attempt is in progress, or its payment is not captured yet or is under review.
IN_PROGRESS_PAYMENTS = (PaymentStatus.PROCESSING, PaymentStatus.REQUIRES_CAPTURE)

#: All other statuses. A query for one row by its id excludes these instead of requiring LIVE: for LIVE the planner may
#: use the index of live payments, which it assumes to be empty on a quiet day, and read it from end to end.
CLOSED = tuple(status for status in PaymentStatus if status not in LIVE)

#: The payment was captured; these statuses are final.
SUCCESSFUL = (PaymentStatus.SUCCEEDED, PaymentStatus.SUCCEEDED_LATE)

#: From live to succeeded late: the order was closed while the payment was in progress.
transition = transition_table(
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


class PaymentChannel(models.TextChoices):
    """How the payment is requested from the buyer."""

    CHECKOUT = "checkout", "Checkout"
    PAYMENT_LINK = "payment_link", "Payment link"
    QR_CODE = "qr_code", "QR code"


#: Anybody can pay by a link or QR code until it is closed at the gateway.
LINK_CHANNELS = (PaymentChannel.PAYMENT_LINK, PaymentChannel.QR_CODE)


class LinkStatus(models.TextChoices):
    """The status of a link or QR code at the gateway."""

    OPEN = "open", "Open"
    PAID = "paid", "Paid"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"


class AttemptStatus(models.TextChoices):
    CREATED = "created", "Created"
    FAILED = "failed", "Failed"
    AUTHORIZED = "authorized", "Authorized"
    AUTO_REFUNDED = "auto_refunded", "Refunded by the gateway, not captured in time"
    CAPTURED = "captured", "Captured"


#: No money has moved yet: what an order has been paid is as it was.
WITHOUT_MONEY = (AttemptStatus.CREATED, AttemptStatus.FAILED, AttemptStatus.AUTHORIZED)

#: The rank of an attempt's status only rises. `failed -> authorized` is a late response of the bank, and normal.
ATTEMPT_RANK: dict[str, int] = {
    AttemptStatus.CREATED: 0,
    AttemptStatus.FAILED: 1,
    AttemptStatus.AUTHORIZED: 2,
    AttemptStatus.AUTO_REFUNDED: 3,
    AttemptStatus.CAPTURED: 4,
}


class RefundStatus(models.TextChoices):
    REQUIRES_APPROVAL = "requires_approval", "Requires approval"
    PENDING = "pending", "Pending"
    PROCESSED = "processed", "Processed"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    UNKNOWN = "unknown", "Unknown"
    AWAITING_TRANSFER = "awaiting_transfer", "Awaiting transfer"


#: Refunds that do not require approval. A query for the refunds of one order that do excludes these: see CLOSED.
NOT_AWAITING_APPROVAL = tuple(status for status in RefundStatus if status != RefundStatus.REQUIRES_APPROVAL)

#: Refunds in progress or processed: their amount cannot be refunded a second time.
COMMITTED_REFUNDS = (RefundStatus.PENDING, RefundStatus.UNKNOWN, RefundStatus.AWAITING_TRANSFER, RefundStatus.PROCESSED)

#: Refunds that the gateway must not make: nobody has approved them, they were cancelled, or we transfer the money ourselves.
NOT_FOR_GATEWAY = (RefundStatus.REQUIRES_APPROVAL, RefundStatus.CANCELLED, RefundStatus.AWAITING_TRANSFER)

#: Refunds that reserve their amount, approved or not: two requests cannot refund the same amount.
RESERVING_REFUNDS = (RefundStatus.REQUIRES_APPROVAL, *COMMITTED_REFUNDS)

#: The gateway decides these; the poller checks them until it has.
OPEN_REFUNDS = (RefundStatus.PENDING, RefundStatus.UNKNOWN)

#: `failed -> pending`: the gateway made the refund although it rejected our call.
#: `failed -> processed` and `cancelled -> processed`: the gateway reports later that it processed the refund.
#: `requires_approval -> processed`: somebody made it at the gateway, so that the money has gone; staff get an exception.
transition_refund = transition_table(
    {
        RefundStatus.REQUIRES_APPROVAL: {RefundStatus.PENDING, RefundStatus.CANCELLED, RefundStatus.PROCESSED},
        RefundStatus.PENDING: {
            RefundStatus.PROCESSED, RefundStatus.FAILED, RefundStatus.UNKNOWN, RefundStatus.CANCELLED,
        },
        RefundStatus.UNKNOWN: {
            RefundStatus.PENDING, RefundStatus.PROCESSED, RefundStatus.FAILED, RefundStatus.CANCELLED,
        },
        RefundStatus.FAILED: {RefundStatus.AWAITING_TRANSFER, RefundStatus.PENDING, RefundStatus.PROCESSED},
        RefundStatus.AWAITING_TRANSFER: {RefundStatus.PROCESSED, RefundStatus.CANCELLED},
        RefundStatus.CANCELLED: {RefundStatus.PROCESSED},
    }
)  # fmt: skip


class RefundReason(models.TextChoices):
    """The reason of a refund."""

    CUSTOMER_REQUEST = "customer_request", "The customer requested it"
    ORDER_CANCELLED = "order_cancelled", "The order was cancelled"
    GOODS_RETURNED = "goods_returned", "Goods were returned"
    GOODS_MISSING = "goods_missing", "Goods were missing or damaged"
    PRICE_ADJUSTED = "price_adjusted", "The price was reduced"
    LATE_PAYMENT = "late_payment", "The payment arrived after the order was closed"
    PAID_TWICE = "paid_twice", "The order was paid already"
    AMOUNT_MISMATCH = "amount_mismatch", "The amount was not the one requested"
    OTHER = "other", "Other"


#: Reasons a user may choose; the rest are set by the system.
USER_REFUND_REASONS = tuple(
    reason
    for reason in RefundReason
    if reason not in (RefundReason.ORDER_CANCELLED, RefundReason.LATE_PAYMENT, RefundReason.PAID_TWICE)
)


class DecisionRole(models.TextChoices):
    """The role of an actor in decisions about refunds, by their permissions."""

    SYSTEM = "system", "The shop's own rules"
    CUSTOMER = "customer", "Customer"
    STAFF = "staff", "Staff who may only request refunds"
    APPROVER = "approver", "Staff who may approve refunds"


class MoneyOperation(models.TextChoices):
    """An operation on an order's money that needs a decision."""

    REQUEST_REFUND = "request_refund", "Request a refund"
    CANCEL_ORDER = "cancel_order", "Cancel a paid order"
    RETRY_REFUND = "retry_refund", "Retry a failed refund"
    REFUND_REVIEWED = "refund_reviewed", "Refund money under review"
    APPROVE_REFUND = "approve_refund", "Approve a refund"
    HOLD_FOR_TRANSFER = "hold_for_transfer", "Hold a failed refund for a bank transfer"
    CONFIRM_TRANSFER = "confirm_transfer", "Confirm a bank transfer"
    ACCEPT_ATTEMPT = "accept_attempt", "Accept money of another amount"
    RESPOND_TO_DISPUTE = "respond_to_dispute", "Accept or contest a dispute"


#: Operations that cannot wait for approval: an actor who may not decide alone is refused.
IMMEDIATE_OPERATIONS = (
    MoneyOperation.APPROVE_REFUND,
    MoneyOperation.HOLD_FOR_TRANSFER,
    MoneyOperation.CONFIRM_TRANSFER,
    MoneyOperation.ACCEPT_ATTEMPT,
    MoneyOperation.RESPOND_TO_DISPUTE,
)

#: Operations without a limit: they approve what another person has requested, or move no money.
UNLIMITED_OPERATIONS = (MoneyOperation.APPROVE_REFUND, MoneyOperation.HOLD_FOR_TRANSFER)


class ApprovalRequirement(models.TextChoices):
    """Whether a decision about money needs the approval of a second person, and why."""

    NOT_REQUIRED = "not_required", "One person may decide"
    OWN_ORDER = "own_order", "The order is their own"
    OWN_REQUEST = "own_request", "They requested the refund"
    NOT_APPROVER = "not_approver", "They may not approve refunds"
    ABOVE_THRESHOLD = "above_threshold", "The amount is above the approval threshold"


class RefundSpeed(models.TextChoices):
    NORMAL = "normal", "Normal"
    INSTANT = "instant", "At once, where the bank can"


class ReviewReason(models.TextChoices):
    """Why staff must review an attempt."""

    ORDER_CLOSED = "order_closed", "The order was cancelled or had expired"
    PAID_TWICE = "paid_twice", "The order was paid already"
    AMOUNT_MISMATCH = "amount_mismatch", "The amount is not the one requested"


class DifferenceReason(models.TextChoices):
    """Why the payer was charged another amount than requested, if that was accepted as the full payment."""

    PAYER_FEE = "payer_fee", "The payer bore the gateway's fee"
    SURCHARGE = "surcharge", "The payer paid a surcharge for the payment method"
    OFFER = "offer", "An offer reduced what the payer paid"
    CURRENCY_CONVERSION = "currency_conversion", "The amount was converted from the payer's currency"
    OTHER = "other", "Another reason"


class WebhookOutcome(models.TextChoices):
    PROCESSED = "processed", "Processed"
    IGNORED = "ignored", "Ignored"
    DUPLICATE = "duplicate", "Duplicate"


class Source(models.TextChoices):
    """Where a gateway's report about a payment came from."""

    WEBHOOK = "webhook", "Webhook"
    POLL = "poll", "Poll"


class DisputeStatus(models.TextChoices):
    OPEN = "open", "Open: respond to it"
    UNDER_REVIEW = "under_review", "Under review"
    WON = "won", "Won"
    LOST = "lost", "Lost"
    CLOSED = "closed", "Closed"


#: The bank has decided; these statuses are final.
DECIDED = (DisputeStatus.WON, DisputeStatus.LOST, DisputeStatus.CLOSED)

#: The bank has not decided.
UNDECIDED = (DisputeStatus.OPEN, DisputeStatus.UNDER_REVIEW)

#: `under_review -> open`: the bank requests more. `open -> won`: somebody responded on the gateway's dashboard.
transition_dispute = transition_table(
    {
        DisputeStatus.OPEN: {DisputeStatus.UNDER_REVIEW, *DECIDED},
        DisputeStatus.UNDER_REVIEW: {DisputeStatus.OPEN, *DECIDED},
    }
)


class DisputePhase(models.TextChoices):
    FRAUD = "fraud", "Fraud"
    RETRIEVAL = "retrieval", "Retrieval"
    CHARGEBACK = "chargeback", "Chargeback"
    PRE_ARBITRATION = "pre_arbitration", "Pre-arbitration"
    ARBITRATION = "arbitration", "Arbitration"


class DisputeResponseKind(models.TextChoices):
    """The kind of our response to a dispute."""

    ACCEPTED = "accepted", "Accepted"
    CONTESTED = "contested", "Contested"


class EvidenceKind(models.TextChoices):
    """What a staff statement in a dispute proves."""

    SHIPPING = "shipping", "Delivery"
    BILLING = "billing", "Billing"
    OTHER = "other", "Other"


class FailedBy(models.TextChoices):
    """Who could have prevented that an attempt to pay failed."""

    BUYER = "buyer", "The buyer"
    BANK = "bank", "The buyer's bank, UPI app or the network"
    GATEWAY = "gateway", "The gateway or its bank"
    MERCHANT = "merchant", "The shop"
    UNKNOWN = "unknown", "Not known"


class AnotherAttempt(models.TextChoices):
    """Whether another attempt to pay can help after a failure."""

    HELPS = "helps", "Helps at once"
    HELPS_LATER = "helps_later", "Helps after some time"
    OTHER_METHOD = "other_method", "Helps with another account, card or method"
    WAIT = "wait", "Wait: this attempt may still succeed"
    DOES_NOT_HELP = "does_not_help", "Does not help"
    UNKNOWN = "unknown", "Not known"


class DowntimeStatus(models.TextChoices):
    """The status of a downtime at the gateway; `updated` is one that has started and changed since."""

    SCHEDULED = "scheduled", "Scheduled"
    STARTED = "started", "Started"
    UPDATED = "updated", "Updated"
    RESOLVED = "resolved", "Resolved"


#: Of two reports of one instant the one of the higher rank counts. A resolved downtime is over: a new one has a new id.
DOWNTIME_RANK: dict[str, int] = {status: rank for rank, status in enumerate(DowntimeStatus.values)}


class DowntimeSeverity(models.TextChoices):
    HIGH = "high", "High: payments fail"
    MEDIUM = "medium", "Medium: many payments fail"
    LOW = "low", "Low: few payments fail"

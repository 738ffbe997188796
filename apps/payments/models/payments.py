"""Models of payments, their attempts, and the webhooks of gateways."""

import pgtrigger
from django.db import models

from apps.core.errors import NotFound
from apps.core.external_calls import PolledModel, PolledQuerySet
from apps.core.models import NOT_DELETED, Subject
from apps.core.rows import keep_related
from apps.payments import rules
from apps.payments.states import (
    LINK_CHANNELS,
    LIVE,
    AttemptStatus,
    DifferenceReason,
    PaymentChannel,
    PaymentStatus,
    ReviewReason,
    Source,
    WebhookOutcome,
)


class PaymentNotFound(NotFound):
    """There is no such payment, or it belongs to somebody else. List the payments."""

    message = "There is no such payment."


class WebhookNotFound(NotFound):
    """There is no such webhook. List them in the back office."""

    message = "There is no such webhook."


class PaymentQuerySet(PolledQuerySet["Payment"]):
    """Payments by their state."""

    def live(self) -> "PaymentQuerySet":
        return self.filter(status__in=LIVE)


class Payment(PolledModel, Subject):
    """
    An intent to collect an amount of an order (paise, never changed) by one gateway order, payment link or QR code.

    A link also has a gateway's order, which the gateway creates at the first attempt; a QR code has none. The row is
    committed before the gateway is called.
    """

    PREFIX = "pay"
    NOT_IN_EVENTS = frozenset(
        {"next_check_at", "checks", "claimed_until", "gateway_call", "payer_ip", "payer_user_agent"}
    )
    PERSONAL_FIELDS = frozenset({"payer_ip", "payer_user_agent"})

    order = models.ForeignKey("orders.Order", on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="+")
    sequence = models.PositiveSmallIntegerField(help_text="1 for the order's first payment.")
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3, default="INR")
    status = models.CharField(max_length=20, choices=PaymentStatus, default=PaymentStatus.REQUIRES_PAYMENT)
    gateway = models.CharField(max_length=20, default="razorpay")
    channel = models.CharField(
        max_length=20,
        choices=PaymentChannel,
        default=PaymentChannel.CHECKOUT,
        db_default=PaymentChannel.CHECKOUT,
    )
    gateway_order_id = models.CharField(max_length=40, unique=True, null=True, blank=True)
    gateway_link_id = models.CharField(max_length=40, null=True, blank=True)  # noqa: DJ001 - unique where it is known
    link_closed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the gateway confirmed that the link or QR code is closed."
    )
    next_action = models.JSONField(default=dict, blank=True)
    error = models.JSONField(default=dict, blank=True)
    live_until = models.DateTimeField()
    succeeded_at = models.DateTimeField(null=True, blank=True)
    payer_ip = models.GenericIPAddressField(null=True, blank=True, help_text="Server-to-server UPI must name it.")
    payer_user_agent = models.CharField(max_length=300, blank=True)

    objects = PaymentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order"], condition=models.Q(status__in=LIVE), name="one_live_payment_per_order"
            ),
            models.UniqueConstraint(fields=["order", "sequence"], name="one_payment_per_order_sequence"),
            models.UniqueConstraint(
                fields=["gateway_link_id"],
                condition=models.Q(gateway_link_id__isnull=False),
                name="one_payment_per_gateway_link",
            ),
            models.CheckConstraint(condition=models.Q(amount__gte=100), name="payment_amount_is_at_least_100_paise"),
        ]
        indexes = [
            models.Index(
                fields=["next_check_at"], name="payment_to_check", condition=models.Q(next_check_at__isnull=False)
            ),
            models.Index(fields=["customer", "-created_at", "-id"], name="payment_by_customer"),
            models.Index(fields=["-created_at", "-id"], name="payment_by_time"),
            models.Index(
                fields=["channel", "-created_at", "-id"],
                name="payment_by_link_channel",
                condition=models.Q(channel__in=LINK_CHANNELS),
            ),
        ]
        triggers = [
            NOT_DELETED,
            pgtrigger.ReadOnly(
                name="payment_terms_are_frozen",
                fields=["order", "customer", "sequence", "amount", "currency", "gateway", "channel"],
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    def expect_no_attempts(self) -> None:
        """Keep that it has none, as of a payment that was just made: reading them would be a query for nothing."""
        keep_related(self, "attempts", self.attempts.all(), [])

    @property
    def gateway_reference(self) -> str | None:
        """The gateway's id of the order, payment link or QR code; None until the gateway has responded."""
        return self.gateway_order_id if self.channel == PaymentChannel.CHECKOUT else self.gateway_link_id

    @property
    def opened_upi_id(self) -> str:
        """The gateway's id of the UPI attempt whose link the buyer sees, or an empty text."""
        return str(self.next_action.get("upi", {}).get("gateway_payment_id", ""))


class PaymentAttempt(Subject):
    """
    One attempt of the customer to pay: one payment at the gateway. Its rank only rises; captured is final.

    `review_reason` is set when staff must decide about the payment. `accepted_amount` is set when another amount than
    the requested one was accepted as the payment: it counts for the order, and the difference is booked by
    `difference_reason`.
    """

    PREFIX = "att"
    PERSONAL_FIELDS = frozenset({"payer"})

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="attempts")
    gateway = models.CharField(max_length=20, default="razorpay")
    gateway_payment_id = models.CharField(max_length=40)
    status = models.CharField(max_length=20, choices=AttemptStatus, default=AttemptStatus.CREATED)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    method = models.CharField(max_length=20, blank=True)
    payer = models.CharField(
        max_length=120, blank=True, help_text="Masked: ga***@upi, or the last four digits of a card."
    )
    rrn = models.CharField(max_length=40, blank=True)
    network = models.CharField(
        max_length=30, blank=True, default="", db_default="", help_text="The card's scheme, such as Visa or RuPay."
    )
    funding = models.CharField(
        max_length=20,
        blank=True,
        default="",
        db_default="",
        help_text="The kind of card or UPI account: credit, debit, prepaid, bank_account, credit_card …",
    )
    is_international = models.BooleanField(
        null=True, blank=True, help_text="Whether it was paid by an instrument of another country."
    )
    fee_amount = models.BigIntegerField(null=True, blank=True, help_text="The gateway's fee with its GST.")
    fee_tax_amount = models.BigIntegerField(null=True, blank=True)
    fee_bearer = models.CharField(
        max_length=10, blank=True, default="", db_default="", help_text="Who pays the fee, as the gateway reports it."
    )
    payer_amount = models.BigIntegerField(
        null=True, blank=True, help_text="What the payer was charged in a currency of their own, in its smallest unit."
    )
    payer_currency = models.CharField(max_length=3, blank=True, default="", db_default="")
    error = models.JSONField(default=dict, blank=True)
    source = models.CharField(max_length=10, choices=Source)
    authorized_at = models.DateTimeField(null=True, blank=True)
    captured_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    review_reason = models.CharField(max_length=20, choices=ReviewReason, blank=True)
    review_opened_at = models.DateTimeField(null=True, blank=True)
    review_closed_at = models.DateTimeField(null=True, blank=True)
    acceptance_requested_by = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="Who accepted the amount first, where a second person must accept it too.",
    )
    accepted_amount = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="The part that counts for the order; empty where it is the amount requested.",
    )
    difference_reason = models.CharField(max_length=20, choices=DifferenceReason, blank=True, default="", db_default="")
    accepted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(accepted_amount__isnull=True, accepted_at__isnull=True)
                | models.Q(status=AttemptStatus.CAPTURED, accepted_amount__gt=0, accepted_at__isnull=False),
                name="accepted_attempt_is_captured",
            ),
            models.UniqueConstraint(fields=["gateway", "gateway_payment_id"], name="one_attempt_per_gateway_payment"),
            models.CheckConstraint(
                condition=~models.Q(status=AttemptStatus.CAPTURED) | models.Q(captured_at__isnull=False),
                name="captured_attempt_has_captured_at",
            ),
        ]
        indexes = [
            models.Index(
                fields=["review_opened_at"],
                name="attempt_to_review",
                condition=models.Q(review_opened_at__isnull=False, review_closed_at__isnull=True),
            ),
            models.Index(fields=["gateway_payment_id"], name="attempt_by_gateway_id"),
            models.Index(fields=["rrn"], name="attempt_by_rrn", condition=~models.Q(rrn="")),
        ]
        triggers = [
            NOT_DELETED,
            pgtrigger.Trigger(
                name="captured_attempt_is_final",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__status=AttemptStatus.CAPTURED.value)
                & ~pgtrigger.Q(new__status=AttemptStatus.CAPTURED.value),
                func="RAISE EXCEPTION 'a captured attempt never goes back';",
            ),
        ]

    def __str__(self) -> str:
        return self.gateway_payment_id

    @property
    def is_under_review(self) -> bool:
        """Whether staff must still decide about it."""
        return bool(self.review_reason) and self.review_opened_at is not None and self.review_closed_at is None

    @property
    def counted_amount(self) -> int:
        """The amount that counts for the order, in paise."""
        return self.amount if self.accepted_amount is None else self.accepted_amount

    @property
    def max_refund_amount(self) -> int:
        """The largest refund, in paise: without a fee that the payer bore, and no more than was captured."""
        return min(self.amount, self.counted_amount)

    @property
    def min_refund_amount(self) -> int:
        """The smallest refund, in paise: at least ₹1, and at least one smallest unit of the payer's own currency."""
        return rules.minimum_refund(of=self.amount, payer_amount=self.payer_amount)


class Webhook(Subject):
    """
    A webhook of a gateway, byte for byte: committed before we respond 2xx, processed by a worker.

    It is unique by the gateway's event id and by the hash of its body, because the id is in a header that the signature
    does not cover. What was received is frozen; `processed_at` and `outcome` are set once. A webhook that cannot be
    processed is attempted again at `next_attempt_at`, a limited number of times, and is then parked for staff.
    """

    PREFIX = "whk"
    NOT_IN_EVENTS = frozenset(
        {
            "body", "processed_at", "outcome", "outcome_reason", "metadata", "attempts", "next_attempt_at", "last_error",
            "parked_at",
        }
    )  # fmt: skip

    gateway = models.CharField(max_length=20)
    event_id = models.CharField(max_length=80)
    body_sha256 = models.CharField(max_length=64)
    body = models.BinaryField()
    event_type = models.CharField(max_length=60, blank=True)
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=12, choices=WebhookOutcome, blank=True)
    outcome_reason = models.CharField(max_length=200, blank=True)
    attempts = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How often it could not be processed."
    )
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True, default="", db_default="")
    parked_at = models.DateTimeField(null=True, blank=True, help_text="When it was parked, until staff retry it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gateway", "event_id"], name="one_webhook_per_event_id"),
            models.UniqueConstraint(fields=["gateway", "body_sha256"], name="one_webhook_per_body"),
        ]
        indexes = [
            models.Index(
                fields=["received_at"], name="webhook_unprocessed", condition=models.Q(processed_at__isnull=True)
            ),
        ]
        triggers = [
            NOT_DELETED,
            pgtrigger.ReadOnly(
                name="webhook_facts_are_frozen",
                fields=["gateway", "event_id", "body_sha256", "body", "event_type", "received_at"],
            ),
            pgtrigger.Trigger(
                name="webhook_processed_once",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__processed_at__isnull=False),
                func="IF NEW.processed_at IS DISTINCT FROM OLD.processed_at OR NEW.outcome IS DISTINCT FROM OLD.outcome"
                " THEN RAISE EXCEPTION 'a webhook is processed once'; END IF; RETURN NEW;",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"

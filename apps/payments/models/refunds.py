"""Models of refunds."""

import pgtrigger
from django.db import models

from apps.core.errors import NotFound
from apps.core.external_calls import GatewayCall, PolledModel, PolledQuerySet
from apps.core.models import NOT_DELETED, Record, Subject, whole_units
from apps.core.money import rupees
from apps.core.quantities import to_units
from apps.payments.models.payments import Payment, PaymentAttempt
from apps.payments.states import RefundReason, RefundSpeed, RefundStatus


class RefundNotFound(NotFound):
    """There is no such refund, or it belongs to somebody else. List the refunds."""

    message = "There is no such refund."


class Refund(PolledModel, Subject):
    """
    A refund of one captured attempt to its payer; amounts in paise. Its terms never change.

    The row and its idempotency key are committed before the gateway is called. A failed refund is retried only by a new
    row, whose `retry_of` is the failed one. A cancelled retry allows another one.
    """

    PREFIX = "rfnd"
    NOT_IN_EVENTS = frozenset({"next_check_at", "checks", "claimed_until", "gateway_call", "idempotency_key"})
    PERSONAL_FIELDS = frozenset({"note"})

    number = models.CharField(max_length=30, unique=True, help_text="The order's number and -R1 for its first refund.")
    order = models.ForeignKey("orders.Order", on_delete=models.PROTECT, related_name="+")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    attempt = models.ForeignKey(PaymentAttempt, on_delete=models.PROTECT, related_name="refunds")
    sequence = models.PositiveSmallIntegerField(help_text="1 for the order's first refund.")
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3, default="INR")
    status = models.CharField(max_length=20, choices=RefundStatus)
    reason = models.CharField(max_length=20, choices=RefundReason)
    note = models.CharField(max_length=200, blank=True)
    line_amounts = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text="The part of each order line, by the line's id, with tax; the rest of the amount is round-off.",
    )
    speed_requested = models.CharField(max_length=10, choices=RefundSpeed, default=RefundSpeed.NORMAL)
    speed_processed = models.CharField(max_length=10, blank=True)
    gateway_refund_id = models.CharField(max_length=40, unique=True, null=True, blank=True)
    idempotency_key = models.CharField(max_length=64, unique=True)
    retry_of = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="retries", db_index=False
    )
    remainder_of = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="The refund that was decided, of which another refund at the gateway has left this rest.",
    )
    requested_by = models.CharField(max_length=200)
    approved_by = models.CharField(max_length=200, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    transferred_by = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="Who confirmed the bank transfer.",
    )
    arn = models.CharField(max_length=40, blank=True, help_text="The bank's reference, for enquiries at the bank.")
    transfer_reference = models.CharField(
        max_length=80, blank=True, help_text="The reference of a bank transfer made by staff."
    )
    error = models.JSONField(default=dict, blank=True)
    processed_at = models.DateTimeField(null=True, blank=True)

    objects = PolledQuerySet["Refund"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "sequence"], name="one_refund_per_order_sequence"),
            models.UniqueConstraint(
                fields=["retry_of"],
                # A cancelled retry allows another one, and the gateway may still process it. Refunds that are not
                # retries are left out, so that no query for open refunds reads this index from end to end.
                condition=models.Q(retry_of__isnull=False)
                & ~models.Q(status__in=(RefundStatus.CANCELLED, RefundStatus.PROCESSED)),
                name="one_open_retry_per_refund",
            ),
            models.CheckConstraint(condition=models.Q(amount__gte=1), name="refund_is_positive"),
            models.CheckConstraint(
                condition=~models.Q(status=RefundStatus.PROCESSED) | models.Q(processed_at__isnull=False),
                name="processed_refund_has_processed_at",
            ),
            models.CheckConstraint(
                condition=models.Q(approved_by="") | ~models.Q(approved_by=models.F("requested_by")),
                name="refund_is_approved_by_another",
            ),
            models.CheckConstraint(
                condition=models.Q(transferred_by="") | ~models.Q(transferred_by=models.F("requested_by")),
                name="refund_is_transferred_by_another",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_check_at"], name="refund_to_check", condition=models.Q(next_check_at__isnull=False)
            ),
            models.Index(fields=["-created_at", "-id"], name="refund_by_time"),
            models.Index(fields=["retry_of"], name="refund_by_retry_of", condition=models.Q(retry_of__isnull=False)),
            models.Index(
                fields=["remainder_of"],
                name="refund_by_remainder_of",
                condition=models.Q(remainder_of__isnull=False),
            ),
            models.Index(
                fields=["created_at"],
                name="refund_to_approve",
                condition=models.Q(status=RefundStatus.REQUIRES_APPROVAL),
            ),
            models.Index(
                fields=["created_at"],
                name="refund_failed_or_awaiting",
                condition=models.Q(status__in=(RefundStatus.FAILED, RefundStatus.AWAITING_TRANSFER)),
            ),
            models.Index(fields=["arn"], name="refund_by_arn", condition=~models.Q(arn="")),
            models.Index(
                fields=["transfer_reference"],
                name="refund_by_transfer_reference",
                condition=~models.Q(transfer_reference=""),
            ),
        ]
        triggers = [
            NOT_DELETED,
            pgtrigger.ReadOnly(
                name="refund_terms_are_frozen",
                fields=[
                    "number", "order", "payment", "attempt", "sequence", "amount", "currency", "reason",
                    "speed_requested", "idempotency_key", "retry_of", "remainder_of", "requested_by",
                ],
            ),
            pgtrigger.Trigger(
                name="processed_refund_is_final",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__status=RefundStatus.PROCESSED.value)
                & ~pgtrigger.Q(new__status=RefundStatus.PROCESSED.value),
                func="RAISE EXCEPTION 'a processed refund never goes back';",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.number

    @property
    def is_unsubmitted(self) -> bool:
        """Whether it is decided and was not submitted to the gateway: it can be cancelled, and no money moves."""
        return self.status == RefundStatus.PENDING and self.gateway_call == GatewayCall.PENDING


class RefundLine(Record):
    """
    The units of an order line that a refund is for, with their value at that time (paise, with tax).

    `sent_milli` of them had left the stock when the refund was requested, or was made after it had failed, and `delivered_milli` of
    these had arrived: the others are not to be sent any more.
    """

    PREFIX = "rfl"

    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, related_name="lines")
    order_line = models.ForeignKey("orders.OrderLine", on_delete=models.PROTECT, related_name="+")
    quantity_milli = models.BigIntegerField()
    sent_milli = models.BigIntegerField(default=0, db_default=0)
    delivered_milli = models.BigIntegerField(default=0, db_default=0)
    amount = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["refund", "order_line"], name="one_refund_line_per_order_line"),
            models.CheckConstraint(condition=models.Q(quantity_milli__gt=0), name="refund_line_has_a_quantity"),
            models.CheckConstraint(
                condition=whole_units("quantity_milli", "sent_milli", "delivered_milli"),
                name="refund_line_is_whole_units",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    delivered_milli__gte=0,
                    sent_milli__gte=models.F("delivered_milli"),
                    quantity_milli__gte=models.F("sent_milli"),
                ),
                name="refund_line_units_fit",
            ),
        ]
        triggers = [
            NOT_DELETED,
            pgtrigger.Protect(
                name="frozen",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=["sent_milli", "delivered_milli"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} units, {rupees(self.amount)}"

    @property
    def quantity(self) -> int:
        return to_units(self.quantity_milli)

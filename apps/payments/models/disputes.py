"""Models of disputes: payments that a payer's bank challenges."""

import pgtrigger
from django.db import models

from apps.core.errors import NotFound
from apps.core.external_calls import GatewayCall, PolledModel, PolledQuerySet
from apps.core.models import FROZEN, NOT_DELETED, Record, Subject
from apps.payments.models.payments import Payment, PaymentAttempt
from apps.payments.states import DisputePhase, DisputeResponseKind, DisputeStatus, EvidenceKind


class DisputeNotFound(NotFound):
    """There is no such dispute. List the disputes."""

    message = "There is no such dispute."


class Dispute(PolledModel, Subject):
    """
    A challenge by the payer's bank to a captured attempt. Amounts in paise.

    Without a response by `respond_by`, it is lost. `amount_deducted` is what the gateway has deducted from us and not
    returned. Our response is committed before the gateway is called; `gateway_call` is the state of that call.
    """

    PREFIX = "disp"
    NOT_IN_EVENTS = frozenset({"next_check_at", "checks", "claimed_until", "gateway_call"})

    order = models.ForeignKey("orders.Order", on_delete=models.PROTECT, related_name="+")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="disputes")
    attempt = models.ForeignKey(PaymentAttempt, on_delete=models.PROTECT, related_name="disputes")
    gateway_dispute_id = models.CharField(max_length=40, unique=True)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3, default="INR")
    payer_amount = models.BigIntegerField(
        null=True, blank=True, help_text="The disputed amount in the payer's own currency, in its smallest unit."
    )
    payer_currency = models.CharField(max_length=3, blank=True, default="", db_default="")
    amount_deducted = models.BigIntegerField(default=0)
    reason_code = models.CharField(max_length=80, blank=True)
    phase = models.CharField(max_length=20, choices=DisputePhase)
    status = models.CharField(max_length=20, choices=DisputeStatus)
    respond_by = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    response = models.CharField(max_length=10, choices=DisputeResponseKind, blank=True)
    summary = models.CharField(max_length=1000, blank=True, help_text="Our statement to the bank.")
    responded_by = models.CharField(max_length=200, blank=True)
    responded_at = models.DateTimeField(null=True, blank=True)
    last_reminder_hours = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Staff were last reminded when fewer than this many hours were left to respond.",
    )
    error = models.JSONField(default=dict, blank=True)
    gateway_call = models.CharField(
        max_length=10, choices=GatewayCall, blank=True, help_text="The call that submits our response."
    )

    objects = PolledQuerySet["Dispute"].as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gte=1), name="dispute_is_positive"),
            models.CheckConstraint(
                condition=models.Q(amount_deducted__gte=0, amount_deducted__lte=models.F("amount")),
                name="dispute_deduction_within_amount",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_check_at"], name="dispute_to_check", condition=models.Q(next_check_at__isnull=False)
            ),
            models.Index(
                fields=["respond_by"], name="dispute_to_answer", condition=models.Q(status=DisputeStatus.OPEN)
            ),
            models.Index(fields=["-created_at", "-id"], name="dispute_by_time"),
        ]
        triggers = [
            NOT_DELETED,
            pgtrigger.ReadOnly(
                name="dispute_terms_are_frozen",
                fields=[
                    "order", "payment", "attempt", "gateway_dispute_id", "amount", "currency", "payer_amount", "payer_currency",
                ],
            ),
            pgtrigger.Trigger(
                name="decided_dispute_is_final",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__decided_at__isnull=False),
                func="IF NEW.status IS DISTINCT FROM OLD.status OR NEW.amount_deducted IS DISTINCT FROM OLD.amount_deducted"
                " THEN RAISE EXCEPTION 'a decided dispute stays decided'; END IF; RETURN NEW;",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.gateway_dispute_id


class DisputeEvidence(Record):
    """A statement of staff about a disputed sale. It is sent to the bank with a contest, next to the order's data."""

    PREFIX = "evd"

    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="evidence")
    kind = models.CharField(max_length=10, choices=EvidenceKind)
    text = models.CharField(max_length=2000)
    carrier = models.CharField(max_length=60, blank=True)
    tracking_number = models.CharField(max_length=60, blank=True)
    added_by = models.CharField(max_length=200)

    class Meta:
        verbose_name_plural = "dispute evidence"
        triggers = [FROZEN]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.text[:60]}"

"""Models of exceptions: differences between a gateway's data and our books, with the money that they hold in suspense."""

import pgtrigger
from django.db import models
from django.db.models import Q

from apps.core.errors import NotFound
from apps.core.models import NOT_DELETED, Subject
from apps.ledger.states import ExceptionReason, Resolution


class ReconciliationExceptionNotFound(NotFound):
    """There is no such exception. List the exceptions."""

    message = "There is no such exception."


class ReconciliationException(Subject):
    """
    A difference between a gateway's data and our books, open until it is resolved.

    `held_amount` (paise, debit positive) is what it holds in suspense; its resolution posts that amount to another
    account. An exception without a settlement may be about data of a gateway that we did not apply: nothing is posted
    for that. `fingerprint` keeps one exception per fact, however often a webhook, a poll or our own call reports it.

    What it is about are rows of apps above: it has their ids, and no foreign keys. `owner` is the member of staff who
    owns it.
    """

    PREFIX = "rex"

    gateway = models.CharField(max_length=20)
    reason = models.CharField(max_length=40, choices=ExceptionReason)
    settlement_id = models.UUIDField(null=True, blank=True)
    line_id = models.UUIDField(null=True, blank=True)
    attempt_id = models.UUIDField(null=True, blank=True)
    refund_id = models.UUIDField(null=True, blank=True)
    dispute_id = models.UUIDField(null=True, blank=True)
    webhook_id = models.UUIDField(null=True, blank=True)
    entity_id = models.CharField(max_length=40, help_text="The gateway's id of what it is about.")
    description = models.CharField(max_length=400, blank=True, default="", db_default="")
    fingerprint = models.CharField(max_length=160, blank=True, default="", db_default="")
    expected_amount = models.BigIntegerField(null=True, blank=True)
    actual_amount = models.BigIntegerField(null=True, blank=True)
    actual_currency = models.CharField(
        max_length=16,
        blank=True,
        default="",
        db_default="",
        help_text="The currency that the gateway reported, where it is not the currency of the exception.",
    )
    held_amount = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3, default="INR")
    owner = models.ForeignKey("accounts.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    opened_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=200, blank=True)
    resolution = models.CharField(max_length=20, choices=Resolution, blank=True)
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["line_id"], name="one_exception_per_settlement_line"),
            models.UniqueConstraint(
                fields=["attempt_id"],
                condition=Q(reason=ExceptionReason.MISSING_LINE),
                name="one_missing_line_exception_per_attempt",
            ),
            models.UniqueConstraint(
                fields=["settlement_id"],
                condition=Q(reason=ExceptionReason.SUM_MISMATCH, resolved_at__isnull=True),
                name="one_open_sum_mismatch",
            ),
            models.UniqueConstraint(
                fields=["gateway", "fingerprint"], condition=~Q(fingerprint=""), name="one_exception_per_gateway_fact"
            ),
            models.UniqueConstraint(
                fields=["gateway", "attempt_id"],
                condition=Q(reason=ExceptionReason.RECEIVABLE_OVERDUE, resolved_at__isnull=True),
                nulls_distinct=False,
                name="one_open_overdue_receivable",
            ),
            models.UniqueConstraint(
                fields=["gateway"],
                condition=Q(reason=ExceptionReason.SETTLEMENTS_NOT_IMPORTED, resolved_at__isnull=True),
                name="one_open_settlements_not_imported",
            ),
            models.CheckConstraint(
                condition=Q(resolved_at__isnull=True, resolution="", resolved_by="")
                | (Q(resolved_at__isnull=False) & ~Q(resolution="") & ~Q(resolved_by="")),
                name="resolution_is_complete",
            ),
        ]
        indexes = [
            models.Index(fields=["-opened_at", "-id"], name="exception_by_time"),
            models.Index(fields=["opened_at"], name="exception_open", condition=Q(resolved_at__isnull=True)),
            models.Index(fields=["entity_id"], name="exception_by_entity"),
            models.Index(fields=["settlement_id"], name="exception_by_settlement"),
            models.Index(fields=["attempt_id"], name="exception_by_attempt"),
            models.Index(fields=["refund_id"], name="exception_by_refund", condition=Q(refund_id__isnull=False)),
        ]
        triggers = [
            NOT_DELETED,
            pgtrigger.ReadOnly(
                name="exception_is_frozen",
                fields=[
                    "gateway", "reason", "settlement_id", "line_id", "attempt_id", "refund_id", "dispute_id", "webhook_id", "entity_id",
                    "description", "fingerprint", "expected_amount", "actual_amount", "actual_currency", "held_amount",
                    "currency", "opened_at",
                ],
            ),
            pgtrigger.Trigger(
                name="exception_resolved_once",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__resolved_at__isnull=False),
                func="IF (NEW.resolved_at, NEW.resolved_by, NEW.resolution, NEW.note) IS DISTINCT FROM"
                " (OLD.resolved_at, OLD.resolved_by, OLD.resolution, OLD.note)"
                " THEN RAISE EXCEPTION 'an exception is resolved once'; END IF; RETURN NEW;",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.get_reason_display()}: {self.entity_id}"

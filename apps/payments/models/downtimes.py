"""Downtimes of payment methods at a gateway."""

import pgtrigger
from django.db import models

from apps.core.models import NOT_DELETED, Subject
from apps.payments.states import DowntimeSeverity, DowntimeStatus


class PaymentDowntime(Subject):
    """
    A time in which a payment method, or an instrument of it, fails more often than usual.

    `instrument` narrows the method: the bank, the handle of UPI ids, the UPI app or the card network that is down; without one
    the whole method is. `ends_at` is null while the gateway does not know the end. `reported_at` is the gateway's own time of
    the facts; an older report never replaces a newer one.
    """

    PREFIX = "dwn"

    gateway = models.CharField(max_length=20)
    gateway_downtime_id = models.CharField(max_length=40)
    method = models.CharField(max_length=20)
    instrument = models.JSONField(default=dict, blank=True)
    severity = models.CharField(max_length=10, choices=DowntimeSeverity)
    status = models.CharField(max_length=10, choices=DowntimeStatus)
    is_scheduled = models.BooleanField(default=False, help_text="It was announced before it began.")
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    reported_at = models.DateTimeField()

    class Meta:
        verbose_name = "payment downtime"
        constraints = [
            models.UniqueConstraint(fields=["gateway", "gateway_downtime_id"], name="one_downtime_per_gateway_id"),
            models.CheckConstraint(
                condition=models.Q(ends_at__isnull=True) | models.Q(ends_at__gte=models.F("begins_at")),
                name="downtime_ends_after_it_begins",
            ),
        ]
        indexes = [
            models.Index(
                fields=["-begins_at", "-id"],
                name="downtime_open",
                condition=~models.Q(status=DowntimeStatus.RESOLVED),
            ),
            models.Index(fields=["-created_at", "-id"], name="downtime_by_time"),
        ]
        triggers = [
            NOT_DELETED,
            pgtrigger.ReadOnly(
                name="downtime_is_of_one_thing", fields=["gateway", "gateway_downtime_id", "method", "is_scheduled"]
            ),
            pgtrigger.Trigger(
                name="resolved_downtime_is_final",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__status=DowntimeStatus.RESOLVED),
                func="IF NEW.status IS DISTINCT FROM OLD.status THEN RAISE EXCEPTION 'a resolved downtime stays resolved';"
                " END IF; RETURN NEW;",
            ),
        ]

    def __str__(self) -> str:
        return self.gateway_downtime_id

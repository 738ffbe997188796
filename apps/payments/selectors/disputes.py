"""Reads of disputes."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from apps.payments.models import (
    Dispute,
    DisputeNotFound,
)


def get_dispute(dispute_id: UUID) -> Dispute:
    """
    Return a dispute with its attempt.

    :raises DisputeNotFound: if there is none
    """
    dispute = Dispute.objects.select_related("attempt").filter(pk=dispute_id).first()
    if dispute is None:
        raise DisputeNotFound
    return dispute


def list_disputes(*, statuses: Collection[str] = (), order_id: UUID | None = None) -> QuerySet[Dispute]:
    """Return the disputes, newest first; staff alone may see them."""
    rows = Dispute.objects.all()
    if statuses:
        rows = rows.filter(status__in=statuses)
    if order_id is not None:
        rows = rows.filter(order_id=order_id)
    return rows.order_by("-created_at", "-pk")


def is_dispute_known(gateway_dispute_id: str) -> bool:
    """Return whether we know a gateway's dispute."""
    return Dispute.objects.filter(gateway_dispute_id=gateway_dispute_id).exists()


def list_due_disputes(*, now: datetime, limit: int) -> list[Dispute]:
    """Return the undecided disputes that the janitor must look at, with their attempts, longest waiting first."""
    rows = Dispute.objects.filter(next_check_at__lte=now).select_related("attempt")
    return list(rows.order_by("next_check_at", "pk")[:limit])

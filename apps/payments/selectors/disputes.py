"""Reads of disputes."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Case, F, Q, QuerySet, Sum, When

from apps.payments.models import Dispute, DisputeEvidence, DisputeNotFound
from apps.payments.states import UNDECIDED, DisputeStatus, ReviewReason

#: What a dispute keeps of a payment: all that it is about until it is decided, and what was taken once it is lost.
_KEPT = Case(
    When(status__in=UNDECIDED, then=F("amount")),
    When(status=DisputeStatus.LOST, then=F("amount_deducted")),
    default=0,
)
#: An answer that the gateway does not have after so long is as good as none.
_ANSWER_TAKES = timedelta(hours=1)


def get_dispute(dispute_id: UUID) -> Dispute:
    """
    Return a dispute with its attempt and payment.

    :raises DisputeNotFound: if there is none
    """
    dispute = Dispute.objects.select_related("attempt__payment").filter(pk=dispute_id).first()
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
    """Return the undecided disputes that the poller must look at, with their attempts, longest waiting first."""
    rows = Dispute.objects.filter(next_check_at__lte=now).select_related("attempt")
    return list(rows.order_by("next_check_at", "pk")[:limit])


def list_disputes_due_for_reminder(*, now: datetime, hours: int, limit: int) -> list[UUID]:
    """
    Return the ids of open disputes without an answer that have fewer than so many hours left and were not warned of yet.

    An answer that the gateway still does not have after an hour counts as none. Most urgent first.
    """
    rows = Dispute.objects.filter(awaiting_response(now=now), respond_by__lte=now + timedelta(hours=hours))
    rows = rows.filter(Q(last_reminder_hours__isnull=True) | Q(last_reminder_hours__gt=hours))
    return list(rows.order_by("respond_by", "pk").values_list("pk", flat=True)[:limit])


def awaiting_response(*, now: datetime) -> Q:
    """Return the condition of an open dispute whose answer is missing, or has not reached the gateway in an hour."""
    return Q(status=DisputeStatus.OPEN) & (Q(response="") | Q(responded_at__lte=now - _ANSWER_TAKES))


def count_disputes_awaiting_response() -> int:
    """Return how many open disputes have no answer."""
    return Dispute.objects.filter(status=DisputeStatus.OPEN, response="").count()


def list_undecided_disputes(attempt_id: UUID) -> list[Dispute]:
    """Return the undecided disputes of an attempt, first to last."""
    return list(Dispute.objects.filter(attempt_id=attempt_id, status__in=UNDECIDED).order_by("created_at", "pk"))


def list_evidence(dispute_id: UUID) -> list[DisputeEvidence]:
    """Return what staff added to a dispute, first to last."""
    return list(DisputeEvidence.objects.filter(dispute_id=dispute_id).order_by("created_at", "pk"))


def is_order_disputed(order_id: UUID) -> bool:
    """Return whether a payer's bank wants money of an order back and has not decided."""
    return Dispute.objects.filter(order_id=order_id, status__in=UNDECIDED).exists()


def sum_disputed(order_id: UUID) -> int:
    """Return the money (paise) of an order that payers' banks want back and have not decided about."""
    rows = Dispute.objects.filter(order_id=order_id, status__in=UNDECIDED)
    return rows.aggregate(total=Sum("amount"))["total"] or 0


def sum_lost(order_id: UUID, *, currency: str) -> int:
    """Return the money (paise) that lost disputes took, of what `sum_captured` counts as come in."""
    rows = Dispute.objects.filter(order_id=order_id, status=DisputeStatus.LOST, currency=currency)
    rows = rows.exclude(attempt__review_reason=ReviewReason.AMOUNT_MISMATCH)
    return rows.aggregate(total=Sum("amount_deducted"))["total"] or 0


def sum_lost_of_attempt(attempt_id: UUID) -> int:
    """Return the money (paise) of an attempt that lost disputes took."""
    rows = Dispute.objects.filter(attempt_id=attempt_id, status=DisputeStatus.LOST)
    return rows.aggregate(total=Sum("amount_deducted"))["total"] or 0


def sum_disputed_of_attempt(attempt_id: UUID, *, excluding_dispute: Dispute | None = None) -> int:
    """Return the money (paise) of an attempt that its disputes, but one, keep: wanted back and undecided, or lost."""
    rows = Dispute.objects.filter(attempt_id=attempt_id)
    if excluding_dispute is not None:
        rows = rows.exclude(pk=excluding_dispute.pk)
    return rows.aggregate(total=Sum(_KEPT))["total"] or 0

"""Queries of disputes."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Case, F, Q, QuerySet, Sum, When

from apps.payments.models import Dispute, DisputeEvidence, DisputeNotFound
from apps.payments.states import UNDECIDED, DisputeStatus, ReviewReason

#: The amount that a dispute holds of a payment: what is disputed until it is decided, what was deducted once it is
#: lost.
_KEPT = Case(
    When(status__in=UNDECIDED, then=F("amount")),
    When(status=DisputeStatus.LOST, then=F("amount_deducted")),
    default=0,
)
#: A response that has not reached the gateway after this time counts as missing.
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


def list_disputes(*, order_id: UUID | None = None) -> QuerySet[Dispute]:
    """Return the disputes, of all orders or of one, newest first; only staff may see them."""
    rows = Dispute.objects.all()
    if order_id is not None:
        rows = rows.filter(order_id=order_id)
    return rows.order_by("-created_at", "-pk")


def is_dispute_known(gateway_dispute_id: str) -> bool:
    """Test if a gateway's dispute is stored."""
    return Dispute.objects.filter(gateway_dispute_id=gateway_dispute_id).exists()


def list_due_dispute_ids(*, now: datetime, limit: int) -> list[UUID]:
    """Return the ids of the disputes that the poller must check now, longest waiting first."""
    return list(Dispute.objects.due(now).values_list("pk", flat=True)[:limit])


def list_disputes_due_for_reminder(*, now: datetime, hours: int, limit: int) -> list[UUID]:
    """
    Return the ids of open disputes without a response that are due within `hours` and have no reminder for that yet.

    A response that has not reached the gateway after an hour counts as missing. Most urgent first.
    """
    rows = Dispute.objects.filter(awaiting_response(now=now), respond_by__lte=now + timedelta(hours=hours))
    rows = rows.filter(Q(last_reminder_hours__isnull=True) | Q(last_reminder_hours__gt=hours))
    return list(rows.order_by("respond_by", "pk").values_list("pk", flat=True)[:limit])


def awaiting_response(*, now: datetime) -> Q:
    """Return the condition of an open dispute whose response is missing, or has not reached the gateway in an hour."""
    return Q(status=DisputeStatus.OPEN) & (Q(response="") | Q(responded_at__lte=now - _ANSWER_TAKES))


def count_disputes_awaiting_response() -> int:
    """Return the number of open disputes without a response."""
    return Dispute.objects.filter(status=DisputeStatus.OPEN, response="").count()


def list_undecided_disputes(attempt_id: UUID) -> list[Dispute]:
    """Return the undecided disputes of an attempt, first to last."""
    return list(Dispute.objects.filter(attempt_id=attempt_id, status__in=UNDECIDED).order_by("created_at", "pk"))


def list_evidence(dispute_id: UUID) -> list[DisputeEvidence]:
    """Return the evidence that staff added to a dispute, first to last."""
    return list(DisputeEvidence.objects.filter(dispute_id=dispute_id).order_by("created_at", "pk"))


def is_order_disputed(order_id: UUID) -> bool:
    """Test if an order has an undecided dispute."""
    return Dispute.objects.filter(order_id=order_id, status__in=UNDECIDED).exists()


def sum_disputed(order_id: UUID) -> int:
    """Return the disputed amount (paise) of an order's undecided disputes."""
    rows = Dispute.objects.filter(order_id=order_id, status__in=UNDECIDED)
    return rows.aggregate(total=Sum("amount"))["total"] or 0


def sum_lost(order_id: UUID, *, currency: str) -> int:
    """Return the amount (paise) deducted for an order's lost disputes, of what `sum_captured` counts."""
    rows = Dispute.objects.filter(order_id=order_id, status=DisputeStatus.LOST, currency=currency)
    rows = rows.exclude(attempt__review_reason=ReviewReason.AMOUNT_MISMATCH)
    return rows.aggregate(total=Sum("amount_deducted"))["total"] or 0


def sum_lost_of_attempt(attempt_id: UUID) -> int:
    """Return the amount (paise) deducted for an attempt's lost disputes."""
    rows = Dispute.objects.filter(attempt_id=attempt_id, status=DisputeStatus.LOST)
    return rows.aggregate(total=Sum("amount_deducted"))["total"] or 0


def sum_disputed_of_attempt(attempt_id: UUID, *, excluding_dispute: Dispute | None = None) -> int:
    """Return the amount (paise) that undecided or lost disputes hold of an attempt, without the excluded one."""
    rows = Dispute.objects.filter(attempt_id=attempt_id)
    if excluding_dispute is not None:
        rows = rows.exclude(pk=excluding_dispute.pk)
    return rows.aggregate(total=Sum(_KEPT))["total"] or 0

"""Queries of what to reconcile with a gateway, and of what our books hold by the gateway's ids."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Model, Q

from apps.payments import sql
from apps.payments.models import Dispute, Payment, PaymentAttempt, Refund
from apps.payments.states import DECIDED, LIVE, OPEN_REFUNDS, AttemptStatus, RefundStatus

#: The gateway's status of a refund by ours. A refund that failed at the gateway stays failed there after our bank
#: transfer.
_GATEWAY_REFUND_STATUSES: dict[str, str] = {
    RefundStatus.PENDING: "pending",
    RefundStatus.UNKNOWN: "pending",
    RefundStatus.PROCESSED: "processed",
    RefundStatus.FAILED: "failed",
    RefundStatus.AWAITING_TRANSFER: "failed",
    RefundStatus.CANCELLED: "failed",
}


def list_payments_to_reconcile(since: datetime | None, *, after: UUID | None, limit: int) -> list[UUID]:
    """Return the payments that are live or still polled, and those created since an instant; oldest first."""
    wanted = Q(status__in=LIVE) | Q(next_check_at__isnull=False)
    if since is not None:
        wanted |= Q(created_at__gte=since)
    return _page(Payment, wanted, after=after, limit=limit)


def list_refunds_to_reconcile(since: datetime | None, *, after: UUID | None, limit: int) -> list[UUID]:
    """Return the refunds without a final status, and those at the gateway created since an instant; oldest first."""
    wanted = Q(status__in=OPEN_REFUNDS)
    if since is not None:
        wanted |= Q(created_at__gte=since, gateway_refund_id__isnull=False)
    return _page(Refund, wanted, after=after, limit=limit)


def list_disputes_to_reconcile(since: datetime | None, *, after: UUID | None, limit: int) -> list[UUID]:
    """Return the undecided disputes, and those created since an instant; oldest first."""
    wanted = ~Q(status__in=DECIDED)
    if since is not None:
        wanted |= Q(created_at__gte=since)
    return _page(Dispute, wanted, after=after, limit=limit)


def _page(model: type[Model], wanted: Q, *, after: UUID | None, limit: int) -> list[UUID]:
    # Pages by key, which sorts by time: a row that no longer matches does not shift the next page.
    rows = model._default_manager.filter(wanted)
    if after is not None:
        rows = rows.filter(pk__gt=after)
    return list(rows.order_by("pk").values_list("pk", flat=True)[:limit])


def first_captured_at() -> datetime | None:
    """Return when the first attempt was captured, or None."""
    rows = PaymentAttempt.objects.filter(status=AttemptStatus.CAPTURED).order_by("pk")
    return rows.values_list("captured_at", flat=True).first()


def describe_payments_by_gateway_id() -> dict[str, str]:
    """Return the captured amounts, by the gateway's id."""
    return {key: f"captured {amount}" for key, amount in _captured("amount")}


def fees_by_gateway_id() -> dict[str, str]:
    """Return the fees and their GST of captured attempts, by the gateway's id, as far as the fees are known."""
    rows = _captured("fee_amount", "fee_tax_amount")
    return {key: f"fee {fee} tax {tax}" for key, fee, tax in rows if fee is not None}


def _captured(*fields: str) -> Iterable[tuple[Any, ...]]:
    rows = PaymentAttempt.objects.filter(status=AttemptStatus.CAPTURED)
    return rows.values_list("gateway_payment_id", *fields).iterator(chunk_size=2000)


def describe_refunds_by_gateway_id() -> dict[str, str]:
    """Return the gateway's refunds, by its id; those that we paid by bank transfer have failed there."""
    rows = Refund.objects.filter(gateway_refund_id__isnull=False)
    statuses = {}
    for key, status, transfer_reference, amount in rows.values_list(
        "gateway_refund_id", "status", "transfer_reference", "amount"
    ):
        statuses[str(key)] = f"{'failed' if transfer_reference else _GATEWAY_REFUND_STATUSES[status]} {amount}"
    return statuses


def describe_disputes_by_gateway_id() -> dict[str, str]:
    """Return the disputes and what was deducted for them, by the gateway's id."""
    rows = Dispute.objects.values_list("gateway_dispute_id", "status", "amount", "amount_deducted")
    return {key: f"{status} {amount} taken {taken}" for key, status, amount, taken in rows}


def list_known_amounts(*, gateway: str, gateway_ids: Collection[str]) -> list[tuple[str, int, datetime]]:
    """Return amount (paise) and time of the payments and refunds that we have stored, by the gateway's id."""
    return sql.list_known_amounts(gateway=gateway, gateway_ids=gateway_ids)

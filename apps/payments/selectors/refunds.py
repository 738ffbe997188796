"""Queries of refunds."""

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from apps.core import ids
from apps.core.errors import NotFound
from apps.core.models import is_staff_with
from apps.core.rows import list_by
from apps.orders import selectors as orders
from apps.payments import rules
from apps.payments.facts import GatewayRefund
from apps.payments.models import (
    PaymentAttempt,
    Refund,
    RefundLine,
    RefundNotFound,
)
from apps.payments.states import (
    RESERVING_REFUNDS,
    RefundStatus,
)

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

    from apps.orders.models import Order


def get_refund(refund_id: UUID) -> Refund:
    """
    Return a refund of any customer.

    :raises RefundNotFound: if there is none
    """
    refund = Refund.objects.filter(pk=refund_id).first()
    if refund is None:
        raise RefundNotFound
    return refund


def list_visible_refunds(*, user: "AbstractBaseUser | AnonymousUser") -> QuerySet[Refund]:
    """Return the refunds that a user may see, newest first, with their lines: of their own orders, or all for staff."""
    return _refunds_visible_to(user).order_by("-created_at", "-pk")


def get_visible_refund(*, user: "AbstractBaseUser | AnonymousUser", refund_id: UUID) -> Refund:
    """
    Return a refund with its lines.

    :raises RefundNotFound: if there is none, or it is of another customer's order
    """
    refund = _refunds_visible_to(user).filter(pk=refund_id).first()
    if refund is None:
        raise RefundNotFound
    return refund


def _refunds_visible_to(user: "AbstractBaseUser | AnonymousUser") -> QuerySet[Refund]:
    rows = Refund.objects.prefetch_related(Prefetch("lines", queryset=RefundLine.objects.order_by("pk")))
    sees_all = is_staff_with(user, "payments.view_refund")
    return rows if sees_all else rows.filter(payment__customer_id=user.pk)


def list_refunds_of_order(order_id: UUID) -> QuerySet[Refund]:
    """Return the refunds of an order, first to last, with their lines."""
    lines = Prefetch("lines", queryset=RefundLine.objects.order_by("pk"))
    return Refund.objects.filter(order_id=order_id).prefetch_related(lines).order_by("sequence")


def is_any_refund_processed(order_id: UUID) -> bool:
    """Test if money of an order went back."""
    return any(refund.status == RefundStatus.PROCESSED for refund in list_by(Refund, order_id=order_id))


def count_other_refunds(refund: Refund) -> int:
    """Return the number of other refunds of a refund's attempt, in any status."""
    return Refund.objects.filter(attempt_id=refund.attempt_id).exclude(pk=refund.pk).count()


def list_refunds_to_approve(rows: "QuerySet[Refund] | None" = None) -> "QuerySet[Refund]":
    """Return the refunds, of `rows` or of all, that require approval."""
    return _all_or(rows).filter(status=RefundStatus.REQUIRES_APPROVAL)


def list_refunds_to_retry_or_transfer(rows: "QuerySet[Refund] | None" = None) -> "QuerySet[Refund]":
    """Return the refunds, of `rows` or of all, that failed or await a bank transfer and have no active retry."""
    failed = _all_or(rows).filter(status__in=(RefundStatus.FAILED, RefundStatus.AWAITING_TRANSFER))
    return failed.exclude(Exists(_list_active_retries().filter(retry_of=OuterRef("pk"))))


def list_refunds_awaiting_transfer(attempt_id: UUID) -> list[Refund]:
    """Return the refunds of an attempt that await a bank transfer, first to last."""
    return list(
        Refund.objects.filter(attempt_id=attempt_id, status=RefundStatus.AWAITING_TRANSFER).order_by("sequence")
    )


def find_refund_of_other_customer(transfer_reference: str, *, customer_id: UUID) -> Refund | None:
    """
    Return the first refund that a bank transfer with this reference paid to another customer than this one, or None.

    Banks write their references in capitals, people do not: the case makes no difference.
    """
    # Only refunds with a reference are in the index that finds them.
    transferred = Refund.objects.exclude(transfer_reference="").filter(transfer_reference__iexact=transfer_reference)
    return transferred.exclude(order__customer_id=customer_id).order_by("pk").first()


def list_transferred_refunds(references: Collection[str]) -> list[Refund]:
    """Return the refunds whose bank transfer, confirmed by staff, has one of these references; oldest first."""
    transferred = Refund.objects.filter(transfer_reference__in=references, status=RefundStatus.PROCESSED)
    return list(transferred.exclude(transfer_reference="").order_by("pk"))


def list_unknown_refunds(rows: "QuerySet[Refund] | None" = None) -> "QuerySet[Refund]":
    """Return the refunds, of `rows` or of all, whose outcome at the gateway is unknown."""
    return _all_or(rows).filter(status=RefundStatus.UNKNOWN, next_check_at__isnull=False)


def _all_or(rows: "QuerySet[Refund] | None") -> "QuerySet[Refund]":
    return Refund.objects.all() if rows is None else rows


def list_refundable_lines(order_id: UUID, *, excluding: UUID | None = None) -> list[rules.RefundableLine]:
    """Return the lines of an order by position, less what its refunds reserve, without one refund if it is given."""
    order = orders.get_order(order_id)
    lines = [
        rules.RefundableLine(id=line.pk, quantity=line.quantity, total_amount=line.total_amount)
        for line in orders.list_lines(order_id)
    ]
    rows = _list_reserving_refunds(order_id, excluding=excluding).select_related("attempt").prefetch_related("lines")
    for refund in rows.order_by("sequence"):
        units = {line.order_line_id: line.quantity for line in refund.lines.all()}
        values = {line.order_line_id: line.amount for line in refund.lines.all()}
        amounts = {UUID(line_id): amount for line_id, amount in refund.line_amounts.items()}
        if not amounts and has_paid_confirmed_order(order, refund.attempt, at=refund.created_at):
            # The refund is older than the field `line_amounts`.
            amounts = rules.line_amounts(lines, refund.amount, values=values, round_off=order.round_off_amount)
        lines = [line.after(units=units, values=values, amounts=amounts) for line in lines]
    return lines


def has_paid_confirmed_order(order: "Order", attempt: PaymentAttempt, *, at: datetime) -> bool:
    """Test if an attempt paid a confirmed order: without a review reason, and the order was confirmed by `at`."""
    return not attempt.review_reason and order.confirmed_at is not None and order.confirmed_at <= at


def sum_refunded_outside_lines(order_id: UUID, *, excluding: UUID | None = None) -> int:
    """Return the amount (paise) that refunds with line amounts reserve beyond the lines, such as the round-off."""
    rows = _list_reserving_refunds(order_id, excluding=excluding).exclude(line_amounts={})
    return sum(refund.amount - sum(refund.line_amounts.values()) for refund in rows)


def _list_reserving_refunds(order_id: UUID, *, excluding: UUID | None) -> QuerySet[Refund]:
    rows = Refund.objects.filter(order_id=order_id, status__in=RESERVING_REFUNDS)
    return rows if excluding is None else rows.exclude(pk=excluding)


def find_retry(refund_id: UUID) -> Refund | None:
    """Return the active retry of a failed refund, or None; a cancelled retry does not count."""
    return _list_active_retries().filter(retry_of_id=refund_id).order_by("sequence").first()


def next_refund_number(order: "Order") -> tuple[int, str]:
    """Return the sequence of an order's next refund and its number; the caller has locked the order."""
    sequence = Refund.objects.filter(order_id=order.pk).count() + 1
    return sequence, f"{order.number}-R{sequence}"


def list_retry_chain(refund: Refund) -> list[Refund]:
    """Return the other refunds in the chain of retries that a refund belongs to, first to last."""
    first = refund
    while first.retry_of is not None:
        first = first.retry_of
    found, latest = [first], [first]
    while latest:
        latest = list(Refund.objects.filter(retry_of__in=latest))
        found += latest
    return sorted((one for one in found if one.pk != refund.pk), key=lambda one: one.sequence)


def _list_active_retries() -> QuerySet[Refund]:
    return Refund.objects.exclude(retry_of=None).exclude(status=RefundStatus.CANCELLED)


def find_refund_for(facts: GatewayRefund, *, matched_refund_id: UUID | None = None) -> Refund | None:
    """
    Return our refund of a gateway's refund, or None.

    It is found by the gateway's id first, because a gateway's refund that was matched to another row may still hold the
    id of the row whose call was rejected. Next is `matched_refund_id`, and last our own id that the gateway stored.
    """
    rows = Refund.objects.filter(payment__gateway=facts.gateway)
    known = rows.filter(gateway_refund_id=facts.id).first()
    if known is not None:
        return known
    if matched_refund_id is not None:
        return rows.get(pk=matched_refund_id)
    if facts.our_refund:
        with suppress(NotFound):
            ours = rows.filter(pk=ids.decode(Refund.PREFIX, facts.our_refund)).first()
            if ours is not None and ours.gateway_refund_id is None:
                return ours
    return None


def list_rejected_refunds(refund: Refund) -> list[Refund]:
    """
    Return the other refunds of the same attempt and amount whose call the gateway rejected.

    The gateway may have made one of them all the same. The refund that this one retries is included in any status.
    """
    rejected = Q(status__in=(RefundStatus.FAILED, RefundStatus.AWAITING_TRANSFER), gateway_refund_id__isnull=True)
    rows = Refund.objects.filter(rejected | Q(pk=refund.retry_of_id), attempt_id=refund.attempt_id)
    return list(rows.filter(amount=refund.amount).exclude(pk=refund.pk).order_by("pk"))


def list_known_gateway_refunds(gateway_refund_ids: Collection[str]) -> set[str]:
    """Return which of the given gateway refund ids we have stored."""
    rows = Refund.objects.filter(gateway_refund_id__in=gateway_refund_ids)
    return {str(one) for one in rows.values_list("gateway_refund_id", flat=True)}


def find_refund(public_id: str) -> Refund | None:
    """Return the refund with a public id, or None."""
    with suppress(NotFound):
        return Refund.objects.filter(pk=ids.decode(Refund.PREFIX, public_id)).first()
    return None


def list_due_refund_ids(*, now: datetime, limit: int) -> list[UUID]:
    """Return the ids of the refunds that the poller must check now."""
    return list(Refund.objects.due(now).values_list("pk", flat=True)[:limit])

"""Queries of payments, their attempts and the gateways' webhooks."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import OuterRef, Prefetch, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from apps.core import ids
from apps.core.errors import NotFound
from apps.core.event_replay import list_events_of_subjects
from apps.core.external_calls import GatewayCall
from apps.core.hot_path import hot_path
from apps.core.models import Event, is_staff_with
from apps.core.rows import find_by, find_row, list_by
from apps.payments import rules, sql
from apps.payments.facts import GatewayLink, GatewayPayment
from apps.payments.models import (
    Dispute,
    Payment,
    PaymentAttempt,
    PaymentNotFound,
    Refund,
)
from apps.payments.states import COMMITTED_REFUNDS, LINK_CHANNELS, AttemptStatus, DisputeStatus, ReviewReason

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser


class UpiLinkNotFound(NotFound):
    """The payment has no UPI link yet. Wait until its `next_action` has one; a payment that has ended has none."""

    message = "This payment has no UPI link at the moment. Try again in a moment."


def get_payment(payment_id: UUID) -> Payment:
    """
    Return a payment of any customer.

    :raises PaymentNotFound: if there is none
    """
    payment = find_by(Payment, id=payment_id)
    if payment is None:
        raise PaymentNotFound
    return payment


def list_visible_payments(*, user: "AbstractBaseUser | AnonymousUser", channel: str = "") -> QuerySet[Payment]:
    """Return the payments that a user may see, with their attempts: their own, or all for staff with permission."""
    rows = _visible_to(user)
    if channel:
        rows = rows.filter(channel=channel)
    return rows.order_by("-created_at", "-pk")


def get_upi_link(payment: Payment) -> str:
    """
    Return the UPI link that the buyer of a payment opens.

    :raises UpiLinkNotFound: if the payment has none at the moment
    """
    link = payment.next_action.get("upi", {}).get("link")
    if not link:
        raise UpiLinkNotFound
    return str(link)


def get_shown_payment(*, user: "AbstractBaseUser | AnonymousUser", payment_id: UUID) -> Any:
    """
    Return what a response shows of a payment that a user may see: it has the attributes of the payment and its attempts.

    :raises PaymentNotFound: if there is none, or it is another customer's
    """
    sees_all = is_staff_with(user, "payments.view_payment")
    if not sees_all and user.pk is None:
        raise PaymentNotFound  # nobody; None would mean anybody's
    payment = find_shown_payment(payment_id=payment_id, customer_id=None if sees_all else user.pk)
    if payment is None:
        raise PaymentNotFound
    return payment


@hot_path("payments.find_shown_payment", is_read=True)
def find_shown_payment(*, payment_id: UUID, customer_id: UUID | None) -> Any:
    """Return what is shown of a payment, with its attempts, of any customer or of one, or None."""
    payments = Payment.objects.prefetch_related(_ordered_attempts()).filter(pk=payment_id)
    return (payments if customer_id is None else payments.filter(customer_id=customer_id)).first()


def _visible_to(user: "AbstractBaseUser | AnonymousUser") -> QuerySet[Payment]:
    rows = Payment.objects.prefetch_related(_ordered_attempts())
    sees_all = is_staff_with(user, "payments.view_payment")
    return rows if sees_all else rows.filter(customer_id=user.pk)


def _ordered_attempts() -> "Prefetch[str, QuerySet[PaymentAttempt], str]":
    return Prefetch("attempts", queryset=PaymentAttempt.objects.order_by("created_at", "pk"))


def list_payments_of_order(order_id: UUID) -> QuerySet[Payment]:
    """Return the payments of an order, first to last, with their attempts."""
    return Payment.objects.filter(order_id=order_id).prefetch_related(_ordered_attempts()).order_by("sequence")


def find_last_payment(order_id: UUID) -> Payment | None:
    """Return the newest payment of an order, or None. If the order has a live payment, this is it: while it is live, none is started."""
    return find_row(Payment, "WHERE it.order_id = $1 ORDER BY it.sequence DESC LIMIT 1", [str(order_id)])


def find_live_payment(order_id: UUID) -> Payment | None:
    """Return the one live payment of an order, or None."""
    return Payment.objects.filter(order_id=order_id).live().first()


def find_captured_attempt(order_id: UUID) -> PaymentAttempt | None:
    """Return the attempt that paid an order, or None; attempts with a review reason do not count."""
    return sql.find_captured_attempt(order_id)


def get_attempt(attempt_id: UUID) -> PaymentAttempt:
    """
    Return an attempt with its payment.

    :raises PaymentNotFound: if there is none
    """
    attempt = PaymentAttempt.objects.filter(pk=attempt_id).select_related("payment").first()
    if attempt is None:
        raise PaymentNotFound
    return attempt


def find_attempt(*, gateway: str, gateway_payment_id: str) -> PaymentAttempt | None:
    """Return an attempt by the gateway's id, with its payment, or None."""
    rows = PaymentAttempt.objects.filter(gateway=gateway, gateway_payment_id=gateway_payment_id)
    return rows.select_related("payment").first()


def list_attempts_to_review(rows: "QuerySet[PaymentAttempt] | None" = None) -> "QuerySet[PaymentAttempt]":
    """Return the attempts, of `rows` or of all, that are under review."""
    rows = PaymentAttempt.objects.all() if rows is None else rows
    return rows.filter(review_opened_at__isnull=False, review_closed_at__isnull=True).exclude(review_reason="")


def list_unknown_payments() -> QuerySet[Payment]:
    """Return the payments whose creation at the gateway has an unknown outcome."""
    return Payment.objects.filter(gateway_call=GatewayCall.UNKNOWN, next_check_at__isnull=False, checks__gte=1)


def find_payment_for(facts: GatewayPayment) -> Payment | None:
    """
    Return the payment that a gateway's payment belongs to, or None if it is not ours.

    It is found by its link or QR code, then by the gateway's order, then (links and codes only) by a known attempt, and
    last by our own id that the gateway stored, in case the response to our call was lost. An empty order id matches
    nothing.
    """
    known = find_by(Payment, gateway_link_id=facts.link_id, gateway=facts.gateway) if facts.link_id else None
    if known is None and facts.order_id:
        known = find_by(Payment, gateway_order_id=facts.order_id, gateway=facts.gateway)
    if known is None:
        by_link = Payment.objects.filter(
            gateway=facts.gateway, channel__in=LINK_CHANNELS, attempts__gateway_payment_id=facts.id
        )
        known = by_link.first() or _find_payment_named(facts)
    return known


def _find_payment_named(facts: GatewayPayment) -> Payment | None:
    """
    Return the payment that a gateway's payment names, or None.

    The gateway creates the orders of links itself, and none for QR codes, so a gateway's payment with any order may
    name a payment of these channels. A payment by Checkout has one order, created by us: once it is known, no other
    order matches, because a browser can write the notes.
    """
    ours = _payment_id_in(facts.our_payment)
    if ours is None:
        return None
    named = Payment.objects.filter(gateway=facts.gateway, pk=ours)
    if facts.order_id and not facts.link_id:
        return named.filter(Q(channel__in=LINK_CHANNELS) | Q(gateway_order_id__isnull=True)).first()
    return named.filter(channel__in=LINK_CHANNELS).first()


def find_payment_by_public_id(public_id: str) -> Payment | None:
    """Return the payment with a public id, or None if there is none or the text is no such id."""
    payment_id = _payment_id_in(public_id)
    return Payment.objects.select_related("order").filter(pk=payment_id).first() if payment_id is not None else None


def _payment_id_in(public_id: str) -> UUID | None:
    try:
        return ids.decode(Payment.PREFIX, public_id)
    except NotFound:
        return None


def find_payment_of_link(link: GatewayLink) -> Payment | None:
    """Return the payment that is collected by a gateway's link or QR code, or None if it is not ours."""
    rows = Payment.objects.filter(gateway=link.gateway, channel=link.channel)
    known = rows.filter(gateway_link_id=link.id).first()
    ours = _payment_id_in(link.our_payment)
    if known is not None or ours is None:
        return known
    return rows.filter(pk=ours, gateway_link_id__isnull=True).first()


def is_gateway_order_known(gateway_order_id: str) -> bool:
    """Test if a gateway's order belongs to one of our payments."""
    return Payment.objects.filter(gateway_order_id=gateway_order_id).exists()


def list_due_payment_ids(*, now: datetime, limit: int) -> list[UUID]:
    """Return the ids of the payments that the poller must check now."""
    return list(Payment.objects.due(now).values_list("pk", flat=True)[:limit])


def sum_captured(order_id: UUID, *, currency: str) -> int:
    """
    Return the captured amount (paise) of an order, before refunds.

    An attempt of another amount than requested is left out until it is accepted; only the ledger includes it until
    then.
    """
    return sql.sum_captured(order_id, currency=currency)


def sum_under_review(order_id: UUID, *, currency: str) -> int:
    """Return the captured amount (paise) of an order that is under review because it is not the requested amount."""
    return sum(attempt.amount for attempt in _list_undecided(payment__order_id=order_id, currency=currency))


def has_captured_money(order_id: UUID) -> bool:
    """Test if an order has a captured attempt, of any amount, refunded or not."""
    return PaymentAttempt.objects.filter(payment__order_id=order_id, status=AttemptStatus.CAPTURED).exists()


def has_open_amount_review(payment_id: UUID) -> bool:
    """Test if a payment has a captured attempt under review because it is not the requested amount."""
    return bool(_list_undecided(payment_id=payment_id))


def _list_undecided(**conditions: UUID | str) -> list[PaymentAttempt]:
    """
    Return the captured attempts under review for another amount than requested that still hold money to decide about.

    Committed refunds and lost disputes are subtracted. A rest below the gateway's minimum refund leaves nothing to
    decide.
    """
    promised = Refund.objects.filter(attempt=OuterRef("pk"), status__in=COMMITTED_REFUNDS).order_by()
    lost = Dispute.objects.filter(attempt=OuterRef("pk"), status=DisputeStatus.LOST).order_by()
    rows = list_attempts_to_review().filter(status=AttemptStatus.CAPTURED, review_reason=ReviewReason.AMOUNT_MISMATCH)
    rows = rows.filter(**conditions).annotate(
        promised=Coalesce(_sum_by_attempt(promised, "amount"), 0),
        lost=Coalesce(_sum_by_attempt(lost, "amount_deducted"), 0),
    )
    return [one for one in rows if one.amount - one.promised - one.lost >= one.min_refund_amount]


def _sum_by_attempt(rows: "QuerySet[Refund] | QuerySet[Dispute]", field: str) -> Subquery:
    return Subquery(rows.values("attempt").annotate(total=Sum(field)).values("total"))


def list_attempts_under_review_since(before: datetime) -> "QuerySet[PaymentAttempt]":
    """Return the captured attempts that have been under review since an instant or longer, longest first."""
    rows = list_attempts_to_review().filter(status=AttemptStatus.CAPTURED, review_opened_at__lte=before)
    return rows.select_related("payment__order").order_by("review_opened_at", "pk")


@dataclass(frozen=True)
class AttemptSummary:
    """What the attempts of a payment say of it: those that count, and whether its UPI link can be paid and its amount is reviewed."""

    #: Status and review reason of each attempt, without an untouched UPI attempt.
    states: Collection[tuple[str, str]]
    is_upi_link_open: bool
    is_under_review: bool


def summarize_attempts(payment: Payment) -> AttemptSummary:
    """Return what the attempts of a payment say of it, mostly by one read of them."""
    attempts = list_by(PaymentAttempt, payment_id=payment.pk)
    has_failed = any(each.status == AttemptStatus.FAILED for each in attempts)
    opened = [each for each in attempts if each.gateway_payment_id == payment.opened_upi_id]
    return AttemptSummary(
        states=[
            (each.status, each.review_reason)
            for each in attempts
            if not rules.is_untouched(each.status, is_opened_by_us=each in opened, has_failed=has_failed)
        ],
        is_upi_link_open=any(each.status == AttemptStatus.CREATED for each in opened),
        # The sums are needed only where a review is open, which is rare.
        is_under_review=any(each.is_under_review for each in attempts) and has_open_amount_review(payment.pk),
    )


def describe_failure(attempt_id: UUID) -> str:
    """Return the buyer's message about a failed attempt: what happened and what to do next."""
    error = PaymentAttempt.objects.filter(pk=attempt_id).values_list("error", flat=True).first()
    return rules.explain_failure(error or {}).buyer_message


def has_later_attempt(attempt_id: UUID) -> bool:
    """Test if an attempt was followed by another attempt of the same payment, in any status."""
    of_payment = PaymentAttempt.objects.filter(pk=attempt_id).values("payment_id")
    return PaymentAttempt.objects.filter(payment_id__in=of_payment, pk__gt=attempt_id).exists()


def list_events_of_attempt(attempt_id: UUID, *, event_type: str) -> list[Event]:
    """Return the events of a type about an attempt, oldest first."""
    return list(list_events_of_subjects(PaymentAttempt, [attempt_id]).filter(type=event_type))


def list_attempts_to_capture(payment_id: UUID) -> list[PaymentAttempt]:
    """Return the authorised attempts of a payment that need no review."""
    return list(
        PaymentAttempt.objects.filter(
            payment_id=payment_id, status=AttemptStatus.AUTHORIZED, review_reason=""
        ).order_by("created_at", "pk")
    )

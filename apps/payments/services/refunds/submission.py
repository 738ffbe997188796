"""
Submission of refunds to the gateway.

Our row, its idempotency key and a claim are committed before the call. The call is made outside any transaction. If its
outcome is unknown, the refund is looked up by our id in the notes of the payment's refunds before the same key is sent
again.
"""

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from apps.core.errors import Conflict
from apps.core.events import SYSTEM, Actor, change
from apps.core.external_calls import OPEN_CALLS, RETRY_DELAY, GatewayCall, poll_due
from apps.core.transactions import transactional
from apps.orders import selectors as orders
from apps.orders.locks import lock_order
from apps.payments import events, locks, rules
from apps.payments.facts import GatewayError, GatewayRefund
from apps.payments.gateways.interface import (
    Gateway,
    GatewayFailure,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
)
from apps.payments.models import Refund
from apps.payments.selectors import disputes, refunds
from apps.payments.services.gateway_access import get_monitored_gateway
from apps.payments.services.payer_currency import requested_from_gateway
from apps.payments.services.refunds.amounts import PaymentDisputed, RefundExceedsPayment, check_still_refundable
from apps.payments.services.refunds.approvals import cancel_locked_refund
from apps.payments.services.refunds.gateway_updates import (
    RefundFactsConflict,
    UnknownGatewayRefund,
    apply_gateway_refund,
    mark_refund_failed,
    mark_refund_unknown,
)
from apps.payments.services.refunds.lookup import find_gateway_refund, list_gateway_refunds
from apps.payments.services.refunds.superseded import cancel_superseded_refund
from apps.payments.services.review_status import reopen_review
from apps.payments.states import OPEN_REFUNDS, RefundStatus

if TYPE_CHECKING:
    from apps.orders.models import Order

log = structlog.get_logger(__name__)


class RefundNotOpen(Conflict):
    """The refund has ended, so its status cannot be requested from the gateway. Read the refund."""

    message = "Refund {0} is {1}, so there is no status to request from the gateway."


def submit_refund(*, refund_id: UUID, now: datetime) -> bool:
    """
    Submit a refund to the gateway, once. Calls the gateway. Returns False if there was no answer to act on.

    A second call, or a call after a crash, refunds nothing twice: only one worker holds the claim, the idempotency key
    is the same, and an unknown outcome is looked up first. A refund whose money is now disputed is not submitted.
    """
    if _withhold_disputed_refund(refund_id, now=now):
        return True
    refund = _claim(refund_id, now=now)
    if refund is None:
        return True

    gateway = get_monitored_gateway(refund.attempt.gateway)
    is_repeat = refund.gateway_call == GatewayCall.UNKNOWN
    try:
        facts = _create(gateway, refund)
    except GatewayRejected as failure:
        mark_refund_failed(refund=refund, error=failure.error, now=now)
    except GatewayUnavailable as failure:
        _release_claim(refund, failure, call=GatewayCall.UNKNOWN if is_repeat else GatewayCall.PENDING, now=now)
        return False
    except GatewayOutcomeUnknown as failure:
        mark_refund_unknown(refund=refund, error=failure.error, now=now)
        return False
    else:
        _apply_answer(refund, facts, now=now)
    return True


def _apply_answer(refund: Refund, facts: GatewayRefund, *, now: datetime) -> None:
    """
    Apply the gateway's answer about a refund. If the answer conflicts with the refund, its outcome stays unknown.

    If another row has adopted the gateway's refund, this one is cancelled.
    """
    try:
        applied = apply_gateway_refund(facts=facts, actor=SYSTEM, now=now, matched_refund_id=refund.pk)
    except RefundFactsConflict as conflict:
        error = GatewayError(code="CONTRADICTORY_ANSWER", description=str(conflict)[:300])
        if refund.gateway_refund_id is None:
            mark_refund_unknown(refund=refund, error=error, now=now)
        else:
            _release_claim(refund, GatewayOutcomeUnknown(error), call=None, now=now)
    else:
        if applied.pk != refund.pk:
            cancel_superseded_refund(refund_id=refund.pk, instead=applied, now=now)


@transactional
def _withhold_disputed_refund(refund_id: UUID, *, now: datetime) -> bool:
    """
    Withhold a refund that was not submitted, if its money is disputed, and return whether it was withheld.

    It waits while the dispute is undecided, and is cancelled once the dispute is lost.
    """
    order = lock_order(refunds.get_refund(refund_id).order_id)
    refund = locks.lock_refund(refund_id)

    if not refund.is_unsubmitted or not _is_money_disputed(order, refund):
        return False

    log.warning("disputed_refund_withheld", refund=refund.number)
    if disputes.is_order_disputed(order.pk):
        _defer_check(refund, now=now)
    else:
        _cancel_lost_refund(order, refund, now=now)

    return True


def _is_money_disputed(order: "Order", refund: Refund) -> bool:
    """Test if a dispute leaves too little of the payment. What refunds alone leave, the gateway itself checks."""
    try:
        check_still_refundable(order, refund)
    except PaymentDisputed:
        return True
    except RefundExceedsPayment:
        return False
    return False


def _defer_check(refund: Refund, *, now: datetime) -> None:
    checks = refund.checks + 1
    Refund.objects.filter(pk=refund.pk).defer_check(
        until=rules.next_refund_check(checks=checks, now=now), checks=checks
    )


def _cancel_lost_refund(order: "Order", refund: Refund, *, now: datetime) -> None:
    cancel_locked_refund(
        order,
        refund,
        actor=SYSTEM,
        reason="the payer's bank has reclaimed the money",
        event_type=events.REFUND_UPDATED,
        now=now,
    )
    # The bank may have reclaimed a part of it alone, and nothing else returns the rest.
    reopen_review(order=order, attempt=refund.attempt, actor=SYSTEM, now=now)


def _claim(refund_id: UUID, *, now: datetime) -> Refund | None:
    """
    Claim the call of an unsent refund and return the refund as it was, or None if there is nothing to do.

    Until the outcome is recorded the row says `unknown`, which is correct if this process crashes.
    """
    refund = refunds.get_refund(refund_id)
    if refund.gateway_call not in OPEN_CALLS:
        return None
    unmade = Refund.objects.filter(
        pk=refund_id,
        status__in=OPEN_REFUNDS,
        gateway_refund_id__isnull=True,
        gateway_call=refund.gateway_call,
    )
    return refund if unmade.claim(now=now, gateway_call=GatewayCall.UNKNOWN) else None


def _create(gateway: Gateway, refund: Refund) -> GatewayRefund:
    found = find_gateway_refund(gateway, refund)
    if found is not None:
        return found
    order = orders.get_order(refund.order_id)
    return gateway.create_refund(
        gateway_payment_id=refund.attempt.gateway_payment_id,
        amount=requested_from_gateway(refund, refund.attempt)[0],
        speed=refund.speed_requested,
        receipt=refund.number,
        notes={"refund": refund.public_id, "order": order.public_id},
        idempotency_key=refund.idempotency_key,
    )


def _release_claim(refund: Refund, failure: GatewayFailure, *, call: GatewayCall | None, now: datetime) -> None:
    """Release the claim after a call without a usable answer, and schedule the next poll."""
    log.warning("gateway_call_failed", refund=refund.number, kind=type(failure).__name__, error=failure.error.as_dict())
    checks = refund.checks + 1
    held = Refund.objects.filter(pk=refund.pk, status__in=OPEN_REFUNDS)
    held.release(checks=checks, next_check_at=rules.next_refund_check(checks=checks, now=now))
    if call is not None:
        held.filter(gateway_refund_id__isnull=True).update(gateway_call=call)


def sync_refund(*, refund_id: UUID, now: datetime) -> bool:
    """
    Submit a refund that was not submitted, or poll one that was. Calls the gateway.

    Returns False if the gateway did not answer.

    :raises RefundNotFound: if there is none
    """
    refund = refunds.get_refund(refund_id)
    if refund.status not in OPEN_REFUNDS:
        return _look_for_rejected(refund, now=now)
    if refund.gateway_refund_id is None:
        return submit_refund(refund_id=refund_id, now=now)
    try:
        facts = get_monitored_gateway(refund.attempt.gateway).get_refund(gateway_refund_id=refund.gateway_refund_id)
    except GatewayFailure as failure:
        _release_claim(refund, failure, call=None, now=now)
        return False
    _apply_answer(refund, facts, now=now)
    checks = refund.checks + 1
    still_open = Refund.objects.filter(pk=refund_id, status=RefundStatus.PENDING)
    still_open.defer_check(until=rules.next_refund_check(checks=checks, now=now), checks=checks)
    return True


def _look_for_rejected(refund: Refund, *, now: datetime) -> bool:
    """Look for a rejected refund at the gateway, apply it if it was made after all, and return whether it answered."""
    is_rejected = (
        refund.status in (RefundStatus.FAILED, RefundStatus.AWAITING_TRANSFER) and refund.gateway_refund_id is None
    )
    at = rules.next_rejected_refund_check(checks=refund.checks + 1, now=now) if is_rejected else None
    closed = Refund.objects.filter(pk=refund.pk).exclude(status__in=OPEN_REFUNDS)
    closed.update(next_check_at=at, checks=refund.checks + 1)
    if not is_rejected:
        return True
    try:
        listed = list_gateway_refunds(get_monitored_gateway(refund.attempt.gateway), refund)
    except GatewayFailure as failure:
        log.warning("gateway_call_failed", call="list_refunds", refund=refund.number, failure=str(failure)[:200])
        return False
    for facts in listed:
        if facts.our_refund == refund.public_id:
            with suppress(RefundFactsConflict):
                apply_gateway_refund(facts=facts, actor=SYSTEM, now=now)
    return True


@transactional
def request_refund_sync(*, refund_id: UUID, actor: Actor, now: datetime) -> Refund:
    """
    Have a worker poll a refund at the gateway; a second request before that changes nothing.

    :raises RefundNotFound: if there is none
    :raises RefundNotOpen: if its status is final
    """
    order = lock_order(refunds.get_refund(refund_id).order_id)
    refund = locks.lock_refund(refund_id)

    if refund.status not in OPEN_REFUNDS:
        raise RefundNotOpen(refund.number, RefundStatus(refund.status).label.lower())
    if refund.next_check_at is not None and refund.next_check_at <= now:
        return refund

    change(refund, events.REFUND_SYNC_REQUESTED, {"next_check_at": now}, root=order.pk, actor=actor, now=now)

    return refund


def poll_open_refunds(*, now: datetime, limit: int = 100) -> int:
    """Submit or poll the refunds that are due, for one round, and return how many were handled. Calls the gateway."""
    return poll_due(
        refunds.list_due_refund_ids(now=now, limit=limit),
        lambda refund_id, _: _sync_or_release(refund_id, now=now),
        defer=lambda refund_id: Refund.objects.filter(pk=refund_id).defer_check(until=now + RETRY_DELAY),
        log_event="refund_poll_failed",
    )


def _sync_or_release(refund_id: UUID, *, now: datetime) -> bool:
    """Submit or poll a refund; what the gateway says of another payment ends our claim, so that staff may ask again."""
    try:
        return sync_refund(refund_id=refund_id, now=now)
    except (UnknownGatewayRefund, RefundFactsConflict):
        Refund.objects.filter(pk=refund_id).release()
        raise

"""
Having the gateway give money back.

Our row, its key and a claim are committed before the call; the call is made outside any transaction. What nobody knows is
looked up among the payment's refunds by our id in their notes, before the same key is sent again.
"""

import time
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q

from apps.core.errors import Conflict
from apps.core.events import SYSTEM, Actor, record
from apps.orders import selectors as orders
from apps.orders.locks import lock_order
from apps.payments import events, locks, rules, selectors
from apps.payments.gateways import (
    Gateway,
    GatewayError,
    GatewayFailure,
    GatewayOutcomeUnknown,
    GatewayRefund,
    GatewayRejected,
    GatewayUnavailable,
)
from apps.payments.models import Refund
from apps.payments.services.gateway_access import get_gateway
from apps.payments.services.gateway_orders import CLAIM_TTL
from apps.payments.services.payer_currency import requested_from_gateway
from apps.payments.services.refunds.amounts import PaymentDisputed, RefundExceedsPayment, check_still_refundable
from apps.payments.services.refunds.approvals import cancel_locked_refund
from apps.payments.services.refunds.gateway_updates import (
    RefundFactsConflict,
    UnknownGatewayRefund,
    apply_gateway_refund,
    cancel_superseded_refund,
    mark_refund_failed,
    mark_refund_unknown,
)
from apps.payments.services.refunds.lookup import find_gateway_refund, list_gateway_refunds
from apps.payments.states import OPEN_REFUNDS, GatewayCall, RefundStatus, Source

log = structlog.get_logger(__name__)

_ROUND_SECONDS = 30.0
_MAX_FAILURES_PER_ROUND = 3
_RETRY_DELAY = timedelta(minutes=5)


class RefundNotOpen(Conflict):
    message = "Refund {0} is {1}; there is nothing to ask the gateway."


def submit_refund(*, refund_id: UUID, now: datetime) -> bool:
    """
    Have the gateway make a refund, once; talks to the outside world. Returns False if there was no answer to act on.

    Being called twice, or again after a crash, gives nothing back twice: the claim keeps others out, the key is the same, and
    what nobody knows is looked up first. What a payer's bank has come to want meanwhile is not sent.
    """
    if _is_held_back(refund_id, now=now):
        return True
    refund = _claim(refund_id, now=now)
    if refund is None:
        return True

    gateway = get_gateway(refund.attempt.gateway)
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
    Apply the gateway's answer about a refund; one that conflicts with it leaves the refund as unknown as before.

    If another row of ours has come to stand for what the gateway made, this one is called off.
    """
    try:
        applied = apply_gateway_refund(
            facts=facts, source=Source.POLL, actor=SYSTEM, now=now, matched_refund_id=refund.pk
        )
    except RefundFactsConflict as conflict:
        error = GatewayError(code="CONTRADICTORY_ANSWER", description=str(conflict)[:300])
        if refund.gateway_refund_id is None:
            mark_refund_unknown(refund=refund, error=error, now=now)
        else:
            _release_claim(refund, GatewayOutcomeUnknown(error), call=None, now=now)
    else:
        if applied.pk != refund.pk:
            cancel_superseded_refund(refund_id=refund.pk, instead=applied, now=now)


@transaction.atomic
def _is_held_back(refund_id: UUID, *, now: datetime) -> bool:
    """
    Test if an unsent refund must wait, because a payer's bank wants the same money; once the bank has it, the refund is withdrawn.
    """
    order = lock_order(selectors.get_refund(refund_id).order_id)
    refund = locks.lock_refund(refund_id)

    if refund.status != RefundStatus.PENDING or refund.gateway_call != GatewayCall.PENDING:
        return False
    try:
        check_still_refundable(order, refund)
    except RefundExceedsPayment:
        # Refunds alone are more than came: the gateway knows best which of them it has made, and refuses the rest.
        return False
    except PaymentDisputed:
        log.warning("refund_held_back_by_dispute", refund=refund.number)
    else:
        return False

    if selectors.is_order_disputed(order.pk):
        refund.checks += 1
        refund.next_check_at = rules.next_refund_check(checks=refund.checks, now=now)
        refund.save(update_fields=["checks", "next_check_at", "updated_at"])
    else:
        cancel_locked_refund(
            order,
            refund,
            actor=SYSTEM,
            reason="the payer's bank has taken the money back",
            event_type=events.REFUND_UPDATED,
            now=now,
        )

    return True


def _claim(refund_id: UUID, *, now: datetime) -> Refund | None:
    """
    Claim the call of an unsent refund and return the refund as it was, or None if there is nothing to do.

    From here until the outcome is recorded the row says that nobody knows: that is the truth if we die.
    """
    refund = selectors.get_refund(refund_id)
    if refund.gateway_call not in (GatewayCall.PENDING, GatewayCall.UNKNOWN):
        return None
    is_free = Q(claimed_until__isnull=True) | Q(claimed_until__lte=now)
    unmade = Refund.objects.filter(
        is_free,
        pk=refund_id,
        status__in=OPEN_REFUNDS,
        gateway_refund_id__isnull=True,
        gateway_call=refund.gateway_call,
    )
    is_claimed = unmade.update(claimed_until=now + CLAIM_TTL, gateway_call=GatewayCall.UNKNOWN)
    return refund if is_claimed else None


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
    """Let go of the claim after a call that gave nothing to act on, and say when the poller tries again."""
    log.warning("gateway_call_failed", refund=refund.number, kind=type(failure).__name__, error=failure.error.as_dict())
    checks = refund.checks + 1
    held = Refund.objects.filter(pk=refund.pk, status__in=OPEN_REFUNDS)
    held.update(claimed_until=None, checks=checks, next_check_at=rules.next_refund_check(checks=checks, now=now))
    if call is not None:
        held.filter(gateway_refund_id__isnull=True).update(gateway_call=call)


def sync_refund(*, refund_id: UUID, now: datetime) -> bool:
    """
    Send a refund that was not sent, or ask the gateway about one that was; talks to the outside world.

    Returns False if the gateway gave no answer.

    :raises RefundNotFound: if there is none
    """
    refund = selectors.get_refund(refund_id)
    if refund.status not in OPEN_REFUNDS:
        return _look_for_rejected(refund, now=now)
    if refund.gateway_refund_id is None:
        return submit_refund(refund_id=refund_id, now=now)
    try:
        facts = get_gateway(refund.attempt.gateway).get_refund(gateway_refund_id=refund.gateway_refund_id)
    except GatewayFailure as failure:
        _release_claim(refund, failure, call=None, now=now)
        return False
    _apply_answer(refund, facts, now=now)
    checks = refund.checks + 1
    still_open = Refund.objects.filter(pk=refund_id, status=RefundStatus.PENDING)
    still_open.update(checks=checks, next_check_at=rules.next_refund_check(checks=checks, now=now))
    return True


def _look_for_rejected(refund: Refund, *, now: datetime) -> bool:
    """Ask a few times whether the gateway has made a refund whose call it rejected, and apply it; return if it answered."""
    is_rejected = (
        refund.status in (RefundStatus.FAILED, RefundStatus.AWAITING_TRANSFER) and refund.gateway_refund_id is None
    )
    at = rules.next_rejected_refund_check(checks=refund.checks + 1, now=now) if is_rejected else None
    closed = Refund.objects.filter(pk=refund.pk).exclude(status__in=OPEN_REFUNDS)
    closed.update(next_check_at=at, checks=refund.checks + 1)
    if not is_rejected:
        return True
    try:
        listed = list_gateway_refunds(get_gateway(refund.attempt.gateway), refund)
    except GatewayFailure as failure:
        log.warning("gateway_call_failed", call="list_refunds", refund=refund.number, failure=str(failure)[:200])
        return False
    for facts in listed:
        if facts.our_refund == refund.public_id:
            with suppress(RefundFactsConflict):
                apply_gateway_refund(facts=facts, source=Source.POLL, actor=SYSTEM, now=now)
    return True


@transaction.atomic
def request_refund_sync(*, refund_id: UUID, actor: Actor, now: datetime) -> Refund:
    """
    Have a worker ask the gateway what became of a refund; asking again before it did changes nothing.

    :raises RefundNotFound: if there is none
    :raises RefundNotOpen: if its end is known
    """
    order = lock_order(selectors.get_refund(refund_id).order_id)
    refund = locks.lock_refund(refund_id)

    if refund.status not in OPEN_REFUNDS:
        raise RefundNotOpen(refund.number, RefundStatus(refund.status).label.lower())
    if refund.next_check_at is not None and refund.next_check_at <= now:
        return refund

    refund.next_check_at = now
    refund.save(update_fields=["next_check_at", "updated_at"])

    record(events.REFUND_SYNC_REQUESTED, subject=refund, root_id=order.pk, actor=actor, changes={}, now=now)

    return refund


def poll_open_refunds(*, now: datetime, limit: int = 100) -> int:
    """
    Send or ask about the refunds whose time to be looked at has come, and return how many were.

    A round ends after half a minute, or when the gateway has stopped answering: the rest waits for the next one.
    """
    ends = time.monotonic() + _ROUND_SECONDS
    asked = failures = 0
    for refund_id in selectors.list_due_refunds(now=now, limit=limit):
        if failures >= _MAX_FAILURES_PER_ROUND or time.monotonic() > ends:
            break
        try:
            has_answer = sync_refund(refund_id=refund_id, now=now)
        except UnknownGatewayRefund:
            log.exception("refund_poll_failed", refund=str(refund_id))
            Refund.objects.filter(pk=refund_id).update(next_check_at=now + _RETRY_DELAY, claimed_until=None)
            has_answer = True
        except Exception:
            # One refund that cannot be looked at must not stand before the others in every round.
            log.exception("refund_poll_failed", refund=str(refund_id))
            Refund.objects.filter(pk=refund_id).update(next_check_at=now + _RETRY_DELAY)
            has_answer = True
        failures = 0 if has_answer else failures + 1
        asked += 1
    return asked

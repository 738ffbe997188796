"""
The one entry point for refunds that a gateway reports, by its answer to our call, webhook, poll or settlement import.

Facts may arrive in any order and more than once: the rows end in the same state, and each change is posted once.
"""

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from apps.core import ids
from apps.core.errors import Conflict, NotFound
from apps.core.events import Actor, change, changes_since, create, current_values, event_payload, gateway_actor
from apps.core.external_calls import GatewayCall
from apps.core.models import subject_type_of
from apps.core.transactions import transactional
from apps.ledger.services import post_to_ledger
from apps.ledger.states import ExceptionReason
from apps.orders import services as orders
from apps.orders.locks import lock_order
from apps.payments import events, locks, rules, states
from apps.payments.facts import GatewayError, GatewayRefund
from apps.payments.models import PaymentAttempt, Refund, Webhook
from apps.payments.selectors import payments
from apps.payments.selectors import refunds as selectors
from apps.payments.services.gateway_conflicts import (
    FactConflict,
    find_refund_conflict,
    open_conflict_exception,
    open_dispute_excess_exceptions,
)
from apps.payments.services.gateway_exceptions import close_gateway_exception
from apps.payments.services.ledger_accounts import REFUNDS_PAYABLE, gateway_receivable
from apps.payments.services.order_totals import sync_order_totals
from apps.payments.services.payer_currency import convert_refund_facts
from apps.payments.services.refunds.amounts import allocate_to_lines, reallocate_lines
from apps.payments.services.refunds.requests import (
    REFUND_DUE,
    REFUND_REINSTATED,
    REFUND_REVERSAL,
    post_refund_due,
    request_remainder,
)
from apps.payments.services.refunds.superseded import cancel_other_retries, cancel_uncovered_refunds
from apps.payments.services.refunds.unexpected_refunds import RefundBefore, list_refund_warnings
from apps.payments.services.review_status import reopen_review, sync_review_status
from apps.payments.states import (
    NOT_FOR_GATEWAY,
    OPEN_REFUNDS,
    AttemptStatus,
    RefundReason,
    RefundStatus,
)

if TYPE_CHECKING:
    from apps.orders.models import Order

log = structlog.get_logger(__name__)

REFUND = "refund"
_STATUS_EVENTS = {
    RefundStatus.PENDING: events.REFUND_SUBMITTED,
    RefundStatus.UNKNOWN: events.REFUND_UNKNOWN,
    RefundStatus.PROCESSED: events.REFUND_PROCESSED,
    RefundStatus.FAILED: events.REFUND_FAILED,
}


class UnknownGatewayRefund(NotFound):
    """The gateway's refund is of no captured payment in Bahi. Check the id."""

    message = "The gateway's refund {0} refunds no captured payment in Bahi."


class RefundFactsConflict(Conflict):
    """
    The gateway's report about a refund contradicts Bahi's records, so it is not posted.

    Staff resolve the exception that was opened.
    """

    message = "{0}"


def apply_gateway_refund(
    *,
    facts: GatewayRefund,
    actor: Actor,
    now: datetime,
    webhook: Webhook | None = None,
    matched_refund_id: UUID | None = None,
) -> Refund:
    """
    Apply what a gateway reports about one refund.

    1. Find its attempt unlocked, then lock order, attempts and refund.
    2. Facts that conflict with our rows, or with themselves, open an exception for staff, and nothing is posted.
    3. A refund that was made at the gateway, and not by us, gets a row, so that the books stay correct.
    4. Our own refunds whose money it used are cancelled, and what is left of the last one is requested again.
    5. Merge by the rank of the status: processed stays processed. Post to the ledger once, and update the order.
    6. What should not have been made, or not a second time, is booked all the same and opens an exception.

    `matched_refund_id` is our refund that adopts the gateway's refund, unless another one has adopted it already.

    :raises UnknownGatewayRefund: if it is a refund of no captured payment in Bahi
    :raises RefundFactsConflict: if the facts conflict; the exception for staff is kept
    """
    applied = _apply(facts, actor=actor, now=now, webhook=webhook, matched_refund_id=matched_refund_id)
    if isinstance(applied, FactConflict):
        # Raised outside the transaction, which has committed the exception for staff.
        raise RefundFactsConflict(applied.description)
    if isinstance(applied, UnknownGatewayRefund):
        raise applied
    return applied


@transactional
def _apply(
    facts: GatewayRefund, *, actor: Actor, now: datetime, webhook: Webhook | None, matched_refund_id: UUID | None
) -> Refund | FactConflict | UnknownGatewayRefund:
    known = payments.find_attempt(gateway=facts.gateway, gateway_payment_id=facts.gateway_payment_id)
    if known is None or known.status != AttemptStatus.CAPTURED:
        return UnknownGatewayRefund(facts.id)
    order = lock_order(known.payment.order_id)
    attempts = {attempt.pk: attempt for attempt in locks.lock_captured_attempts(order.pk)}
    found = selectors.find_refund_for(facts, matched_refund_id=matched_refund_id)
    refund = locks.lock_refund(found.pk) if found is not None else None

    attempt, is_new = attempts[known.pk], refund is None
    facts = convert_refund_facts(facts, attempt=attempt, refund=refund)
    conflict = find_refund_conflict(facts, attempt=attempt, refund=refund)
    if conflict is not None:
        open_conflict_exception(conflict, facts, attempt=attempt, refund=refund, webhook=webhook, actor=actor, now=now)
        return conflict

    uncovered = cancel_uncovered_refunds(order, attempt, facts, refund=refund, now=now)
    if refund is None:
        refund = _insert_dashboard_refund(order, attempt, facts, now=now)
    version, was = refund.version, RefundBefore.of(None if is_new else refund)
    _merge(order, refund, facts, actor=actor, now=now)
    if uncovered is not None:
        cancelled, rest = uncovered
        request_remainder(order=order, attempt=attempt, cancelled=cancelled, amount=rest, now=now)
    if is_new or refund.version != version:
        _close_exceptions(facts, actor=actor, now=now)
    for wrong in list_refund_warnings(facts, attempt=attempt, refund=refund, was=was):
        open_conflict_exception(wrong, facts, attempt=attempt, refund=refund, webhook=webhook, actor=actor, now=now)
    if was.has_newly_taken_money(refund):
        open_dispute_excess_exceptions(attempt, webhook=webhook, actor=actor, now=now)
    sync_review_status(order=order, attempt=attempt, actor=actor, now=now)

    sync_order_totals(order=order, actor=actor, now=now)

    return refund


def _close_exceptions(facts: GatewayRefund, *, actor: Actor, now: datetime) -> None:
    """Close what was open because the refund did not fit, or was only pending: it is booked now."""
    close = partial(
        close_gateway_exception,
        gateway=facts.gateway,
        entity_id=facts.id,
        actual_amount=facts.amount,
        currency=facts.currency,
        actor=actor,
        now=now,
    )
    close(reason=ExceptionReason.REFUND_EXCEEDS_PAYMENT)
    if facts.status == RefundStatus.PROCESSED:
        close(reason=ExceptionReason.UNEXPECTED_REFUND, stage=RefundStatus.PENDING)


@transactional
def mark_refund_failed(*, refund: Refund, error: GatewayError, now: datetime) -> None:
    """Record that the gateway rejected a refund. Its amount is released, so that staff can retry or transfer it."""
    order = lock_order(refund.order_id)
    refund = locks.lock_refund(refund.pk)

    if refund.status not in OPEN_REFUNDS or refund.gateway_refund_id is not None:
        return

    _move(order, refund, RefundStatus.FAILED, now=now)
    actor = gateway_actor(refund.attempt.gateway)
    change(
        refund,
        events.REFUND_FAILED,
        {
            "status": refund.status,
            "error": error.as_dict(),
            "gateway_call": GatewayCall.REJECTED,
            "claimed_until": None,
            # The gateway may have made it all the same, so it is polled a few more times.
            "checks": 0,
            "next_check_at": rules.next_rejected_refund_check(checks=0, now=now),
        },
        root=order.pk,
        actor=actor,
        now=now,
    )
    log.error("gateway_rejected_refund", refund=refund.number, error=refund.error)
    # Another refund may have left too little to retry this one.
    reopen_review(order=order, attempt=refund.attempt, actor=actor, now=now)
    sync_order_totals(order=order, actor=actor, now=now)


@transactional
def mark_refund_unknown(*, refund: Refund, error: GatewayError, now: datetime) -> None:
    """Record that the outcome of a refund is unknown; the poller asks the gateway until it is known."""
    order = lock_order(refund.order_id)
    refund = locks.lock_refund(refund.pk)

    if refund.gateway_refund_id is not None or refund.status not in OPEN_REFUNDS:
        return

    refund.gateway_call = GatewayCall.UNKNOWN
    refund.claimed_until = None
    refund.checks += 1
    refund.next_check_at = rules.next_refund_check(checks=refund.checks, now=now)
    refund.save(update_fields=["gateway_call", "claimed_until", "checks", "next_check_at", "updated_at"])

    log.warning("refund_unknown", refund=refund.number, error=error.as_dict())
    if refund.status != RefundStatus.UNKNOWN:
        unknown = states.transition_refund(RefundStatus(refund.status), to=RefundStatus.UNKNOWN)
        actor = gateway_actor(refund.attempt.gateway)
        change(refund, events.REFUND_UNKNOWN, {"status": unknown}, root=order.pk, actor=actor, now=now)


def _insert_dashboard_refund(order: "Order", attempt: PaymentAttempt, facts: GatewayRefund, *, now: datetime) -> Refund:
    """Insert the row of a refund that was made at the gateway and not requested by us."""
    actor = gateway_actor(facts.gateway)
    sequence, number = selectors.next_refund_number(order)
    log.warning("refund_made_at_gateway", order=order.number, gateway_refund=facts.id, amount=facts.amount)
    refund = Refund(
        number=number,
        order_id=order.pk,
        payment_id=attempt.payment_id,
        attempt=attempt,
        sequence=sequence,
        amount=facts.amount,
        currency=attempt.currency,
        line_amounts=allocate_to_lines(order, attempt, facts.amount, lines=(), now=now),
        status=RefundStatus.PENDING,
        reason=RefundReason.OTHER,
        note=orders.text_to_store(order, "made at the gateway"),
        gateway_refund_id=facts.id,
        gateway_call=GatewayCall.SUCCEEDED,
        idempotency_key=str(ids.new()),
        requested_by=str(actor),
        next_check_at=rules.next_refund_check(checks=0, now=now),
    )
    create(refund, events.REFUND_SUBMITTED, root=order.pk, actor=actor, now=now)
    post_refund_due(order, refund, kind=REFUND_DUE, now=now)
    return refund


def _merge(order: "Order", refund: Refund, facts: GatewayRefund, *, actor: Actor, now: datetime) -> None:
    before = current_values(refund)
    has_moved = rules.refund_advances(
        refund.status, facts.status, is_known_to_gateway=refund.gateway_refund_id is not None
    )
    if has_moved:
        _move(order, refund, RefundStatus(facts.status), now=now)
    is_first_sight = refund.gateway_refund_id is None
    refund.gateway_refund_id = refund.gateway_refund_id or facts.id
    refund.gateway_call = GatewayCall.SUCCEEDED
    refund.claimed_until = None
    refund.arn = refund.arn or facts.arn
    if facts.status == RefundStatus.PROCESSED or not refund.speed_processed:
        # An instant refund may fall back to normal speed: the speed of the processed refund is final.
        refund.speed_processed = facts.speed_processed

    changed = changes_since(refund, before)
    if event_payload(refund, changed):
        # A refund that we have not submitted keeps its status, whatever the gateway says of it before it is processed, and
        # nobody is notified a second time of one that has ended.
        is_news = has_moved or (is_first_sight and refund.status in OPEN_REFUNDS)
        event_type = _STATUS_EVENTS.get(RefundStatus(refund.status)) if is_news else None
        event_type = event_type or events.REFUND_UPDATED
        change(refund, event_type, changed, root=order.pk, actor=actor, now=now)
    elif changed:
        refund.save(update_fields=[*changed, "updated_at"])


def _move(order: "Order", refund: Refund, to: RefundStatus, *, now: datetime) -> None:
    """Move a refund to the status that the gateway reports, and post what follows from it."""
    was = RefundStatus(refund.status)
    refund.status = states.transition_refund(was, to=to)
    refund.next_check_at = rules.next_refund_check(checks=0, now=now) if to in OPEN_REFUNDS else None
    if to == RefundStatus.FAILED:
        post_refund_due(order, refund, kind=REFUND_REVERSAL, now=now)
    if to == RefundStatus.PENDING and was == RefundStatus.FAILED:
        log.error("rejected_refund_found", refund=refund.number)
        post_refund_due(order, refund, kind=REFUND_REINSTATED, now=now)
        cancel_other_retries(order, refund, now=now)
        reallocate_lines(order, refund, now=now)
    if to == RefundStatus.PROCESSED:
        if was in (RefundStatus.FAILED, *NOT_FOR_GATEWAY):
            log.error("unexpected_refund_processed", refund=refund.number, was=was)
        if was in (RefundStatus.FAILED, RefundStatus.CANCELLED):
            post_refund_due(order, refund, kind=REFUND_REINSTATED, now=now)
        if was == RefundStatus.REQUIRES_APPROVAL:
            post_refund_due(order, refund, kind=REFUND_DUE, now=now)
        refund.processed_at = now
        _post_processed(order, refund, now=now)
        cancel_other_retries(order, refund, now=now)
        if was in (RefundStatus.FAILED, RefundStatus.CANCELLED):
            # Only now, because the other retries had reserved the same lines.
            reallocate_lines(order, refund, now=now)


def _post_processed(order: "Order", refund: Refund, *, now: datetime) -> None:
    """Post a processed refund: we no longer owe it to the customer, and the gateway owes us less."""
    post_to_ledger(
        source_type=subject_type_of(refund),
        source_id=refund.pk,
        kind=REFUND,
        order_id=order.pk,
        entries={REFUNDS_PAYABLE: refund.amount, gateway_receivable(refund.attempt.gateway): -refund.amount},
        currency=refund.currency,
        description=f"refund {refund.number} processed",
        occurred_at=now,
    )

"""
Disputes: a payer's bank wants money back. News of them ends here; our answers begin here.

While a dispute is undecided the books hold what was taken in `disputes`; won or closed, it comes back; lost, it is a loss.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q

from apps.core.dates import format_instant
from apps.core.errors import Conflict, NotFound
from apps.core.events import Actor, changes_since, event_payload, gateway_actor, record, stored_fields
from apps.core.models import subject_type_of
from apps.orders.locks import lock_order
from apps.payments import events, locks, selectors, states
from apps.payments.gateways import (
    EvidenceFile,
    GatewayDispute,
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
)
from apps.payments.models import Dispute, PaymentAttempt, Webhook
from apps.payments.services.decision_rights import check_decision
from apps.payments.services.gateway_access import get_gateway
from apps.payments.services.gateway_conflicts import (
    FactConflict,
    find_dispute_conflict,
    find_dispute_excess,
    open_conflict_exception,
)
from apps.payments.services.order_totals import sync_order_totals
from apps.payments.services.payer_currency import convert_dispute_facts
from apps.payments.services.postings import DISPUTE_LOSSES, DISPUTES, gateway_receivable, post_to_ledger
from apps.payments.services.review_status import sync_review_status
from apps.payments.states import (
    DECIDED,
    AttemptStatus,
    DisputeResponseKind,
    DisputeStatus,
    GatewayCall,
    MoneyOperation,
    Source,
)

log = structlog.get_logger(__name__)

_CLAIM_TTL = timedelta(seconds=60)
POLL_INTERVAL = timedelta(minutes=30)
RESUBMIT_INTERVAL = timedelta(minutes=2)
_STATUS_EVENTS = {
    DisputeStatus.WON: events.DISPUTE_WON,
    DisputeStatus.LOST: events.DISPUTE_LOST,
    DisputeStatus.CLOSED: events.DISPUTE_CLOSED,
}
#: What the gateway gives back when it is decided so, whatever it says of the sum.
_RETURNED = (DisputeStatus.WON, DisputeStatus.CLOSED)


class DisputeDeadlinePassed(Conflict):
    message = "Dispute {0} had to be answered by {1}."


class UnknownGatewayDispute(NotFound):
    message = "The gateway's dispute {0} is about no captured payment of ours."


class DisputeFactsConflict(UnknownGatewayDispute):
    message = "{0}"


class DisputeNotAwaitingResponse(Conflict):
    message = "Dispute {0} is {1} and cannot be answered now."


def apply_gateway_dispute(
    *, facts: GatewayDispute, source: Source, actor: Actor, now: datetime, webhook: Webhook | None = None
) -> Dispute:
    """
    Apply what a gateway reports about one dispute; what is decided stays so.

    Webhooks come in any order, and open may follow under review as well as go before it: a webhook that would move an
    undecided dispute to another undecided state only makes us ask. Money is posted as it is taken and given back.

    What conflicts with our rows, or with itself, becomes an exception for staff: nothing is posted. One that is about more than
    refunds have left of the payment gets its row too, because it must be answered in time.

    :raises UnknownGatewayDispute: if it is about no captured payment of ours
    :raises DisputeFactsConflict: if it cannot be so; the exception for staff is kept
    """
    applied = _apply(facts, source=source, actor=actor, now=now, webhook=webhook)
    if isinstance(applied, FactConflict):
        # Raised out here: the transaction that holds the exception has ended well.
        raise DisputeFactsConflict(applied.description)
    return applied


@transaction.atomic
def _apply(
    facts: GatewayDispute, *, source: Source, actor: Actor, now: datetime, webhook: Webhook | None
) -> Dispute | FactConflict:
    attempt = selectors.find_attempt(gateway=facts.gateway, gateway_payment_id=facts.gateway_payment_id)
    if attempt is None or attempt.status != AttemptStatus.CAPTURED:
        raise UnknownGatewayDispute(facts.id)
    order = lock_order(attempt.payment.order_id)
    dispute = locks.lock_dispute(gateway_dispute_id=facts.id)

    facts = convert_dispute_facts(facts, attempt=attempt, dispute=dispute)
    conflict = find_dispute_conflict(facts, attempt=attempt, dispute=dispute)
    if conflict is not None:
        open_conflict_exception(
            conflict, facts, attempt=attempt, dispute=dispute, webhook=webhook, actor=actor, now=now
        )
        return conflict
    if dispute is not None and dispute.status in DECIDED:
        return dispute
    if dispute is not None and source == Source.WEBHOOK and _needs_poll(dispute, facts):
        Dispute.objects.filter(pk=dispute.pk).update(next_check_at=now)
        return dispute

    is_new = dispute is None
    if dispute is None:
        dispute = _new_dispute(attempt, facts, now=now)
    before = stored_fields(dispute)
    excess = find_dispute_excess(facts, attempt=attempt, dispute=None if is_new else dispute)
    _apply_facts(
        dispute, facts, is_booked=excess is None or facts.amount_deducted <= (excess.expected_amount or 0), now=now
    )

    changed = stored_fields(dispute) if is_new else changes_since(dispute, before)
    if changed:
        dispute.save(force_insert=True) if is_new else dispute.save(update_fields=[*changed, "updated_at"])
    payload = event_payload(dispute, changed)
    if payload:
        _post(dispute, taken_before=0 if is_new else before["amount_deducted"], gateway=facts.gateway, now=now)
        event_type = _STATUS_EVENTS.get(
            DisputeStatus(dispute.status), events.DISPUTE_OPENED if is_new else events.DISPUTE_UPDATED
        )
        record(event_type, subject=dispute, root_id=order.pk, actor=actor, changes=payload, now=now)
        if dispute.status == DisputeStatus.LOST:
            locked = locks.lock_attempt(gateway=facts.gateway, gateway_payment_id=facts.gateway_payment_id)
            sync_review_status(order=order, attempt=locked or attempt, actor=actor, now=now)
        sync_order_totals(order=order, actor=actor, now=now)
    if excess is not None:
        open_conflict_exception(excess, facts, attempt=attempt, dispute=dispute, webhook=webhook, actor=actor, now=now)

    return dispute


def _needs_poll(dispute: Dispute, facts: GatewayDispute) -> bool:
    same = (dispute.status, dispute.amount_deducted) == (facts.status, facts.amount_deducted)
    return facts.status not in DECIDED and not same


def _new_dispute(attempt: PaymentAttempt, facts: GatewayDispute, *, now: datetime) -> Dispute:
    log.warning("dispute_opened", dispute=facts.id, amount=facts.amount, respond_by=str(facts.respond_by))
    return Dispute(
        order_id=attempt.payment.order_id,
        payment_id=attempt.payment_id,
        attempt=attempt,
        gateway_dispute_id=facts.id,
        amount=facts.amount,
        currency=attempt.currency,
        payer_amount=facts.payer_amount,
        payer_currency=facts.payer_currency,
        status=facts.status,
        opened_at=facts.created_at or now,
        created_at=now,
    )


def _apply_facts(dispute: Dispute, facts: GatewayDispute, *, is_booked: bool, now: datetime) -> None:
    to = DisputeStatus(facts.status)
    if to != dispute.status:
        dispute.status = states.transition_dispute(DisputeStatus(dispute.status), to=to)
        if to == DisputeStatus.OPEN:
            # The bank wants to know more: what we said does not stand as an answer any longer.
            dispute.response = dispute.response_call = ""
    dispute.phase = facts.phase
    dispute.reason_code = facts.reason_code or dispute.reason_code
    if facts.respond_by and facts.respond_by != dispute.respond_by:
        dispute.respond_by, dispute.last_reminder_hours = facts.respond_by, None
    if is_booked or to in _RETURNED:
        dispute.amount_deducted = 0 if to in _RETURNED else facts.amount_deducted
    dispute.decided_at = now if to in DECIDED else None
    dispute.next_check_at = None if to in DECIDED else now + POLL_INTERVAL


def _post(dispute: Dispute, *, taken_before: int, gateway: str, now: datetime) -> None:
    """Book what was taken or given back since, and the loss if it is lost; each under the version that tells it."""
    taken = dispute.amount_deducted - taken_before
    if taken:
        _post_once(
            dispute,
            kind="dispute_taken" if taken > 0 else "dispute_returned",
            entries={DISPUTES: taken, gateway_receivable(gateway): -taken},
            now=now,
        )
    if dispute.status == DisputeStatus.LOST and dispute.amount_deducted:
        loss = dispute.amount_deducted
        _post_once(dispute, kind="dispute_lost", entries={DISPUTE_LOSSES: loss, DISPUTES: -loss}, now=now)


def _post_once(dispute: Dispute, *, kind: str, entries: dict[str, int], now: datetime) -> None:
    post_to_ledger(
        source_type=subject_type_of(dispute),
        source_id=dispute.pk,
        kind=f"{kind}:{dispute.version + 1}",
        order_id=dispute.order_id,
        entries=entries,
        currency=dispute.currency,
        description=f"{dispute.gateway_dispute_id}: {kind.replace('_', ' ')}",
        occurred_at=now,
    )


# Answers -------------------------------------------------------------------------------------------------------------


def accept_dispute(*, dispute_id: UUID, actor: Actor, now: datetime) -> Dispute:
    """
    Give in: the payer keeps the money. A worker tells the gateway.

    :raises DisputeNotFound: if there is none
    :raises DisputeNotAwaitingResponse: if it is not open, or was answered
    :raises DisputeDeadlinePassed: if its time is over
    :raises SelfApprovalForbidden: if the order is the actor's own
    """
    return _respond(dispute_id=dispute_id, response=DisputeResponseKind.ACCEPTED, summary="", actor=actor, now=now)


def contest_dispute(*, dispute_id: UUID, summary: str, actor: Actor, now: datetime) -> Dispute:
    """
    Say why the money is ours. A worker sends it with the order's documents.

    :raises DisputeNotFound: if there is none
    :raises DisputeNotAwaitingResponse: if it is not open, or was answered
    :raises DisputeDeadlinePassed: if its time is over
    :raises SelfApprovalForbidden: if the order is the actor's own
    """
    return _respond(
        dispute_id=dispute_id, response=DisputeResponseKind.CONTESTED, summary=summary, actor=actor, now=now
    )


def check_awaiting_response(dispute: Dispute, *, now: datetime) -> None:
    """
    Make sure that a dispute, which the caller has locked, still awaits our answer.

    :raises DisputeNotAwaitingResponse: if it is not open, or was answered
    :raises DisputeDeadlinePassed: if its time is over
    """
    if dispute.status != DisputeStatus.OPEN or dispute.response:
        raise DisputeNotAwaitingResponse(dispute.gateway_dispute_id, dispute.response or dispute.status)
    if dispute.respond_by is not None and dispute.respond_by <= now:
        raise DisputeDeadlinePassed(dispute.gateway_dispute_id, format_instant(dispute.respond_by))


@transaction.atomic
def _respond(*, dispute_id: UUID, response: DisputeResponseKind, summary: str, actor: Actor, now: datetime) -> Dispute:
    order = lock_order(selectors.get_dispute(dispute_id).order_id)
    dispute = locks.lock_dispute(dispute_id=dispute_id)

    assert dispute is not None  # noqa: S101 - disputes are never deleted
    check_awaiting_response(dispute, now=now)
    check_decision(order=order, operation=MoneyOperation.RESPOND_TO_DISPUTE, amount=dispute.amount, actor=actor)

    dispute.response = response
    dispute.response_call = GatewayCall.PENDING
    dispute.summary = summary
    dispute.responded_by = str(actor)
    dispute.responded_at = now
    dispute.error = {}
    dispute.next_check_at = now + RESUBMIT_INTERVAL
    changed_fields = ("response", "summary", "responded_by", "responded_at", "error")
    dispute.save(update_fields=[*changed_fields, "response_call", "next_check_at", "updated_at"])

    changed = stored_fields(dispute, *changed_fields)
    record(events.DISPUTE_RESPONSE_REQUESTED, subject=dispute, root_id=order.pk, actor=actor, changes=changed, now=now)

    return dispute


def submit_dispute_response(*, dispute_id: UUID, evidence_files: Sequence[EvidenceFile], now: datetime) -> None:
    """
    Tell the gateway our answer, unless it has it. To say it twice does no harm: the gateway takes one answer alone.

    What nobody knows is asked by the poller, who has it sent again while the dispute is open.
    """
    dispute = selectors.get_dispute(dispute_id)
    if dispute.status != DisputeStatus.OPEN or not dispute.response or not _claim(dispute, now=now):
        return
    gateway = get_gateway(dispute.attempt.gateway)
    try:
        if dispute.response == DisputeResponseKind.ACCEPTED:
            facts = gateway.accept_dispute(gateway_dispute_id=dispute.gateway_dispute_id)
        else:
            facts = gateway.contest_dispute(
                gateway_dispute_id=dispute.gateway_dispute_id,
                amount=dispute.amount if dispute.payer_amount is None else dispute.payer_amount,
                summary=dispute.summary,
                evidence_files=evidence_files,
            )
    except (GatewayUnavailable, GatewayOutcomeUnknown) as failure:
        log.warning("dispute_response_unknown", dispute=dispute.gateway_dispute_id, failure=str(failure))
        Dispute.objects.filter(pk=dispute.pk).update(claimed_until=None, next_check_at=now + RESUBMIT_INTERVAL)
        return
    except GatewayRejected as refusal:
        _record_rejection(dispute_id=dispute.pk, error=refusal.error, now=now)
        return
    Dispute.objects.filter(pk=dispute.pk).update(claimed_until=None, response_call=GatewayCall.SUCCEEDED)
    actor = gateway_actor(dispute.attempt.gateway)
    try:
        apply_gateway_dispute(facts=facts, source=Source.POLL, actor=actor, now=now)
    except DisputeFactsConflict as conflict:
        log.warning("dispute_facts_conflict", dispute=dispute.gateway_dispute_id, why=str(conflict))


def _claim(dispute: Dispute, *, now: datetime) -> bool:
    is_free = Q(claimed_until__isnull=True) | Q(claimed_until__lte=now)
    unsent = Dispute.objects.filter(
        is_free, pk=dispute.pk, response_call__in=(GatewayCall.PENDING, GatewayCall.UNKNOWN)
    )
    return bool(unsent.update(claimed_until=now + _CLAIM_TTL, response_call=GatewayCall.UNKNOWN))


@transaction.atomic
def _record_rejection(*, dispute_id: UUID, error: GatewayError, now: datetime) -> None:
    """Keep that the gateway did not take our answer, so that staff can give another in time."""
    order = lock_order(selectors.get_dispute(dispute_id).order_id)
    dispute = locks.lock_dispute(dispute_id=dispute_id)

    if dispute is None or dispute.status != DisputeStatus.OPEN:
        return

    dispute.response = ""
    dispute.response_call = GatewayCall.REJECTED
    dispute.claimed_until = None
    dispute.error = error.as_dict()
    # It may have been decided meanwhile, which is why it was refused.
    dispute.next_check_at = now
    dispute.save(update_fields=["response", "response_call", "claimed_until", "error", "next_check_at", "updated_at"])

    log.error("gateway_rejected_dispute_response", dispute=dispute.gateway_dispute_id, error=dispute.error)
    changed = stored_fields(dispute, "response", "error")
    actor = gateway_actor(dispute.attempt.gateway)
    record(events.DISPUTE_RESPONSE_REJECTED, subject=dispute, root_id=order.pk, actor=actor, changes=changed, now=now)

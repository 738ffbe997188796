"""Our response to a dispute: accepted or contested by staff, then submitted to the gateway by a worker."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from apps.core.dates import format_instant
from apps.core.errors import Conflict
from apps.core.events import Actor, change, gateway_actor
from apps.core.external_calls import OPEN_CALLS, GatewayCall
from apps.core.transactions import transactional
from apps.orders.locks import lock_order
from apps.payments import events, locks
from apps.payments.facts import GatewayError
from apps.payments.gateways.interface import EvidenceFile, GatewayOutcomeUnknown, GatewayRejected, GatewayUnavailable
from apps.payments.models import Dispute
from apps.payments.selectors import disputes as selectors
from apps.payments.services.decision_rights import check_decision
from apps.payments.services.disputes.gateway_updates import DisputeFactsConflict, apply_gateway_dispute
from apps.payments.services.gateway_access import get_monitored_gateway
from apps.payments.states import DisputeResponseKind, DisputeStatus, MoneyOperation, Source

log = structlog.get_logger(__name__)

RESUBMIT_INTERVAL = timedelta(minutes=2)


class DisputeDeadlinePassed(Conflict):
    """The deadline to respond to the dispute has passed. The bank decides without a response."""

    message = "The deadline to respond to dispute {0} was {1}."


class DisputeNotAwaitingResponse(Conflict):
    """The dispute's state allows no response. Read the dispute."""

    message = "Dispute {0} is {1}, so you cannot respond to it."


def accept_dispute(*, dispute_id: UUID, actor: Actor, now: datetime) -> Dispute:
    """
    Accept a dispute, so that the payer keeps the money. A worker submits the response to the gateway.

    :raises DisputeNotFound: if there is none
    :raises DisputeNotAwaitingResponse: if it is not open, or was answered
    :raises DisputeDeadlinePassed: if its time is over
    :raises SelfApprovalForbidden: if the order is the actor's own
    """
    return _respond(dispute_id=dispute_id, response=DisputeResponseKind.ACCEPTED, summary="", actor=actor, now=now)


def contest_dispute(*, dispute_id: UUID, summary: str, actor: Actor, now: datetime) -> Dispute:
    """
    Contest a dispute with a summary of our case. A worker submits it to the gateway with the order's documents.

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


@transactional
def _respond(*, dispute_id: UUID, response: DisputeResponseKind, summary: str, actor: Actor, now: datetime) -> Dispute:
    order = lock_order(selectors.get_dispute(dispute_id).order_id)
    dispute = locks.lock_dispute(dispute_id=dispute_id)

    assert dispute is not None  # noqa: S101 - disputes are never deleted
    check_awaiting_response(dispute, now=now)
    check_decision(order=order, operation=MoneyOperation.RESPOND_TO_DISPUTE, amount=dispute.amount, actor=actor)

    change(
        dispute,
        events.DISPUTE_RESPONSE_REQUESTED,
        {
            "response": response,
            "gateway_call": GatewayCall.PENDING,
            "summary": summary,
            "responded_by": str(actor),
            "responded_at": now,
            "error": {},
            "next_check_at": now + RESUBMIT_INTERVAL,
        },
        root=order.pk,
        actor=actor,
        now=now,
    )

    return dispute


def submit_dispute_response(*, dispute_id: UUID, evidence_files: Sequence[EvidenceFile], now: datetime) -> None:
    """
    Submit our response to the gateway, unless it has it already. Calls the gateway.

    A second submission does no harm: the gateway accepts only one response per dispute. If the outcome of the call is
    unknown, the poller asks the gateway and has the response submitted again while the dispute is open.
    """
    dispute = selectors.get_dispute(dispute_id)
    if dispute.status != DisputeStatus.OPEN or not dispute.response:
        return
    unsent = Dispute.objects.filter(pk=dispute.pk, gateway_call__in=OPEN_CALLS)
    if not unsent.claim(now=now, gateway_call=GatewayCall.UNKNOWN):
        return
    gateway = get_monitored_gateway(dispute.attempt.gateway)
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
        Dispute.objects.filter(pk=dispute.pk).release(next_check_at=now + RESUBMIT_INTERVAL)
        return
    except GatewayRejected as refusal:
        _record_rejection(dispute_id=dispute.pk, error=refusal.error, now=now)
        return
    Dispute.objects.filter(pk=dispute.pk).release(gateway_call=GatewayCall.SUCCEEDED)
    actor = gateway_actor(dispute.attempt.gateway)
    try:
        apply_gateway_dispute(facts=facts, source=Source.POLL, actor=actor, now=now)
    except DisputeFactsConflict as conflict:
        log.warning("dispute_facts_conflict", dispute=dispute.gateway_dispute_id, why=str(conflict))


@transactional
def _record_rejection(*, dispute_id: UUID, error: GatewayError, now: datetime) -> None:
    """Record that the gateway rejected our response, so that staff can submit another before the deadline."""
    order = lock_order(selectors.get_dispute(dispute_id).order_id)
    dispute = locks.lock_dispute(dispute_id=dispute_id)

    if dispute is None or dispute.status != DisputeStatus.OPEN:
        return

    change(
        dispute,
        events.DISPUTE_RESPONSE_REJECTED,
        {
            "response": "",
            "gateway_call": GatewayCall.REJECTED,
            "claimed_until": None,
            "error": error.as_dict(),
            # The gateway may have rejected it because the dispute was decided in the meantime.
            "next_check_at": now,
        },
        root=order.pk,
        actor=gateway_actor(dispute.attempt.gateway),
        now=now,
    )
    log.error("gateway_rejected_dispute_response", dispute=dispute.gateway_dispute_id, error=dispute.error)

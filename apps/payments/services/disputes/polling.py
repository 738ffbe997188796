"""Asking the gateway about disputes: those that no webhook reported, and those that it has not decided."""

from datetime import datetime
from uuid import UUID

import structlog

from apps.core.events import change, gateway_actor
from apps.core.external_calls import OPEN_CALLS, poll_due
from apps.core.transactions import transactional
from apps.orders.locks import lock_order
from apps.payments import events, locks
from apps.payments.gateways.interface import GatewayFailure
from apps.payments.models import Dispute
from apps.payments.selectors import disputes as selectors
from apps.payments.services.disputes.gateway_updates import (
    POLL_INTERVAL,
    DisputeFactsConflict,
    UnknownGatewayDispute,
    apply_gateway_dispute,
)
from apps.payments.services.disputes.responses import RESUBMIT_INTERVAL
from apps.payments.services.gateway_access import get_monitored_gateway
from apps.payments.states import DisputeStatus, Source

log = structlog.get_logger(__name__)


def poll_new_disputes(*, now: datetime, gateway: str = "razorpay") -> int:
    """Ask a gateway for its latest disputes, apply those that no webhook reported, and return how many were new."""
    try:
        listed = get_monitored_gateway(gateway).list_disputes()
    except GatewayFailure as failure:
        # It says nothing about any dispute; the next round polls again.
        log.warning("gateway_call_failed", call="list_disputes", failure=str(failure)[:200])
        return 0
    found = 0
    for facts in listed:
        if selectors.is_dispute_known(facts.id):
            continue
        try:
            apply_gateway_dispute(facts=facts, source=Source.POLL, actor=gateway_actor(gateway), now=now)
        except DisputeFactsConflict as conflict:
            log.warning("dispute_facts_conflict", dispute=facts.id, why=str(conflict))
        except UnknownGatewayDispute:
            log.info("unknown_gateway_dispute", dispute=facts.id)
        else:
            found += 1
    return found


def poll_open_disputes(*, now: datetime, limit: int = 100) -> int:
    """Poll the undecided disputes that are due, for one round, and return how many were polled. Calls the gateway."""
    return poll_due(
        selectors.list_due_dispute_ids(now=now, limit=limit),
        lambda dispute_id, _: _poll_or_defer(dispute_id, now=now),
        defer=lambda dispute_id: _defer(dispute_id, until=now + RESUBMIT_INTERVAL),
        log_event="dispute_poll_failed",
    )


def _poll_or_defer(dispute_id: UUID, *, now: datetime) -> bool:
    """Poll a dispute, defer it if there was no answer or none that fits, and return whether the gateway answered."""
    try:
        _poll(selectors.get_dispute(dispute_id), now=now)
    except GatewayFailure as failure:
        log.warning("dispute_poll_unanswered", dispute=str(dispute_id), failure=str(failure)[:200])
        _defer(dispute_id, until=now + RESUBMIT_INTERVAL)
        return False
    except DisputeFactsConflict as conflict:
        log.warning("dispute_facts_conflict", dispute=str(dispute_id), why=str(conflict))
        _defer(dispute_id, until=now + POLL_INTERVAL)
    return True


def _defer(dispute_id: UUID, *, until: datetime) -> None:
    Dispute.objects.filter(pk=dispute_id).defer_check(until=until)


def sync_dispute(*, dispute_id: UUID, now: datetime) -> bool:
    """Ask the gateway about one dispute and apply what it says; return whether it answered. Calls the gateway."""
    try:
        _poll(selectors.get_dispute(dispute_id), now=now)
    except GatewayFailure as failure:
        log.warning("dispute_poll_unanswered", dispute=str(dispute_id), failure=str(failure)[:200])
        return False
    except DisputeFactsConflict as conflict:
        log.warning("dispute_facts_conflict", dispute=str(dispute_id), why=str(conflict))
    return True


def _poll(dispute: Dispute, *, now: datetime) -> None:
    actor = gateway_actor(dispute.attempt.gateway)
    facts = get_monitored_gateway(dispute.attempt.gateway).get_dispute(gateway_dispute_id=dispute.gateway_dispute_id)
    dispute = apply_gateway_dispute(facts=facts, source=Source.POLL, actor=actor, now=now)
    is_unsent = dispute.gateway_call in OPEN_CALLS
    if dispute.status == DisputeStatus.OPEN and dispute.response and is_unsent:
        _resubmit_response(dispute_id=dispute.pk, now=now)


@transactional
def _resubmit_response(*, dispute_id: UUID, now: datetime) -> None:
    order = lock_order(selectors.get_dispute(dispute_id).order_id)
    dispute = locks.lock_dispute(dispute_id=dispute_id)

    if dispute is None or dispute.status != DisputeStatus.OPEN or not dispute.response:
        return

    change(
        dispute,
        events.DISPUTE_RESPONSE_REQUESTED,
        {"response": dispute.response, "checks": dispute.checks + 1, "next_check_at": now + RESUBMIT_INTERVAL},
        root=order.pk,
        actor=gateway_actor(dispute.attempt.gateway),
        event_reason="the gateway does not have our response yet",
        now=now,
    )

"""
Downtimes of payment methods, as a gateway reports them by webhook or when it is polled.

They move no money: a report that contradicts what is known is left out and logged, and buyers are warned by what is known.
"""

from datetime import datetime
from uuid import UUID

import structlog

from apps.core.errors import Conflict
from apps.core.events import SYSTEM, Actor, change, changed_values, create_if_absent, gateway_actor
from apps.core.external_calls import poll_due
from apps.core.transactions import transactional
from apps.payments import events, locks, rules
from apps.payments.facts import GatewayDowntime
from apps.payments.gateways.interface import GatewayFailure, GatewayRejected
from apps.payments.models import PaymentDowntime
from apps.payments.selectors import downtimes as selectors
from apps.payments.services.gateway_access import get_monitored_gateway
from apps.payments.states import DowntimeStatus

log = structlog.get_logger(__name__)

_EVENTS = {
    DowntimeStatus.SCHEDULED: events.DOWNTIME_SCHEDULED,
    DowntimeStatus.STARTED: events.DOWNTIME_STARTED,
    DowntimeStatus.UPDATED: events.DOWNTIME_UPDATED,
    DowntimeStatus.RESOLVED: events.DOWNTIME_RESOLVED,
}


class DowntimeFactsConflict(Conflict):
    """The gateway reports a known downtime of another method, so nothing is changed. Compare the two at the gateway."""

    message = "The gateway reports downtime {0} of {1}; it was of {2} before."


def apply_gateway_downtime(*, facts: GatewayDowntime, actor: Actor, now: datetime) -> PaymentDowntime:
    """
    Apply what a gateway reports about one downtime; a report that is older than the stored one changes nothing.

    :raises DowntimeFactsConflict: if it is known as a downtime of another method
    """
    applied = _apply(facts, actor=actor, now=now)
    if isinstance(applied, DowntimeFactsConflict):
        raise applied  # outside the transaction, in which nothing was changed
    return applied


@transactional
def _apply(facts: GatewayDowntime, *, actor: Actor, now: datetime) -> PaymentDowntime | DowntimeFactsConflict:
    downtime = locks.lock_downtime(gateway=facts.gateway, gateway_downtime_id=facts.id)

    if downtime is None:
        downtime = _new_downtime(facts)
        if create_if_absent(downtime, _EVENTS[DowntimeStatus(facts.status)], actor=actor, now=now) is not None:
            return downtime
        # Another transaction was faster: its row is there now.
        downtime = locks.lock_downtime(gateway=facts.gateway, gateway_downtime_id=facts.id)
        assert downtime is not None  # noqa: S101 - it is what refused the new one, and downtimes are never deleted
    if downtime.method != facts.method:
        return DowntimeFactsConflict(facts.id, facts.method, downtime.method)
    if not rules.downtime_advances(
        status=downtime.status,
        reported_at=downtime.reported_at,
        to_status=facts.status,
        to_reported_at=facts.reported_at,
    ):
        return downtime

    change(downtime, _EVENTS[DowntimeStatus(facts.status)], _changes(downtime, facts), actor=actor, now=now)

    return downtime


def apply_reported_downtime(facts: GatewayDowntime, *, now: datetime) -> str:
    """Apply what a gateway reports about one downtime, and return the conflict for which it was left out, or an empty text."""
    try:
        apply_gateway_downtime(facts=facts, actor=gateway_actor(facts.gateway), now=now)
    except DowntimeFactsConflict as conflict:
        log.warning("downtime_facts_conflict", downtime=facts.id, why=str(conflict))
        return str(conflict)
    return ""


def _new_downtime(facts: GatewayDowntime) -> PaymentDowntime:
    return PaymentDowntime(
        gateway=facts.gateway,
        gateway_downtime_id=facts.id,
        method=facts.method,
        instrument=dict(facts.instrument),
        severity=facts.severity,
        status=facts.status,
        is_scheduled=facts.is_scheduled,
        begins_at=facts.begins_at,
        ends_at=facts.ends_at,
        reported_at=facts.reported_at,
    )


def _changes(downtime: PaymentDowntime, facts: GatewayDowntime) -> dict[str, object]:
    return changed_values(
        downtime,
        {
            "instrument": dict(facts.instrument) or downtime.instrument,
            "severity": facts.severity,
            "status": facts.status,
            "begins_at": facts.begins_at,
            "ends_at": facts.ends_at,
            "reported_at": max(facts.reported_at, downtime.reported_at),
        },
    )


def poll_downtimes(*, now: datetime, gateway: str = "razorpay") -> int:
    """
    Poll the downtimes of a gateway, apply them, and return how many were polled.

    The gateway lists no resolved ones: a downtime that is open here and not listed is polled by its id. Calls the gateway.
    """
    try:
        listed = get_monitored_gateway(gateway).list_downtimes()
    except GatewayFailure as failure:
        # It says nothing about any downtime; the next round polls again.
        log.warning("gateway_call_failed", call="list_downtimes", failure=str(failure)[:200])
        return 0
    for facts in listed:
        apply_reported_downtime(facts, now=now)
    unlisted = selectors.list_unlisted_downtime_ids(gateway=gateway, listed={facts.id for facts in listed})
    return len(listed) + poll_due(
        unlisted,
        lambda downtime_id, _: _poll(downtime_id, now=now),
        # Nothing is deferred: the next round is minutes away, and few downtimes are open at once.
        defer=lambda _: None,
        log_event="downtime_poll_failed",
    )


def _poll(downtime_id: UUID, *, now: datetime) -> bool:
    """Ask the gateway about one downtime, apply what it says, and return whether it answered."""
    downtime = selectors.get_downtime(downtime_id)
    try:
        facts = get_monitored_gateway(downtime.gateway).get_downtime(gateway_downtime_id=downtime.gateway_downtime_id)
    except GatewayRejected:
        _resolve_forgotten(downtime_id, now=now)
        return True
    except GatewayFailure as failure:
        log.warning("gateway_call_failed", call="get_downtime", failure=str(failure)[:200])
        return False
    apply_reported_downtime(facts, now=now)
    return True


@transactional
def _resolve_forgotten(downtime_id: UUID, *, now: datetime) -> None:
    """End a downtime that the gateway neither lists nor knows by its id any more."""
    known = selectors.get_downtime(downtime_id)
    downtime = locks.lock_downtime(gateway=known.gateway, gateway_downtime_id=known.gateway_downtime_id)

    if downtime is None or downtime.status == DowntimeStatus.RESOLVED:
        return

    change(
        downtime,
        events.DOWNTIME_RESOLVED,
        {"status": DowntimeStatus.RESOLVED},
        actor=SYSTEM,
        event_reason="the gateway does not know it any more",
        now=now,
    )

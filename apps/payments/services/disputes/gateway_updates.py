"""
The one entry point for disputes (chargebacks) that a gateway reports, by webhook, poll or settlement import.

The gateway may deduct the disputed amount, which the ledger account `disputes` holds until the dispute is decided. If
we win or the dispute is closed, the gateway returns it. If we lose, it is posted as a loss.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from apps.core.errors import Conflict, NotFound
from apps.core.events import Actor, change, changes_since, create, current_values, event_payload
from apps.core.models import subject_type_of
from apps.core.transactions import transactional
from apps.ledger.services import post_to_ledger
from apps.orders.locks import lock_order
from apps.payments import events, locks, states
from apps.payments.facts import GatewayDispute
from apps.payments.models import Dispute, PaymentAttempt, Webhook
from apps.payments.selectors import payments as selectors
from apps.payments.services.gateway_conflicts import (
    FactConflict,
    find_dispute_conflict,
    find_dispute_excess,
    open_conflict_exception,
)
from apps.payments.services.ledger_accounts import DISPUTE_LOSSES, DISPUTES, gateway_receivable
from apps.payments.services.order_totals import sync_order_totals
from apps.payments.services.payer_currency import convert_dispute_facts
from apps.payments.services.review_status import sync_review_status
from apps.payments.states import (
    DECIDED,
    AttemptStatus,
    DisputeStatus,
    Source,
)

if TYPE_CHECKING:
    from apps.orders.models import Order

log = structlog.get_logger(__name__)

POLL_INTERVAL = timedelta(minutes=30)
_STATUS_EVENTS = {
    DisputeStatus.WON: events.DISPUTE_WON,
    DisputeStatus.LOST: events.DISPUTE_LOST,
    DisputeStatus.CLOSED: events.DISPUTE_CLOSED,
}
#: Decisions after which the gateway returns the deducted amount, whatever amount it reports.
_RETURNED = (DisputeStatus.WON, DisputeStatus.CLOSED)


class UnknownGatewayDispute(NotFound):
    """The gateway's dispute is about no captured payment in Bahi. Check the id."""

    message = "The gateway's dispute {0} is about no captured payment in Bahi."


class DisputeFactsConflict(Conflict):
    """
    The gateway's report about a dispute contradicts Bahi's records, so it is not posted.

    Staff resolve the exception that was opened.
    """

    message = "{0}"


def apply_gateway_dispute(
    *, facts: GatewayDispute, source: Source, actor: Actor, now: datetime, webhook: Webhook | None = None
) -> Dispute:
    """
    Apply what a gateway reports about one dispute. A decided dispute never changes.

    Webhooks arrive in any order, and a dispute may be reopened after its review. A webhook that would move an undecided
    dispute to another undecided status therefore only schedules a poll. Each deduction and each return is posted.

    Facts that conflict with our rows, or with themselves, open an exception for staff, and nothing is posted. A dispute
    of more than refunds have left of the payment is stored too, because staff must answer it in time.

    :raises UnknownGatewayDispute: if it is about no captured payment in Bahi
    :raises DisputeFactsConflict: if the facts conflict; the exception for staff is kept
    """
    applied = _apply(facts, source=source, actor=actor, now=now, webhook=webhook)
    if isinstance(applied, FactConflict):
        # Raised outside the transaction, which has committed the exception for staff.
        raise DisputeFactsConflict(applied.description)
    if isinstance(applied, UnknownGatewayDispute):
        raise applied
    return applied


@transactional
def _apply(
    facts: GatewayDispute, *, source: Source, actor: Actor, now: datetime, webhook: Webhook | None
) -> Dispute | FactConflict | UnknownGatewayDispute:
    attempt = selectors.find_attempt(gateway=facts.gateway, gateway_payment_id=facts.gateway_payment_id)
    if attempt is None or attempt.status != AttemptStatus.CAPTURED:
        return UnknownGatewayDispute(facts.id)
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
        Dispute.objects.filter(pk=dispute.pk).defer_check(until=now)
        return dispute

    excess = find_dispute_excess(facts, attempt=attempt, dispute=dispute)
    is_booked = excess is None or facts.amount_deducted <= (excess.expected_amount or 0)
    dispute = _store(order, attempt, dispute, facts, is_booked=is_booked, actor=actor, now=now)
    if excess is not None:
        open_conflict_exception(excess, facts, attempt=attempt, dispute=dispute, webhook=webhook, actor=actor, now=now)

    return dispute


def _store(
    order: "Order",
    attempt: PaymentAttempt,
    dispute: Dispute | None,
    facts: GatewayDispute,
    *,
    is_booked: bool,
    actor: Actor,
    now: datetime,
) -> Dispute:
    """Store the facts of a dispute that is new or undecided, post what they move, and bring order and review in line."""
    is_new = dispute is None
    dispute = dispute or _new_dispute(attempt, facts, now=now)
    before = current_values(dispute)
    _apply_facts(dispute, facts, is_booked=is_booked, now=now)

    if _record(order, dispute, changes_since(dispute, before), is_new=is_new, actor=actor, now=now):
        _post(dispute, taken_before=0 if is_new else before["amount_deducted"], gateway=facts.gateway, now=now)
        if dispute.status == DisputeStatus.LOST:
            locked = locks.lock_attempt(gateway=facts.gateway, gateway_payment_id=facts.gateway_payment_id)
            sync_review_status(order=order, attempt=locked or attempt, actor=actor, now=now)
        sync_order_totals(order=order, actor=actor, now=now)

    return dispute


def _record(
    order: "Order", dispute: Dispute, changed: Mapping[str, object], *, is_new: bool, actor: Actor, now: datetime
) -> bool:
    """Store what a gateway's facts have changed, and return whether there is an event of it."""
    known_event = events.DISPUTE_OPENED if is_new else events.DISPUTE_UPDATED
    event_type = _STATUS_EVENTS.get(DisputeStatus(dispute.status), known_event)
    if is_new:
        create(dispute, event_type, root=order.pk, actor=actor, now=now)
    elif event_payload(dispute, changed):
        change(dispute, event_type, changed, root=order.pk, actor=actor, now=now)
    elif changed:
        dispute.save(update_fields=[*changed, "updated_at"])
    return is_new or bool(event_payload(dispute, changed))


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
    )


def _apply_facts(dispute: Dispute, facts: GatewayDispute, *, is_booked: bool, now: datetime) -> None:
    to = DisputeStatus(facts.status)
    if to != dispute.status:
        dispute.status = states.transition_dispute(DisputeStatus(dispute.status), to=to)
        if to == DisputeStatus.OPEN:
            # The bank has asked for more: our earlier response no longer counts.
            dispute.response = dispute.gateway_call = ""
    dispute.phase = facts.phase
    dispute.reason_code = facts.reason_code or dispute.reason_code
    if facts.respond_by and facts.respond_by != dispute.respond_by:
        dispute.respond_by, dispute.last_reminder_hours = facts.respond_by, None
    if is_booked or to in _RETURNED:
        dispute.amount_deducted = 0 if to in _RETURNED else facts.amount_deducted
    dispute.decided_at = now if to in DECIDED else None
    dispute.next_check_at = None if to in DECIDED else now + POLL_INTERVAL


def _post(dispute: Dispute, *, taken_before: int, gateway: str, now: datetime) -> None:
    """Post what was deducted or returned since, and the loss of a lost dispute, keyed by the version that these facts led to."""
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
        kind=f"{kind}:{dispute.version}",
        order_id=dispute.order_id,
        entries=entries,
        currency=dispute.currency,
        description=f"{dispute.gateway_dispute_id}: {kind.replace('_', ' ')}",
        occurred_at=now,
    )

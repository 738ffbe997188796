"""
The one entry point for payments that a gateway reports, by webhook, browser callback, poll or settlement import.

Facts may arrive in any order and more than once: the rows end in the same state, and a capture is posted once.
"""

from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from apps.core.errors import Conflict, NotFound
from apps.core.events import SYSTEM, Actor, change, changes_since, create, current_values
from apps.core.external_calls import GatewayCall
from apps.core.hot_path import hot_path
from apps.core.models import subject_type_of
from apps.core.transactions import transactional
from apps.ledger.services import post_to_ledger
from apps.ledger.states import ExceptionReason
from apps.orders import selectors as orders
from apps.orders.locks import lock_order
from apps.orders.states import CANCELLED_OR_EXPIRED
from apps.payments import events, locks, rules
from apps.payments.facts import GatewayPayment
from apps.payments.gateways.interface import load_adapter
from apps.payments.models import Payment, PaymentAttempt, Webhook
from apps.payments.selectors import payments as selectors
from apps.payments.services.erasure import ERASED
from apps.payments.services.gateway_exceptions import open_gateway_exception
from apps.payments.services.late_payments import resolve_late_payment
from apps.payments.services.ledger_accounts import CUSTOMER_ADVANCES, gateway_receivable
from apps.payments.services.order_totals import show_live_payment, sync_order_totals
from apps.payments.services.payment_acceptance import accept_explained_mismatch, may_be_accepted_later
from apps.payments.services.payment_status import PendingChange, sync_payment_status
from apps.payments.services.payments import enqueue_payment_sync
from apps.payments.services.review_status import find_review_reason
from apps.payments.states import (
    LIVE,
    WITHOUT_MONEY,
    AttemptStatus,
    PaymentChannel,
    PaymentStatus,
    ReviewReason,
    Source,
)

if TYPE_CHECKING:
    from apps.ledger.models import ReconciliationException
    from apps.orders.models import Order

log = structlog.get_logger(__name__)

CAPTURE = "capture"
_ATTEMPT_EVENTS = {
    AttemptStatus.CREATED: events.ATTEMPT_CREATED,
    AttemptStatus.FAILED: events.ATTEMPT_FAILED,
    AttemptStatus.AUTHORIZED: events.ATTEMPT_AUTHORIZED,
    AttemptStatus.AUTO_REFUNDED: events.ATTEMPT_AUTO_REFUNDED,
    AttemptStatus.CAPTURED: events.ATTEMPT_CAPTURED,
}


class UnknownGatewayPayment(NotFound):
    """The gateway's payment belongs to no payment in Bahi. Check the id."""

    message = "The gateway's payment {0} belongs to no payment in Bahi."


class PaymentFactsConflict(Conflict):
    """
    The gateway's report about a payment contradicts Bahi's records, so it is not posted.

    Staff resolve the exception that was opened.
    """

    message = "The gateway's report about payment {0} cannot be posted. {1}"

    def __init__(
        self, payment: Payment, attempt: PaymentAttempt | None, facts: GatewayPayment, reason: ExceptionReason, why: str
    ) -> None:
        super().__init__(facts.id, why)
        self.payment, self.attempt, self.facts, self.reason, self.why = payment, attempt, facts, reason, why


@hot_path("payments.apply_gateway_payment")
def apply_gateway_payment(*, facts: GatewayPayment, source: Source, actor: Actor, now: datetime) -> PaymentAttempt:
    """
    Apply what a gateway reports about one payment attempt.

    1. Find our payment unlocked, then lock order, payment and attempt.
    2. Merge the attempt by the rank of its status; facts that we have already change nothing.
    3. Post captured money to the ledger, once, as the customer's advance, whatever its amount.
    4. Accept an amount other than the requested one, if the gateway's order explains it.
    5. Derive the payment's status, cancel the order's other live payments once this one has succeeded, and update the
       order's totals. An order that is paid in full is confirmed.
    6. Late money revives an expired order or is refunded. A second payment is refunded. A wrong amount waits for staff.
       This is decided once, when it is captured or its amount is explained, and by no repeated report.

    :raises UnknownGatewayPayment: if no payment in Bahi has that gateway order
    :raises PaymentFactsConflict: if account or currency is not ours, or the facts contradict themselves; nothing changes
    """
    applied = _apply(facts, source=source, actor=actor, now=now)
    if isinstance(applied, (UnknownGatewayPayment, PaymentFactsConflict)):
        # Raised outside the transaction: nothing was changed, and the caller reports it to staff in the same transaction.
        raise applied
    return applied


@transactional
def _apply(
    facts: GatewayPayment, *, source: Source, actor: Actor, now: datetime
) -> PaymentAttempt | UnknownGatewayPayment | PaymentFactsConflict:
    found = selectors.find_payment_for(facts)
    if found is None:
        return UnknownGatewayPayment(facts.id)
    order = lock_order(found.order_id)
    payment = locks.lock_payment(found.pk)

    return _apply_to_locked(order, payment, facts, source=source, actor=actor, now=now)


@transactional
def record_opened_attempt(
    *, order: "Order", payment: Payment, facts: GatewayPayment, pending: PendingChange, actor: Actor, now: datetime
) -> None:
    """
    Record an attempt that our own call opened at the gateway, together with what that call changes of its payment.

    The caller has locked order and payment.

    :raises UnknownGatewayPayment: if the attempt belongs to another payment; the caller's transaction ends
    :raises PaymentFactsConflict: if account or currency is not ours; the caller's transaction ends
    """
    applied = _apply_to_locked(order, payment, facts, source=Source.POLL, pending=pending, actor=actor, now=now)
    if isinstance(applied, (UnknownGatewayPayment, PaymentFactsConflict)):
        raise applied


def _apply_to_locked(
    order: "Order",
    payment: Payment,
    facts: GatewayPayment,
    *,
    source: Source,
    pending: PendingChange | None = None,
    actor: Actor,
    now: datetime,
) -> PaymentAttempt | UnknownGatewayPayment | PaymentFactsConflict:
    attempt = locks.lock_attempt(gateway=facts.gateway, gateway_payment_id=facts.id)
    if attempt is not None and attempt.payment_id != payment.pk:
        return UnknownGatewayPayment(facts.id)
    is_by_order = payment.channel == PaymentChannel.CHECKOUT
    if is_by_order and payment.gateway_order_id not in (None, facts.order_id):
        return UnknownGatewayPayment(facts.id)
    conflict = _find_conflict(payment, attempt, facts)
    if conflict is not None:
        return conflict

    known = (payment.version, attempt and attempt.version)
    known_reason = attempt.review_reason if attempt is not None else ""
    _backfill_gateway_ids(order, payment, facts, actor=actor, now=now)
    attempt, has_advanced = _merge(order, payment, attempt, facts, source=source, actor=actor, now=now)
    is_known = pending is None and known == (payment.version, attempt.version)
    if is_known and _is_settled(order, payment, attempt):
        return attempt
    is_captured = attempt.status == AttemptStatus.CAPTURED
    if has_advanced and is_captured:
        _post_capture(order, attempt)
    if is_captured:
        accept_explained_mismatch(
            order=order, payment=payment, attempt=attempt, gateway_order=facts.gateway_order, actor=actor, now=now
        )
    sync_payment_status(order, payment, attempt, has_advanced=has_advanced, pending=pending, actor=actor, now=now)

    if payment.status in LIVE and attempt.status in WITHOUT_MONEY:
        show_live_payment(order, payment, actor=actor, now=now)
    else:
        sync_order_totals(order=order, actor=actor, now=now)
    _open_review(order, payment, attempt, is_order_known=facts.gateway_order is not None, actor=actor, now=now)
    # Once: if its refund is given up later, staff decide about the money, and no report that is repeated.
    if is_captured and (has_advanced or attempt.review_reason != known_reason):
        resolve_late_payment(order=order, attempt=attempt, actor=actor, now=now)

    return attempt


def _is_settled(order: "Order", payment: Payment, attempt: PaymentAttempt) -> bool:
    """
    Return whether an attempt has paid its order, as it should have: then facts that are known already change nothing else.

    The gateway reports each payment by several webhooks; what follows from the first was stored with it.
    """
    is_paid = order.status not in CANCELLED_OR_EXPIRED and order.paid_amount >= order.total_amount
    is_usual = attempt.status == AttemptStatus.CAPTURED and not attempt.review_reason
    return is_paid and is_usual and payment.status == PaymentStatus.SUCCEEDED


def apply_polled_payment(facts: GatewayPayment, *, now: datetime) -> None:
    """
    Apply a gateway's answer about one attempt.

    A payment that is not ours is logged as an error. One that cannot be booked opens an exception for staff.
    """
    try:
        apply_gateway_payment(facts=facts, source=Source.POLL, actor=SYSTEM, now=now)
    except UnknownGatewayPayment:
        log.error("unknown_gateway_payment", gateway_payment=facts.id)
    except PaymentFactsConflict as refusal:
        report_contradiction(refusal, now=now)


def report_contradiction(
    refusal: PaymentFactsConflict, *, webhook: Webhook | None = None, actor: Actor = SYSTEM, now: datetime
) -> "ReconciliationException":
    """Open an exception for staff about a payment whose facts at the gateway cannot be booked."""
    facts, payment = refusal.facts, refusal.payment
    return open_gateway_exception(
        gateway=facts.gateway,
        reason=refusal.reason,
        entity_id=facts.id,
        description=f"{refusal.why} Nothing was posted for order {payment.order.number}. Check the payment in the gateway's dashboard.",
        expected_amount=payment.amount,
        actual_amount=facts.amount,
        currency=payment.currency,
        actual_currency=facts.currency if facts.currency != payment.currency else "",
        attempt=refusal.attempt,
        webhook=webhook,
        actor=actor,
        now=now,
    )


def _find_conflict(
    payment: Payment, attempt: PaymentAttempt | None, facts: GatewayPayment
) -> PaymentFactsConflict | None:
    if attempt is not None and not rules.advances(attempt.status, facts.status):
        return None
    why = rules.find_contradiction(
        status=facts.status,
        amount=facts.amount,
        currency=facts.currency,
        is_captured=facts.is_captured,
        account_id=facts.account_id,
        may_be_our_account=load_adapter(facts.gateway).may_be_our_account(facts.account_id),
        our_currency=payment.currency,
    )
    return None if why is None else PaymentFactsConflict(payment, attempt, facts, *why)


def _backfill_gateway_ids(
    order: "Order", payment: Payment, facts: GatewayPayment, *, actor: Actor, now: datetime
) -> None:
    """
    Store the gateway's ids that a payment lacks, because the answer to our call was lost or has not arrived yet.

    A payment by link also stores the order that the gateway created for the link, but only if the facts name the link:
    notes alone prove too little.
    """
    adopted = _missing_gateway_ids(payment, facts)
    if not adopted:
        return
    reference = "gateway_order_id" if payment.channel == PaymentChannel.CHECKOUT else "gateway_link_id"
    is_known = payment.gateway_reference is not None or reference in adopted
    call = {"gateway_call": GatewayCall.SUCCEEDED} if is_known else {}
    change(payment, events.PAYMENT_UPDATED, {**adopted, **call}, root=order.pk, actor=actor, now=now)


def _missing_gateway_ids(payment: Payment, facts: GatewayPayment) -> dict[str, str]:
    if payment.channel == PaymentChannel.CHECKOUT:
        return {"gateway_order_id": facts.order_id} if payment.gateway_order_id is None else {}
    if not facts.link_id:
        return {}
    if payment.gateway_link_id not in (None, facts.link_id):
        log.error("duplicate_gateway_link", payment=payment.public_id, gateway_link=facts.link_id)
        return {}
    adopted = {} if payment.gateway_link_id else {"gateway_link_id": facts.link_id}
    if facts.order_id and payment.gateway_order_id is None:
        adopted["gateway_order_id"] = facts.order_id
    return adopted


def _merge(
    order: "Order",
    payment: Payment,
    attempt: PaymentAttempt | None,
    facts: GatewayPayment,
    *,
    source: Source,
    actor: Actor,
    now: datetime,
) -> tuple[PaymentAttempt, bool]:
    """Merge the facts into the attempt, record what changed, and return it and whether its status advanced."""
    is_new = attempt is None
    if attempt is None:
        attempt = PaymentAttempt(
            payment=payment,
            gateway=facts.gateway,
            gateway_payment_id=facts.id,
            status=facts.status,
            source=source,
        )
    before = current_values(attempt)
    has_advanced = is_new or rules.advances(attempt.status, facts.status)
    if has_advanced:
        _advance(order, payment, attempt, facts, now=now)
    _fill_blanks(order, attempt, facts)

    event_type = _ATTEMPT_EVENTS[AttemptStatus(attempt.status)] if has_advanced else events.ATTEMPT_UPDATED
    if is_new:
        create(attempt, event_type, root=order.pk, actor=actor, now=now)
    elif changed := changes_since(attempt, before):
        change(attempt, event_type, changed, root=order.pk, actor=actor, now=now)
    return attempt, has_advanced


def _advance(
    order: "Order", payment: Payment, attempt: PaymentAttempt, facts: GatewayPayment, *, now: datetime
) -> None:
    attempt.status = facts.status
    attempt.amount = facts.amount
    # Only an attempt without money can have a currency that is not an ISO code.
    attempt.currency = facts.currency[:3]
    attempt.error = facts.error.as_dict() if facts.status == AttemptStatus.FAILED else {}
    if facts.status == AttemptStatus.FAILED:
        attempt.failed_at = now
    if facts.status in (AttemptStatus.AUTHORIZED, AttemptStatus.AUTO_REFUNDED, AttemptStatus.CAPTURED):
        attempt.authorized_at = attempt.authorized_at or now
    if facts.status == AttemptStatus.CAPTURED:
        # Two workers may get the lock in the opposite order to their clock readings.
        attempt.captured_at = max(now, attempt.authorized_at or now)
    if facts.status in (AttemptStatus.AUTHORIZED, AttemptStatus.CAPTURED):
        reason = _reason_to_review(order, payment, facts)
        attempt.review_reason = reason
        attempt.review_opened_at = attempt.review_opened_at or (now if reason else None)


def _reason_to_review(order: "Order", payment: Payment, facts: GatewayPayment) -> str:
    reason = find_review_reason(order, payment, amount=facts.amount, currency=facts.currency)
    # The bank releases money that is never captured. Staff need to know of it only if its amount was not requested.
    is_captured = facts.status == AttemptStatus.CAPTURED
    return reason if is_captured or reason == ReviewReason.AMOUNT_MISMATCH else ""


def _fill_blanks(order: "Order", attempt: PaymentAttempt, facts: GatewayPayment) -> None:
    """Fill the fields that earlier facts left empty, whatever the status of these: webhooks may arrive in any order."""
    attempt.method = attempt.method or facts.method
    if facts.payer and not attempt.payer:
        attempt.payer = ERASED if orders.is_customer_erased(order) else facts.payer
    attempt.rrn = attempt.rrn or facts.rrn
    attempt.fee_bearer = attempt.fee_bearer or facts.fee_bearer
    attempt.network = attempt.network or facts.network
    attempt.funding = attempt.funding or facts.funding
    if attempt.is_international is None:
        attempt.is_international = facts.is_international
    if facts.payer_currency and not attempt.payer_currency:
        attempt.payer_amount, attempt.payer_currency = facts.payer_amount, facts.payer_currency[:3]
    if attempt.fee_amount is None:
        attempt.fee_amount = facts.fee_amount
        attempt.fee_tax_amount = facts.fee_tax_amount


def _open_review(
    order: "Order", payment: Payment, attempt: PaymentAttempt, *, is_order_known: bool, actor: Actor, now: datetime
) -> None:
    """
    Record that staff must decide about captured money, once per reason.

    If the gateway's order may explain the amount, a worker asks the gateway first and nothing is recorded yet. Money
    that is only authorised is not reported.
    """
    if not attempt.is_under_review or attempt.status != AttemptStatus.CAPTURED:
        return
    if not is_order_known and may_be_accepted_later(payment, attempt):
        enqueue_payment_sync(payment, actor=actor, now=now, reason="does its order explain the amount?")
        return
    flagged = selectors.list_events_of_attempt(attempt.pk, event_type=events.ATTEMPT_REVIEW_OPENED)
    if any(event.changes.get("review_reason") == attempt.review_reason for event in flagged):
        return

    log.warning("attempt_review_opened", attempt=attempt.public_id, order=order.number, reason=attempt.review_reason)
    opened = {"review_reason": attempt.review_reason, "review_opened_at": attempt.review_opened_at}
    change(attempt, events.ATTEMPT_REVIEW_OPENED, opened, root=order.pk, actor=actor, now=now)


def _post_capture(order: "Order", attempt: PaymentAttempt) -> None:
    """Post captured money: the gateway owes it to us, and it is the customer's advance until it is invoiced."""
    assert attempt.captured_at is not None  # noqa: S101 - the constraint guarantees it; this is for the type checker
    post_to_ledger(
        source_type=subject_type_of(attempt),
        source_id=attempt.pk,
        kind=CAPTURE,
        order_id=order.pk,
        entries={gateway_receivable(attempt.gateway): attempt.amount, CUSTOMER_ADVANCES: -attempt.amount},
        currency=attempt.currency,
        description=f"{attempt.gateway_payment_id} captured for {order.number}",
        occurred_at=attempt.captured_at,
    )

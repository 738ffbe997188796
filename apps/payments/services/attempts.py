"""
The one place where money arrives: webhook, browser callback, poll, settlement import and operator all end here.

Whatever the order in which news comes, and however often, the rows end in one state and the books have one posting.
"""

from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from django.db import transaction

from apps.core.errors import Conflict, NotFound
from apps.core.events import SYSTEM, Actor, changes_since, record, stored_fields
from apps.core.models import subject_type_of
from apps.orders import selectors as orders
from apps.orders.locks import lock_order
from apps.payments import events, locks, rules, selectors
from apps.payments.gateways import GatewayPayment, get_gateway
from apps.payments.models import Payment, PaymentAttempt, ReconciliationException, Webhook
from apps.payments.services.erasure import ERASED
from apps.payments.services.gateway_exceptions import open_gateway_exception
from apps.payments.services.late_payments import resolve_late_payment
from apps.payments.services.order_totals import sync_order_totals
from apps.payments.services.payment_acceptance import accept_by_gateway_order, may_be_accepted_later
from apps.payments.services.payment_status import sync_payment_status
from apps.payments.services.payments import enqueue_payment_sync
from apps.payments.services.postings import CUSTOMER_ADVANCES, gateway_receivable, post_to_ledger
from apps.payments.services.review_status import find_review_reason
from apps.payments.states import AttemptStatus, ExceptionReason, GatewayCall, PaymentChannel, ReviewReason, Source

if TYPE_CHECKING:
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
    message = "The gateway's payment {0} belongs to none of ours."


class PaymentFactsConflict(Conflict):
    message = "What the gateway says of payment {0} cannot be booked. {1}"

    def __init__(
        self, payment: Payment, attempt: PaymentAttempt | None, facts: GatewayPayment, reason: ExceptionReason, why: str
    ) -> None:
        super().__init__(facts.id, why)
        self.payment, self.attempt, self.facts, self.reason, self.why = payment, attempt, facts, reason, why


@transaction.atomic
def apply_gateway_payment(*, facts: GatewayPayment, source: Source, actor: Actor, now: datetime) -> PaymentAttempt:
    """
    Take in what a gateway says of one try to pay.

    1. Find our payment unlocked, then lock order, payment and attempt.
    2. Merge the attempt by rank; what we know already changes nothing.
    3. Post captured money to the ledger, once, as the customer's advance, whatever its amount.
    4. Accept another amount than was requested, if the gateway's order explains it.
    5. Derive the payment's status, close its rivals, and update the order, which confirms itself.
    6. Money that the order does not need revives it or is refunded; money of another amount waits for staff.

    :raises UnknownGatewayPayment: if no payment of ours has that gateway order
    :raises PaymentFactsConflict: if it is money of another account or currency, or contradicts itself; then nothing is changed
    """
    found = selectors.find_payment_for(facts)
    if found is None:
        raise UnknownGatewayPayment(facts.id)
    order = lock_order(found.order_id)
    payment = locks.lock_payment(found.pk)
    attempt = locks.lock_attempt(gateway=facts.gateway, gateway_payment_id=facts.id)

    if attempt is not None and attempt.payment_id != payment.pk:
        raise UnknownGatewayPayment(facts.id)
    is_by_order = payment.channel == PaymentChannel.CHECKOUT
    if is_by_order and payment.gateway_order_id not in (None, facts.order_id):
        raise UnknownGatewayPayment(facts.id)

    _check_is_coherent(payment, attempt, facts)

    _backfill_gateway_ids(order, payment, facts, actor=actor, now=now)
    attempt, has_advanced = _merge(order, payment, attempt, facts, source=source, actor=actor, now=now)
    is_captured = attempt.status == AttemptStatus.CAPTURED
    if has_advanced and is_captured:
        _post_capture(order, attempt)
    if is_captured:
        accept_by_gateway_order(
            order=order, payment=payment, attempt=attempt, gateway_order=facts.gateway_order, actor=actor, now=now
        )
    sync_payment_status(order, payment, attempt, has_advanced=has_advanced, actor=actor, now=now)

    sync_order_totals(order=order, actor=actor, now=now)
    _open_review(order, payment, attempt, is_order_known=facts.gateway_order is not None, actor=actor, now=now)
    if is_captured:
        resolve_late_payment(order=order, attempt=attempt, actor=actor, now=now)

    return attempt


def apply_polled_payment(facts: GatewayPayment, *, now: datetime) -> None:
    """
    Take in what a gateway answered about one attempt. One that is not ours is left to staff with a line in the log, one that
    cannot be booked with an exception.
    """
    try:
        apply_gateway_payment(facts=facts, source=Source.POLL, actor=SYSTEM, now=now)
    except UnknownGatewayPayment:
        log.error("unknown_gateway_payment", gateway_payment=facts.id)
    except PaymentFactsConflict as refusal:
        report_contradiction(refusal, now=now)


def report_contradiction(
    refusal: PaymentFactsConflict, *, webhook: Webhook | None = None, actor: Actor = SYSTEM, now: datetime
) -> ReconciliationException:
    """Open an exception for staff about what a gateway says of a payment and cannot be booked."""
    facts, payment = refusal.facts, refusal.payment
    return open_gateway_exception(
        gateway=facts.gateway,
        reason=refusal.reason,
        entity_id=facts.id,
        description=f"{refusal.why} Nothing was booked for order {payment.order.number}: open the payment at the gateway.",
        expected_amount=payment.amount,
        actual_amount=facts.amount,
        currency=payment.currency,
        actual_currency=facts.currency if facts.currency != payment.currency else "",
        attempt=refusal.attempt,
        webhook=webhook,
        actor=actor,
        now=now,
    )


def _check_is_coherent(payment: Payment, attempt: PaymentAttempt | None, facts: GatewayPayment) -> None:
    if attempt is not None and not rules.advances(attempt.status, facts.status):
        return
    why = rules.find_contradiction(
        status=facts.status,
        amount=facts.amount,
        currency=facts.currency,
        is_captured=facts.is_captured,
        account_id=facts.account_id,
        is_our_account=get_gateway(facts.gateway).is_our_account(facts.account_id),
        our_currency=payment.currency,
    )
    if why is not None:
        raise PaymentFactsConflict(payment, attempt, facts, *why)


def _backfill_gateway_ids(
    order: "Order", payment: Payment, facts: GatewayPayment, *, actor: Actor, now: datetime
) -> None:
    """
    Keep the gateway's ids where the answer to our call was lost and its news came first.

    Of a link also the order that the gateway made for it, if the news came with the link itself: notes alone prove too little.
    """
    adopted = _missing_gateway_ids(payment, facts)
    if not adopted:
        return
    for name, value in adopted.items():
        setattr(payment, name, value)
    if payment.gateway_reference is not None:
        payment.gateway_call = GatewayCall.SUCCEEDED
    payment.save(update_fields=[*adopted, "gateway_call", "updated_at"])
    changed = stored_fields(payment, *adopted)
    record(events.PAYMENT_UPDATED, subject=payment, root_id=order.pk, actor=actor, changes=changed, now=now)


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
    """Bring the attempt up to the facts, record what changed, and return it and whether its rank rose."""
    is_new = attempt is None
    if attempt is None:
        attempt = PaymentAttempt(
            payment=payment,
            gateway=facts.gateway,
            gateway_payment_id=facts.id,
            status=facts.status,
            source=source,
            created_at=now,
        )
    before = stored_fields(attempt)
    has_advanced = is_new or rules.advances(attempt.status, facts.status)
    if has_advanced:
        _advance(order, payment, attempt, facts, now=now)
    _fill_blanks(order, attempt, facts)

    changed = stored_fields(attempt) if is_new else changes_since(attempt, before)
    if changed:
        if is_new:
            attempt.save(force_insert=True)
        else:
            attempt.save(update_fields=[*changed, "updated_at"])
        event_type = _ATTEMPT_EVENTS[AttemptStatus(attempt.status)] if has_advanced else events.ATTEMPT_UPDATED
        record(event_type, subject=attempt, root_id=order.pk, actor=actor, changes=changed, now=now)
    return attempt, has_advanced


def _advance(
    order: "Order", payment: Payment, attempt: PaymentAttempt, facts: GatewayPayment, *, now: datetime
) -> None:
    attempt.status = facts.status
    attempt.amount = facts.amount
    # What is no code is only kept of attempts that brought no money.
    attempt.currency = facts.currency[:3]
    attempt.error = facts.error.as_dict() if facts.status == AttemptStatus.FAILED else {}
    if facts.status == AttemptStatus.FAILED:
        attempt.failed_at = now
    if facts.status in (AttemptStatus.AUTHORIZED, AttemptStatus.AUTO_REFUNDED, AttemptStatus.CAPTURED):
        attempt.authorized_at = attempt.authorized_at or now
    if facts.status == AttemptStatus.CAPTURED:
        # Two workers may read the clock in one order and get the lock in the other.
        attempt.captured_at = max(now, attempt.authorized_at or now)
    if facts.status in (AttemptStatus.AUTHORIZED, AttemptStatus.CAPTURED):
        reason = _reason_to_review(order, payment, facts)
        attempt.review_reason = reason
        attempt.review_opened_at = attempt.review_opened_at or (now if reason else None)


def _reason_to_review(order: "Order", payment: Payment, facts: GatewayPayment) -> str:
    reason = find_review_reason(order, payment, amount=facts.amount, currency=facts.currency)
    # Money that is only authorised is released by its bank; staff need to know of it only if it is not what was requested.
    is_captured = facts.status == AttemptStatus.CAPTURED
    return reason if is_captured or reason == ReviewReason.AMOUNT_MISMATCH else ""


def _fill_blanks(order: "Order", attempt: PaymentAttempt, facts: GatewayPayment) -> None:
    """Keep what earlier news left out, whatever the rank of this one: an order's events may come in any order."""
    attempt.method = attempt.method or facts.method
    if facts.payer and not attempt.payer:
        attempt.payer = ERASED if orders.is_customer_erased(order) else facts.payer
    attempt.rrn = attempt.rrn or facts.rrn
    attempt.fee_bearer = attempt.fee_bearer or facts.fee_bearer
    if facts.payer_currency and not attempt.payer_currency:
        attempt.payer_amount, attempt.payer_currency = facts.payer_amount, facts.payer_currency[:3]
    if attempt.fee_amount is None:
        attempt.fee_amount = facts.fee_amount
        attempt.fee_tax_amount = facts.fee_tax_amount


def _open_review(
    order: "Order", payment: Payment, attempt: PaymentAttempt, *, is_order_known: bool, actor: Actor, now: datetime
) -> None:
    """
    Record that staff must decide about money, once for each reason.

    What the gateway's order may explain is not reported before the gateway was asked about that: a worker does it now. What was
    only authorised has not arrived.
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
    changed = stored_fields(attempt, "review_reason", "review_opened_at")
    record(events.ATTEMPT_REVIEW_OPENED, subject=attempt, root_id=order.pk, actor=actor, changes=changed, now=now)


def _post_capture(order: "Order", attempt: PaymentAttempt) -> None:
    """Book captured money: the gateway owes it to us, and we owe it to the customer until an invoice says otherwise."""
    assert attempt.captured_at is not None  # noqa: S101 - the constraint says so, this tells the type checker
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

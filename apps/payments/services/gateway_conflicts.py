"""
How a refund or dispute that a gateway reports can conflict with our rows, or with itself.

A fact without a conflict is booked; one with a conflict becomes an exception for staff, and nothing is posted for it.
"""

from dataclasses import dataclass
from datetime import datetime

from apps.core.events import Actor
from apps.core.money import amount_text
from apps.ledger.states import ExceptionReason
from apps.payments import messages
from apps.payments.facts import GatewayDispute, GatewayRefund
from apps.payments.models import Dispute, PaymentAttempt, Refund, Webhook
from apps.payments.selectors import disputes, refund_sums
from apps.payments.services.gateway_exceptions import open_gateway_exception
from apps.payments.services.payer_currency import requested_from_gateway
from apps.payments.states import DECIDED, DisputeStatus, RefundStatus


@dataclass(frozen=True)
class FactConflict:
    """
    Why a fact is not booked, or what is wrong about one that was.

    Amounts in paise: what we expected, and what the gateway reported in its currency. A fact that has an exception at each
    of its stages names the one that it is at.
    """

    reason: ExceptionReason
    description: str
    expected_amount: int | None
    actual_amount: int
    actual_currency: str = ""
    stage: str = ""


def open_conflict_exception(
    conflict: FactConflict,
    facts: GatewayRefund | GatewayDispute,
    *,
    attempt: PaymentAttempt,
    refund: Refund | None = None,
    dispute: Dispute | None = None,
    webhook: Webhook | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """Open the exception for staff about a fact with a conflict, unless it has one; in the caller's transaction."""
    open_gateway_exception(
        gateway=facts.gateway,
        reason=conflict.reason,
        entity_id=facts.id,
        description=conflict.description,
        expected_amount=conflict.expected_amount,
        actual_amount=conflict.actual_amount,
        currency=attempt.currency,
        actual_currency=conflict.actual_currency,
        stage=conflict.stage,
        attempt=attempt,
        refund=refund,
        dispute=dispute,
        webhook=webhook,
        actor=actor,
        now=now,
    )


def find_refund_conflict(
    facts: GatewayRefund, *, attempt: PaymentAttempt, refund: Refund | None
) -> FactConflict | None:
    """Return how a reported refund conflicts with our rows or with itself, or None; the caller has locked attempt and refund."""
    fault = _find_refund_fault(facts, attempt, refund)
    if fault is not None:
        expected = refund.amount if refund else None
        return FactConflict(*fault, expected, facts.amount, _other(facts.currency, attempt))
    if refund is not None and (refund.status == RefundStatus.PROCESSED or facts.status == RefundStatus.FAILED):
        # It is booked, or moves no money.
        return None
    left = refund_sums.gateway_refundable_amount(attempt, excluding_refund=refund)
    if facts.amount <= left:
        return None
    why = messages.refund_exceeds_payment(
        facts.id, facts.gateway_payment_id, amount=facts.amount, left=left, currency=attempt.currency
    )
    return FactConflict(ExceptionReason.REFUND_EXCEEDS_PAYMENT, why, left, facts.amount)


def open_dispute_excess_exceptions(
    attempt: PaymentAttempt, *, webhook: Webhook | None, actor: Actor, now: datetime
) -> None:
    """Open the exception, as if the dispute were reported now, of each undecided one about more than refunds leave of its payment."""
    for dispute in disputes.list_undecided_disputes(attempt.pk):
        left = refund_sums.gateway_refundable_amount(attempt, excluding_dispute=dispute)
        if dispute.amount <= left:
            continue
        why = messages.dispute_exceeds_payment(
            dispute.gateway_dispute_id,
            attempt.gateway_payment_id,
            amount=dispute.amount,
            left=left,
            currency=attempt.currency,
        )
        open_gateway_exception(
            gateway=attempt.gateway,
            reason=ExceptionReason.DISPUTE_EXCEEDS_PAYMENT,
            entity_id=dispute.gateway_dispute_id,
            description=why,
            expected_amount=left,
            actual_amount=dispute.amount,
            currency=attempt.currency,
            attempt=attempt,
            dispute=dispute,
            webhook=webhook,
            actor=actor,
            now=now,
        )


def _find_refund_fault(
    facts: GatewayRefund, attempt: PaymentAttempt, refund: Refund | None
) -> tuple[ExceptionReason, str] | None:
    """Return why a refund cannot be what the gateway says, however much of its payment is left."""
    is_converted = facts.payer_amount is not None
    reported = reported_refund_amount(facts)
    if facts.contradiction:
        return ExceptionReason.CONTRADICTORY_FACTS, facts.contradiction
    if facts.amount <= 0:
        return ExceptionReason.CONTRADICTORY_FACTS, messages.refund_not_positive(facts.id, reported)
    if refund is not None and refund.attempt_id != attempt.pk:
        why = messages.refund_of_another_payment(facts.id, refund.number, facts.gateway_payment_id)
        return ExceptionReason.CONTRADICTORY_FACTS, why
    if facts.currency != attempt.currency:
        why = messages.refund_in_another_currency(
            facts.id, facts.gateway_payment_id, reported=reported, currency=attempt.currency
        )
        return ExceptionReason.CURRENCY_MISMATCH, why
    if refund is None:
        return None
    requested, currency = requested_from_gateway(refund, attempt)
    # Several amounts in the payer's currency may be the same paise.
    is_first_answer = is_converted and refund.gateway_refund_id is None
    if refund.amount != facts.amount or (is_first_answer and facts.payer_amount != requested):
        ours = amount_text(requested, currency) if is_converted else amount_text(refund.amount, refund.currency)
        why = messages.refund_amount_differs(facts.id, refund.number, ours=ours, reported=reported)
        return ExceptionReason.AMOUNT_MISMATCH, why
    return None


def reported_refund_amount(facts: GatewayRefund) -> str:
    """Return the amount of a refund in words, in the currency in which the gateway reported it."""
    if facts.payer_amount is None:
        return amount_text(facts.amount, facts.currency)
    return amount_text(facts.payer_amount, facts.payer_currency)


def find_dispute_conflict(
    facts: GatewayDispute, *, attempt: PaymentAttempt, dispute: Dispute | None
) -> FactConflict | None:
    """
    Return how a reported dispute conflicts with our rows or with itself, or None; the caller has locked attempt and dispute.

    What is left of the payment after refunds is another question: see `find_dispute_excess`.
    """
    fault = _find_dispute_fault(facts, attempt, dispute)
    if fault is not None:
        expected = dispute.amount if dispute else None
        return FactConflict(*fault, expected, facts.amount, _other(facts.currency, attempt))
    kept = disputes.sum_disputed_of_attempt(attempt.pk, excluding_dispute=dispute)
    if dispute is None and facts.amount > attempt.amount - kept:
        return _dispute_excess(facts, attempt, left=max(0, attempt.amount - kept))
    return None


def _find_dispute_fault(
    facts: GatewayDispute, attempt: PaymentAttempt, dispute: Dispute | None
) -> tuple[ExceptionReason, str] | None:
    """Return why a dispute cannot be what the gateway says, however much of its payment is left."""
    reported, contradictory = amount_text(facts.amount, facts.currency), ExceptionReason.CONTRADICTORY_FACTS
    if facts.contradiction:
        return contradictory, facts.contradiction
    if facts.amount <= 0:
        return contradictory, messages.dispute_not_positive(facts.id, reported)
    if facts.amount_deducted > facts.amount:
        deducted = amount_text(facts.amount_deducted, facts.currency)
        return contradictory, messages.dispute_deducts_too_much(facts.id, deducted=deducted, reported=reported)
    if dispute is not None and dispute.attempt_id != attempt.pk:
        return contradictory, messages.dispute_of_another_payment(facts.id, facts.gateway_payment_id)
    if facts.currency != attempt.currency:
        why = messages.dispute_in_another_currency(
            facts.id, facts.gateway_payment_id, reported=reported, currency=attempt.currency
        )
        return ExceptionReason.CURRENCY_MISMATCH, why
    if dispute is not None and dispute.amount != facts.amount:
        before = amount_text(dispute.amount, dispute.currency)
        return ExceptionReason.AMOUNT_MISMATCH, messages.dispute_amount_differs(
            facts.id, before=before, reported=reported
        )
    if dispute is not None and dispute.status in DECIDED and facts.status in DECIDED and facts.status != dispute.status:
        before, status = DisputeStatus(dispute.status).label.lower(), DisputeStatus(facts.status).label.lower()
        return contradictory, messages.dispute_decided_otherwise(facts.id, before=before, status=status)
    return None


def find_dispute_excess(
    facts: GatewayDispute, *, attempt: PaymentAttempt, dispute: Dispute | None
) -> FactConflict | None:
    """
    Return how far a dispute exceeds what refunds and other disputes leave of its payment, or None.

    Such a dispute is kept, because staff must answer it in time; what was deducted for it is not booked.
    """
    left = refund_sums.gateway_refundable_amount(attempt, excluding_dispute=dispute)
    return _dispute_excess(facts, attempt, left=left) if facts.amount > left else None


def _dispute_excess(facts: GatewayDispute, attempt: PaymentAttempt, *, left: int) -> FactConflict:
    why = messages.dispute_exceeds_payment(
        facts.id, facts.gateway_payment_id, amount=facts.amount, left=left, currency=attempt.currency
    )
    return FactConflict(ExceptionReason.DISPUTE_EXCEEDS_PAYMENT, why, left, facts.amount)


def _other(currency: str, attempt: PaymentAttempt) -> str:
    return "" if currency == attempt.currency else currency or "none"

"""
Refunds and disputes of payments that were charged in a currency of the payer's own.

Such a refund is requested in that currency, and the gateway reports it in that currency alone. What it is in ours follows from
what the payment was in both. So does what a dispute in that currency is about, where the gateway does not say it.
"""

from dataclasses import replace

from apps.core.money import half_up
from apps.payments import rules
from apps.payments.facts import GatewayDispute, GatewayRefund
from apps.payments.models import Dispute, PaymentAttempt, Refund
from apps.payments.selectors import refund_sums
from apps.payments.selectors import refunds as selectors


def convert_refund_facts(facts: GatewayRefund, *, attempt: PaymentAttempt, refund: Refund | None) -> GatewayRefund:
    """
    Return the facts in the attempt's currency if they are in its payer's own, and else as they are.

    What we requested is exactly our refund, and all that is left is exactly the remaining paise; another part is in proportion.
    """
    if not attempt.payer_currency or not attempt.payer_amount or facts.currency != attempt.payer_currency:
        return facts
    if refund is not None and refund.attempt_id == attempt.pk and _stands_for(facts, refund, attempt):
        amount = refund.amount
    else:
        amount = _part_of(facts.amount, attempt, refund)
    return replace(
        facts, amount=amount, currency=attempt.currency, payer_amount=facts.amount, payer_currency=facts.currency
    )


def convert_dispute_facts(facts: GatewayDispute, *, attempt: PaymentAttempt, dispute: Dispute | None) -> GatewayDispute:
    """
    Return the facts in the attempt's currency if they are in its payer's own, and else as they are.

    What the dispute is about stays what it was when it was first reported. All of the payment is exactly its amount; a part is what
    the gateway says that it is in ours, or in proportion.
    """
    if facts.currency == attempt.currency or facts.amount <= 0:
        return facts
    amount = _disputed_amount(facts, attempt, dispute)
    if amount is None:
        return facts
    if facts.amount_deducted > facts.amount:
        # A contradiction, and to remain one.
        deducted = amount + 1
    else:
        deducted = half_up(facts.amount_deducted * amount, facts.amount)
    return replace(
        facts,
        amount=amount,
        amount_deducted=deducted,
        currency=attempt.currency,
        payer_amount=facts.amount,
        payer_currency=facts.currency,
    )


def _disputed_amount(facts: GatewayDispute, attempt: PaymentAttempt, dispute: Dispute | None) -> int | None:
    """Return in paise what a dispute in another currency than the attempt's is about, or None if nothing says it."""
    if dispute is not None and (dispute.payer_amount, dispute.payer_currency) == (facts.amount, facts.currency):
        return dispute.amount
    if attempt.payer_currency not in ("", facts.currency):
        return None
    if facts.base_currency == attempt.currency and facts.base_amount:
        return facts.base_amount
    if attempt.payer_currency and attempt.payer_amount:
        return rules.from_payer_currency(facts.amount, of=attempt.amount, payer_amount=attempt.payer_amount)
    return None


def requested_from_gateway(refund: Refund, attempt: PaymentAttempt) -> tuple[int, str]:
    """Return the amount and the currency in which a refund is requested from the gateway."""
    amount = rules.in_payer_currency(refund.amount, of=attempt.amount, payer_amount=attempt.payer_amount)
    return amount, attempt.payer_currency or attempt.currency


def _stands_for(facts: GatewayRefund, refund: Refund, attempt: PaymentAttempt) -> bool:
    """Test if the facts, in the payer's currency, match a refund made by Bahi: to the unit, unless it was made from such facts."""
    requested, _ = requested_from_gateway(refund, attempt)
    if facts.amount == requested:
        return requested > 0
    if refund.gateway_refund_id != facts.id or attempt.payer_amount is None:
        return False
    # The row may be of all that was left after other parts, each of which was rounded.
    others = selectors.count_other_refunds(refund)
    rounding = rules.rounding_tolerance(of=attempt.amount, payer_amount=attempt.payer_amount)
    return abs(facts.amount - requested) <= others + (others + 1) * rounding


def _part_of(charged: int, attempt: PaymentAttempt, refund: Refund | None) -> int:
    """Return in paise a part of an attempt that was reported in its payer's currency."""
    total = attempt.payer_amount or 0
    gone = refund_sums.list_returned_or_deducted_amounts(attempt, excluding_refund=refund)
    left = max(0, attempt.amount - sum(gone))
    left_charged = total - sum(rules.in_payer_currency(one, of=attempt.amount, payer_amount=total) for one in gone)
    rounding = len(gone) * rules.rounding_tolerance(of=attempt.amount, payer_amount=total)
    if charged > 0 and abs(charged - left_charged) <= rounding:
        return left
    part = rules.from_payer_currency(charged, of=attempt.amount, payer_amount=total)
    return min(part, left) if charged < left_charged else part

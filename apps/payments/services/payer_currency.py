"""
Refunds of payments that were charged in a currency of the payer's own.

Such a refund is requested in that currency, and the gateway reports it in that currency alone. What it is in ours follows from
what the payment was in both.
"""

from dataclasses import replace

from apps.payments import rules, selectors
from apps.payments.gateways import GatewayRefund
from apps.payments.models import PaymentAttempt, Refund


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


def requested_from_gateway(refund: Refund, attempt: PaymentAttempt) -> tuple[int, str]:
    """Return the amount and the currency in which a refund is requested from the gateway."""
    amount = rules.in_payer_currency(refund.amount, of=attempt.amount, payer_amount=attempt.payer_amount)
    return amount, attempt.payer_currency or attempt.currency


def _stands_for(facts: GatewayRefund, refund: Refund, attempt: PaymentAttempt) -> bool:
    """Test if the facts, in the payer's currency, are a refund of ours: to the unit, unless it was made from such facts."""
    requested, _ = requested_from_gateway(refund, attempt)
    if facts.amount == requested:
        return requested > 0
    if refund.gateway_refund_id != facts.id or attempt.payer_amount is None:
        return False
    # The row may be of all that was left after other parts, each of which was rounded.
    others = selectors.count_other_refunds(refund)
    rounding = rules.rounding_of_part(of=attempt.amount, payer_amount=attempt.payer_amount)
    return abs(facts.amount - requested) <= others + (others + 1) * rounding


def _part_of(charged: int, attempt: PaymentAttempt, refund: Refund | None) -> int:
    """Return in paise a part of an attempt that was reported in its payer's currency."""
    total = attempt.payer_amount or 0
    gone = selectors.list_parts_gone_at_gateway(attempt, but_refund=refund)
    left = max(0, attempt.amount - sum(gone))
    left_charged = total - sum(rules.in_payer_currency(one, of=attempt.amount, payer_amount=total) for one in gone)
    rounding = len(gone) * rules.rounding_of_part(of=attempt.amount, payer_amount=total)
    if charged > 0 and abs(charged - left_charged) <= rounding:
        return left
    part = rules.from_payer_currency(charged, of=attempt.amount, payer_amount=total)
    return min(part, left) if charged < left_charged else part

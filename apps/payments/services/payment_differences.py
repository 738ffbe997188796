"""
What a payer was charged beyond, or below, the amount requested, once it is accepted as the full payment.

It leaves the customer's advance, so that the invoice of the order takes exactly what is left there, and is booked by its reason.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from apps.core.models import subject_type_of
from apps.ledger.services import post_to_ledger
from apps.payments import rules
from apps.payments.models import PaymentAttempt, Refund
from apps.payments.selectors import differences, refund_sums
from apps.payments.services.ledger_accounts import CUSTOMER_ADVANCES, PAYER_FEES, PAYMENT_DIFFERENCES
from apps.payments.states import DifferenceReason

if TYPE_CHECKING:
    from apps.orders.models import Order

DIFFERENCE = "payment_difference"
DIFFERENCE_REVERSAL = "difference_reversal"
_PAID_BY_PAYER = (DifferenceReason.PAYER_FEE, DifferenceReason.SURCHARGE)


def account_of_difference(reason: str) -> str:
    """Return the code of the account that a difference is booked to, by its reason."""
    return PAYER_FEES if reason in _PAID_BY_PAYER else PAYMENT_DIFFERENCES


def post_difference(order: "Order", attempt: PaymentAttempt, *, now: datetime) -> None:
    """Book the difference of an attempt that was just accepted; the caller has locked it. Nothing, if there is none."""
    difference = attempt.amount - attempt.counted_amount
    if difference == 0:
        return
    post_to_ledger(
        source_type=subject_type_of(attempt),
        source_id=attempt.pk,
        kind=DIFFERENCE,
        order_id=order.pk,
        entries={CUSTOMER_ADVANCES: difference, account_of_difference(attempt.difference_reason): -difference},
        currency=attempt.currency,
        description=f"{attempt.gateway_payment_id} accepted for {order.number}",
        occurred_at=now,
    )


def reverse_difference(*, refund: Refund, is_in_time: bool, now: datetime) -> int:
    """
    Reverse the part of an accepted difference that a processed refund has made void. The caller has locked the order.

    A fee that the payer bore, as far as it was refunded at the gateway all the same; a shortfall, once refunds have returned all
    that was captured, but for what no gateway refunds. What a lost dispute took counts for neither: it is a loss, and no return.
    So the order of events makes no difference. Too late for a credit note (`is_in_time`) the sale stays, and its shortfall too.

    Returns the difference taken back, in paise and signed as it: the credit note of the refund is for its money less that.
    """
    attempt = refund.attempt
    difference = attempt.amount - attempt.counted_amount
    if difference == 0:
        return 0
    if difference < 0 and not is_in_time:
        return 0
    refunded = refund_sums.attempt_refunded_amount(attempt.pk)
    target = rules.difference_to_reverse(
        captured=attempt.amount,
        counted=attempt.counted_amount,
        refunded=refunded,
        least=attempt.min_refund_amount,
    )
    to_reverse = target - differences.sum_difference_reversed(attempt, kind=DIFFERENCE_REVERSAL)
    if to_reverse == 0:
        return 0

    post_to_ledger(
        source_type=subject_type_of(refund),
        source_id=refund.pk,
        kind=DIFFERENCE_REVERSAL,
        order_id=refund.order_id,
        entries={CUSTOMER_ADVANCES: -to_reverse, account_of_difference(attempt.difference_reason): to_reverse},
        currency=refund.currency,
        description=f"refund {refund.number} of {attempt.gateway_payment_id}",
        occurred_at=now,
    )
    return to_reverse

"""
What is wrong about a refund although it is booked, because its money has gone: staff get an exception.

It should not have been made, it was made twice, or its money was kept for a bank transfer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from apps.ledger.states import ExceptionReason
from apps.payments import messages
from apps.payments.facts import GatewayRefund
from apps.payments.models import PaymentAttempt, Refund
from apps.payments.selectors import refund_sums
from apps.payments.selectors import refunds as selectors
from apps.payments.services.gateway_conflicts import FactConflict, reported_refund_amount
from apps.payments.states import COMMITTED_REFUNDS, NOT_FOR_GATEWAY, RESERVING_REFUNDS, RefundStatus


@dataclass(frozen=True)
class RefundBefore:
    """A refund as it was before a report of the gateway was merged; `status` is None if the report brought it."""

    status: RefundStatus | None
    is_known_to_gateway: bool

    @classmethod
    def of(cls, refund: Refund | None) -> "RefundBefore":
        """Return what a refund is now, before it is changed, or what stands for one that there was not."""
        if refund is None:
            return cls(None, is_known_to_gateway=False)
        return cls(RefundStatus(refund.status), is_known_to_gateway=refund.gateway_refund_id is not None)

    def takes_money_now(self, refund: Refund) -> bool:
        """Test if the gateway has made a refund that it had not made before."""
        if self.status is None:
            return refund.status in RESERVING_REFUNDS
        return refund.status == RefundStatus.PROCESSED != self.status


def list_booked_conflicts(
    facts: GatewayRefund, *, attempt: PaymentAttempt, refund: Refund, was: RefundBefore
) -> list[FactConflict]:
    """Return what is wrong about a refund of an attempt that was merged; the caller has locked both."""
    return list(_find_conflicts(facts, attempt, refund, was))


def _find_conflicts(
    facts: GatewayRefund, attempt: PaymentAttempt, refund: Refund, was: RefundBefore
) -> Iterator[FactConflict]:
    if refund.transfer_reference and facts.status == RefundStatus.PROCESSED:
        # The gateway's settlement line is booked to suspense, so that staff recover the money.
        why = messages.refund_transferred_and_refunded(
            facts.id, refund.number, reported=reported_refund_amount(facts), reference=refund.transfer_reference
        )
        yield FactConflict(ExceptionReason.REFUND_EXCEEDS_PAYMENT, why, 0, facts.amount)
    why = _why_unexpected(facts, refund, was)
    if why:
        yield FactConflict(ExceptionReason.UNEXPECTED_REFUND, why, 0, facts.amount, stage=facts.status)
    if was.takes_money_now(refund):
        held = selectors.list_refunds_awaiting_transfer(attempt.pk)
        if held and refund_sums.reserved_amount(attempt.pk) > attempt.amount:
            numbers = ", ".join(one.number for one in held)
            why = messages.refund_during_transfer(facts.id, numbers, reported=reported_refund_amount(facts))
            yield FactConflict(ExceptionReason.REFUND_EXCEEDS_PAYMENT, why, 0, facts.amount)


def _why_unexpected(facts: GatewayRefund, refund: Refund, was: RefundBefore) -> str:
    """
    Return the message that a refund should not have been made, or not a second time; empty if it is right.

    A report of `pending` about a refund that the gateway has reported before is only late.
    """
    reported = reported_refund_amount(facts)
    unexpected = {
        RefundStatus.PENDING: () if was.is_known_to_gateway else NOT_FOR_GATEWAY,
        RefundStatus.PROCESSED: NOT_FOR_GATEWAY,
    }
    if was.status is not None and was.status in unexpected.get(RefundStatus(facts.status), ()):
        status = was.status.label.lower()
        return messages.unexpected_refund(facts.id, refund.number, reported=reported, status=status)
    other = None if facts.status == RefundStatus.FAILED else _find_other_of_decision(facts, refund)
    return messages.refund_made_twice(facts.id, refund.number, reported=reported, other=other) if other else ""


def _find_other_of_decision(facts: GatewayRefund, refund: Refund) -> str | None:
    """
    Return which other refund the gateway makes, or may make, of the decision that this one was made of; or None.

    It is read from the rows, and not from what this report has changed: each report of the second one finds it.
    """
    if facts.our_refund and facts.our_refund != refund.public_id:
        ours = selectors.find_refund(facts.our_refund)
        # Without an id of its own its call was rejected, and this refund was matched to another row.
        if ours is not None and ours.gateway_refund_id not in (None, facts.id):
            return f"{ours.number} ({ours.gateway_refund_id})"
    if refund.status not in COMMITTED_REFUNDS:
        return None
    later = (one for one in selectors.list_retry_chain(refund) if one.sequence > refund.sequence)
    return ", ".join(one.number for one in later if one.status in COMMITTED_REFUNDS) or None

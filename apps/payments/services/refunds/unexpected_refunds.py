"""
What staff must know about a refund that the gateway reports, although it is taken over as reported.

It should not have been made, it was made twice, or its money is held for a bank transfer or was transferred.
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

#: Its exceptions are not closed when the refund is booked: that it is booked is what is wrong.
_BOOKED = "booked"


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

    def has_newly_taken_money(self, refund: Refund) -> bool:
        """Return whether the gateway made the refund with this report: it is new and has not failed, or is processed now."""
        if self.status is None:
            return refund.status in RESERVING_REFUNDS
        return self.status != RefundStatus.PROCESSED and refund.status == RefundStatus.PROCESSED


def list_refund_warnings(
    facts: GatewayRefund, *, attempt: PaymentAttempt, refund: Refund, was: RefundBefore
) -> list[FactConflict]:
    """Return what staff must know about a refund of an attempt that was merged; the caller has locked both."""
    return list(_find_warnings(facts, attempt, refund, was))


def _find_warnings(
    facts: GatewayRefund, attempt: PaymentAttempt, refund: Refund, was: RefundBefore
) -> Iterator[FactConflict]:
    if refund.transfer_reference and facts.status == RefundStatus.PROCESSED:
        # The gateway's settlement line is booked to suspense, so that staff recover the money.
        why = messages.refund_transferred_and_refunded(
            facts.id, refund.number, reported=reported_refund_amount(facts), reference=refund.transfer_reference
        )
        yield FactConflict(ExceptionReason.REFUND_EXCEEDS_PAYMENT, why, 0, facts.amount, stage=_BOOKED)
    why = _why_unexpected(facts, refund, was)
    if why:
        yield FactConflict(ExceptionReason.UNEXPECTED_REFUND, why, 0, facts.amount, stage=facts.status)
    if was.has_newly_taken_money(refund):
        held = selectors.list_refunds_awaiting_transfer(attempt.pk)
        if held and refund_sums.attempt_reserved_amount(attempt.pk) > attempt.amount:
            numbers = ", ".join(one.number for one in held)
            why = messages.refund_during_transfer(facts.id, numbers, reported=reported_refund_amount(facts))
            yield FactConflict(ExceptionReason.REFUND_EXCEEDS_PAYMENT, why, 0, facts.amount, stage=_BOOKED)


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
    Return the refund that returns the same decided money, or None: the one that our id names there, or a later retry.

    It is read from the rows, and not from what this report has changed: each report of this refund finds it.
    """
    if facts.our_refund and facts.our_refund != refund.public_id:
        ours = selectors.find_refund(facts.our_refund)
        # Without a gateway's id its call was rejected, and this row adopted the gateway's refund.
        if ours is not None and ours.gateway_refund_id and ours.status in COMMITTED_REFUNDS:
            return f"{ours.number} ({ours.gateway_refund_id})"
    if refund.status not in COMMITTED_REFUNDS:
        return None
    later = (one for one in selectors.list_retry_chain(refund) if one.sequence > refund.sequence)
    return ", ".join(one.number for one in later if one.status in COMMITTED_REFUNDS) or None

"""
Whether the gateway has made a refund already, before it is called for one: a refund is never made twice.

It may have made one whose call it rejected, or whose answer was lost. That one bears our id or number; or somebody made it at the
gateway's dashboard.
"""

from collections.abc import Sequence

import structlog

from apps.payments import selectors
from apps.payments.gateways import Gateway, GatewayOutcomeUnknown, GatewayRefund, GatewayRejected
from apps.payments.models import Refund
from apps.payments.services.payer_currency import requested_from_gateway
from apps.payments.states import GatewayCall, RefundStatus

log = structlog.get_logger(__name__)


def find_gateway_refund(gateway: Gateway, refund: Refund) -> GatewayRefund | None:
    """
    Return the refund at the gateway that a refund of ours is or must adopt, or None if it has to be made. Calls the gateway.

    The gateway is asked if our call was left open, or if it rejected a refund of the same amount before.

    :raises GatewayOutcomeUnknown: if it does not answer the question
    :raises GatewayUnavailable: if it was not asked
    """
    rejected = selectors.list_rejected_refunds(refund)
    if refund.gateway_call != GatewayCall.UNKNOWN and not rejected:
        return None
    listed = list_gateway_refunds(gateway, refund)
    own = next((facts for facts in listed if facts.our_refund == refund.public_id), None)
    return own or _find_refund_of_rejected_call(refund, listed, rejected)


def list_gateway_refunds(gateway: Gateway, refund: Refund) -> Sequence[GatewayRefund]:
    """
    Return every refund of a refund's payment at the gateway. Calls the gateway.

    :raises GatewayOutcomeUnknown: if it does not answer the question
    :raises GatewayUnavailable: if it was not asked
    """
    try:
        return gateway.list_refunds(gateway_payment_id=refund.attempt.gateway_payment_id)
    except GatewayRejected as refusal:
        # The query was refused, and not the refund, whose fate stays unknown.
        raise GatewayOutcomeUnknown(refusal.error) from refusal


def _find_refund_of_rejected_call(
    refund: Refund, listed: Sequence[GatewayRefund], rejected: Sequence[Refund]
) -> GatewayRefund | None:
    """Return a refund that the gateway made although it rejected our call, or one of the same amount that nothing explains."""
    if not rejected:
        return None
    live = [facts for facts in listed if facts.status != RefundStatus.FAILED]
    for facts in live:
        if any(_bears(facts, one) for one in (refund, *rejected)):
            log.warning("rejected_refund_found", refund=refund.number, gateway_refund=facts.id)
            return facts
    known = selectors.list_known_gateway_refunds([facts.id for facts in live])
    for facts in live:
        is_unexplained = facts.id not in known and not selectors.is_refund_of_ours(facts.our_refund)
        if is_unexplained and _is_of_amount(facts, refund):
            log.warning("unexplained_refund_adopted", refund=refund.number, gateway_refund=facts.id)
            return facts
    return None


def _is_of_amount(facts: GatewayRefund, refund: Refund) -> bool:
    return (facts.amount, facts.currency) == requested_from_gateway(refund, refund.attempt)


def _bears(facts: GatewayRefund, refund: Refund) -> bool:
    return facts.our_refund == refund.public_id or (not facts.our_refund and facts.receipt == refund.number)

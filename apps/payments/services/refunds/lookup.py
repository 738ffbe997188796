"""
Lookup of a refund at the gateway before it is requested there, so that no refund is made twice.

The gateway may have made a refund although it rejected our call, or its answer was lost. That refund bears our id or
number. Or somebody made a refund of the same amount on the gateway's dashboard.
"""

from collections.abc import Sequence

import structlog

from apps.core.external_calls import GatewayCall
from apps.payments.facts import GatewayRefund
from apps.payments.gateways.interface import Gateway, GatewayOutcomeUnknown, GatewayRejected
from apps.payments.models import Refund
from apps.payments.selectors import refunds as selectors
from apps.payments.services.payer_currency import requested_from_gateway
from apps.payments.states import RefundStatus

log = structlog.get_logger(__name__)


def find_gateway_refund(gateway: Gateway, refund: Refund) -> GatewayRefund | None:
    """
    Return the gateway's refund that our refund made or must adopt, or None if it has to be made. Calls the gateway.

    The gateway is called only if the outcome of our call is unknown, or if it rejected a refund of the same amount
    before.

    :raises GatewayOutcomeUnknown: if the gateway does not answer
    :raises GatewayUnavailable: if the gateway could not be called
    """
    rejected = selectors.list_rejected_refunds(refund)
    if refund.gateway_call != GatewayCall.UNKNOWN and not rejected:
        return None
    listed = list_gateway_refunds(gateway, refund)
    own = next((facts for facts in listed if facts.our_refund == refund.public_id), None)
    return own or _find_refund_of_rejected_call(refund, listed, rejected)


def list_gateway_refunds(gateway: Gateway, refund: Refund) -> Sequence[GatewayRefund]:
    """
    Return all of the gateway's refunds of the payment that a refund belongs to. Calls the gateway.

    :raises GatewayOutcomeUnknown: if the gateway does not answer
    :raises GatewayUnavailable: if the gateway could not be called
    """
    try:
        return gateway.list_refunds(gateway_payment_id=refund.attempt.gateway_payment_id)
    except GatewayRejected as refusal:
        # The gateway rejected the query and not the refund, whose outcome stays unknown.
        raise GatewayOutcomeUnknown(refusal.error) from refusal


def _find_refund_of_rejected_call(
    refund: Refund, listed: Sequence[GatewayRefund], rejected: Sequence[Refund]
) -> GatewayRefund | None:
    """Return a refund that the gateway made although it rejected our call, or an unexplained one of the same amount."""
    if not rejected:
        return None
    live = [facts for facts in listed if facts.status != RefundStatus.FAILED]
    for facts in live:
        if any(_bears(facts, one) for one in (refund, *rejected)):
            log.warning("rejected_refund_found", refund=refund.number, gateway_refund=facts.id)
            return facts
    known = selectors.list_known_gateway_refunds([facts.id for facts in live])
    for facts in live:
        is_unexplained = facts.id not in known and not selectors.find_refund(facts.our_refund)
        if is_unexplained and _is_of_amount(facts, refund):
            log.warning("unexplained_refund_adopted", refund=refund.number, gateway_refund=facts.id)
            return facts
    return None


def _is_of_amount(facts: GatewayRefund, refund: Refund) -> bool:
    return (facts.amount, facts.currency) == requested_from_gateway(refund, refund.attempt)


def _bears(facts: GatewayRefund, refund: Refund) -> bool:
    return facts.our_refund == refund.public_id or (not facts.our_refund and facts.receipt == refund.number)

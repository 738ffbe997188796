"""
What the gateway reports about its settlements. Settlements are booked by the app of that name, which calls these.

The calls use the network: no transaction may be open.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from apps.core.events import SYSTEM
from apps.payments.facts import GatewaySettlement, SettlementRow
from apps.payments.gateways.interface import GatewayRejected, load_adapter
from apps.payments.selectors import webhooks
from apps.payments.services.attempts import (
    PaymentFactsConflict,
    UnknownGatewayPayment,
    apply_gateway_payment,
    report_contradiction,
)
from apps.payments.services.disputes.gateway_updates import (
    DisputeFactsConflict,
    UnknownGatewayDispute,
    apply_gateway_dispute,
)
from apps.payments.services.gateway_access import get_monitored_gateway
from apps.payments.services.refunds.gateway_updates import (
    RefundFactsConflict,
    UnknownGatewayRefund,
    apply_gateway_refund,
)
from apps.payments.states import Source


def fetch_settlement_report(*, gateway: str, day: date, skip: int) -> Sequence[SettlementRow | None]:
    """
    Return a page of the settlement report of a day (in India), after `skip` lines; an empty page is past the end.

    A line that is not settled yet is None.

    :raises GatewayFailure: if the gateway does not return it
    :raises UnreadableFacts: if a line cannot be parsed
    """
    return get_monitored_gateway(gateway).list_settlement_rows(day=day, skip=skip)


def fetch_settlement(*, gateway: str, gateway_settlement_id: str) -> GatewaySettlement:
    """
    Return one transfer of the gateway to our bank.

    :raises GatewayFailure: if the gateway does not return it
    :raises UnreadableFacts: if it cannot be parsed
    """
    return get_monitored_gateway(gateway).get_settlement(gateway_settlement_id=gateway_settlement_id)


def read_report_line(
    line: Mapping[str, str],
    *,
    gateway: str,
    amount_from: Callable[[Mapping[str, str], str], int],
    time_from: Callable[[Mapping[str, str], str], datetime | None],
    is_fee_net: bool,
) -> SettlementRow | None:
    """
    Return a line of a downloaded report of the gateway, whose columns have the names of the API; calls nobody.

    A line that is not settled yet is None. `amount_from` (in paise) and `time_from` read its fields; `is_fee_net` says
    that its fee excludes GST.

    :raises UnreadableFacts: if it cannot be parsed
    """
    adapter = load_adapter(gateway)
    return adapter.read_report_line(line, amount_from=amount_from, time_from=time_from, is_fee_net=is_fee_net)


def read_settlement_webhook(webhook_id: UUID) -> tuple[str, date | None]:
    """
    Return the gateway of a webhook, and the day (in India) of the settlement that it reports, if it reports one.

    :raises WebhookNotFound: if there is none
    """
    webhook = webhooks.get_webhook(webhook_id)
    return webhook.gateway, load_adapter(webhook.gateway).find_settlement_day(bytes(webhook.body))


def fetch_and_apply_payment(*, gateway: str, gateway_payment_id: str, now: datetime) -> bool:
    """
    Fetch and apply a settled payment that we do not know as captured, and return whether it is ours.

    Its webhook was lost, or it is not ours. Facts that contradict our rows open an exception.

    :raises GatewayFailure: if the gateway did not answer
    """
    try:
        facts = get_monitored_gateway(gateway).get_payment(gateway_payment_id=gateway_payment_id)
        apply_gateway_payment(facts=facts, source=Source.POLL, actor=SYSTEM, now=now)
    except (GatewayRejected, UnknownGatewayPayment):
        return False
    except PaymentFactsConflict as refusal:
        report_contradiction(refusal, now=now)
        return False
    return True


def fetch_and_apply_refund(*, gateway: str, gateway_refund_id: str, now: datetime) -> bool:
    """
    Fetch and apply a settled refund that we do not know, and return whether it is ours.

    :raises GatewayFailure: if the gateway did not answer
    """
    try:
        facts = get_monitored_gateway(gateway).get_refund(gateway_refund_id=gateway_refund_id)
        apply_gateway_refund(facts=facts, actor=SYSTEM, now=now)
    except (GatewayRejected, UnknownGatewayRefund, RefundFactsConflict):
        return False
    return True


def fetch_and_apply_dispute(*, gateway: str, gateway_dispute_id: str, now: datetime) -> bool:
    """
    Fetch and apply a dispute that a settlement names and we do not know, and return whether it is ours.

    :raises GatewayFailure: if the gateway did not answer
    """
    try:
        facts = get_monitored_gateway(gateway).get_dispute(gateway_dispute_id=gateway_dispute_id)
        apply_gateway_dispute(facts=facts, source=Source.POLL, actor=SYSTEM, now=now)
    except (GatewayRejected, UnknownGatewayDispute, DisputeFactsConflict):
        return False
    return True

"""
The interface of a payment gateway: its calls and their errors. What they return is in `facts`.

A call succeeds, is rejected, or has an unknown outcome. These three must not be confused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from apps.payments.facts import (
    GatewayDispute,
    GatewayDowntime,
    GatewayError,
    GatewayOrder,
    GatewayPayment,
    GatewayRefund,
    GatewaySettlement,
    SettlementRow,
    UpiIntent,
    WebhookEnvelope,
    WebhookFacts,
)
from apps.payments.gateways.payment_links import LinkGateway


@dataclass(frozen=True)
class EvidenceFile:
    """
    A PDF that is sent with our response to a dispute.

    `kind` is what it proves: billing, shipping, explanation, communication, access, refund, or anything else. `also`
    lists what else it proves.
    """

    kind: str
    name: str
    content: bytes
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Payer:
    """The payer, as a gateway requires it for server-to-server UPI and for payment links."""

    email: str
    phone: str
    ip: str
    user_agent: str


class GatewayFailure(Exception):
    """A call that did not succeed; `error` is all that the gateway returned about it."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__(error.description or error.reason or error.code or "no answer")
        self.error = error


class GatewayRejected(GatewayFailure):
    """The gateway rejected the call, and would reject the same call again."""


class GatewayUnavailable(GatewayFailure):
    """The gateway did nothing, and the call may be repeated: it was not reached, or was busy."""


class CredentialsRejected(GatewayUnavailable):
    """The gateway rejected our key or our IP address. This says nothing about the payment, refund, link or dispute."""


class GatewayOutcomeUnknown(GatewayFailure):
    """There was no response, or an unreadable one: the gateway may have acted. Query it before another attempt."""


class Gateway(LinkGateway, Protocol):
    """A payment gateway. Its calls use the network and must not be made inside a transaction."""

    name: str

    def create_order(self, *, receipt: str, amount: int, currency: str, notes: Mapping[str, str]) -> GatewayOrder:
        """Create an order; repeated calls with the same receipt return the same order."""
        ...

    def find_order(self, *, receipt: str) -> GatewayOrder | None:
        """Return the order with a receipt, or None."""
        ...

    def get_order(self, *, gateway_order_id: str) -> GatewayOrder:
        """Return the current state of an order."""
        ...

    def list_payments(self, *, gateway_order_id: str) -> Sequence[GatewayPayment]:
        """Return every payment attempt of an order."""
        ...

    def get_payment(self, *, gateway_payment_id: str) -> GatewayPayment:
        """Return one payment attempt."""
        ...

    def capture(self, *, gateway_payment_id: str, amount: int, currency: str) -> GatewayPayment:
        """Capture an authorised payment."""
        ...

    def create_refund(
        self,
        *,
        gateway_payment_id: str,
        amount: int,
        speed: str,
        receipt: str,
        notes: Mapping[str, str],
        idempotency_key: str,
    ) -> GatewayRefund:
        """Refund a payment; repeated calls with the same key and body return the same refund."""
        ...

    def get_refund(self, *, gateway_refund_id: str) -> GatewayRefund:
        """Return one refund."""
        ...

    def list_refunds(self, *, gateway_payment_id: str) -> Sequence[GatewayRefund]:
        """Return every refund of a payment, including those that we did not request."""
        ...

    def list_disputes(self) -> Sequence[GatewayDispute]:
        """Return the latest disputes of the account."""
        ...

    def get_dispute(self, *, gateway_dispute_id: str) -> GatewayDispute:
        """Return one dispute."""
        ...

    def accept_dispute(self, *, gateway_dispute_id: str) -> GatewayDispute:
        """Accept a dispute: the payer is refunded."""
        ...

    def contest_dispute(
        self, *, gateway_dispute_id: str, amount: int, summary: str, evidence_files: Sequence[EvidenceFile]
    ) -> GatewayDispute:
        """Contest a dispute: submit our summary and evidence for review."""
        ...

    def list_downtimes(self) -> Sequence[GatewayDowntime]:
        """Return the downtimes of payment methods that are planned or under way."""
        ...

    def get_downtime(self, *, gateway_downtime_id: str) -> GatewayDowntime:
        """Return one downtime of a payment method."""
        ...

    def create_upi_intent(
        self,
        *,
        gateway_order_id: str,
        amount: int,
        currency: str,
        payer: Payer,
        description: str,
        notes: Mapping[str, str],
    ) -> UpiIntent | None:
        """Create a UPI payment from our server, or return None if the account does not support that."""
        ...

    def checkout_options(self, *, gateway_order_id: str) -> dict[str, Any]:
        """Return what the browser needs to open the gateway's checkout."""
        ...

    def is_checkout_signed(self, *, gateway_order_id: str, gateway_payment_id: str, signature: str) -> bool:
        """Test if the browser's callback was signed by the gateway."""
        ...

    def is_webhook_signed(self, *, raw: bytes, signature: str) -> bool:
        """Test if a webhook's bytes were signed by the gateway."""
        ...

    def read_envelope(self, raw: bytes) -> WebhookEnvelope:
        """Return the subject of a webhook, as far as it can be read."""
        ...

    def may_be_our_account(self, account_id: str) -> bool:
        """Test if an account is ours by the settings; an empty id or an unset setting passes."""
        ...

    def read_webhook(self, raw: bytes) -> tuple[str, WebhookFacts | None]:
        """
        Return the type of a webhook and its payment, refund, dispute, link or downtime, or None if that type is not processed.

        :raises UnreadableFacts: if it cannot be parsed
        """
        ...

    def get_settlement(self, *, gateway_settlement_id: str) -> GatewaySettlement:
        """Return one transfer to our bank."""
        ...

    def list_settlement_rows(self, *, day: date, skip: int) -> Sequence[SettlementRow | None]:
        """Return a page of a day's settlement report, after `skip` lines; an empty page is past the end."""
        ...

    def read_report_line(
        self,
        line: Mapping[str, str],
        *,
        amount_from: Callable[[Mapping[str, str], str], int],
        time_from: Callable[[Mapping[str, str], str], datetime | None],
        is_fee_net: bool,
    ) -> SettlementRow | None:
        """
        Read a line of a downloaded report, by the names of the API; None if it is not settled yet.

        :raises UnreadableFacts: if it cannot be parsed
        """
        ...

    def find_settlement_day(self, raw: bytes) -> date | None:
        """Return the day (in India) of the settlement that a webhook reports, or None if it reports none."""
        ...


def load_adapter(name: str) -> Gateway:
    """Return the adapter of a gateway by the name that payments store. Services call `get_monitored_gateway` for calls over the network."""
    gateway: Gateway = import_string(settings.PAYMENT_GATEWAYS[name])()
    return gateway

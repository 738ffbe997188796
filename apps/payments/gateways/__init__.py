"""
The interface of a payment gateway: its calls, the data that they return, and their errors.

A call succeeds, is rejected, or has an unknown outcome. These three must not be confused.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO, Any, NamedTuple, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from apps.payments.facts import GatewayOrder, WebhookEnvelope
from apps.payments.gateways.payment_links import GatewayLink, LinkGateway
from apps.payments.gateways.report_formats import ReportFormat, ReportInspection


@dataclass(frozen=True)
class GatewayError:
    """An error of the gateway or of a bank: every field that was sent, and the HTTP status of a rejected call."""

    code: str = ""
    reason: str = ""
    description: str = ""
    source: str = ""
    step: str = ""
    field: str = ""
    status: int | None = None
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that are not empty, as they are stored in a row."""
        values = {
            "code": self.code,
            "reason": self.reason,
            "description": self.description,
            "source": self.source,
            "step": self.step,
            "field": self.field,
            "status": self.status,
            "metadata": dict(self.metadata),
        }
        return {name: value for name, value in values.items() if value not in ("", None, {})}


@dataclass(frozen=True)
class GatewayPayment:
    """
    A gateway's payment, which is one attempt, with the values of Bahi. Amounts in paise; the fee includes its GST.

    `status` is one of `AttemptStatus`. `our_payment` is our payment's public id as the gateway stores it in notes or
    receipt, or empty. `link_id` is the payment link or QR code that it was paid by, where the gateway names it. `payer`
    is masked. `amount` and `currency` are what we receive. `payer_amount` and `payer_currency` are what the payer was
    charged, where that was in another currency. `fee_bearer` is who pays the fee, in the gateway's words. `is_captured`
    is the gateway's `captured` flag, and `account_id` the account of the webhook, where the gateway sends them.
    `gateway_order` is the order of the payment, where the gateway sent it with the payment.
    """

    gateway: str
    id: str
    order_id: str
    status: str
    amount: int
    currency: str
    method: str = ""
    payer: str = ""
    rrn: str = ""
    fee_amount: int | None = None
    fee_tax_amount: int | None = None
    error: GatewayError = dataclasses.field(default_factory=GatewayError)
    our_payment: str = ""
    link_id: str = ""
    payer_amount: int | None = None
    payer_currency: str = ""
    fee_bearer: str = ""
    is_captured: bool | None = None
    account_id: str = ""
    gateway_order: GatewayOrder | None = None


@dataclass(frozen=True)
class GatewayRefund:
    """
    A gateway's refund, with the values of Bahi. Amounts in paise.

    `status` is pending, processed or failed of `RefundStatus`. `our_refund` is our refund's public id as the gateway
    stores it in the notes, or empty; `receipt` is our refund's number. A gateway reports amount and currency as the
    payer was charged. Where they were converted into ours, the reported ones are in `payer_amount` and
    `payer_currency`. `payment` is the refunded payment, if the gateway sent it with the refund, or None.
    `contradiction` is a sentence for staff where the facts contradict each other.
    """

    gateway: str
    id: str
    gateway_payment_id: str
    status: str
    amount: int
    currency: str
    speed_processed: str = ""
    arn: str = ""
    our_refund: str = ""
    payer_amount: int | None = None
    payer_currency: str = ""
    receipt: str = ""
    payment: GatewayPayment | None = None
    contradiction: str = ""


@dataclass(frozen=True)
class GatewaySettlement:
    """One transfer of a gateway to our bank: paise, and the bank's reference."""

    gateway: str
    id: str
    amount: int
    status: str
    utr: str
    created_at: datetime | None


class SettlementRow(NamedTuple):
    """
    One line of a gateway's settlement report. Amounts in paise; the fee includes its GST.

    `kind` is a `LineKind`, `reported_kind` the gateway's own name of it. `credit_type` is default, or the prepaid
    credits that the fee was paid from: fee or amount.
    """

    settlement_id: str
    utr: str
    settled_at: datetime
    entity_id: str
    kind: str
    amount: int
    debit: int
    credit: int
    fee_amount: int
    tax_amount: int
    currency: str
    entity_created_at: datetime | None
    method: str
    gateway_payment_id: str
    dispute_id: str
    description: str
    reported_kind: str
    credit_type: str


@dataclass(frozen=True)
class GatewayDispute:
    """
    A gateway's dispute, with the values of Bahi. Amounts in paise, instants UTC; `status` is a `DisputeStatus`.

    `payment` is the disputed payment, if the gateway sent it with the dispute, or None. `contradiction` is a sentence
    for staff where the facts contradict each other. `base_amount` and `base_currency` are the gateway's conversion into
    our currency of a dispute in the payer's currency. Once it is converted, `payer_amount` and `payer_currency` are
    what is disputed in the payer's currency.
    """

    gateway: str
    id: str
    gateway_payment_id: str
    status: str
    phase: str
    amount: int
    amount_deducted: int
    currency: str
    reason_code: str
    respond_by: datetime | None
    created_at: datetime | None
    payment: GatewayPayment | None = None
    contradiction: str = ""
    base_amount: int | None = None
    base_currency: str = ""
    payer_amount: int | None = None
    payer_currency: str = ""


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
class UpiIntent:
    """A UPI link that a payer's app opens, and the gateway's id of the payment that it belongs to."""

    gateway_payment_id: str
    link: str


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


class UnreadableFacts(ValueError):
    """The gateway sent data that cannot be parsed."""


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

    def is_our_account(self, account_id: str) -> bool:
        """Test if an account is ours by the settings; an empty id or an unset setting passes."""
        ...

    def read_webhook(
        self, raw: bytes
    ) -> tuple[str, GatewayPayment | GatewayRefund | GatewayDispute | GatewayLink | None]:
        """
        Return the type of a webhook and its payment, refund, dispute or link, or None if we do not process that type.

        :raises UnreadableFacts: if it cannot be parsed
        """
        ...

    def get_settlement(self, *, gateway_settlement_id: str) -> GatewaySettlement:
        """Return one transfer to our bank."""
        ...

    def list_settlement_rows(self, *, day: date, skip: int) -> Sequence[SettlementRow | None]:
        """Return a page of a day's settlement report, after `skip` lines; an empty page is past the end."""
        ...

    def inspect_report(self, stream: IO[bytes]) -> ReportInspection:
        """
        Read a whole downloaded settlement report and return what its rows prove about its format.

        :raises UnreadableFacts: if its format is not supported
        """
        ...

    def read_report(self, stream: IO[bytes], report_format: ReportFormat) -> Iterator[SettlementRow | None]:
        """
        Yield the lines of a downloaded settlement report, None for a line that is not settled yet.

        :raises UnreadableFacts: if it cannot be parsed
        """
        ...

    def read_transfers(self, stream: IO[bytes], report_format: ReportFormat) -> Iterator[GatewaySettlement]:
        """
        Yield the settlements of a report that lists settlements without their lines.

        :raises UnreadableFacts: if it cannot be parsed
        """
        ...

    def find_settlement_day(self, raw: bytes) -> date | None:
        """Return the day (in India) of the settlement that a webhook reports, or None if it reports none."""
        ...


def get_gateway(name: str) -> Gateway:
    """Return a gateway by the name that is stored in payments."""
    gateway: Gateway = import_string(settings.PAYMENT_GATEWAYS[name])()
    return gateway

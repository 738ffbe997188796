"""
What Bahi wants of a payment gateway, whichever it is: the calls, the facts that come back, and the ways they go wrong.

A call ends in one of three ways that must not be confused: it was done, it was refused for certain, or nobody knows.
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
    """Why the gateway, or a bank behind it, said no: every field that it gave, and the HTTP status of a refused call."""

    code: str = ""
    reason: str = ""
    description: str = ""
    source: str = ""
    step: str = ""
    field: str = ""
    status: int | None = None
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that say something, as a row keeps them."""
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
    What a gateway says of one try to pay, in our words. Amounts in paise; the fee includes its GST.

    `status` is one of `AttemptStatus`. `our_payment` is our payment's public id as the gateway kept it in notes or receipt,
    or empty. `link_id` is the payment link or QR code that it was paid by, where the news comes with that. `payer` is masked
    already. `amount` and `currency` are what comes to us; what a payer was charged in another currency is in `payer_amount` and
    `payer_currency`. `fee_bearer` is who pays the fee, as the gateway says it. `is_captured` is its flag next to the status, and
    `account_id` the account that the event is of, where it names them. `gateway_order` is its order as it is now, where we know.
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
    What a gateway says of one refund, in our words. Amounts in paise.

    `status` is pending, processed or failed of `RefundStatus`. `our_refund` is our refund's public id as the gateway kept it in
    its notes, or empty; `receipt` is our refund's number. A gateway reports amount and currency as the payer was charged; where that
    was another currency and was converted into ours, they are in `payer_amount` and `payer_currency`. `payment` is what came along
    of the payment that it refunds, or None. `contradiction` is a sentence for staff where the facts contradict themselves.
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

    `kind` is a `LineKind`, `reported_kind` what the gateway calls it. `credit_type` is default, or the prepaid credits that the
    fee was paid from: fee or amount.
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
    What a gateway says of one dispute, in our words. Amounts in paise, instants UTC; `status` is a `DisputeStatus`.

    `payment` is what came along of the payment that it is about, or None. `contradiction` is a sentence for staff where the facts
    contradict themselves. `base_amount` and `base_currency` are what a dispute in the payer's own currency is in ours, where the gateway
    says it; once it was converted, what it is about in that currency is in `payer_amount` and `payer_currency`.
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
    A PDF that goes with our answer to a dispute.

    `kind` says what it proves: billing, shipping, explanation, communication, access, refund, or anything else; `also` what
    it proves besides.
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
    """Who pays, as a gateway must be told for server-to-server UPI."""

    email: str
    phone: str
    ip: str
    user_agent: str


class GatewayFailure(Exception):
    """A call that was not done; `error` is all that the gateway said of it."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__(error.description or error.reason or error.code or "no answer")
        self.error = error


class GatewayRejected(GatewayFailure):
    """The gateway said no, for certain and for good: the same call would be refused again."""


class GatewayUnavailable(GatewayFailure):
    """Nothing was done, and the same call may be made again: we did not reach the gateway, or it was busy."""


class CredentialsRejected(GatewayUnavailable):
    """The gateway does not accept our key or our address: that says nothing of the payment, refund, link or dispute."""


class GatewayOutcomeUnknown(GatewayFailure):
    """No answer, or one that nobody can read: the gateway may or may not have acted. Ask it before trying again."""


class UnreadableFacts(ValueError):
    """The gateway says something of a payment that we do not understand."""


class Gateway(LinkGateway, Protocol):
    """One payment gateway. Every call goes over the network, none may be made inside a transaction."""

    name: str

    def create_order(self, *, receipt: str, amount: int, currency: str, notes: Mapping[str, str]) -> GatewayOrder:
        """Make an order once, however often this is called with one receipt."""
        ...

    def find_order(self, *, receipt: str) -> GatewayOrder | None:
        """Return the order with a receipt, or None."""
        ...

    def get_order(self, *, gateway_order_id: str) -> GatewayOrder:
        """Return an order as it is now."""
        ...

    def list_payments(self, *, gateway_order_id: str) -> Sequence[GatewayPayment]:
        """Return every try to pay an order."""
        ...

    def get_payment(self, *, gateway_payment_id: str) -> GatewayPayment:
        """Return one try to pay."""
        ...

    def capture(self, *, gateway_payment_id: str, amount: int, currency: str) -> GatewayPayment:
        """Take the money of an authorised payment."""
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
        """Give money back once, however often this is called with one key and the same words."""
        ...

    def get_refund(self, *, gateway_refund_id: str) -> GatewayRefund:
        """Return one refund."""
        ...

    def list_refunds(self, *, gateway_payment_id: str) -> Sequence[GatewayRefund]:
        """Return every refund of a payment, whoever made it."""
        ...

    def list_disputes(self) -> Sequence[GatewayDispute]:
        """Return the latest disputes of the account."""
        ...

    def get_dispute(self, *, gateway_dispute_id: str) -> GatewayDispute:
        """Return one dispute."""
        ...

    def accept_dispute(self, *, gateway_dispute_id: str) -> GatewayDispute:
        """Give in: the money goes back to the payer."""
        ...

    def contest_dispute(
        self, *, gateway_dispute_id: str, amount: int, summary: str, evidence_files: Sequence[EvidenceFile]
    ) -> GatewayDispute:
        """Send what we have to say, with its evidence, for review."""
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
        """Open a UPI payment from our server, or return None where the account does not offer that."""
        ...

    def checkout_options(self, *, gateway_order_id: str) -> dict[str, Any]:
        """Return what the browser needs to open the gateway's own payment page."""
        ...

    def is_checkout_signed(self, *, gateway_order_id: str, gateway_payment_id: str, signature: str) -> bool:
        """Test if the browser's callback was signed by the gateway."""
        ...

    def is_webhook_signed(self, *, raw: bytes, signature: str) -> bool:
        """Test if a webhook's bytes were signed by the gateway."""
        ...

    def read_envelope(self, raw: bytes) -> WebhookEnvelope:
        """Return what a webhook is about, as far as it can be read."""
        ...

    def is_our_account(self, account_id: str) -> bool:
        """Test if an account is ours, as far as the settings say; an empty id names no account."""
        ...

    def read_webhook(
        self, raw: bytes
    ) -> tuple[str, GatewayPayment | GatewayRefund | GatewayDispute | GatewayLink | None]:
        """
        Return the type of a webhook and the payment, refund, dispute or link that it tells of, or None if we follow none of it.

        :raises UnreadableFacts: if it cannot be parse_response
        """
        ...

    def get_settlement(self, *, gateway_settlement_id: str) -> GatewaySettlement:
        """Return one transfer to our bank."""
        ...

    def list_settlement_rows(self, *, day: date, skip: int) -> Sequence[SettlementRow | None]:
        """Return a page of a day's settlement report, after so many lines; an empty one is behind the end."""
        ...

    def inspect_report(self, stream: IO[bytes]) -> ReportInspection:
        """
        Look at a whole settlement report that was downloaded, and return what its rows prove of its format.

        :raises UnreadableFacts: if it is none that can be read
        """
        ...

    def read_report(self, stream: IO[bytes], report_format: ReportFormat) -> Iterator[SettlementRow | None]:
        """
        Yield the lines of a settlement report that was downloaded, None for one that is not settled yet.

        :raises UnreadableFacts: if it cannot be parse_response
        """
        ...

    def read_transfers(self, stream: IO[bytes], report_format: ReportFormat) -> Iterator[GatewaySettlement]:
        """
        Yield the transfers of a report that has no lines of theirs.

        :raises UnreadableFacts: if it cannot be parse_response
        """
        ...

    def find_settlement_day(self, raw: bytes) -> date | None:
        """Return the day (in India) of the settlement that a webhook tells of, or None if it tells of none."""
        ...


def get_gateway(name: str) -> Gateway:
    """Return a gateway by the name that payments keep."""
    gateway: Gateway = import_string(settings.PAYMENT_GATEWAYS[name])()
    return gateway

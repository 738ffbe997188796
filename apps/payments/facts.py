"""What gateways report, in the words of Bahi: frozen facts, and the reading of single fields."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple


@dataclass(frozen=True)
class WebhookEnvelope:
    """The type, account and entity ids of a webhook; each is empty if it cannot be read."""

    event_type: str = ""
    account_id: str = ""
    entity_id: str = ""
    gateway_payment_id: str = ""
    gateway_order_id: str = ""


@dataclass(frozen=True)
class GatewayOrder:
    """
    The gateway's order for one of our payments; `receipt` is our payment's public id, amounts in paise.

    `status` is the gateway's own status; `is_paid` says that the gateway considers the order paid, whatever the payer
    was charged.
    """

    id: str
    amount: int
    currency: str
    receipt: str
    status: str
    amount_paid: int | None = None
    is_paid: bool = False


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
    `gateway_order` is the order of the payment, where the gateway sent it with the payment. `network` is the card
    scheme, `funding` the kind of card or of UPI account, both in the gateway's words, and `is_international` whether
    the instrument is of another country; empty or None where the gateway does not say.
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
    network: str = ""
    funding: str = ""
    is_international: bool | None = None


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
class GatewayDowntime:
    """
    A gateway's downtime of a payment method, with the values of Bahi; instants UTC.

    `status` is a `DowntimeStatus`, `severity` a `DowntimeSeverity`. `instrument` is what of the method is down, by name: bank,
    issuer, network, card_type, psp, vpa_handle, flow or wallet. `reported_at` is the gateway's time of these facts.
    """

    gateway: str
    id: str
    method: str
    instrument: Mapping[str, str]
    severity: str
    status: str
    is_scheduled: bool
    begins_at: datetime
    ends_at: datetime | None
    reported_at: datetime


@dataclass(frozen=True)
class UpiIntent:
    """A UPI link that a payer's app opens, and the gateway's id of the payment that it belongs to."""

    gateway_payment_id: str
    link: str


@dataclass(frozen=True)
class GatewayLink:
    """
    A gateway's payment link or QR code, with the values of Bahi. Amount in paise, instants UTC.

    `channel` is one of `PaymentChannel`, `status` a `LinkStatus`; `url` is the page, or the image of the code.
    `our_payment` is our payment's public id as stored there by the merchant account, or empty; a payer cannot write it.
    `order_id` is the order that the gateway created for a link, or empty; `payment_ids` are the payments that the link
    names.
    """

    gateway: str
    id: str
    channel: str
    status: str
    amount: int
    currency: str
    url: str
    expires_at: datetime | None
    our_payment: str = ""
    order_id: str = ""
    payment_ids: tuple[str, ...] = ()


#: What a webhook that we process reports.
WebhookFacts = GatewayPayment | GatewayRefund | GatewayDispute | GatewayLink | GatewayDowntime

# Fields ---------------------------------------------------------------------------------------------------------------

#: The largest valid amount, in paise.
HIGHEST = 10**15
#: With its prefix an id has at most 40 characters, as our columns have.
_MAX_ID_LENGTH = 34
#: Every settlement lies between these instants: the year 2000 and the year 2100.
_FIRST, _LAST = 946_684_800, 4_102_444_800


class UnreadableFacts(ValueError):
    """The gateway sent data that cannot be parsed."""


def instant_from(line: Mapping[str, Any], name: str) -> datetime | None:
    """
    Read a field in Unix seconds; None if it is empty.

    :raises UnreadableFacts: if it is not a time between 2000 and 2100
    """
    value = line.get(name)
    if value in (None, ""):
        return None
    try:
        seconds = int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UnreadableFacts(f"{name} is not a time: {str(value)[:20]!r}") from error
    if not _FIRST <= seconds <= _LAST:
        raise UnreadableFacts(f"{name} is not a time: {str(value)[:20]!r}")
    return datetime.fromtimestamp(seconds, tz=UTC)


def text_from(line: Mapping[str, Any], name: str, length: int) -> str:
    """Read a field as text of at most `length` characters that can be stored; empty if it is not text."""
    value = line.get(name)
    if not value or not isinstance(value, str):
        return ""
    if value.isascii() and "\x00" not in value:
        return value[:length]  # as nearly all are: of the rest, what cannot be stored is left out
    return value.replace("\x00", "").encode("utf-8", "ignore").decode()[:length]


def with_prefix(prefix: str, value: Any) -> str:
    """
    Return an id with its prefix, which some payloads leave out.

    :raises UnreadableFacts: if it is not an id
    """
    if not isinstance(value, str) or not 1 <= len(value) <= _MAX_ID_LENGTH or not value.replace("_", "").isalnum():
        raise UnreadableFacts(f"no {prefix} id")
    return value if "_" in value else f"{prefix}_{value}"

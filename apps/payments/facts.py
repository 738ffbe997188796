"""Data classes of gateways that other layers may import."""

from dataclasses import dataclass


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

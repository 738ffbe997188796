"""What gateways say, in our words."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WebhookEnvelope:
    """What can be read of a webhook whatever is in it, each part empty where it is not there: what it is about, and whose."""

    event_type: str = ""
    account_id: str = ""
    entity_id: str = ""
    gateway_payment_id: str = ""
    gateway_order_id: str = ""


@dataclass(frozen=True)
class GatewayOrder:
    """
    The gateway's order for one of our payments; `receipt` is our payment's public id, amounts in paise.

    `status` is the gateway's own word; `is_paid` says that it holds the order settled, whatever the payer was charged.
    """

    id: str
    amount: int
    currency: str
    receipt: str
    status: str
    amount_paid: int | None = None
    is_paid: bool = False

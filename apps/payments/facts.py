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

"""What Bahi wants of a gateway that collects by payment link or QR code: its facts, and the calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from apps.payments.gateways import GatewayPayment, Payer


@dataclass(frozen=True)
class GatewayLink:
    """
    A gateway's payment link or QR code, in our words. Amount in paise, instants UTC.

    `channel` is one of `PaymentChannel`, `status` a `LinkStatus`; `url` is the page, or the picture of the code. `our_payment`
    is our payment's public id as the merchant account wrote it there, or empty: no payer can. `order_id` is the order that
    the gateway made for a link by itself, or empty; `payment_ids` are the payments that it names.
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


class LinkGateway(Protocol):
    """The part of a gateway that makes links and QR codes; `channel` says which. Never called inside a transaction."""

    def create_link(
        self,
        *,
        channel: str,
        receipt: str,
        amount: int,
        currency: str,
        description: str,
        payer: "Payer",
        expires_at: datetime,
        notes: Mapping[str, str],
    ) -> GatewayLink:
        """Make a link or QR code for one payment of that amount. A link is made once for a receipt; look for a code first."""
        ...

    def find_link(self, *, channel: str, receipt: str, since: datetime, until: datetime) -> GatewayLink | None:
        """Return the oldest link or QR code that was made for a receipt between two instants, or None."""
        ...

    def get_link(self, *, channel: str, gateway_link_id: str) -> GatewayLink:
        """Return a link or QR code."""
        ...

    def close_link(self, *, channel: str, gateway_link_id: str) -> GatewayLink:
        """Cancel a link or close a QR code: nobody can begin to pay by it any more."""
        ...

    def list_link_payments(self, link: GatewayLink) -> "Sequence[GatewayPayment]":
        """Return every try to pay by a link or QR code, each with the id of it."""
        ...

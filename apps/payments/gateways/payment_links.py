"""The interface of a gateway that collects by payment link or QR code: its calls."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from apps.payments.facts import GatewayLink, GatewayPayment
    from apps.payments.gateways.interface import Payer


class LinkGateway(Protocol):
    """The part of a gateway that creates links and QR codes, by `channel`. Never called inside a transaction."""

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
    ) -> "GatewayLink":
        """Create one link per receipt, or a QR code. A repeated call creates another code: call `find_link` first."""
        ...

    def find_link(self, *, channel: str, receipt: str, since: datetime, until: datetime) -> "GatewayLink | None":
        """Return the oldest link or QR code with a receipt, or None; codes only of the given period."""
        ...

    def get_link(self, *, channel: str, gateway_link_id: str) -> "GatewayLink":
        """Return a link or QR code."""
        ...

    def close_link(self, *, channel: str, gateway_link_id: str) -> "GatewayLink":
        """Cancel a link or close a QR code: no new payment by it can be started."""
        ...

    def list_link_payments(self, link: "GatewayLink") -> "Sequence[GatewayPayment]":
        """Return every payment attempt of a link or QR code, with `link_id` set."""
        ...

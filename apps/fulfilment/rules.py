"""Which goods of an order may be sent. Quantities in thousandths of a unit, amounts in paise; no database, no clock."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from apps.orders.states import SHIPPABLE
from apps.tax.rules import fy_short


class ShipmentRefusal(StrEnum):
    """Why nothing of an order may be packed or dispatched."""

    WRONG_STATUS = "wrong_status"
    UNPAID = "unpaid"
    DISPUTED = "disputed"
    REFUNDED = "refunded"
    MONEY_LOST = "money_lost"
    ADDRESS_ERASED = "address_erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """
    The facts of an order that decide whether its goods may leave; amounts in paise.

    `is_fully_refunded` counts requested refunds as well as processed ones.
    """

    status: str
    total: int
    paid: int
    lost: int
    is_fully_refunded: bool
    is_disputed: bool
    is_address_erased: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFacts:
    """The units of an order line in thousandths: `shipped` ones are in live shipments, `refunded_unsent` ones are not to be sent."""

    ordered: int
    cancelled: int = 0
    shipped: int = 0
    refunded_unsent: int = 0

    @property
    def left(self) -> int:
        """The units that are neither cancelled nor in a live shipment, refunded or not."""
        return self.ordered - self.cancelled - self.shipped

    @property
    def excess(self) -> int:
        """The units in live shipments that are refunded or cancelled already, and leave only for a reason."""
        return max(0, self.shipped + self.refunded_unsent + self.cancelled - self.ordered)


def shipment_refusal(order: OrderFacts, *, has_override: bool) -> ShipmentRefusal | None:
    """
    Return why nothing of an order may be packed or dispatched, or None.

    While a dispute is undecided the goods stay, because the payer may be refunded. An override, a reason that staff record, lets goods
    leave whose money was partly lost in a dispute. A fully refunded order is never sent.
    """
    if order.status not in SHIPPABLE:
        return ShipmentRefusal.WRONG_STATUS
    if order.is_address_erased:
        return ShipmentRefusal.ADDRESS_ERASED
    if order.paid < order.total:
        return ShipmentRefusal.UNPAID
    if order.is_disputed:
        return ShipmentRefusal.DISPUTED
    if order.is_fully_refunded:
        return ShipmentRefusal.REFUNDED
    return ShipmentRefusal.MONEY_LOST if order.lost and not has_override else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineProgress:
    """
    The units of an order line in thousandths: ordered, and of these cancelled, dispatched, and delivered.

    Processed refunds took `refunded_unsent` units before they were sent and `refunded_undelivered` ones before they arrived.
    """

    ordered: int
    cancelled: int
    dispatched: int
    delivered: int
    refunded_unsent: int
    refunded_undelivered: int


def is_line_done(line: LineProgress) -> bool:
    """
    Test if each unit of a line is delivered, cancelled, or refunded without having been delivered.

    A refunded unit may be sent all the same, and one that was refunded on its way may arrive: each counts once.
    """
    unsent = min(line.refunded_unsent, line.ordered - line.cancelled - line.dispatched)
    gone = min(line.refunded_undelivered + line.refunded_unsent - unsent, line.dispatched - line.delivered)
    return line.delivered + line.cancelled + unsent + gone >= line.ordered


def shipment_number(sequence: int, day: date) -> str:
    """Return a shipment's number, such as `SHP-2627-000123`; the day is India's."""
    return f"SHP-{fy_short(day)}-{sequence:06d}"

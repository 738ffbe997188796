"""Which units of an order line a refund is about: units that were never sent, that are on their way or lost, or that arrived."""

from dataclasses import dataclass

from apps.payments.states import RefundReason


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundedUnits:
    """Units of one order line in thousandths: never sent, sent but not delivered, and delivered."""

    unsent: int = 0
    undelivered: int = 0
    delivered: int = 0

    @property
    def sent(self) -> int:
        """The units that had left the stock."""
        return self.undelivered + self.delivered


@dataclass(frozen=True, slots=True, kw_only=True)
class LineUnits:
    """The units of an order line in thousandths, and what its other refunds, approved or not, took of them."""

    ordered: int
    cancelled: int
    dispatched: int
    delivered: int
    refunded: RefundedUnits = RefundedUnits()

    @property
    def left(self) -> RefundedUnits:
        """The units that no refund took yet."""
        unsent = self.ordered - self.cancelled - self.dispatched
        return RefundedUnits(
            unsent=max(0, unsent - self.refunded.unsent),
            undelivered=max(0, self.dispatched - self.delivered - self.refunded.undelivered),
            delivered=max(0, self.delivered - self.refunded.delivered),
        )


def choose_refunded_units(quantity: int, *, reason: str, line: LineUnits) -> RefundedUnits:
    """
    Return which units of an order line a refund of `quantity` thousandths takes, as they are when it is requested.

    Returned goods had arrived; what was missing or damaged had been sent, and need not have arrived. Any other refund
    first takes what is not to be sent any more.
    """
    left = line.left
    unsent, undelivered, delivered = left.unsent, left.undelivered, left.delivered
    if reason == RefundReason.GOODS_RETURNED:
        arrived = min(quantity, delivered)
        on_the_way = min(quantity - arrived, undelivered)
    elif reason == RefundReason.GOODS_MISSING:
        on_the_way = min(quantity, undelivered)
        arrived = min(quantity - on_the_way, delivered)
    else:
        rest = max(0, quantity - unsent)
        on_the_way = min(rest, undelivered)
        arrived = min(rest - on_the_way, delivered)
    return RefundedUnits(unsent=quantity - on_the_way - arrived, undelivered=on_the_way, delivered=arrived)

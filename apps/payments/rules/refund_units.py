"""Which units of an order line a refund is about: units that were never sent, that are on their way or lost, or that arrived."""

from dataclasses import dataclass

from apps.payments.states import RefundReason

#: Which units a refund for goods that had been sent takes first; any other begins with what was not.
_FIRST_TAKEN = {
    RefundReason.GOODS_RETURNED: ("delivered", "undelivered", "unsent"),
    RefundReason.GOODS_MISSING: ("undelivered", "delivered", "unsent"),
}


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


def choose_refunded_units(quantity: int, *, reason: RefundReason, line: LineUnits) -> RefundedUnits:
    """
    Return which units of an order line a refund of `quantity` thousandths takes, as they are when it is requested.

    Returned goods had arrived; what was missing or damaged had been sent, and need not have arrived. Any other refund
    first takes what is not to be sent any more. What no unit is left for counts as never sent.
    """
    left, taken = line.left, {"unsent": 0, "undelivered": 0, "delivered": 0}
    for kind in _FIRST_TAKEN.get(reason, ("unsent", "undelivered", "delivered")):
        taken[kind] = min(quantity - sum(taken.values()), getattr(left, kind))
    taken["unsent"] += quantity - sum(taken.values())
    return RefundedUnits(**taken)

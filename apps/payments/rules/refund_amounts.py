"""Pure decisions about how much can be refunded: of which order lines, and of which payments. All amounts in paise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from apps.core.money import draw, half_up

#: A gateway refunds no less than a rupee.
MINIMUM_REFUND_PAISE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundableLine:
    """
    An order line with what pending and processed refunds took of it, in units and in paise with tax.

    `valued_amount` is what counts when units are valued: units that were refunded for less than they were worth count in full, so
    that what was kept of them is not added to the next ones.
    """

    id: UUID
    quantity: int
    total_amount: int
    refunded_quantity: int = 0
    refunded_amount: int = 0
    valued_amount: int = 0

    @property
    def left_quantity(self) -> int:
        return max(0, self.quantity - self.refunded_quantity)

    @property
    def left_amount(self) -> int:
        return max(0, self.total_amount - self.refunded_amount)

    def after(
        self, *, units: Mapping[UUID, int], values: Mapping[UUID, int], amounts: Mapping[UUID, int]
    ) -> "RefundableLine":
        """Return the line after a refund for certain units, which were worth `values`, took certain amounts, each by line."""
        refunded_amount = self.refunded_amount + amounts.get(self.id, 0)
        return replace(
            self,
            refunded_quantity=self.refunded_quantity + units.get(self.id, 0),
            refunded_amount=refunded_amount,
            valued_amount=max(self.valued_amount + values.get(self.id, 0), refunded_amount),
        )

    def value_of(self, units: int) -> int:
        """Return what a number of the units that are left is worth (paise, half up); the last ones are worth all that is left."""
        return half_up(max(0, self.total_amount - self.valued_amount) * units, self.left_quantity)


def line_amounts(
    lines: Sequence[RefundableLine], amount: int, *, values: Mapping[UUID, int], round_off: int
) -> dict[UUID, int]:
    """
    Return how much of each line a refund of an amount takes, in paise.

    Returned lines, whose units have `values`, give first: their units' value, then all that is left of them. What they cannot give
    is taken from all lines in proportion to what is left. With the last of the lines goes what is left of the order's round-off.
    """
    left = [line.left_amount for line in lines]
    if amount >= sum(left) + round_off:
        drawn = left
    else:
        units = [values.get(line.id, 0) for line in lines]
        returned = [line.left_amount if line.id in values else 0 for line in lines]
        drawn = draw(amount, left, units, returned, left)
    return {line.id: part for line, part in zip(lines, drawn, strict=True) if part}


def round_off_left(round_off: int, taken: int) -> int:
    """Return what is left of an order's round-off, of either sign, after refunds took an amount beyond lines; in paise."""
    return max(0, round_off - max(0, taken)) if round_off >= 0 else min(0, round_off - min(0, taken))


#: Least and most of sums that are possible, in paise.
Range = tuple[int, int]


def refund_parts(amount: int, left: Sequence[int], *, smallest: int) -> list[int]:
    """
    Return how an amount is taken from what is left of each payment, from the first ones first; nothing if it cannot be.

    A payment gives nothing, all that is left, or at least `smallest` while as much stays: less could never be refunded. In paise.
    """
    parts = []
    for position, available in enumerate(left):
        rest = possible_refunds(left[position + 1 :], smallest=smallest)
        part = max(
            (
                min(most, amount - low)
                for least, most in _possible_of(available, smallest)
                for low, high in rest
                if max(least, amount - high) <= min(most, amount - low)
            ),
            default=None,
        )
        if part is None:
            return []
        parts.append(part)
        amount -= part
    return parts if amount == 0 else []


def largest_refund(amount: int, left: Sequence[int], *, smallest: int) -> int:
    """Return the largest possible refund up to an amount out of what is left of each payment, in paise."""
    ranges = possible_refunds(left, smallest=smallest)
    return max(min(high, amount) for low, high in ranges if low <= amount)


def possible_refunds(left: Sequence[int], *, smallest: int) -> list[Range]:
    """Return the amounts that can be refunded out of what is left of some payments together, as ranges from nothing up."""
    ranges: list[Range] = [(0, 0)]
    for available in left:
        sums = sorted(
            (low + least, high + most) for low, high in ranges for least, most in _possible_of(available, smallest)
        )
        ranges = []
        for low, high in sums:
            if ranges and low <= ranges[-1][1] + 1:
                ranges[-1] = (ranges[-1][0], max(high, ranges[-1][1]))
            else:
                ranges.append((low, high))
    return ranges


def _possible_of(available: int, smallest: int) -> list[Range]:
    nothing_or_all = [(0, 0), (available, available)] if available >= smallest else [(0, 0)]
    return [*nothing_or_all, (smallest, available - smallest)] if available >= 2 * smallest else nothing_or_all


def difference_to_reverse(*, captured: int, counted: int, refunded: int, least: int) -> int:
    """
    Return the part (paise) of an accepted difference, `captured` less `counted`, that refunds have made void.

    Of more than was requested: what was refunded beyond what counts. Of less: all of it, once what is left of the money is below the
    `least` that can be refunded.
    """
    if captured >= counted:
        return max(0, refunded - counted)
    return captured - counted if captured - refunded < least else 0

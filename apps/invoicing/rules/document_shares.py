"""How a refund is shared out between the documents of an order: each gets a credit note of its own share."""

from collections.abc import Sequence
from dataclasses import dataclass

from apps.core.money import allocate
from apps.invoicing.rules.crediting import LineBalance, Returned
from apps.tax.rules import credit_portion


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentBalance:
    """A document with what its credit notes have taken so far of its lines and round-off, and what a refund returns of it; in paise."""

    lines: tuple[LineBalance, ...]
    round_off_left: int
    returned: tuple[Returned, ...] = ()

    @property
    def left(self) -> int:
        """What no credit note has taken yet."""
        return sum(line.left.total for line in self.lines) + self.round_off_left

    @property
    def worth_of_returned(self) -> int:
        """What the returned units come to, by the line's figures; no more than is left."""
        by_line = {line.order_line_id: line for line in self.lines}
        return min(self.left, sum(_worth(by_line[item.order_line_id], item.quantity) for item in self.returned))

    @property
    def left_of_returned(self) -> int:
        """What is left of the lines that units are returned of; no more than is left of the document."""
        chosen = {item.order_line_id for item in self.returned}
        return min(self.left, sum(line.left.total for line in self.lines if line.order_line_id in chosen))


def share_amount(documents: Sequence[DocumentBalance], amount: int) -> list[int]:
    """
    Return what a refund (paise) takes of each document; the shares sum to it and none is more than is left.

    The returned units come first, then what is left of their lines, then the rest in proportion to what is left.

    :raises ValueError: if the amount is nothing or more than is left of all
    """
    lefts = [document.left for document in documents]
    if not 0 < amount <= sum(lefts):
        raise ValueError(f"{amount} of {sum(lefts)} cannot be shared out")
    shares = [0] * len(documents)
    tiers = (
        [document.worth_of_returned for document in documents],
        [document.left_of_returned for document in documents],
        lefts,
    )
    for tier in tiers:
        room = [max(0, most - share) for most, share in zip(tier, shares, strict=True)]
        step = min(amount - sum(shares), sum(room))
        if step > 0:
            shares = [share + part for share, part in zip(shares, allocate(step, room), strict=True)]
    return shares


def _worth(line: LineBalance, quantity: int) -> int:
    if quantity > line.left.quantity:
        return line.left.total
    return credit_portion(line.original, line.credited, quantity).total

"""How a refund is shared out between the documents of an order: each gets a credit note of its own share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.core.money import draw
from apps.invoicing.rules.credit_notes import LineBalance


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentBalance:
    """A document with what its credit notes have taken so far of its lines and round-off, and what a refund took of its lines; in paise."""

    lines: tuple[LineBalance, ...]
    remaining_round_off: int
    line_amounts: Mapping[Any, int] = field(default_factory=dict)
    returned_units: Mapping[Any, int] = field(default_factory=dict)

    @property
    def remaining(self) -> int:
        """What no credit note has taken yet."""
        return sum(line.remaining.total for line in self.lines) + self.remaining_round_off

    @property
    def remaining_refunded(self) -> int:
        """What is left of what the refund took of the lines; no more than is left of the document."""
        taken = sum(min(self.line_amounts.get(line.order_line_id, 0), line.remaining.total) for line in self.lines)
        return min(self.remaining, taken)

    @property
    def remaining_returned(self) -> int:
        """What is left of the lines that units are returned of; no more than is left of the document."""
        return min(
            self.remaining,
            sum(line.remaining.total for line in self.lines if line.order_line_id in self.returned_units),
        )


def allocate_to_documents(documents: Sequence[DocumentBalance], amount: int) -> list[int]:
    """
    Return what a refund (paise) takes of each document; the shares sum to it and none is more than is left.

    What the refund took of the lines comes first, then what is left of the returned lines, then the rest in proportion to what is left.

    :raises ValueError: if the amount is nothing or more than is left of all
    """
    remaining = [document.remaining for document in documents]
    if not 0 < amount <= sum(remaining):
        raise ValueError(f"{amount} of {sum(remaining)} cannot be allocated")
    refunded = [document.remaining_refunded for document in documents]
    return draw(amount, remaining, refunded, [document.remaining_returned for document in documents], remaining)

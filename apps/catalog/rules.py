"""What is true of goods whatever the database holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from apps.core.quantities import to_units


@dataclass(frozen=True, slots=True, kw_only=True)
class StockCounts:
    """How much of a variant there is at a location or at all of them; people read whole units."""

    on_hand_milli: int
    reserved_milli: int

    @property
    def on_hand(self) -> int:
        return to_units(self.on_hand_milli)

    @property
    def reserved(self) -> int:
        return to_units(self.reserved_milli)

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved

    def __str__(self) -> str:
        return f"{self.available} of {self.on_hand}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFilters:
    """
    What a list of products is narrowed by; what is None narrows nothing.

    Prices are in paise. A product must have all of the `attributes`. `words` are what people type: words, "phrases", `or`, `-word`.
    """

    category_id: UUID | None = None
    brand: str | None = None
    lowest_price_gte: int | None = None
    lowest_price_lte: int | None = None
    is_in_stock: bool | None = None
    attributes: Mapping[str, str] | None = None
    words: str | None = None


def is_large_price_move(before: int, after: int) -> bool:
    """Test if a price (paise) moves by more than half of what it was, up or down."""
    return abs(after - before) * 2 > before

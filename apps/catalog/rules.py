"""What is true of goods whatever the database holds."""

from dataclasses import dataclass

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


def is_large_price_move(before: int, after: int) -> bool:
    """Test if a price (paise) moves by more than half of what it was, up or down."""
    return abs(after - before) * 2 > before

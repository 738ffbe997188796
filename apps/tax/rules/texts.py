"""What an e-invoice carries as text: how long it may be, and which characters it may not hold (schema INV-01, version 1.1)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class TextRefusal(StrEnum):
    """Why an e-invoice does not carry a text."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    FORBIDDEN_CHARACTER = "forbidden_character"


@dataclass(frozen=True, slots=True)
class TextLimits:
    """The fewest and the most characters of a text."""

    fewest: int
    most: int


#: Legal and trade name of the seller, name of the buyer.
NAME_LIMITS: Final = TextLimits(3, 100)
ADDRESS_LINE1_LIMITS: Final = TextLimits(1, 100)
ADDRESS_LINE2_LIMITS: Final = TextLimits(3, 100)
PLACE_LIMITS: Final = TextLimits(3, 100)
#: What a line of a document says is sold.
DESCRIPTION_LIMITS: Final = TextLimits(3, 300)

_FORBIDDEN: Final = ('"', "\\")


def check_text(text: str, limits: TextLimits) -> TextRefusal | None:
    """Return why an e-invoice does not carry the text, or None. Every script is carried; the length is in characters."""
    if any(character in text for character in _FORBIDDEN):
        return TextRefusal.FORBIDDEN_CHARACTER
    if len(text) < limits.fewest:
        return TextRefusal.TOO_SHORT
    return TextRefusal.TOO_LONG if len(text) > limits.most else None

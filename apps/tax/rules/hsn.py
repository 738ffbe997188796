"""HSN codes of goods and SAC codes of services: their form, not the master list."""

import re
from enum import StrEnum
from typing import Final

#: How many digits a seller can have to print, by turnover.
HSN_DIGITS: Final = (4, 6, 8)
_SERVICE_CHAPTER: Final = "99"
# Chapter 77 is kept free by the World Customs Organization; there is no chapter 00.
_EMPTY_CHAPTERS: Final = frozenset({"00", "77"})


class HsnRefusal(StrEnum):
    """Why a text is no HSN or SAC."""

    NOT_DIGITS = "not_digits"
    WRONG_LENGTH = "wrong_length"
    UNKNOWN_CHAPTER = "unknown_chapter"
    TOO_SHORT = "too_short"


def check_hsn(code: str, *, minimum_digits: int = 4) -> HsnRefusal | None:
    """
    Return why the code is refused, or None.

    Goods have 4, 6 or 8 digits, services (chapter 99) always have 6. A seller above five crore rupees a year must print at
    least 6, an exporter 8 (notification 78/2020-Central Tax): pass that as `minimum_digits`.
    """
    if re.fullmatch(r"[0-9]+", code) is None:
        return HsnRefusal.NOT_DIGITS
    if len(code) not in ({6} if is_service_code(code) else set(HSN_DIGITS)):
        return HsnRefusal.WRONG_LENGTH
    if code[:2] in _EMPTY_CHAPTERS:
        return HsnRefusal.UNKNOWN_CHAPTER
    if len(code) < minimum_digits and not is_service_code(code):
        return HsnRefusal.TOO_SHORT
    return None


def is_service_code(code: str) -> bool:
    """Test if the code is of chapter 99, services."""
    return code.startswith(_SERVICE_CHAPTER)

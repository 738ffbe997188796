"""Rules of settlements: which payments explain a difference, and what the words of a bank's line say."""

import itertools
import math
import re
from collections.abc import Sequence

#: A reference such as a UTR, and the words by which banks name their charges and the GST on them.
_REFERENCE = re.compile(r"[A-Za-z0-9]{6,60}")
_CHARGE = re.compile(r"\b(?:CHARGES?|CHGS?|CHRGS?)\b", re.IGNORECASE)
_IS_GST = re.compile(r"^\W*(?:[CSI]?GST)\b", re.IGNORECASE)
_STATED_GST = re.compile(r"\bGST\b\s*(?:OF)?\s*(?:RS\.?|INR|₹)?\s*([0-9]{1,9})\.([0-9]{2})\b", re.IGNORECASE)

#: The maximum number of sums that are compared to explain a difference.
_MAX_SUMS = 200_000


def find_subset_sum(difference: int, amounts: Sequence[int], *, must_be_whole: bool = True) -> tuple[int, ...]:
    """
    Return the positions of the fewest amounts (paise) whose sum is a difference, or an empty tuple.

    If `must_be_whole` is False, return those whose sum is closest to it, if that leaves less than the whole difference.
    """
    best: tuple[int, ...] = ()
    left = abs(difference)
    budget = _MAX_SUMS
    for size in range(1, len(amounts) + 1):
        budget -= math.comb(len(amounts), size)
        if budget < 0 or left == 0:
            break
        for places in itertools.combinations(range(len(amounts)), size):
            rest = abs(difference - sum(amounts[place] for place in places))
            if rest < left:
                best, left = places, rest
    return best if left == 0 or not must_be_whole else ()


def list_references(*texts: str) -> list[str]:
    """Return what may be a reference in the words of a bank's line, and pairs of such words as staff may type them."""
    found: list[str] = []
    for text in texts:
        words = text.split()
        for word in (*words, *(f"{one} {two}" for one, two in itertools.pairwise(words))):
            found.append(word)
            found.extend(_REFERENCE.findall(word))
    long_enough = (one for one in found if _REFERENCE.search(one))
    return sorted({case for one in long_enough for case in (one, one.upper(), one.lower())})


def is_bank_charge(*, amount: int, description: str) -> bool:
    """Test if a line (paise, credits positive) is a charge that the bank names as one."""
    return amount < 0 and _CHARGE.search(description) is not None


def gst_of_charge(*, amount: int, description: str) -> int:
    """Return the GST (paise) that a bank's line states of its charge of `amount`: all of it, a stated part, or nothing."""
    if _IS_GST.search(description):
        return abs(amount)
    stated = _STATED_GST.search(description)
    tax = int(stated[1]) * 100 + int(stated[2]) if stated else 0
    return tax if tax < abs(amount) else 0


def is_same_account(one: str, other: str) -> bool:
    """Test if two numbers of accounts may be of one account: banks mask all but the end."""
    return one.endswith(other) or other.endswith(one)


def find_account(number: str, known: Sequence[str]) -> str:
    """
    Return the number under which the lines of an account are kept, or an empty text if it may be one of several accounts.

    `known` are the numbers that statements named, the oldest first. The first of an account is the one that is kept; the end of a
    number belongs to the first whole number that ends with it.
    """
    same = [one for one in known if is_same_account(one, number)]
    if not same:
        return number
    longer = [one for one in same if len(one) > len(number)]
    if any(not is_same_account(one, other) for one in longer for other in longer):
        return ""
    kept = same[0]
    owner = next((one for one in known if len(one) > len(kept) and one.endswith(kept)), number)
    return kept if is_same_account(owner, number) else number

"""
Money is integer paise; rates are basis points (1 800 is 18 %). This is the only place that rounds.

Rounding is half away from zero ("half-up"), as Indian invoices are computed; Python's own rounding is half to even.
"""

import re
from collections.abc import Sequence

PAISE_PER_RUPEE = 100
BASIS_POINTS = 10_000


def half_up(numerator: int, denominator: int) -> int:
    """Return numerator / denominator rounded to the nearest integer, halves away from zero."""
    if denominator <= 0:
        raise ValueError("the denominator is positive")
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return magnitude if numerator >= 0 else -magnitude


def round_to_rupee(paise: int) -> int:
    """Return the amount rounded to whole rupees, in paise: 50 paise round away from zero."""
    return half_up(paise, PAISE_PER_RUPEE) * PAISE_PER_RUPEE


def allocate(amount: int, weights: Sequence[int]) -> list[int]:
    """
    Split an amount in proportion to weights so that the parts sum to it exactly.

    Largest remainder; a tie goes to the earlier part.

    :raises ValueError: if a weight or the amount is negative, or there is an amount and nothing to lay it on
    """
    total = sum(weights)
    if amount < 0 or any(weight < 0 for weight in weights):
        raise ValueError("amount and weights are not negative")
    if total == 0:
        if amount:
            raise ValueError("there is nothing to allocate the amount to")
        return [0] * len(weights)

    parts = [amount * weight // total for weight in weights]
    remainders = [amount * weight % total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: (-remainders[index], index))
    for index in by_remainder[: amount - sum(parts)]:
        parts[index] += 1
    return parts


def amount_text(minor_units: int, currency: str) -> str:
    """Return an amount in the words of its currency: `₹338.00`, `USD 7.77`, or `7.77 of no currency`."""
    if currency == "INR":
        return rupees(minor_units)
    sign, (whole, rest) = "-" if minor_units < 0 else "", divmod(abs(minor_units), PAISE_PER_RUPEE)
    amount = f"{sign}{whole}.{rest:02d}"
    return f"{currency} {amount}" if currency else f"{amount} without a currency"


def draw(amount: int, available: Sequence[int], *tiers: Sequence[int]) -> list[int]:
    """
    Return how much of an amount is drawn from each of what is available: from the first tier first, then from the next.

    Each tier says how much may be drawn from each up to it, and is drawn on in proportion to what it has left. What no tier can
    give is missing from the sum. All in paise.
    """
    drawn = [0] * len(available)
    for tier in tiers:
        room = [max(0, min(limit, most) - part) for limit, most, part in zip(tier, available, drawn, strict=True)]
        more = allocate(min(amount - sum(drawn), sum(room)), room)
        drawn = [part + share for part, share in zip(drawn, more, strict=True)]
    return drawn


def rupees(paise: int) -> str:
    """Return an amount as people in India write it: `₹12,34,567.50`."""
    sign = "-" if paise < 0 else ""
    whole, rest = divmod(abs(paise), PAISE_PER_RUPEE)
    return f"{sign}₹{group_digits(whole)}.{rest:02d}"


def group_digits(number: int) -> str:
    """Return a number that is not negative as people in India write it: `12,34,567`."""
    digits = str(number)
    head, tail = digits[:-3], digits[-3:]
    groups: list[str] = []
    while head:
        groups.insert(0, head[-2:])
        head = head[:-2]
    return ",".join([*groups, tail])


#: Whole rupees, plain or grouped as in India or elsewhere (5,99,000 or 599,000), with at most two decimals.
_TYPED_RUPEES = re.compile(r"([0-9]{1,17}|[0-9]{1,3}(?:,[0-9]{2,3}){0,6},[0-9]{3})(?:\.([0-9]{1,2}))?", re.ASCII)


def parse_rupees(text: str) -> int:
    """
    Return the paise of an amount that a person typed in rupees: `599`, `₹5,99,000.5` and `599.00` are understood.

    Nothing is rounded or guessed: a third decimal, a sign, an exponent or a comma that groups no thousands is refused.

    :raises ValueError: if it is no such amount
    """
    typed = _TYPED_RUPEES.fullmatch(text.strip().removeprefix("₹").strip())
    if typed is None:
        raise ValueError("not an amount in rupees with at most two decimals")
    whole, decimals = typed.groups(default="")
    return int(whole.replace(",", "")) * PAISE_PER_RUPEE + int(decimals.ljust(2, "0"))

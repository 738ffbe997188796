"""
Exact arithmetic of the model: paise are ints, everything between is a Fraction.

Written from the rules of section 170 and of the worked computations alone. It shares no line with `apps.core.money`
or `apps.tax`, so that a misunderstanding there is a difference here.
"""

from collections.abc import Sequence
from fractions import Fraction

PAISE_IN_A_RUPEE = 100


def rounded(value: Fraction) -> int:
    """Round to the nearest integer, halves away from zero (2.5 -> 3, -2.5 -> -3)."""
    twice = 2 * abs(value)
    magnitude = (twice.numerator + twice.denominator) // (2 * twice.denominator)
    return magnitude if value >= 0 else -magnitude


def to_whole_rupees(paise: int) -> int:
    """Round an amount in paise to the nearest rupee, in paise (117882 -> 117900)."""
    return rounded(Fraction(paise, PAISE_IN_A_RUPEE)) * PAISE_IN_A_RUPEE


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` by `weights` without residue: largest remainder first, of equal ones the earlier."""
    exact = [Fraction(total * weight, sum(weights)) for weight in weights]
    floors = [int(share) for share in exact]
    by_remainder = sorted(range(len(weights)), key=lambda index: (floors[index] - exact[index], index))
    for index in by_remainder[: total - sum(floors)]:
        floors[index] += 1
    return floors

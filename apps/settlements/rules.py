"""Rules of settlements: which payments explain a difference between a transfer and its lines."""

import itertools
import math
from collections.abc import Sequence

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

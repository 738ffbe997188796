"""The gateway's fees."""

from __future__ import annotations

FEE_BASIS_POINTS = 200
GST_BASIS_POINTS = 1_800


def compute_fee_and_tax(amount: int) -> tuple[int, int]:
    """
    Return fee and tax in paise for a captured amount in paise; the fee includes the tax.

    2 % of the amount plus 18 % GST on that, each rounded half up. UPI costs a real merchant nothing; here it has
    the same fee, so that the booking of fees can be tested.
    """
    charge = _share(amount, FEE_BASIS_POINTS)
    tax = _share(charge, GST_BASIS_POINTS)
    return charge + tax, tax


def _share(amount: int, basis_points: int) -> int:
    return (amount * basis_points + 5_000) // 10_000

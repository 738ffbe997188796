"""What the rate card of a gateway says, as frozen facts."""

from dataclasses import dataclass
from datetime import date

#: The band of a row that is for every amount.
NO_BAND = (None, None)


@dataclass(frozen=True)
class FeeTerms:
    """
    One row of a rate card. Amounts in paise, rates in basis points, days in India; both ends of the period belong to it.

    An empty or absent condition (network, funding, country, amounts) holds for every payment.
    """

    method: str
    valid_from: date
    valid_to: date | None = None
    network: str = ""
    funding: str = ""
    is_international: bool | None = None
    amount_from: int | None = None
    amount_to: int | None = None
    rate_basis_points: int = 0
    fixed_amount: int = 0
    min_amount: int | None = None
    max_amount: int | None = None
    gst_basis_points: int = 1_800
    contract: str = ""
    is_withdrawn: bool = False

    @property
    def conditions(self) -> tuple[object, ...]:
        """What the row is about, but for the amount: rows of the same conditions and first day differ by their bands."""
        return (self.method, self.network, self.funding, self.is_international, self.valid_from)

    @property
    def band(self) -> tuple[int | None, int | None]:
        """The amounts that the row is for; both ends belong to it."""
        return (self.amount_from, self.amount_to)

    @property
    def key(self) -> tuple[object, ...]:
        """What the row is about: a later row of the same key takes its place."""
        return (*self.conditions, *self.band)

    def has_overlapping_band(self, other: "FeeTerms") -> bool:
        """
        Test if two rows of the same conditions and first day have bands of which neither decides about some amount.

        A row for every amount overlaps with none: a band is more specific.
        """
        if self.conditions != other.conditions or self.band == other.band or NO_BAND in (self.band, other.band):
            return False
        (low, high), (other_low, other_high) = self.band, other.band
        return (high is None or (other_low or 0) <= high) and (other_high is None or (low or 0) <= other_high)

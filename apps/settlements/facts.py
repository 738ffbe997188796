"""What the rate card of a gateway says, as frozen facts."""

from dataclasses import dataclass
from datetime import date


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
    def key(self) -> tuple[object, ...]:
        """What the row is about: a later row of the same key takes its place."""
        return (self.method, self.network, self.funding, self.is_international, self.amount_from, self.valid_from)

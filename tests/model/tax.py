"""GST of a document by the model: CGST Act s. 15, 31, 34; rules 46 and 53; the worked computations of the tests beside it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tests.model.arithmetic import rounded, to_whole_rupees

BASIS_POINTS = 10_000


@dataclass(frozen=True)
class Amounts:
    """What a line or a document says of tax, in paise."""

    taxable: int = 0
    cgst: int = 0
    sgst: int = 0
    igst: int = 0

    @property
    def tax(self) -> int:
        return self.cgst + self.sgst + self.igst

    @property
    def total(self) -> int:
        return self.taxable + self.tax

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(
            self.taxable + other.taxable, self.cgst + other.cgst, self.sgst + other.sgst, self.igst + other.igst
        )

    def __sub__(self, other: "Amounts") -> "Amounts":
        return Amounts(
            self.taxable - other.taxable, self.cgst - other.cgst, self.sgst - other.sgst, self.igst - other.igst
        )

    def heads(self) -> tuple[int, int, int, int]:
        return (self.taxable, self.cgst, self.sgst, self.igst)


def added(amounts: Iterable[Amounts]) -> Amounts:
    return sum(amounts, Amounts())


def tax_on(taxable: int, rate: int, *, intra_state: bool) -> Amounts:
    """Tax a value: CGST and SGST each at half the rate and equal, or IGST at the whole. `rate` in basis points."""
    if intra_state:
        half = rounded(Fraction(taxable * rate, 2 * BASIS_POINTS))
        return Amounts(taxable, cgst=half, sgst=half)
    return Amounts(taxable, igst=rounded(Fraction(taxable * rate, BASIS_POINTS)))


def tax_line(gross: int, rate: int, *, intra_state: bool, tax_included: bool) -> Amounts:
    """Tax a line of `gross` paise after discounts; a price that includes the tax is divided out first."""
    taxable = rounded(Fraction(gross * BASIS_POINTS, BASIS_POINTS + rate)) if tax_included else gross
    return tax_on(taxable, rate, intra_state=intra_state)


@dataclass(frozen=True)
class Document:
    """An invoice: lines, the difference to the whole rupee, and what the buyer pays."""

    lines: tuple[Amounts, ...]

    @property
    def sum(self) -> Amounts:
        return added(self.lines)

    @property
    def grand_total(self) -> int:
        return to_whole_rupees(self.sum.total)

    @property
    def round_off(self) -> int:
        return self.grand_total - self.sum.total


def return_units(line: Amounts, rate: int, *, ordered: int, returned: int, units: int, credited: Amounts) -> Amounts:
    """
    Credit `units` of a line of which `returned` were credited before with `credited`.

    The last return is what is left (no residue). Any other is its share of the taxable value, taxed at the rate of
    the original invoice (s. 34; rule 53).
    """
    if returned + units == ordered:
        return line - credited
    taxable = rounded(Fraction(line.taxable * units, ordered))
    return tax_on(taxable, rate, intra_state=not line.igst)


def is_share_of(credit: Amounts, invoiced: Amounts, part: Fraction, *, tolerance: int) -> bool:
    """Each head of `credit` is `part` of the invoice's, to within `tolerance` paise."""
    pairs: Sequence[tuple[int, int]] = list(zip(credit.heads(), invoiced.heads(), strict=True))
    return all(abs(credited - part * whole) <= tolerance for credited, whole in pairs)

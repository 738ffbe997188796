"""The amounts that a credit note credits of an invoice line."""

from dataclasses import dataclass, fields

from apps.core.money import half_up
from apps.tax.rules.computation import Heads


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit(Heads):
    """A quantity of a line with its money, in paise: a whole invoice line, what was credited of it, or one credit."""

    quantity: int
    taxable: int

    @property
    def total(self) -> int:
        """Taxable value and tax."""
        return self.taxable + self.tax


def credit_portion(original: Credit, credited: Credit, quantity: int) -> Credit:
    """
    Return the amounts to credit for `quantity` units of the line, in paise.

    Each amount is in proportion to the original line, rounded half-up. The credit of the last units gets the
    remainder, so that all credits of a line add up to the line to the paisa. No head is ever credited beyond its
    original amount.

    :raises ValueError: if nothing or more than what is left is returned
    """
    left = original.quantity - credited.quantity
    if not 0 < quantity <= left:
        raise ValueError(f"{quantity} returned of {left} left")

    amounts: dict[str, int] = {"quantity": quantity}
    for field in fields(Credit):
        if field.name == "quantity":
            continue
        whole: int = getattr(original, field.name)
        rest: int = whole - getattr(credited, field.name)
        amounts[field.name] = rest if quantity == left else min(half_up(whole * quantity, original.quantity), rest)
    return Credit(**amounts)

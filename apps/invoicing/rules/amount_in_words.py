"""Amounts as Indian documents write them: grouped by lakh and crore, and in words."""

from num2words import num2words

from apps.core.money import PAISE_PER_RUPEE, rupees

_CRORE = 10_000_000


def amount_in_words(paise: int) -> str:
    """
    Return an amount in words: `Rupees Twelve Lakh Thirty-Four Thousand Five Hundred Sixty-Seven and Fifty Paise Only`.

    :raises ValueError: if it is negative
    """
    if paise < 0:
        raise ValueError("a document states no negative amount")
    whole, rest = divmod(paise, PAISE_PER_RUPEE)
    tail = f" and {_words(rest)} Paise" if rest else ""
    return f"Rupees {_words(whole)}{tail} Only"


def grouped(paise: int) -> str:
    """Return an amount for a column of a table, without the currency sign: `12,34,567.50`."""
    return rupees(paise).replace("₹", "")


def _words(number: int) -> str:
    # num2words fails from a thousand crore on, so crores are words of their own, however many there are.
    crores, rest = divmod(number, _CRORE)
    if not crores:
        return str(num2words(rest, lang="en_IN")).replace(",", "").replace(" and ", " ").title()
    return f"{_words(crores)} Crore {_words(rest)}" if rest else f"{_words(crores)} Crore"

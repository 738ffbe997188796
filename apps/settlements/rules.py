"""Rules of settlements: which payments explain a difference, what the words of a bank's line say, and what a refusal may keep."""

import itertools
import math
import re
from collections.abc import Sequence

_REFERENCE = re.compile(r"[A-Za-z0-9]{6,60}")
_WORD = re.compile(r"[^\W_]+")
#: The references of transfers: NEFT (16 characters), RTGS (22), and the 12 digits of IMPS and UPI.
_UTR = re.compile(r"\b(?:[A-Z]{4}[A-Z0-9][0-9]{11}|[A-Z]{4}[A-Z0-9][0-9]{17}|[1-9][0-9]{11})\b", re.IGNORECASE)
#: The words by which banks call a charge one, and all others that their own charges consist of. A transfer names its
#: receiver, a tax its challan, a purchase its goods: one other word, and the line is no charge.
_CHARGE = frozenset(_WORD.findall("CHARGE CHARGES CHG CHGS CHRG CHRGS"))
_WORDS_OF_CHARGES = _CHARGE | frozenset(
    _WORD.findall("""
    A AC ACCOUNT ACH ACCT ALERT ALERTS AMB AMC AND ANNUAL ANNUALLY ATM AVERAGE AVG BAL BALANCE BANK BOOK C CASH CGST CHEQUE CHQ
    CONSOLIDATED CURRENT DD DEBIT DEP DEPOSIT DT EMAIL EXCL EXCLUDING FOLIO FOR FROM GST HANDLING IGST IMPS INCL INCLUDING
    INSTA INWARD ISSUE LEAF LEAVES LEDGER MAB MAINT MAINTENANCE MIN MINIMUM MONTHLY MTHLY NACH NEFT NON OF ON OUTWARD PER
    PLUS PROCESSING QAB QTR QTRLY QUARTERLY RECOVERY RETURN RS RTGS RTN SERVICE SGST SIGNATURE SMS STATEMENT STMT TAX
    TRANSACTION TRANSACTIONS TXN TXNS UTGST VERIFICATION YEARLY INR
    """)
)
#: Days, months, quarters, amounts and counts, and HDFC's number of the message that charged.
_FIGURE = re.compile(
    r"[0-9]{1,8}|[0-9]{0,2}(?:JAN|FEB|MAR|APR|MAY|JUNE?|JULY?|AUG|SEPT?|OCT|NOV|DEC)(?:[0-9]{2}|[0-9]{4})?|Q[1-4]|FY[0-9]{2,4}"
    r"|MIR[0-9]{6,20}"
)
_IS_GST = re.compile(r"^\W*(?:[CSI]|UT)?GST\b", re.IGNORECASE)
_IS_GST_ON_CHARGE = re.compile(r"^\W*(?:[CSI]|UT)?GST\b[^A-Z]*\b(?:ON|FOR|OF)\b", re.IGNORECASE)
_STATED_GST = re.compile(r"\bGST\b\s*(?:OF)?\s*(?:RS\.?|INR|₹)?\s*([0-9]{1,9})\.([0-9]{2})\b", re.IGNORECASE)

#: What a sentence quotes as `repr` does.
_QUOTED = re.compile(r"""(?<!\w)(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")""", re.DOTALL)

#: The most that is booked as a charge without staff, in paise: 1,000 rupees and GST of 18 %. The charges of a transfer, a cheque
#: book or a quarter's messages are less; a penalty for a low balance or for cash that is more is worth a look.
MAX_BANK_CHARGE = 1_180_00

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


def is_bank_charge(*, amount: int, description: str, reference: str = "") -> bool:
    """
    Test if a line (paise, credits positive) is a charge of the bank itself: small, and of nothing but words of such charges.

    The reference of a transfer, or a word that the bank's own charges do not have, makes it somebody else's.
    """
    if not -MAX_BANK_CHARGE <= amount < 0 or _UTR.search(f"{reference} {description}"):
        return False
    words = _WORD.findall(description.upper())
    is_known = all(word in _WORDS_OF_CHARGES or _FIGURE.fullmatch(word) for word in words)
    # "GST CHARGES" may be the tax that the shop pays itself.
    is_own_tax = _IS_GST.search(description) is not None and _IS_GST_ON_CHARGE.search(description) is None
    return is_known and not is_own_tax and not _CHARGE.isdisjoint(words)


def without_cells(refusal: str) -> str:
    """Return why a file is refused without the cells that the sentence quotes: they may name persons, and this is kept for ever."""
    return _QUOTED.sub("“…”", refusal)


def gst_of_charge(*, amount: int, description: str) -> int:
    """
    Return the GST (paise) that a bank's line states of its charge of `amount`: all of it, a stated part, or nothing.

    A stated part of more than 18 % on the rest is no GST that a bank may charge.
    """
    if _IS_GST.search(description):
        return abs(amount)
    stated = _STATED_GST.search(description)
    tax = int(stated[1]) * 100 + int(stated[2]) if stated else 0
    return tax if tax * 118 <= (abs(amount) + 1) * 18 else 0


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

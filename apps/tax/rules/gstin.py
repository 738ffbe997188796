"""
The format of a GSTIN and what it encodes: state, PAN, kind of registration.

Written here and not taken from python-stdnum, which has no reasons for a refusal, no states 38 and 97 and none of the
numbers of government departments, tax deductors, embassies and non-residents. The patterns are those that the GST
network publishes; the check character is Luhn's method in base 36.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from apps.tax.rules.territories import STATES, is_supply_state

_GSTIN_LENGTH: Final = 15
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PAN: Final = r"[A-Z]{5}[0-9]{4}[A-Z]"
#: Fourth character of a PAN, by what its holder is: association, body of individuals, company, firm, government, Hindu undivided
#: family, artificial juridical person, local authority, person, trust.
_PAN_HOLDERS: Final = frozenset("ABCFGHJLPT")
_NO_SERIAL: Final = "0000"
_OIDAR_STATE: Final = "99"


class GstinKind(StrEnum):
    """What sort of registration a number is."""

    NORMAL = "normal"
    GOVERNMENT = "government"
    TAX_DEDUCTOR = "tax_deductor"
    TAX_COLLECTOR = "tax_collector"
    UIN = "uin"
    NON_RESIDENT = "non_resident"
    OIDAR = "oidar"


class GstinRefusal(StrEnum):
    """Why a text is no GSTIN: a stable code for clients."""

    WRONG_LENGTH = "wrong_length"
    WRONG_CHARACTERS = "wrong_characters"
    UNKNOWN_STATE = "unknown_state"
    RETIRED_STATE = "retired_state"
    WRONG_PAN = "wrong_pan"
    UNKNOWN_PAN_HOLDER = "unknown_pan_holder"
    WRONG_PAN_SERIAL = "wrong_pan_serial"
    WRONG_ENTITY = "wrong_entity"
    WRONG_FOURTEENTH_CHARACTER = "wrong_fourteenth_character"
    WRONG_CHECK_CHARACTER = "wrong_check_character"


# The order matters: the fourteenth character D of a deductor would also pass as normal.
_PATTERNS: Final = (
    (GstinKind.TAX_DEDUCTOR, re.compile(r"[0-9]{2}[A-Z]{4}[A-Z0-9][0-9]{4}[A-Z][1-9A-Z]D[0-9A-Z]")),
    (GstinKind.TAX_COLLECTOR, re.compile(r"[0-9]{2}[A-Z]{4}[A-Z0-9][0-9]{4}[A-Z][1-9A-Z]C[0-9A-Z]")),
    (GstinKind.OIDAR, re.compile(r"99[0-9]{2}[A-Z]{3}[0-9]{5}OS[0-9A-Z]")),
    (GstinKind.NON_RESIDENT, re.compile(r"[0-9]{4}[A-Z]{3}[0-9]{5}NR[0-9A-Z]")),
    (GstinKind.UIN, re.compile(r"[0-9]{4}[A-Z]{3}[0-9]{5}[UO]N[0-9A-Z]")),
    (GstinKind.GOVERNMENT, re.compile(r"[0-9]{2}[A-Z]{4}[0-9]{5}[A-Z][0-9]Z[0-9]")),
    (GstinKind.NORMAL, re.compile(rf"[0-9]{{2}}{_PAN}[1-9A-Z][Z1-9ABD-J][0-9A-Z]")),
)


@dataclass(frozen=True, slots=True)
class GstinCheck:
    """The verdict on a text: the normalised number with its kind, or the reason of its refusal."""

    gstin: str
    kind: GstinKind | None = None
    refusal: GstinRefusal | None = None

    @property
    def is_valid(self) -> bool:
        """Test if the number was accepted."""
        return self.refusal is None


def normalise_gstin(text: str) -> str:
    """Return the text as a GSTIN is stored: no blanks around it, upper case."""
    return text.strip().upper()


def gstin_check_character(body: str) -> str:
    """Return the fifteenth character for the first fourteen (each of 0-9, A-Z)."""
    total = 0
    for position, character in enumerate(body):
        product = _ALPHABET.index(character) * (2 if position % 2 else 1)
        total += product // 36 + product % 36
    return _ALPHABET[-total % 36]


def check_gstin(text: str) -> GstinCheck:
    """Judge a number as a person typed it; numbers of every kind of registration are accepted."""
    # Before upper-casing: the long s and the dotless i would become plain letters.
    if not text.isascii():
        return GstinCheck(text, refusal=GstinRefusal.WRONG_CHARACTERS)
    gstin = normalise_gstin(text)
    if len(gstin) != _GSTIN_LENGTH:
        return GstinCheck(gstin, refusal=GstinRefusal.WRONG_LENGTH)
    if any(character not in _ALPHABET for character in gstin):
        return GstinCheck(gstin, refusal=GstinRefusal.WRONG_CHARACTERS)

    kind = next((kind for kind, pattern in _PATTERNS if pattern.fullmatch(gstin)), None)
    refusal = _refusal_of_state(gstin, kind)
    if refusal is None:
        refusal = _refusal_of_form(gstin) if kind is None else _refusal_of_pan(gstin)
    if refusal is None and gstin_check_character(gstin[:14]) != gstin[14]:
        refusal = GstinRefusal.WRONG_CHECK_CHARACTER
    return GstinCheck(gstin, refusal=refusal) if refusal else GstinCheck(gstin, kind)


def _refusal_of_state(gstin: str, kind: GstinKind | None) -> GstinRefusal | None:
    code = gstin[:2]
    if is_supply_state(code) or (code == _OIDAR_STATE and kind is GstinKind.OIDAR):
        return None
    retired = code in STATES and not STATES[code].is_active
    return GstinRefusal.RETIRED_STATE if retired else GstinRefusal.UNKNOWN_STATE


def _refusal_of_form(gstin: str) -> GstinRefusal:
    if re.fullmatch(_PAN, gstin[2:12]) is None:
        return GstinRefusal.WRONG_PAN
    if gstin[12] == "0":
        return GstinRefusal.WRONG_ENTITY
    return GstinRefusal.WRONG_FOURTEENTH_CHARACTER


def _refusal_of_pan(gstin: str) -> GstinRefusal | None:
    pan = gstin[2:12]
    if re.fullmatch(_PAN, pan) is None:
        return None  # a number that is built on a TAN or on none
    if pan[3] not in _PAN_HOLDERS:
        return GstinRefusal.UNKNOWN_PAN_HOLDER
    return GstinRefusal.WRONG_PAN_SERIAL if pan[5:9] == _NO_SERIAL else None


def gstin_state(gstin: str) -> str:
    """
    Return the two-digit state code of a GSTIN (99 for an online supplier from abroad).

    :raises ValueError: if it is no GSTIN
    """
    return _valid(gstin).gstin[:2]


def pan_of(gstin: str) -> str | None:
    """
    Return the PAN inside a GSTIN, or None for kinds that are built on another number.

    :raises ValueError: if it is no GSTIN
    """
    check = _valid(gstin)
    pan = check.gstin[2:12]
    return pan if re.fullmatch(_PAN, pan) else None


def is_registered_person(gstin: str) -> bool:
    """
    Test if its holder is a registered person of section 2(94), which embassies and UN bodies with a UIN are not.

    :raises ValueError: if it is no GSTIN
    """
    return _valid(gstin).kind not in {GstinKind.UIN, GstinKind.OIDAR}


def _valid(text: str) -> GstinCheck:
    check = check_gstin(text)
    if check.refusal is not None:
        raise ValueError(f"no GSTIN: {check.refusal}")
    return check

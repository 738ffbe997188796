"""
Which states a PIN code can lie in, by its first three digits.

Post offices were numbered before states were split, so several states share a prefix; 9 is the army post, which goes with the troops.
The ranges are those that the open GST application india-compliance checks by, divided for Telangana, Ladakh and districts that are
served from a neighbouring state.
"""

import re
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from apps.tax.rules.territories import is_supply_state

_ARMY_POST: Final = "9"
_RANGES: Final = {
    "01": "180-194",
    "02": "171-177",
    "03": "140-160",
    "04": "160",
    "05": "244-249 262-263",
    "06": "121-136",
    "07": "110",
    "08": "301-345",
    "09": "201-285",
    "10": "800-855",
    "11": "737",
    "12": "790-792",
    "13": "797-798",
    "14": "795",
    "15": "796",
    "16": "799",
    "17": "793-794",
    "18": "781-788",
    "19": "700-743",
    "20": "813-835",
    "21": "751-770",
    "22": "490-497",
    "23": "450-488",
    "24": "360-396",
    "26": "362 396",
    "27": "400-445",
    "29": "560-591",
    "30": "403",
    "31": "682",
    "32": "670-695",
    "33": "600-643",
    "34": "533 605 607 609 673",
    "35": "744",
    "36": "500-509",
    "37": "507 515-535",
    "38": "194",
}


def _prefixes(ranges: str) -> tuple[str, ...]:
    bounds = [part.partition("-") for part in ranges.split()]
    return tuple(str(prefix) for first, _, last in bounds for prefix in range(int(first), int(last or first) + 1))


_PREFIXES_OF_STATE: Final = MappingProxyType({state: _prefixes(ranges) for state, ranges in _RANGES.items()})

#: Three digits -> the states (two-digit codes, ascending) whose PIN codes begin so.
STATES_OF_PIN_PREFIX: Final = MappingProxyType(
    {
        prefix: tuple(state for state, prefixes in _PREFIXES_OF_STATE.items() if prefix in prefixes)
        for prefix in sorted({prefix for prefixes in _PREFIXES_OF_STATE.values() for prefix in prefixes})
    }
)


class PinCheck(StrEnum):
    """What a PIN code says about the state of its address, as orders keep it."""

    LIES_IN_STATE = "lies_in_state"
    ARMY_POST = "army_post"
    UNKNOWN_PREFIX = "unknown_prefix"


def is_pin(text: str) -> bool:
    """Test if the text is an Indian postal code: six digits, the first not zero."""
    return re.fullmatch(r"[1-9][0-9]{5}", text) is not None


def states_of_pin(pin: str) -> tuple[str, ...]:
    """Return the states that a PIN code can lie in; none if its prefix is in no range, or it is the army post's."""
    return STATES_OF_PIN_PREFIX.get(pin[:3], ())


def is_army_pin(pin: str) -> bool:
    """Test if a PIN code is of the army post, which serves every state."""
    return pin.startswith(_ARMY_POST)


def is_known_pin_prefix(pin: str) -> bool:
    """Test if a PIN code begins as those of some state, or of the army post, do."""
    return is_army_pin(pin) or bool(states_of_pin(pin))


def pin_check(pin: str) -> PinCheck:
    """Return what a PIN code says about the state of an address that was accepted."""
    if is_army_pin(pin):
        return PinCheck.ARMY_POST
    return PinCheck.LIES_IN_STATE if states_of_pin(pin) else PinCheck.UNKNOWN_PREFIX


def is_pin_of_state(pin: str, state: str) -> bool:
    """Test if a PIN code can lie in a state; one that nothing is known of can lie in any."""
    if not is_supply_state(state):
        return False
    states = states_of_pin(pin)
    return not states or state in states


def pin_prefixes(state: str) -> tuple[str, ...]:
    """Return the first three digits of a state's PIN codes, ascending; none for Other Territory."""
    return _PREFIXES_OF_STATE.get(state, ())

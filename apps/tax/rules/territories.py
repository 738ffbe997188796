"""The states of GST: two-digit codes, names, and who levies UTGST in place of SGST."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

EXPORT_CODE: Final = "96"
"""The place of supply of whatever leaves India."""


@dataclass(frozen=True, slots=True)
class State:
    """
    One code of the GST state list.

    `is_union_territory`: governed by the Union. `levies_utgst`: one without a legislature (and Other Territory), where UTGST stands
    for SGST; the others (Delhi, Jammu and Kashmir, Puducherry) levy SGST.
    `is_active`: still given out; 25 and 28 are not since the mergers. `is_domestic`: a supplier or buyer can be there.
    """

    code: str
    name: str
    levies_utgst: bool = False
    is_union_territory: bool = False
    is_active: bool = True
    is_domestic: bool = True


_ROWS: Final = (
    State("01", "Jammu and Kashmir", is_union_territory=True),
    State("02", "Himachal Pradesh"),
    State("03", "Punjab"),
    State("04", "Chandigarh", levies_utgst=True, is_union_territory=True),
    State("05", "Uttarakhand"),
    State("06", "Haryana"),
    State("07", "Delhi", is_union_territory=True),
    State("08", "Rajasthan"),
    State("09", "Uttar Pradesh"),
    State("10", "Bihar"),
    State("11", "Sikkim"),
    State("12", "Arunachal Pradesh"),
    State("13", "Nagaland"),
    State("14", "Manipur"),
    State("15", "Mizoram"),
    State("16", "Tripura"),
    State("17", "Meghalaya"),
    State("18", "Assam"),
    State("19", "West Bengal"),
    State("20", "Jharkhand"),
    State("21", "Odisha"),
    State("22", "Chhattisgarh"),
    State("23", "Madhya Pradesh"),
    State("24", "Gujarat"),
    State("25", "Daman and Diu (before 2020)", levies_utgst=True, is_union_territory=True, is_active=False),
    State("26", "Dadra and Nagar Haveli and Daman and Diu", levies_utgst=True, is_union_territory=True),
    State("27", "Maharashtra"),
    State("28", "Andhra Pradesh (before 2014)", is_active=False),
    State("29", "Karnataka"),
    State("30", "Goa"),
    State("31", "Lakshadweep", levies_utgst=True, is_union_territory=True),
    State("32", "Kerala"),
    State("33", "Tamil Nadu"),
    State("34", "Puducherry", is_union_territory=True),
    State("35", "Andaman and Nicobar Islands", levies_utgst=True, is_union_territory=True),
    State("36", "Telangana"),
    State("37", "Andhra Pradesh"),
    State("38", "Ladakh", levies_utgst=True, is_union_territory=True),
    State(EXPORT_CODE, "Other Countries", is_domestic=False),
    State("97", "Other Territory", levies_utgst=True),
    State("99", "Centre Jurisdiction", is_domestic=False),
)

STATES: Final = MappingProxyType({state.code: state for state in _ROWS})


def is_supply_state(code: str) -> bool:
    """Test if a supplier, a buyer or an address inside India can be in this state today."""
    state = STATES.get(code)
    return state is not None and state.is_active and state.is_domestic


def state_name(code: str) -> str:
    """
    Return the name of a state.

    :raises ValueError: if there is no such code
    """
    if code not in STATES:
        raise ValueError(f"no GST state has the code {code!r}")
    return STATES[code].name

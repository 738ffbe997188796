"""
GST as pure functions: who is registered, where a supply is made, what tax it bears, what a credit note gives back.

Integer paise, basis points and plain dates in; frozen dataclasses out. Other apps import these names from here.
"""

from apps.tax.rules.computation import Computation, ComputedLine, Heads, Line, SupplyType, Treatment, compute
from apps.tax.rules.credit import Credit, credit_portion
from apps.tax.rules.gstin import (
    GstinCheck,
    GstinKind,
    GstinRefusal,
    check_gstin,
    gstin_check_character,
    gstin_state,
    is_registered_person,
    normalise_gstin,
    pan_of,
)
from apps.tax.rules.hsn import HSN_DIGITS, HsnRefusal, check_hsn, is_service_code
from apps.tax.rules.pins import (
    STATES_OF_PIN_PREFIX,
    PinCheck,
    is_army_pin,
    is_known_pin_prefix,
    is_pin,
    is_pin_of_state,
    pin_check,
    pin_prefixes,
    states_of_pin,
)
from apps.tax.rules.place_of_supply import (
    PlaceOfSupply,
    PlaceReason,
    place_of_supply,
    supply_type,
    treatment_for,
)
from apps.tax.rules.prefixes import CREDIT_NOTE_PREFIX, is_invoice_prefix
from apps.tax.rules.rates import (
    REFERENCE_RATES,
    TAX_CLASSES,
    ReferenceRate,
    Taxability,
    is_rate_allowed,
    rates_allowed,
    reference_rate,
    taxability_of,
)
from apps.tax.rules.restricted_rates import codes_of_rate, is_rate_of_goods
from apps.tax.rules.tax_calendar import IST, financial_year, fy_short, ist_date, start_of_financial_year
from apps.tax.rules.territories import EXPORT_CODE, STATES, State, is_supply_state, state_name
from apps.tax.rules.texts import (
    ADDRESS_LINE1_LIMITS,
    ADDRESS_LINE2_LIMITS,
    DESCRIPTION_LIMITS,
    NAME_LIMITS,
    PLACE_LIMITS,
    TextLimits,
    TextRefusal,
    check_text,
)
from apps.tax.rules.units import SERVICE_UQC, UQCS, default_uqc, is_uqc_of
from apps.tax.rules.value_limits import ValueLimit, value_limit, value_of_piece

__all__ = [
    "ADDRESS_LINE1_LIMITS",
    "ADDRESS_LINE2_LIMITS",
    "CREDIT_NOTE_PREFIX",
    "DESCRIPTION_LIMITS",
    "EXPORT_CODE",
    "HSN_DIGITS",
    "IST",
    "NAME_LIMITS",
    "PLACE_LIMITS",
    "REFERENCE_RATES",
    "SERVICE_UQC",
    "STATES",
    "STATES_OF_PIN_PREFIX",
    "TAX_CLASSES",
    "UQCS",
    "Computation",
    "ComputedLine",
    "Credit",
    "GstinCheck",
    "GstinKind",
    "GstinRefusal",
    "Heads",
    "HsnRefusal",
    "Line",
    "PinCheck",
    "PlaceOfSupply",
    "PlaceReason",
    "ReferenceRate",
    "State",
    "SupplyType",
    "Taxability",
    "TextLimits",
    "TextRefusal",
    "Treatment",
    "ValueLimit",
    "check_gstin",
    "check_hsn",
    "check_text",
    "codes_of_rate",
    "compute",
    "credit_portion",
    "default_uqc",
    "financial_year",
    "fy_short",
    "gstin_check_character",
    "gstin_state",
    "is_army_pin",
    "is_invoice_prefix",
    "is_known_pin_prefix",
    "is_pin",
    "is_pin_of_state",
    "is_rate_allowed",
    "is_rate_of_goods",
    "is_registered_person",
    "is_service_code",
    "is_supply_state",
    "is_uqc_of",
    "ist_date",
    "normalise_gstin",
    "pan_of",
    "pin_check",
    "pin_prefixes",
    "place_of_supply",
    "rates_allowed",
    "reference_rate",
    "start_of_financial_year",
    "state_name",
    "states_of_pin",
    "supply_type",
    "taxability_of",
    "treatment_for",
    "value_limit",
    "value_of_piece",
]

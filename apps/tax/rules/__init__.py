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
    is_pin,
    is_registered_person,
    normalise_gstin,
    pan_of,
)
from apps.tax.rules.hsn import HsnRefusal, check_hsn, is_service_code
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
    is_rate_allowed,
    rates_allowed,
    reference_rate,
)
from apps.tax.rules.tax_calendar import IST, financial_year, fy_short, ist_date, start_of_financial_year
from apps.tax.rules.territories import EXPORT_CODE, STATES, State, is_supply_state, state_name

__all__ = [
    "CREDIT_NOTE_PREFIX",
    "EXPORT_CODE",
    "IST",
    "REFERENCE_RATES",
    "STATES",
    "TAX_CLASSES",
    "Computation",
    "ComputedLine",
    "Credit",
    "GstinCheck",
    "GstinKind",
    "GstinRefusal",
    "Heads",
    "HsnRefusal",
    "Line",
    "PlaceOfSupply",
    "PlaceReason",
    "ReferenceRate",
    "State",
    "SupplyType",
    "Treatment",
    "check_gstin",
    "check_hsn",
    "compute",
    "credit_portion",
    "financial_year",
    "fy_short",
    "gstin_check_character",
    "gstin_state",
    "is_invoice_prefix",
    "is_pin",
    "is_rate_allowed",
    "is_registered_person",
    "is_service_code",
    "is_supply_state",
    "ist_date",
    "normalise_gstin",
    "pan_of",
    "place_of_supply",
    "rates_allowed",
    "reference_rate",
    "start_of_financial_year",
    "state_name",
    "supply_type",
    "treatment_for",
]

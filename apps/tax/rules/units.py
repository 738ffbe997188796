"""The unit quantity codes (UQC) that GST returns and e-invoices take."""

from types import MappingProxyType
from typing import Final

from apps.tax.rules.hsn import is_service_code

#: Services are not counted in units.
SERVICE_UQC: Final = "NA"
DEFAULT_UQC: Final = "NOS"

#: The official list: code -> what it is called.
UQCS: Final = MappingProxyType(
    {
        "BAG": "Bags",
        "BAL": "Bales",
        "BDL": "Bundles",
        "BKL": "Buckles",
        "BOU": "Billions of units",
        "BOX": "Boxes",
        "BTL": "Bottles",
        "BUN": "Bunches",
        "CAN": "Cans",
        "CBM": "Cubic metres",
        "CCM": "Cubic centimetres",
        "CMS": "Centimetres",
        "CTN": "Cartons",
        "DOZ": "Dozens",
        "DRM": "Drums",
        "GGK": "Great gross",
        "GMS": "Grams",
        "GRS": "Gross",
        "GYD": "Gross yards",
        "KGS": "Kilograms",
        "KLR": "Kilolitres",
        "KME": "Kilometres",
        "LTR": "Litres",
        "MLT": "Millilitres",
        "MTR": "Metres",
        "MTS": "Metric tons",
        "NOS": "Numbers",
        "OTH": "Others",
        "PAC": "Packs",
        "PCS": "Pieces",
        "PRS": "Pairs",
        "QTL": "Quintals",
        "ROL": "Rolls",
        "SET": "Sets",
        "SQF": "Square feet",
        "SQM": "Square metres",
        "SQY": "Square yards",
        "TBS": "Tablets",
        "TGM": "Ten gross",
        "THD": "Thousands",
        "TON": "Tonnes",
        "TUB": "Tubes",
        "UGS": "US gallons",
        "UNT": "Units",
        "YDS": "Yards",
        SERVICE_UQC: "Not applicable: services",
    }
)


def is_uqc_of(uqc: str, hsn: str) -> bool:
    """Test if goods or services of a code can be counted in a unit: services in none, goods in any of the list."""
    return uqc in UQCS and (uqc == SERVICE_UQC) == is_service_code(hsn)


def default_uqc(hsn: str) -> str:
    """Return the unit of a variant for which none is given."""
    return SERVICE_UQC if is_service_code(hsn) else DEFAULT_UQC

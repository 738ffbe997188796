"""The warnings that buyers and staff read about downtimes of payment methods."""

from collections.abc import Collection, Mapping

_METHODS = {"upi": "UPI", "card": "a card", "netbanking": "net banking", "wallet": "a wallet"}
#: Banks by the codes that the gateway documents.
_BANKS = {
    "BARB": "Bank of Baroda", "BKID": "Bank of India", "CITI": "Citibank", "CNRB": "Canara Bank", "COSB": "Cosmos Bank",
    "HDFC": "HDFC Bank", "ICIC": "ICICI Bank", "JAKA": "Jammu and Kashmir Bank", "KKBK": "Kotak Mahindra Bank",
    "PUNB": "Punjab National Bank", "SBIN": "State Bank of India", "UBIN": "Union Bank of India", "UTIB": "Axis Bank",
}  # fmt: skip
_APPS = {"google_pay": "Google Pay", "phonepe": "PhonePe", "paytm": "Paytm", "bhim": "BHIM"}
_NETWORKS = {
    "AMEX": "American Express", "DICL": "Diners Club", "MC": "Mastercard", "RUPAY": "RuPay", "VISA": "Visa",
}  # fmt: skip
_CARDS = {"credit": "credit cards", "debit": "debit cards"}
_ALL = "ALL"


def downtime_warning(method: str, instrument: Mapping[str, str], *, offer: Collection[str]) -> str:
    """Return the warning of a downtime: what may fail, and what to use instead."""
    what = f"{_affected(method, instrument)} may fail at the moment."
    names = [_METHODS.get(name, name.replace("_", " ")) for name in offer]
    return f"{what} Use {' or '.join(names)} instead." if names else what


def downtime_subject(method: str, instrument: Mapping[str, str]) -> str:
    """Return what is down, as staff read it: `Net banking of HDFC Bank`."""
    return _affected(method, instrument)


def _affected(method: str, instrument: Mapping[str, str]) -> str:
    part = {name: value for name, value in instrument.items() if value.upper() != _ALL}
    if method == "upi":
        return _affected_upi(part)
    if method == "card":
        return _affected_cards(part)
    name = {"netbanking": "Net banking", "wallet": "Wallet payments"}.get(method, method.replace("_", " ").capitalize())
    return f"{name} of {_bank(part['bank'])}" if "bank" in part else name


def _affected_upi(part: Mapping[str, str]) -> str:
    if "psp" in part:
        return f"UPI payments with {_APPS.get(part['psp'].lower(), part['psp'])}"
    if "vpa_handle" in part:
        return f"UPI payments from IDs that end in @{part['vpa_handle']}"
    return "UPI payments"


def _affected_cards(part: Mapping[str, str]) -> str:
    cards = _CARDS.get(part.get("card_type", ""), "cards")
    if "issuer" in part:
        return f"Payments with {cards} of {_bank(part['issuer'])}"
    if "network" in part:
        return f"Payments with {_NETWORKS.get(part['network'].upper(), part['network'])} {cards}"
    return f"Payments with {cards}"


def _bank(code: str) -> str:
    return _BANKS.get(code.upper(), f"the bank {code}")

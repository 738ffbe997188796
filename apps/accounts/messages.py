"""The sentences that say what is wrong with an attempt or an address, and what to do."""

from apps.tax import messages as tax_messages

_LABELS = {
    "name": "name",
    "company": "company's name",
    "line1": "first address line",
    "line2": "second address line",
    "city": "city",
}
_FIELD_ERRORS = {
    "state": "There is no state with this code.",
    "pin": "A PIN code has six digits and does not begin with 0.",
    "gstin": "This GSTIN is not valid.",
    "gstin_of_another_state": "The GSTIN begins with the code of another state than that of the address.",
    "unknown_pan_holder": "This GSTIN is not valid: the fourth character of its PAN (the sixth of the GSTIN) is not"
    " a valid type of holder.",
    "wrong_pan_serial": "This GSTIN is not valid: the number in its PAN is 0000, but these numbers start at 0001.",
}
_WARNINGS = {
    "unknown_pin_prefix": "{sentence} The parcel may not arrive.",
}


def address_text_error(field: str, refusal: str, *, length: int, fewest: int, most: int) -> str:
    """Return why a text of an address, of a length in characters, is refused and what to change."""
    return tax_messages.text_refused(_LABELS[field], refusal, length=length, fewest=fewest, most=most)


def address_field_error(field: str, code: str) -> str:
    """Return why the state, PIN code or GSTIN of an address is refused."""
    return _FIELD_ERRORS.get(code, _FIELD_ERRORS[field])


def address_warning(code: str, *, pin: str) -> str:
    """Return what the buyer should check in an address that was accepted."""
    return _WARNINGS[code].format(sentence=tax_messages.unknown_pin_prefix(pin))

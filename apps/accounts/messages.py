"""The sentences that say what is wrong with a try or an address, and what to do."""

from math import ceil

_LABELS = {
    "name": "name",
    "company": "company's name",
    "line1": "first address line",
    "line2": "second address line",
    "city": "city",
}
_TEXT_SENTENCES = {
    "too_short": "The {label} has {length} characters; a GST invoice needs at least {fewest}. Write it out in full.",
    "too_long": "The {label} has {length} characters; a GST invoice carries at most {most}. Shorten it.",
    "forbidden_character": (
        'The {label} has a quotation mark (") or a backslash (\\), which a GST invoice cannot carry. Leave it out.'
    ),
}
_FIELD_SENTENCES = {
    "state": "There is no such state code.",
    "pin": "A PIN code has six digits and does not begin with 0.",
    "gstin": "This GSTIN is not valid.",
    "gstin_of_another_state": "The GSTIN begins with another state's code than the address has.",
    "unknown_pan_holder": "This GSTIN is not valid: the fourth character of its PAN (the sixth of the GSTIN) names no kind of holder.",
    "wrong_pan_serial": "This GSTIN is not valid: the number in its PAN is 0000, and they begin with 0001.",
}
_WARNINGS = {
    "unknown_pin_prefix": "We know no PIN code that begins as {pin} does. Check it: the parcel may not arrive.",
}


def text_refused(field: str, refusal: str, *, length: int, fewest: int, most: int) -> str:
    """Return why a text of an address, of so many characters, is refused and what to change."""
    return _TEXT_SENTENCES[refusal].format(label=_LABELS[field], length=length, fewest=fewest, most=most)


def field_refused(field: str, code: str) -> str:
    """Return why state, PIN code or GSTIN of an address are refused."""
    return _FIELD_SENTENCES.get(code, _FIELD_SENTENCES[field])


def address_warning(code: str, *, pin: str) -> str:
    """Return what the buyer should look at again in an address that was accepted."""
    return _WARNINGS[code].format(pin=pin)


def wait_in_words(seconds: int) -> str:
    """Return how long to wait: seconds up to a minute and a half, minutes up to two hours, else hours; never too short."""
    for unit, length, most in (("second", 1, 90), ("minute", 60, 7_200)):
        if seconds <= most:
            return _count(ceil(seconds / length), unit)
    return _count(ceil(seconds / 3_600), "hour")


def too_many_log_ins(seconds: int) -> str:
    """Return what the log-in page says when nothing is looked at for that many seconds."""
    return f"Too many attempts. Try again in {_count(ceil(seconds / 60), 'minute')}."


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"

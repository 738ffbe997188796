"""The sentences that say why a text or a PIN code is refused or doubted, and what to change."""

REGISTRATION_LABELS = {
    "legal_name": "legal name",
    "trade_name": "trade name",
    "address_line1": "first address line",
    "address_line2": "second address line",
    "city": "city",
}
_SENTENCES = {
    "too_short": "The {label} has {length}; a GST invoice needs at least {fewest}. Write it out in full.",
    "too_long": "The {label} has {length}; a GST invoice allows at most {most}. Shorten it.",
    "forbidden_character": (
        'The {label} has a quotation mark (") or a backslash (\\), which a GST invoice cannot contain. Remove it.'
    ),
}


def text_refused(label: str, refusal: str, *, length: int, fewest: int, most: int) -> str:
    """Return why an invoice does not carry a text, by the label of its field and its length in characters, and what to change."""
    count = "1 character" if length == 1 else f"{length} characters"
    return _SENTENCES[refusal].format(label=label, length=count, fewest=fewest, most=most)


def unknown_pin_prefix(pin: str) -> str:
    """Return what to check in an address whose PIN code begins as none does."""
    return f"No PIN code that we know begins with {pin[:3]}. Check the PIN code."

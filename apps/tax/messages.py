"""The sentences that say why a text of a GST registration is refused, and what to change."""

_LABELS = {
    "legal_name": "legal name",
    "trade_name": "trade name",
    "address_line1": "first address line",
    "address_line2": "second address line",
    "city": "city",
}
_SENTENCES = {
    "too_short": "The {label} has {length} characters; a GST invoice needs at least {fewest}. Write it out in full.",
    "too_long": "The {label} has {length} characters; a GST invoice carries at most {most}. Shorten it.",
    "forbidden_character": (
        'The {label} has a quotation mark (") or a backslash (\\), which a GST invoice cannot carry. Leave it out.'
    ),
}


def text_refused(field: str, refusal: str, *, length: int, fewest: int, most: int) -> str:
    """Return why a text of a registration, of so many characters, is refused and what to change."""
    return _SENTENCES[refusal].format(label=_LABELS[field], length=length, fewest=fewest, most=most)


def pin_prefix_unknown(pin: str) -> str:
    """Return what staff should look at again in a registration that was accepted."""
    return f"We know no PIN code that begins as {pin} does. Check it."

"""Phone numbers and e-mail addresses as those see them who need not know them whole."""

import re
from typing import Final

_EMAIL: Final = r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
#: An Indian mobile number in any writing: with the country's code, with the 0 of long-distance calls, or with neither.
_INDIAN: Final = r"(?:(?:\+|00)?91[ -]?|0)?[6-9][0-9]{4}[ -]?[0-9]{5}"
_PHONE: Final = rf"{_INDIAN}|\+[1-9][0-9]{{7,14}}"
_CONTACT: Final = re.compile(rf"(?<![\w+.-])(?:{_EMAIL}|{_PHONE})(?!\w)")
#: Parts of a page in which nothing is masked: what people type, where links lead, and what is no text at all.
_UNTOUCHED: Final = re.compile(r"<(script|style|textarea)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
#: Attributes that are read out or shown.
_SHOWN_ATTRIBUTE: Final = re.compile(r"""(\s(?:title|alt|aria-label)=)("[^"]*"|'[^']*')""", re.IGNORECASE)


def mask(contact: str) -> str:
    """
    Return a phone number or an e-mail address as others may see it: `+91******2345`, `a***@example.in`.

    Every writing of an Indian number is masked alike, so that two of them on one page show no more than one does.
    """
    if "@" in contact:
        local, _, domain = contact.partition("@")
        return f"{local[:1]}***@{domain}"
    if re.fullmatch(_INDIAN, contact):
        return f"+91******{contact[-4:]}"
    return f"{contact[:3]}{'*' * max(0, len(contact) - 7)}{contact[-4:]}"


def mask_in_text(text: str, *, except_for: frozenset[str] = frozenset()) -> str:
    """Return a text in which every phone number and e-mail address is masked, except for some."""
    return _CONTACT.sub(lambda found: found[0] if found[0] in except_for else mask(found[0]), text)


def mask_in_page(html: str, *, except_for: frozenset[str] = frozenset()) -> str:
    """Return a page in which those that it shows are masked; what stands in forms and links stays, so that they go on working."""
    parts: list[str] = []
    end = 0
    for tag in _UNTOUCHED.finditer(html):
        parts += [mask_in_text(html[end : tag.start()], except_for=except_for), _mask_in_tag(tag[0], except_for)]
        end = tag.end()
    return "".join([*parts, mask_in_text(html[end:], except_for=except_for)])


def _mask_in_tag(tag: str, except_for: frozenset[str]) -> str:
    return _SHOWN_ATTRIBUTE.sub(lambda found: found[1] + mask_in_text(found[2], except_for=except_for), tag)

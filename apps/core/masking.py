"""Phone numbers and e-mail addresses masked for those who may not see them whole."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

#: What an e-mail address has before its @ (RFC 5322, section 3.2.3), also where HTML writes it as an entity.
_ATOM: Final = r"[\w.!#$%*+/=?^`{|}~'-]"
_ENTITIES: Final = ("&amp;", "&#x27;", "&#39;", "&#96;")
_EMAIL: Final = rf"(?:{_ATOM}|{'|'.join(_ENTITIES)})++@[\w-]+(?:\.[\w-]+)+"
#: An Indian mobile number in any writing: with the country's code, with the 0 of long-distance calls, or with neither.
_TEN_DIGITS: Final = (
    r"[6-9](?:[0-9]{4}[ .-]?[0-9]{5}|[0-9]{3}[ .-][0-9]{3}[ .-][0-9]{3}|[0-9]{2}[ .-][0-9]{3}[ .-][0-9]{4})"
)
_INDIAN: Final = rf"(?:\(?(?:\+|00)?91\)?[ .-]?|\(?0\)?[ .-]?)?{_TEN_DIGITS}"
_PHONE: Final = rf"{_INDIAN}|\+[1-9][0-9]{{7,14}}"
#: An address begins where the text before is no part of it; elsewhere it is not looked for, so that long texts take no long time.
_NOT_INSIDE: Final = "".join(f"(?<!{part})" for part in (_ATOM, *_ENTITIES))
_CONTACT: Final = re.compile(rf"{_NOT_INSIDE}{_EMAIL}|(?<![\w+.-])(?:{_PHONE})(?!\w)")
#: Values of data that are a contact, whatever they look like.
_CONTACT_NAMES: Final = frozenset({"phone", "email", "recipient"})
#: Values of data that are long numbers of banks, and no contacts.
_REFERENCES: Final = frozenset({"rrn", "utr", "arn"})
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
        digits = "".join(filter(str.isdigit, contact))
        return f"+91******{digits[-4:]}"
    return f"{contact[:3]}{'*' * max(0, len(contact) - 7)}{contact[-4:]}"


def mask_in_text(text: str, *, except_for: frozenset[str] = frozenset()) -> str:
    """Return a text in which every phone number and e-mail address is masked, except for some."""
    return _CONTACT.sub(lambda found: found[0] if found[0] in except_for else mask(found[0]), text)


def mask_in_data(
    data: Any,
    *,
    except_for: frozenset[str] = frozenset(),
    is_own: Callable[[Mapping[str, Any]], bool] = lambda _: False,
) -> Any:
    """
    Return data of JSON in which every text is masked, except for what belongs to the reader and the references of banks.

    :param is_own: tests if an object, with all that is in it, belongs to the reader
    """
    if isinstance(data, str):
        return mask_in_text(data, except_for=except_for)
    if isinstance(data, list | tuple):
        return [mask_in_data(one, except_for=except_for, is_own=is_own) for one in data]
    if not isinstance(data, Mapping) or is_own(data):
        return data
    masked = {}
    for name, value in data.items():
        if name in _CONTACT_NAMES and isinstance(value, str) and value and "*" not in value:
            masked[name] = value if value in except_for else mask(value)
        else:
            masked[name] = value if name in _REFERENCES else mask_in_data(value, except_for=except_for, is_own=is_own)
    return masked


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

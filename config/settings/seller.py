"""What the seller's documents show besides the sale: logo, bank details and terms, checked when Bahi starts."""

import json
import re
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

_MOST_LOGO_BYTES = 500_000
#: The first bytes of a picture that Typst can set, by the end of its file's name.
_PICTURES = {
    ".png": (b"\x89PNG",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".svg": (b"<svg", b"<?xml"),
}
_BANK_FIELDS = {
    "account_name": (r".{1,100}", "the name of the account"),
    "account_number": (r"[0-9]{9,18}", "9 to 18 digits"),
    "ifsc": (r"[A-Z]{4}0[A-Z0-9]{6}", "an IFSC such as SBIN0000454"),
    "bank": (r".{1,100}", "the name of the bank"),
    "branch": (r".{0,100}", "the name of the branch"),
}
_MOST_TERMS, _LONGEST_TERM = 12, 300


def read_logo_path(value: str) -> Path | None:
    """Return the path of SELLER_LOGO_PATH's picture, or None if it is not set."""
    if not value:
        return None
    path = Path(value)
    if path.suffix.lower() not in _PICTURES:
        raise ImproperlyConfigured(f"SELLER_LOGO_PATH must name a .png, .jpg or .svg file; {value} is none.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImproperlyConfigured(
            f"SELLER_LOGO_PATH names {value}, which cannot be read: {error.strerror}."
        ) from error
    if len(content) > _MOST_LOGO_BYTES:
        raise ImproperlyConfigured(f"SELLER_LOGO_PATH names {value}, which has more than 500,000 bytes.")
    if not content.lstrip().startswith(_PICTURES[path.suffix.lower()]):
        raise ImproperlyConfigured(
            f"SELLER_LOGO_PATH names {value}, whose content is not the kind of picture that its name says."
        )
    return path


def read_bank_details(value: str) -> dict[str, str] | None:
    """Return SELLER_BANK_DETAILS, a JSON object of texts, or None if it is not set; `branch` may be left out."""
    if not value:
        return None
    try:
        details = json.loads(value)
    except ValueError as error:
        raise ImproperlyConfigured("SELLER_BANK_DETAILS is not JSON.") from error
    if not isinstance(details, dict):
        raise ImproperlyConfigured("SELLER_BANK_DETAILS must be a JSON object.")
    unknown = sorted(set(details) - set(_BANK_FIELDS))
    if unknown:
        raise ImproperlyConfigured(
            f"SELLER_BANK_DETAILS has {unknown[0]!r}; it may have {', '.join(_BANK_FIELDS)} only."
        )
    details = {"branch": "", **details}
    for name, (form, meaning) in _BANK_FIELDS.items():
        given = details.get(name)
        if not isinstance(given, str) or re.fullmatch(form, given) is None:
            raise ImproperlyConfigured(f"SELLER_BANK_DETAILS needs {name}: {meaning}.")
    return details


def read_terms(value: str) -> list[str]:
    r"""Return the lines of SELLER_TERMS, one term each; `\n` stands for the end of a line, as in most files of settings."""
    terms = [term.strip() for term in value.replace("\\n", "\n").splitlines() if term.strip()]
    if len(terms) > _MOST_TERMS or any(len(term) > _LONGEST_TERM for term in terms):
        raise ImproperlyConfigured(
            f"SELLER_TERMS may have {_MOST_TERMS} lines at most, of {_LONGEST_TERM} characters each at most."
        )
    return terms

"""What the seller's documents show besides the sale: logo, bank details and terms, checked when Bahi starts."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from config.settings.environment.values import quoted

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


def read_logo_path(value: Any) -> Path | None:
    """
    Return the path of a picture, or None if there is none.

    :raises ValueError: if it cannot be read, is too large, or is not the kind of picture that its name says
    """
    if not value:
        return None
    path = Path(value)
    if path.suffix.lower() not in _PICTURES:
        raise ValueError(f"must name a .png, .jpg or .svg file, but it is {quoted(str(value))}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"names {quoted(str(value))}, which cannot be read ({error.strerror})") from error
    if len(content) > _MOST_LOGO_BYTES:
        raise ValueError(f"names {quoted(str(value))}, which has more than 500,000 bytes")
    if not content.lstrip().startswith(_PICTURES[path.suffix.lower()]):
        raise ValueError(f"names {quoted(str(value))}, whose content is not the kind of picture that its name says")
    return path


def read_bank_details(value: Any) -> dict[str, str] | None:
    """
    Return the bank details of a JSON object of texts, or None if there are none; `branch` may be left out.

    :raises ValueError: if something is missing, unknown or of another form
    """
    if not value:
        return None
    try:
        details = json.loads(value)
    except ValueError as error:
        raise ValueError("is not JSON") from error
    if not isinstance(details, dict):
        raise ValueError("must be a JSON object")  # noqa: TRY004 - the text of a setting is wrong, not the type of an argument
    unknown = sorted(set(details) - set(_BANK_FIELDS))
    if unknown:
        raise ValueError(f"has {quoted(unknown[0])}; it may have {', '.join(_BANK_FIELDS)} only")
    details = {"branch": "", **details}
    for name, (form, meaning) in _BANK_FIELDS.items():
        given = details.get(name)
        if not isinstance(given, str) or re.fullmatch(form, given) is None:
            raise ValueError(f"needs {name} ({meaning})")
    return details


def read_terms(value: Any) -> list[str]:
    r"""
    Return the terms of a text, one a line; `\n` stands for the end of a line, as in most files of settings.

    :raises ValueError: if there are too many, or one is too long
    """
    lines = value.replace("\\n", "\n").splitlines() if isinstance(value, str) else value
    terms = [term.strip() for term in lines if term.strip()]
    if len(terms) > _MOST_TERMS or any(len(term) > _LONGEST_TERM for term in terms):
        raise ValueError(f"may have {_MOST_TERMS} lines at most, of {_LONGEST_TERM} characters each at most")
    return terms


LogoPath = Annotated[Path | None, BeforeValidator(read_logo_path)]
BankDetails = Annotated[dict[str, str] | None, BeforeValidator(read_bank_details)]
Terms = Annotated[list[str], BeforeValidator(read_terms)]

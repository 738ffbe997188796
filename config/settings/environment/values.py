"""The types of variables: how a text is read, and what is said of one that cannot be."""

import json
import re
from collections.abc import Callable
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator

_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*", re.IGNORECASE)
_IPV6 = re.compile(r"\[[0-9a-f:.]+\]", re.IGNORECASE)
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
_TEMPLATE_NAMES = re.compile(r"[a-z][a-z0-9_]*")

_MAX_QUOTED = 60


def quoted(text: str) -> str:
    """Return a value as a sentence shows it: short, on one line."""
    return repr(text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}…")


def split_list(text: Any) -> Any:
    """Return the parts of a text between its commas; a value that is a list already stays."""
    return [part.strip() for part in text.split(",")] if isinstance(text, str) else text


def split_url(text: str, schemes: tuple[str, ...]) -> SplitResult:
    """
    Return the parts of a URL.

    :raises ValueError: if it has another scheme, or a port that is none
    """
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("has a host or a port that cannot be read") from None
    if parts.scheme not in schemes:
        raise ValueError(f"must begin with {_one_of([f'{scheme}://' for scheme in schemes])}")
    return parts


def is_host(text: str) -> bool:
    return (_HOST.fullmatch(text) or _IPV6.fullmatch(text)) is not None


def _one_of(choices: list[str]) -> str:
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"


def _read_bool(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    if text.lower() not in (*_TRUE, *_FALSE):
        raise ValueError(f"must be true or false, but it is {quoted(text)}")
    return text.lower() in _TRUE


def _read_whole_number(text: Any) -> Any:
    """Return the number; anything else stays, for the bounds to refuse it."""
    return int(text) if isinstance(text, str) and re.fullmatch(r"-?[0-9]{1,18}", text) else text


def whole_number(least: int, most: int, *, of: str = "") -> BeforeValidator:
    """Return the check of a whole number within bounds, both included; `of` is what it counts, where its name does not say so."""
    kind = f"a whole number of {of}" if of else "a whole number"

    def check(text: Any) -> Any:
        number = _read_whole_number(text)
        if not isinstance(number, int) or not least <= number <= most:
            raise ValueError(f"must be {kind} from {least} to {most}, but it is {quoted(str(text))}")
        return number

    return BeforeValidator(check)


def whole_numbers(least: int, most: int) -> BeforeValidator:
    """Return the check of a list of different whole numbers within bounds."""

    def check(text: Any) -> Any:
        numbers = [_read_whole_number(part) for part in split_list(text)]
        if any(not isinstance(number, int) or not least <= number <= most for number in numbers):
            raise ValueError(
                f"must be whole numbers from {least} to {most}, separated by commas, but it is {quoted(str(text))}"
            )
        if len(set(numbers)) < len(numbers):
            raise ValueError("names a number twice")
        return numbers

    return BeforeValidator(check)


def one_of(*choices: str | int) -> BeforeValidator:
    """Return the check of a text, or of a whole number, that is one of the choices."""

    def check(text: Any) -> Any:
        value = _read_whole_number(text) if isinstance(choices[0], int) else text
        if value not in choices:
            raise ValueError(f"must be {_one_of([str(choice) for choice in choices])}, but it is {quoted(str(text))}")
        return value

    return BeforeValidator(check)


def matching(pattern: str, meaning: str) -> BeforeValidator:
    """Return the check of a text of one form, which `meaning` puts into words."""

    def check(text: Any) -> Any:
        if not isinstance(text, str) or re.fullmatch(pattern, text) is None:
            raise ValueError(f"must be {meaning}, but it is {quoted(str(text))}")
        return text

    return BeforeValidator(check)


def items(is_item: Callable[[str], bool], meaning: str) -> BeforeValidator:
    """Return the check of a list of different texts, each as `is_item` wants it."""

    def check(text: Any) -> Any:
        parts = split_list(text)
        for part in parts:
            if not is_item(part):
                raise ValueError(f"must be {meaning}, separated by commas, but one is {quoted(part)}")
        if len(set(parts)) < len(parts):
            raise ValueError("names one of its values twice")
        return parts

    return BeforeValidator(check)


def secret(least: int, *, different: int) -> BeforeValidator:
    """Return the check of a secret with a least number of characters, and of different ones. No sentence shows it."""

    def check(text: Any) -> Any:
        check_secret(str(text), least=least, different=different)
        return text

    return BeforeValidator(check)


def optional_secret(least: int, *, different: int) -> BeforeValidator:
    """Return the check of an optional secret."""

    def check(text: Any) -> Any:
        if text:
            check_secret(str(text), least=least, different=different)
        return text

    return BeforeValidator(check)


def check_secret(text: str, *, least: int, different: int) -> None:
    if len(text) < least:
        raise ValueError(f"is too short: it has {_count(len(text), 'character')}, and at least {least} are needed")
    if (found := len(set(text))) < different:
        counted = _count(found, "different character")
        raise ValueError(f"is not random enough: it has {counted}, and at least {different} are needed")
    if (length := _repeated_length(text)) < least:
        raise ValueError(f"is not random enough: it repeats {length} characters, and at least {least} are needed")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _repeated_length(text: str) -> int:
    """Return the length of the shortest piece that a text begins with and then repeats, at least by half."""
    sizes = range(1, len(text) * 2 // 3 + 1)
    return next((size for size in sizes if text.startswith(text[size:])), len(text))


def secrets(least: int, *, different: int) -> BeforeValidator:
    """Return the check of a list of different secrets."""

    def check(text: Any) -> Any:
        parts = split_list(text)
        for part in parts:
            if not part:
                raise ValueError("holds an empty secret between its commas")
            check_secret(part, least=least, different=different)
        if len(set(parts)) < len(parts):
            raise ValueError("holds the same secret twice")
        return parts

    return BeforeValidator(check)


def _check_address(text: Any, *, is_origin: bool) -> Any:
    parts = split_url(text, ("https", "http"))
    if not parts.hostname or not is_host(f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname):
        raise ValueError(f"must name a host, but it is {quoted(text)}")
    if parts.query or parts.fragment or parts.username is not None or (is_origin and parts.path not in ("", "/")):
        beyond = "path, query or user" if is_origin else "query, fragment or user"
        raise ValueError(f"must have no {beyond}, but it is {quoted(text)}")
    return text.rstrip("/")


def _is_origin(text: str) -> bool:
    try:
        return _check_address(text, is_origin=True) == text and text == text.lower()
    except ValueError:
        return False


def _is_country(text: str) -> bool:
    if text == "IN":
        return True
    import phonenumbers  # noqa: PLC0415 - its tables take long to load, and few shops need them

    return text in phonenumbers.SUPPORTED_REGIONS


def _read_mailbox(text: Any) -> Any:
    _, address = parseaddr(text)
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", address) or any(letter < " " for letter in text):
        raise ValueError(f"must be an e-mail address, with or without a name, but it is {quoted(text)}")
    return text


def _read_templates(text: Any) -> Any:
    try:
        templates = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        templates = None
    if not isinstance(templates, dict) or not all(
        _TEMPLATE_NAMES.fullmatch(name) and isinstance(its_id, str) and its_id for name, its_id in templates.items()
    ):
        raise ValueError("must be a JSON object from the names of messages to the ids of their templates")
    return templates


def _read_path(text: Any) -> Any:
    path = Path(text)
    if not path.is_absolute():
        raise ValueError(f"must be an absolute path, but it is {quoted(str(text))}")
    return path


Bool = Annotated[bool, BeforeValidator(_read_bool)]
Url = Annotated[str, BeforeValidator(lambda text: _check_address(text, is_origin=False))]
Origin = Annotated[str, BeforeValidator(lambda text: _check_address(text, is_origin=True))]
Origins = Annotated[
    list[str], items(_is_origin, "origins in lower case, each scheme://host or scheme://host:port and nothing more")
]
Hosts = Annotated[list[str], items(is_host, "host names without scheme, port or path")]
ServedHosts = Annotated[
    list[str],
    items(lambda text: text == "*" or is_host(text.removeprefix(".")), "host names without scheme, port or path"),
]
Countries = Annotated[list[str], items(_is_country, "countries by their two letters")]
Mailbox = Annotated[str, BeforeValidator(_read_mailbox)]
Templates = Annotated[dict[str, str], BeforeValidator(_read_templates)]
AbsolutePath = Annotated[Path, BeforeValidator(_read_path)]

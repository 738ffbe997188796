"""
Logs: one JSON object a line, without phones, codes, tokens or e-mail addresses.

Values of keys that name a secret are dropped; in all other text what looks like personal data is masked.
"""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

MASK = "[redacted]"

#: Names that are secret by themselves, and last words of names that are: `new_password`, `x-razorpay-signature`.
_SECRET_KEYS = frozenset({"access", "api_key", "code", "recipient", "refresh", "to"})
_SECRET_WORDS = frozenset(
    {
        "authkey", "authorization", "cookie", "email", "mobile", "mobiles", "otp", "password", "pepper", "phone", "secret",
        "secrets", "signature", "token", "vpa",
    }
)  # fmt: skip

_PATTERNS = (
    (re.compile(r"eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"), "[token]"),
    (re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+"), "Bearer [token]"),
    (re.compile(r"(?i)\bbasic\s+[\w+/]{12,}=*"), "Basic [token]"),
    (re.compile(r"(?i)(://[^\s/:@]*):[^\s/@]+@"), r"\1:[secret]@"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "[email]"),
    (re.compile(r"[\w.-]{2,}@[a-zA-Z]\w+"), "[vpa]"),
    (re.compile(r"(?<!\d)(?:\+?91[\s-]?|0)?[6-9]\d{4}[\s-]?\d{5}(?!\d)"), "[phone]"),
)


def redact_text(text: str) -> str:
    """Return a text with phones, e-mail addresses and tokens masked."""
    for pattern, mask in _PATTERNS:
        text = pattern.sub(mask, text)
    return text


def redact(value: Any, *, key: str = "") -> Any:
    """Return a value as it may be logged: plain data, in which no text was left unread."""
    if _is_secret(key) and value not in (None, ""):
        return MASK
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {redact_text(str(name)): redact(inner, key=str(name)) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact(inner) for inner in value]
    # Bytes, exceptions and objects too: the renderer would write them out.
    return redact_text(str(value))


def _is_secret(key: str) -> bool:
    name = key.lower()
    return name in _SECRET_KEYS or re.split(r"[^a-z0-9]", name)[-1] in _SECRET_WORDS


def redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Redact a structlog event; the last processor before it is rendered."""
    return {name: redact(value, key=name) for name, value in event.items()}

"""
Logs: one JSON object a line, without phones, codes, tokens or e-mail addresses.

Values of keys that name a secret are dropped; in all other text what looks like personal data is masked.
"""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

MASK = "[redacted]"

_SECRET_KEYS = frozenset(
    {
        "authkey", "authorization", "code", "cookie", "email", "key_secret", "mobile", "mobiles", "otp", "password", "phone",
        "refresh", "refresh_token", "secret", "signature", "token", "access", "access_token", "vpa", "to", "recipient",
    }
)  # fmt: skip

_PATTERNS = (
    (re.compile(r"eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"), "[token]"),
    (re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+"), "Bearer [token]"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "[email]"),
    (re.compile(r"(?<!\d)(?:\+?91[\s-]?|0)?[6-9]\d{4}[\s-]?\d{5}(?!\d)"), "[phone]"),
)


def redact_text(text: str) -> str:
    """Return a text with phones, e-mail addresses and tokens masked."""
    for pattern, mask in _PATTERNS:
        text = pattern.sub(mask, text)
    return text


def redact(value: Any, *, key: str = "") -> Any:
    """Return a value as it may be logged."""
    if key.lower() in _SECRET_KEYS and value not in (None, ""):
        return MASK
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {name: redact(inner, key=str(name)) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(inner) for inner in value]
    return value


def redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Redact a structlog event; the last processor before it is rendered."""
    return {name: redact(value, key=name) for name, value in event.items()}

"""
Logs: one JSON object a line, without phones, codes, tokens, GSTINs or e-mail addresses.

Values of keys that name a secret are dropped; in all other text what looks like personal data is masked.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import orjson
import structlog

MASK = "[redacted]"
#: Libraries that say more than anybody wants to read.
_TALKATIVE = ("django", "django.server", "celery", "kombu", "urllib3", "fontTools")

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
    (re.compile(r"(?i)(?<![a-z0-9])[0-9]{2}[a-z]{5}[0-9]{4}[a-z][a-z0-9]{3}(?![a-z0-9])"), "[gstin]"),
    (re.compile(r"(?<!\d)(?:\+?91[\s-]?|0)?[6-9]\d{4}[\s-]?\d{5}(?!\d)"), "[phone]"),
)

#: What any of these patterns needs to fit; most texts have none of it, and one search says so.
_MAY_FIT = re.compile(r"@|eyJ|(?i:bearer|basic)\s|[0-9]{2}[a-zA-Z]{5}[0-9]{4}|[6-9]\d{4}[\s-]?\d{5}")


def redact_text(text: str) -> str:
    """Return a text with phones, e-mail addresses, GSTINs and tokens masked."""
    if _MAY_FIT.search(text) is None:
        return text
    for pattern, mask in _PATTERNS:
        text = pattern.sub(mask, text)
    return text


def redact(value: Any, *, key: str = "") -> Any:
    """Return a value as it may be logged: plain data, in which no text was left unread."""
    if _is_secret(key) and value not in (None, ""):
        return MASK
    if isinstance(value, str):
        return redact_text(str(value))
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {redact_text(str(name)): redact(inner, key=str(name)) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact(inner) for inner in value]
    # Bytes, exceptions and objects too: the renderer would write them out.
    return redact_text(str(value))


@lru_cache(maxsize=1_024)
def _is_secret(key: str) -> bool:
    name = key.lower()
    return name in _SECRET_KEYS or re.split(r"[^a-z0-9]", name)[-1] in _SECRET_WORDS


def redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Redact a structlog event; the last processor before it is rendered."""
    return {name: redact(value, key=name) for name, value in event.items()}


_context: ContextVar[Mapping[str, Any]] = ContextVar("log_context", default=MappingProxyType({}))


@contextmanager
def logged_with(**values: Any) -> Iterator[None]:
    """Add these values to every line that is logged meanwhile, in this thread."""
    token = _context.set({**_context.get(), **values})
    try:
        yield
    finally:
        _context.reset(token)


def _add_context(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # structlog's own context variables search all of the thread's for each line, and so does each of their contexts.
    for name, value in _context.get().items():
        event.setdefault(name, value)
    return event


def set_up_logs(*, form: str, level: str) -> dict[str, Any]:
    """
    Set structlog up and return what Django's LOGGING is to be, so that both write the same redacted lines to stdout.

    `form` is console, for people, or json; `level` is a level of the standard library.
    """
    shared: list[structlog.typing.Processor] = [
        _add_context,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact_event,
            _renderer(form),
        ],
        "foreign_pre_chain": [*shared, structlog.stdlib.PositionalArgumentsFormatter()],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": formatter},
        "handlers": {
            "stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "structured"}
        },
        "root": {"handlers": ["stdout"], "level": level},
        "loggers": {name: {"level": "WARNING"} for name in _TALKATIVE},
    }


def _renderer(form: str) -> structlog.typing.Processor:
    if form == "console":
        return structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    return _render_json


def _render_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    # `redact` has left nothing but what JSON has, except names that are no text and integers that are too large for orjson.
    try:
        return orjson.dumps(event, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return json.dumps(event)

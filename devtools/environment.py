"""
The development environment: what a checkout needs to run, without any value entered by the user.

Secrets are made once and kept in `.bahi/dev.env`; the outside world is the sandbox. What the user has set in the
environment wins, unless `ignore_user` is asked for, as the demonstration does.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.settings import settings_module
from devtools.embedded import CHECKOUT, STATE

SECRETS_FILE = STATE / "dev.env"
STACK_FILE = "stack.json"
LOCAL_SETTINGS = "config.settings.local"
WEBHOOK_PATH = "/api/v1/webhooks/razorpay"
_SECRET_NAMES = ("SECRET_KEY", "JWT_SIGNING_KEY", "OTP_PEPPER")
#: Celery's: as root one may run Bahi on one's own machine.
_IGNORE_ROOT_WARNING = "ignore:You're running the worker with superuser privileges"
_reserved_sockets: list[socket.socket] = []
_BAHI_VARIABLES = frozenset(
    {
        *_SECRET_NAMES, *(f"{name}_FALLBACKS" for name in _SECRET_NAMES), "ENVIRONMENT",
        "DATABASE_URL", "REDIS_URL", "ALLOWED_HOSTS", "PUBLIC_URL", "EMAIL_URL", "DEFAULT_FROM_EMAIL",
        "DOCUMENTS_DIR", "STATIC_ROOT", "TRUSTED_PROXY_HOPS", "LOG_FORMAT", "LOG_LEVEL", "SHOP_NAME",
        "SIGN_UP_COUNTRIES", "PORT", "HOST", "BEAT_SCHEDULE_FILE", "GUNICORN_CMD_ARGS", "SANDBOX_URL", "LATE_PAYMENT_POLICY",
        "ACCEPT_PAYER_FEE", "REVIEW_OVERDUE_AFTER_HOURS", "PLAINTEXT_HOSTS", "CORS_ALLOWED_ORIGINS", "HSN_MIN_DIGITS",
        "DATABASE_REPLICA_URL", "REPLICA_MAX_LAG_SECONDS",
        "WORKER_CONCURRENCY", "KNOWN_DEVICE_TTL_DAYS", "METRICS_TOKEN", "CUSTOMER_WRITES_PER_MINUTE", "STAFF_WRITES_PER_MINUTE",
        "ERASURE_HOLD_DAYS", "RETURN_WINDOW_DAYS", "INVOICE_AT", "HOT_PATH", "RESPONSE_CACHE_MIB",
    }
)  # fmt: skip
_BAHI_PREFIXES = (
    "DJANGO_", "RAZORPAY_", "MSG91_", "DB_", "WEB_", "CELERY_", "ORDER_", "PAYMENT_", "REFUND_", "SETTLEMENT_", "DISPUTE_",
    "OTP_", "SHIPPING_", "SECURE_", "SELLER_", "MAX_UNPAID_", "MAX_BUYER_", "MAX_MONEY_",
)  # fmt: skip


@dataclass(frozen=True)
class Ports:
    """The TCP ports of one stack, all on 127.0.0.1."""

    web: int
    sandbox: int
    smtp: int

    @classmethod
    def choose(cls, preferred_web: str | None = None) -> Ports:
        """Choose free ports, from 8000, 9000 and 9025 upward; a wished port is taken as it is."""
        web = int(preferred_web) if preferred_web else find_free_port(8000)
        sandbox = find_free_port(9000, taken={web})
        return cls(web, sandbox, find_free_port(9025, taken={web, sandbox}))


def find_free_port(first: int, *, taken: set[int] | None = None) -> int:
    """
    Return the first port from `first` upward on which nobody listens, and keep it from other checkouts until we end.

    :raises OSError: if the next 500 are all in use
    """
    for port in range(first, first + 500):
        if port not in (taken or ()) and _is_free(port) and _reserve(port):
            return port
    raise OSError(f"no free port between {first} and {first + 499}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections have merely not timed out yet is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _reserve(port: int) -> bool:
    """
    Reserve a port and return whether that succeeded: of two checkouts that start at once, both would find it free.

    The reservation is a Unix socket in Linux's abstract namespace, which leaves no file and ends with this process.
    """
    if sys.platform != "linux":
        return True
    sign = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        sign.bind(f"\0bahi-port-{port}")
    except OSError:
        sign.close()
        return False
    _reserved_sockets.append(sign)
    return True


def ensure_secrets(path: Path = SECRETS_FILE) -> dict[str, str]:
    """Return this checkout's secrets, making them the first time."""
    found = _read_env_file(path)
    if missing := [name for name in _SECRET_NAMES if name not in found]:
        found |= {name: secrets.token_urlsafe(48) for name in missing}
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write("# Created by devtools for this checkout. Deleting it ends every session and OTP.\n")
            file.writelines(f"{name}={value}\n" for name, value in found.items())
        try:
            # Without replacing: of two that start at once, both must use the first one's secrets.
            os.link(draft, path)
        except FileExistsError:
            current = _read_env_file(path)
            if all(name in current for name in _SECRET_NAMES):
                found = current
            else:
                draft.replace(path)
        draft.unlink(missing_ok=True)
    return found


def _read_env_file(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines() if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def build_environment(
    servers: Mapping[str, str],
    ports: Ports,
    *,
    data_dir: Path,
    ignore_user: bool = False,
    user: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """
    Return the whole environment of the stack's processes.

    :param servers: DATABASE_URL and REDIS_URL of the embedded servers, as far as there are any
    :param ignore_user: leave out what the user set of our names
    """
    given = dict(os.environ if user is None else user)
    if ignore_user:
        given = {name: value for name, value in given.items() if not is_bahi_variable(name)}
    ours = {**_defaults(ports, data_dir), **_settings_of(given), **ensure_secrets(), **servers}
    return {**ours, **{name: value for name, value in given.items() if value or name not in ours}, **_python(given)}


def _settings_of(given: Mapping[str, str]) -> dict[str, str]:
    """Return ENVIRONMENT and its settings module, or nothing if the user has set DJANGO_SETTINGS_MODULE."""
    if given.get("DJANGO_SETTINGS_MODULE"):
        return {}
    chosen = {"ENVIRONMENT": given.get("ENVIRONMENT") or "local"}
    return {**chosen, "DJANGO_SETTINGS_MODULE": settings_module(chosen)}


def require_valid(env: Mapping[str, str]) -> None:
    """
    Check the environment of processes that are yet to start; the servers that come embedded may be missing in it.

    :raises InvalidEnvironment: if something of it is wrong; each of its sentences names a variable
    """
    from config.settings import environment as typed  # what runs Bahi may not be installed where this module is loaded

    placeholders = {"DATABASE_URL": "postgres://postgres@127.0.0.1/bahi", "REDIS_URL": "redis://127.0.0.1:6379/0"}
    try:
        typed.read({**placeholders, **{name: value for name, value in env.items() if value}})
    except typed.InvalidEnvironment as wrong:
        raise InvalidEnvironment("\n".join(wrong.sentences)) from None


class InvalidEnvironment(RuntimeError):
    """Variables that Bahi refuses; the message has a sentence for each, on a line of its own."""


def is_bahi_variable(name: str) -> bool:
    """Return whether an environment variable configures Bahi."""
    return name in _BAHI_VARIABLES or name.startswith(_BAHI_PREFIXES)


def _defaults(ports: Ports, data_dir: Path) -> dict[str, str]:
    outside = f"http://127.0.0.1:{ports.sandbox}"
    return {
        "PORT": str(ports.web),
        "PUBLIC_URL": f"http://127.0.0.1:{ports.web}",
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "RAZORPAY_BASE_URL": f"{outside}/razorpay",
        "RAZORPAY_KEY_ID": "rzp_test_BahiSandbox001",
        "RAZORPAY_KEY_SECRET": "sandbox_key_secret_0123456789",
        "RAZORPAY_WEBHOOK_SECRETS": "sandbox_webhook_secret_0123456789",
        "RAZORPAY_ACCOUNT_ID": "acc_BahiSandbox001",
        "RAZORPAY_S2S_UPI": "true",
        "SANDBOX_URL": outside,
        "MSG91_BASE_URL": f"{outside}/msg91",
        "MSG91_AUTH_KEY": "sandbox-msg91-authkey",
        "EMAIL_URL": f"smtp://127.0.0.1:{ports.smtp}",
        "DEFAULT_FROM_EMAIL": "Bahi <no-reply@bahi.example>",
        "DOCUMENTS_DIR": str(data_dir / "documents"),
        "STATIC_ROOT": str(data_dir / "static"),
        "BEAT_SCHEDULE_FILE": str(data_dir / "beat-schedule"),
        "LOG_FORMAT": "console",
        "WEB_CONCURRENCY": "2",
        **({"PYTHONWARNINGS": _IGNORE_ROOT_WARNING} if os.geteuid() == 0 else {}),
    }


def _python(given: Mapping[str, str]) -> dict[str, str]:
    """Return what makes `python`, `gunicorn` and `celery` of a Procfile line our own, and unbuffered."""
    programs = str(Path(sys.executable).parent)
    paths = [path for path in given.get("PATH", os.defpath).split(os.pathsep) if path != programs]
    modules = [path for path in given.get("PYTHONPATH", "").split(os.pathsep) if path and path != str(CHECKOUT)]
    return {
        "PATH": os.pathsep.join([programs, *paths]),
        "PYTHONPATH": os.pathsep.join([str(CHECKOUT), *modules]),
        "PYTHONUNBUFFERED": "1",
    }


def write_stack(data_dir: Path, env: Mapping[str, str]) -> Path:
    """Leave the running stack's environment where `bin/bahi` finds it; only its owner may read it."""
    path = data_dir / STACK_FILE
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({name: value for name, value in env.items() if is_bahi_variable(name)}, file)
    return path


def read_stack(data_dir: Path) -> dict[str, str]:
    """Return the environment that a running stack left, or nothing."""
    try:
        return dict(json.loads((data_dir / STACK_FILE).read_text()))
    except (OSError, ValueError):
        return {}

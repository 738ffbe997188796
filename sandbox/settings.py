"""What a sandbox is started with: addresses, keys, seed. What changes while it runs is in `state`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

DEV_KEY_ID = "rzp_test_BahiSandbox001"
DEV_KEY_SECRET = "sandbox_key_secret_0123456789"  # noqa: S105 - opens nothing but this imitation
DEV_WEBHOOK_SECRET = "sandbox_webhook_secret_0123456789"  # noqa: S105
DEV_MSG91_AUTH_KEY = "sandbox-msg91-authkey"


class NotLoopback(ValueError):
    """An address that another machine could reach, or that would reach another machine."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """
    The fixed facts of one sandbox process.

    Port 0 means "choose a free one". `webhook_url` None means that webhooks are recorded but go nowhere.

    :raises NotLoopback: if `host` or `webhook_url` is not on this machine
    """

    host: str = "127.0.0.1"
    port: int = 9000
    smtp_port: int = 9025
    webhook_url: str | None = None
    seed: int = 1
    snapshot: Path | None = None
    key_id: str = DEV_KEY_ID
    key_secret: str = DEV_KEY_SECRET
    webhook_secret: str = DEV_WEBHOOK_SECRET
    msg91_auth_key: str = DEV_MSG91_AUTH_KEY

    def __post_init__(self) -> None:
        if not is_loopback(self.host):
            raise NotLoopback(f"The sandbox listens on loopback only, not on {self.host!r}.")
        if self.webhook_url:
            require_loopback_url(self.webhook_url)


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def require_loopback_url(url: str) -> str:
    """
    Return the URL unchanged if it points at this machine.

    :raises NotLoopback: if it does not, or is no http URL
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not is_loopback(parts.hostname or ""):
        raise NotLoopback(f"Webhooks go to loopback only, not to {url!r}.")
    return url

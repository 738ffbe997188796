"""
Lines for the people who guard an installation: the logger `security`, one line per refusal and per change of access.

They say who, from which address and what, and never a password, a code, a token, or a whole phone number or e-mail address.
"""

from contextvars import ContextVar
from typing import Any

import structlog

#: The address of the sender of the request that is being answered; empty outside of requests.
current_client_ip: ContextVar[str] = ContextVar("current_client_ip", default="")

log = structlog.get_logger("security")


def log_security_event(event: str, **facts: Any) -> None:
    """Leave a line with the facts and the caller's address; log events are named like `log_in_failed`."""
    log.warning(event, ip=current_client_ip.get(), **facts)

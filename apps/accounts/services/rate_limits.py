"""Count attempts against rate limits."""

from collections.abc import Sequence
from datetime import datetime
from math import ceil

from django.conf import settings
from django.db import transaction

from apps.accounts import sql
from apps.accounts.rules import RateLimit
from apps.core.errors import RateLimited
from apps.core.security_log import log_security_event


def list_peppers() -> list[str]:
    """Return the pepper that new hashes and keys are made with, then the earlier ones that may still be in use."""
    return [settings.OTP_PEPPER, *settings.OTP_PEPPER_FALLBACKS]


def consume(rate_limits: Sequence[RateLimit], *, now: datetime) -> None:
    """
    Count one attempt against all of these rate limits, or against none.

    :raises RateLimited: if one of them is exceeded; `retry_after` says for how many seconds
    """
    with transaction.atomic():
        exceeded = sql.consume(rate_limits, now=now)
        if exceeded:
            # Otherwise the refused attempt would count against the other limits.
            transaction.set_rollback(True)
    if exceeded:
        kinds = sorted({rate_limit.key.rpartition(":")[0] for rate_limit in rate_limits if rate_limit.key in exceeded})
        log_security_event("rate_limit_exceeded", rate_limits=kinds)
        wait = sql.get_retry_delay([rate_limit for rate_limit in rate_limits if rate_limit.key in exceeded], now=now)
        raise RateLimited(retry_after=max(1, ceil(wait.total_seconds())))


def restore_attempts(rate_limits: Sequence[RateLimit], *, consumed_at: datetime) -> None:
    """Take back the attempt that was counted against each of these rate limits at an instant."""
    sql.restore_attempts(rate_limits, consumed_at=consumed_at)

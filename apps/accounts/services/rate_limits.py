"""Spending the budgets of what must not be tried too often."""

from collections.abc import Sequence
from datetime import datetime
from math import ceil

from django.conf import settings
from django.db import transaction

from apps.accounts import sql
from apps.accounts.rules import Allowance
from apps.core.errors import RateLimited
from apps.core.security_log import log_security_event


def list_peppers() -> list[str]:
    """Return the pepper that new hashes and keys are made with, then the earlier ones that may still be in use."""
    return [settings.OTP_PEPPER, *settings.OTP_PEPPER_FALLBACKS]


class _UsedUp(Exception):
    """Rolls back what a refused try has spent of other budgets."""


def spend(budgets: Sequence[Allowance], *, now: datetime) -> None:
    """
    Spend one try of all of these budgets, or of none.

    :raises RateLimited: if one of them is used up; it says for how many seconds
    """
    try:
        with transaction.atomic():
            used_up = sql.spend(budgets, now=now)
            if used_up:
                raise _UsedUp
    except _UsedUp:
        kinds = sorted({budget.key.rpartition(":")[0] for budget in budgets if budget.key in used_up})
        log_security_event("budget_spent", budgets=kinds)
        wait = sql.wait_for([budget for budget in budgets if budget.key in used_up], now=now)
        raise RateLimited(retry_after=max(1, ceil(wait.total_seconds()))) from None


def restore(budgets: Sequence[Allowance], *, spent_at: datetime) -> None:
    """Restore the attempt that was spent of each of these budgets at an instant: it turned out not to count."""
    sql.restore_budgets(budgets, spent_at=spent_at)

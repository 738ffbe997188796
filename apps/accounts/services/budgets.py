"""Spending the budgets of what must not be tried too often."""

from collections.abc import Sequence
from datetime import datetime
from math import ceil

from django.db import transaction

from apps.accounts import statements
from apps.accounts.rules import Allowance
from apps.core.errors import TooManyRequests


class TriedTooOften(TooManyRequests):
    message = "This was tried too often. Try again later."
    code = "tried_too_often"


def spend(budgets: Sequence[Allowance], *, now: datetime) -> None:
    """
    Spend one try of all of these budgets, or of none.

    :raises TriedTooOften: if one of them is used up; it says for how many seconds
    """
    try:
        with transaction.atomic():
            used_up = statements.spend(budgets, now=now)
            if used_up:
                raise TriedTooOften
    except TriedTooOften:
        wait = statements.wait_for([budget for budget in budgets if budget.key in used_up], now=now)
        raise TriedTooOften(retry_after=max(1, ceil(wait.total_seconds()))) from None

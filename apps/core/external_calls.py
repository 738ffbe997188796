"""
One mechanism for calls to the outside, such as a gateway or a provider of messages.

A worker claims the row and commits before it calls, so that no two workers make one call. The call is made outside of any
transaction, and its outcome is recorded under lock. A claim expires: then its worker has crashed, and the outcome of its
call is unknown until the other side is asked. What stays open is polled, the longest waiting first.
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar
from uuid import UUID

import structlog
from django.db import models

log = structlog.get_logger(__name__)

M = TypeVar("M", bound=models.Model)

#: Longer than a call can take with all its retries: a worker whose claim has expired has crashed.
CLAIM_TTL = timedelta(seconds=90)
#: A round of polling ends after this long, or when the other side has stopped answering; the rest waits for the next one.
ROUND_SECONDS = 30.0
MAX_FAILURES_PER_ROUND = 3
#: How long a row waits whose poll has failed by a bug in Bahi.
RETRY_DELAY = timedelta(minutes=5)


class GatewayCall(models.TextChoices):
    """The state of our call to the gateway, for a row that was committed before it."""

    PENDING = "pending", "Pending"
    UNKNOWN = "unknown", "Unknown"
    SUCCEEDED = "succeeded", "Succeeded"
    REJECTED = "rejected", "Rejected"


#: The call is still to be made, or its outcome is unknown.
OPEN_CALLS = (GatewayCall.PENDING, GatewayCall.UNKNOWN)


class ClaimQuerySet(models.QuerySet[M]):
    """Rows that one worker at a time may call out for."""

    def unclaimed(self, *, now: datetime) -> Self:
        """Return the rows that no worker holds, or whose worker has crashed."""
        return self.filter(models.Q(claimed_until__isnull=True) | models.Q(claimed_until__lte=now))

    def claim(self, *, now: datetime, ttl: timedelta | None = None, **values: Any) -> bool:
        """
        Claim the row of this query, set `values` with it, and return whether it was claimed. `ttl` is CLAIM_TTL by default.

        False if the query has no row, or if another worker holds it.
        """
        return bool(self.unclaimed(now=now).update(claimed_until=now + (ttl or CLAIM_TTL), **values))

    def release(self, **values: Any) -> None:
        """End the claims on the rows of this query, and set `values` with it."""
        self.update(claimed_until=None, **values)


class ClaimedModel(models.Model):
    """A row that a worker claims before it calls out for it."""

    claimed_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def is_claimed(self, *, now: datetime) -> bool:
        """Test if a worker holds the row."""
        return self.claimed_until is not None and self.claimed_until > now


class PolledQuerySet(ClaimQuerySet[M]):
    """Rows that are polled while they are open."""

    def due(self, now: datetime) -> Self:
        """Return the rows that must be checked now, longest waiting first."""
        return self.filter(next_check_at__lte=now).order_by("next_check_at", "pk")

    def defer_check(self, *, until: datetime, **values: Any) -> None:
        """Set when the rows of this query are checked next, and `values` with it."""
        self.update(next_check_at=until, **values)


class PolledModel(ClaimedModel):
    """
    A row that stands for something at a gateway, which is called to make it and polled while it is open.

    `gateway_call` is the state of the call that makes it. `next_check_at` is when the poller checks it next, null for
    never, and `checks` counts the polls.
    """

    gateway_call = models.CharField(max_length=10, choices=GatewayCall, default=GatewayCall.PENDING)
    next_check_at = models.DateTimeField(null=True, blank=True)
    checks = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True


def poll_due(
    ids: Iterable[UUID],
    poll: Callable[[UUID, timedelta], bool],
    *,
    defer: Callable[[UUID], None] | None = None,
    log_event: str = "poll_failed",
    max_failures: int = MAX_FAILURES_PER_ROUND,
) -> int:
    """
    Poll rows one by one for one round, and return how many were polled.

    `poll` gets a row's id and the time since the round began, and returns whether the other side has answered. A row whose
    poll raises is handed to `defer`, so that it does not block the others in every round; without one the error is raised.
    """
    began = time.monotonic()
    polled = failures = 0
    for row_id in ids:
        elapsed = time.monotonic() - began
        if failures >= max_failures or elapsed > ROUND_SECONDS:
            break
        try:
            has_answer = poll(row_id, timedelta(seconds=elapsed))
        except Exception:
            if defer is None:
                raise
            log.exception(log_event, row=str(row_id))
            defer(row_id)
            has_answer = True
        failures = 0 if has_answer else failures + 1
        polled += 1
    return polled

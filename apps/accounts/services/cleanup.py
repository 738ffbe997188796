"""Deletion of expired data: rate limit counters, old codes and refresh tokens."""

from datetime import datetime, timedelta

from django.contrib.sessions.models import Session as BackOfficeSession
from django.db.models import Q

from apps.accounts import locks
from apps.accounts.models import Challenge, RateLimitCounter, RefreshToken, Session
from apps.accounts.services import sessions
from apps.accounts.states import EndReason
from apps.core.events import SYSTEM
from apps.core.transactions import atomic, transactional

CHALLENGE_RETENTION = timedelta(days=30)
#: Beyond its lifetime: until then its reuse can be distinguished from a forgery.
REFRESH_TOKEN_RETENTION = timedelta(days=7)
BATCH_SIZE = 1_000


def end_and_delete_expired(*, now: datetime) -> dict[str, int]:
    """End sessions that can no longer be refreshed, delete expired rows, and return how many of each."""
    return {
        "sessions": _end_expired_sessions(now=now),
        "rate_limits": RateLimitCounter.objects.filter(expires_at__lt=now).delete()[0],
        "challenges": Challenge.objects.filter(expires_at__lt=now - CHALLENGE_RETENTION).delete()[0],
        "tokens": _delete_old_tokens(before=now - REFRESH_TOKEN_RETENTION),
        "back_office_sessions": BackOfficeSession.objects.filter(expire_date__lt=now).delete()[0],
    }


def _end_expired_sessions(*, now: datetime) -> int:
    current = RefreshToken.objects.filter(rotated_at__isnull=True, revoked_at__isnull=True, expires_at__lt=now)
    ended = 0
    for session_id in list(current.order_by("expires_at").values_list("session_id", flat=True)[:BATCH_SIZE]):
        with atomic(savepoint=False):
            session = locks.lock_session(session_id)
            if session.ended_at is None and _is_expired(session, now):
                sessions.end_locked_session(session, reason=EndReason.EXPIRED, actor=SYSTEM, now=now)
                ended += 1
    return ended


def _is_expired(session: Session, now: datetime) -> bool:
    live = RefreshToken.objects.filter(session=session, rotated_at__isnull=True, revoked_at__isnull=True)
    return not live.filter(expires_at__gte=now).exists()


@transactional
def _delete_old_tokens(*, before: datetime) -> int:
    old = list(
        RefreshToken.objects.filter(Q(rotated_at__isnull=False) | Q(revoked_at__isnull=False), expires_at__lt=before)
        .order_by("expires_at", "pk")
        .values_list("pk", flat=True)[:BATCH_SIZE]
    )
    RefreshToken.objects.filter(successor__in=old).update(successor=None)
    RefreshToken.objects.filter(pk__in=old).update(successor=None)
    return RefreshToken.objects.filter(pk__in=old).delete()[0]

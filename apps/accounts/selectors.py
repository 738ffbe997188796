"""Reads of accounts."""

from uuid import UUID

from apps.accounts.models import User


def find_principal(*, user_id: UUID, session_id: UUID) -> User | None:
    """Return the active user of a session that has not ended, or None."""
    return User.objects.filter(
        pk=user_id, is_active=True, sessions__pk=session_id, sessions__ended_at__isnull=True
    ).first()

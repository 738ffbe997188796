"""
Sessions: one for each log-in, with a line of refresh tokens of which one is current.

Services deal in rows. The texts that clients hold are signed again from the rows, so that no secret is stored.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from apps.accounts import events, locks, rules, sql
from apps.accounts.models import RefreshToken, Session, SessionNotFound, User
from apps.accounts.states import EndReason, Transport
from apps.core import ids
from apps.core.errors import Unauthenticated
from apps.core.events import SYSTEM, Actor, change, create, user_actor
from apps.core.security_log import log_security_event
from apps.core.transactions import transactional


class InvalidRefreshToken(Unauthenticated):
    """The refresh token is malformed, expired or of an ended session. Log in again."""

    message = "The refresh token is not valid. Log in again."


class RefreshTokenReused(Unauthenticated):
    """The refresh token was already used, so its session was ended. Log in again."""

    message = "This refresh token was already used, so its session has ended. Log in again."


@dataclass(frozen=True, slots=True)
class Device:
    """
    Where somebody logs in: the caller's address, what the client says it is, and how it keeps its refresh token.

    `user_ids` are the public ids of the users who have logged in on it before; `id` is the id that we gave it then.
    """

    ip: str
    user_agent: str
    transport: Transport
    id: str = ""
    user_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Grant:
    """Access given: the person, the session, and the refresh token that is current."""

    user: User
    session: Session
    refresh_token: RefreshToken
    is_new_user: bool = False


def start_session(*, user: User, device: Device, now: datetime, is_new_user: bool = False) -> Grant:
    """Start a session of a person whom the caller has locked and found active."""
    session = Session(
        user=user,
        transport=device.transport,
        user_agent=device.user_agent[:300],
        ip=device.ip,
        last_used_at=now,
    )
    create(session, events.SESSION_STARTED, actor=user_actor(user), now=now)
    token = _make_refresh_token(session, now=now)

    return Grant(user=user, session=session, refresh_token=token, is_new_user=is_new_user)


def _make_refresh_token(session: Session, *, now: datetime) -> RefreshToken:
    expires_at = rules.refresh_expiry(
        started_at=session.created_at,
        now=now,
        lifetime=settings.REFRESH_TOKEN_LIFETIME,
        family_lifetime=settings.REFRESH_FAMILY_LIFETIME,
    )
    return RefreshToken.objects.create(session=session, expires_at=expires_at, created_at=now)


def refresh_session(*, token_id: UUID, session_id: UUID, transport: Transport, now: datetime) -> Grant:
    """
    Rotate a refresh token and return the grant with its successor.

    Of parallel calls one rotates; the others, and repetitions within 15 s, get the same successor. A token that comes back
    later has been copied: its whole session ends. No token outlives the 30 days of its session.

    :raises InvalidRefreshToken: if it is unknown, ended, expired, or was given out for another transport
    :raises RefreshTokenReused: if it came back after the grace; the session has ended then
    """
    grant = _rotate(token_id=token_id, session_id=session_id, transport=transport, now=now)
    # Raised out here, so that the end of the session is not rolled back with it.
    if grant is None:
        log_security_event("refresh_token_reused", session=ids.encode(Session.PREFIX, session_id))
        raise RefreshTokenReused
    return grant


@transactional
def _rotate(*, token_id: UUID, session_id: UUID, transport: Transport, now: datetime) -> Grant | None:
    session = _lock_session_of_token(session_id)

    token = RefreshToken.objects.select_related("session__user").filter(pk=token_id, session=session).first()
    if token is None or session.ended_at is not None or session.transport != transport:
        raise InvalidRefreshToken
    user = token.session.user
    if not user.is_active or now >= session.created_at + settings.REFRESH_FAMILY_LIFETIME:
        raise InvalidRefreshToken

    if sql.claim_refresh_token(token_id=token_id, now=now):
        successor = _make_refresh_token(session, now=now)
        RefreshToken.objects.filter(pk=token_id).update(successor=successor)
        session.last_used_at = now
        session.save(update_fields=["last_used_at", "updated_at"])
        return Grant(user=user, session=session, refresh_token=successor)

    # A statement of its own: what was read above may be older than the twin that won the claim.
    token = RefreshToken.objects.select_related("successor").get(pk=token_id)
    if token.rotated_at is None:
        raise InvalidRefreshToken
    if token.successor is not None and now - token.rotated_at <= settings.REFRESH_GRACE:
        return Grant(user=user, session=session, refresh_token=token.successor)

    end_locked_session(session, reason=EndReason.REUSE_DETECTED, actor=SYSTEM, now=now)

    return None


def _lock_session_of_token(session_id: UUID) -> Session:
    try:
        return locks.lock_session(session_id)
    except SessionNotFound:
        raise InvalidRefreshToken from None


@transactional
def log_out(*, session_id: UUID, now: datetime) -> None:
    """End the session that a token belongs to; an ended one stays as it is."""
    session = _lock_session_of_token(session_id)

    if session.ended_at is not None:
        return

    end_locked_session(session, reason=EndReason.LOGGED_OUT, actor=user_actor(session.user), now=now)


@transactional
def end_session(*, user_id: UUID, session_id: UUID, actor: Actor, now: datetime) -> None:
    """
    End one of a person's sessions.

    :raises SessionNotFound: if there is none, it has ended, or it is somebody else's
    """
    session = locks.lock_session(session_id)

    if session.user_id != user_id or session.ended_at is not None:
        raise SessionNotFound

    end_locked_session(session, reason=EndReason.ENDED_BY_USER, actor=actor, now=now)


@transactional
def log_out_everywhere(*, user_id: UUID, actor: Actor, now: datetime) -> None:
    """
    End all sessions of a person, in the back office too.

    :raises AccessEnded, UserErased: as `locks.lock_user_to_change` does
    """
    user = locks.lock_user_to_change(user_id, actor=actor)

    access = revoke_all_access(user, reason=EndReason.ENDED_BY_USER, actor=actor, now=now)
    change(user, events.USER_UPDATED, access, actor=actor, now=now)


def revoke_all_access(user: User, *, reason: EndReason, actor: Actor, now: datetime) -> dict[str, int]:
    """
    End every session of a person whom the caller has locked, and return the change of the person that ends their access tokens.

    The caller makes that change together with its own.
    """
    for session in locks.lock_live_sessions(user.pk):
        end_locked_session(session, reason=reason, actor=actor, now=now)
    return {"session_version": user.session_version + 1}


def end_locked_session(session: Session, *, reason: EndReason, actor: Actor, now: datetime) -> None:
    """End a session that the caller has locked, with its refresh token."""
    change(session, events.SESSION_ENDED, {"ended_at": now, "end_reason": reason}, actor=actor, now=now)
    current = RefreshToken.objects.filter(session=session, rotated_at__isnull=True, revoked_at__isnull=True)
    current.update(revoked_at=now, updated_at=now)

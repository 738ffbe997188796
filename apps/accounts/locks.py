"""Row locks of accounts, in this order: challenge, user, sessions, addresses by primary key."""

from uuid import UUID

from apps.accounts.models import Address, AddressNotFound, Challenge, Session, SessionNotFound, User, UserNotFound
from apps.core.locks import lock_row


def lock_challenge(challenge_id: UUID) -> Challenge | None:
    """Lock a challenge and return it as it is now, or None if it has been forgotten."""
    return Challenge.objects.select_for_update(no_key=True, of=("self",)).filter(pk=challenge_id).first()


def lock_user(user_id: UUID) -> User:
    """
    Lock a person and return them as they are now.

    :raises UserNotFound: if there is none
    """
    return lock_row(User, user_id, missing=UserNotFound)


def lock_session(session_id: UUID) -> Session:
    """
    Lock a session and return it as it is now.

    :raises SessionNotFound: if there is none
    """
    return lock_row(Session, session_id, missing=SessionNotFound)


def lock_live_sessions(user_id: UUID) -> list[Session]:
    """Lock and return the sessions of a person that have not ended."""
    sessions = Session.objects.select_for_update(no_key=True, of=("self",))
    return list(sessions.filter(user_id=user_id, ended_at__isnull=True).order_by("pk"))


def lock_address(*, user_id: UUID, address_id: UUID) -> Address:
    """
    Lock an address of a person and return it as it is now.

    :raises AddressNotFound: if there is none, it is somebody else's, or it was removed
    """
    addresses = Address.objects.select_for_update(no_key=True, of=("self",))
    address = addresses.filter(pk=address_id, user_id=user_id, removed_at__isnull=True).first()
    if address is None:
        raise AddressNotFound
    return address


def lock_default_address(user_id: UUID) -> Address | None:
    """Lock and return the default address of a person, who is locked already, or None."""
    addresses = Address.objects.select_for_update(no_key=True, of=("self",))
    return addresses.filter(user_id=user_id, is_default=True, removed_at__isnull=True).first()

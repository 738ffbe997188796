"""Row locks of accounts, in this order: challenge, user, sessions, addresses by primary key."""

from uuid import UUID

from apps.accounts.models import (
    AccessEnded,
    Address,
    Challenge,
    Session,
    SessionNotFound,
    User,
    UserErased,
    UserNotFound,
)
from apps.accounts.models import (
    AddressNotFound as AddressNotFound,  # noqa: PLC0414 - other apps raise it from here
)
from apps.core.clock import ist_date
from apps.core.dates import format_day
from apps.core.events import Actor
from apps.core.locks import lock_row


def lock_challenge(challenge_id: UUID) -> Challenge | None:
    """Lock a challenge and return its current row, or None if it has been deleted."""
    return Challenge.objects.select_for_update(no_key=True, of=("self",)).filter(pk=challenge_id).first()


def lock_user(user_id: UUID) -> User:
    """
    Lock a user and return their current row.

    :raises UserNotFound: if there is no such user
    """
    return lock_row(User, user_id, missing=UserNotFound)


def lock_user_to_change(user_id: UUID, *, actor: Actor) -> User:
    """
    Lock a user before their data is changed, and return their current row.

    Every service that writes personal data calls this. It refuses a user who was erased, even if the request was
    authenticated before the erasure.

    :raises UserNotFound: if there is no such user
    :raises AccessEnded: if the user is the actor and is no longer active
    :raises UserErased: if they were erased
    """
    user = lock_user(user_id)
    is_own_write = actor.kind == "user" and actor.id == user.public_id
    if is_own_write and not user.is_active:
        raise AccessEnded
    if user.erased_at is not None:
        raise UserErased(format_day(ist_date(user.erased_at)))
    return user


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

"""What people change about themselves: name, e-mail address, password."""

from datetime import datetime
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError

from apps.accounts import events, locks, selectors
from apps.accounts.models import User
from apps.accounts.services import otp, passwords, sessions
from apps.accounts.services.sessions import Device, Grant
from apps.accounts.states import ChallengePurpose, EndReason
from apps.core.errors import Conflict, PreconditionFailed
from apps.core.events import Actor, change
from apps.core.transactions import atomic, transactional


class EmailInUse(Conflict):
    """Another account has this e-mail address. Use another address, or log in to that account."""

    message = "This e-mail address belongs to another account."


@transactional
def change_name(*, user_id: UUID, name: str, version: int, actor: Actor, now: datetime) -> User:
    """
    Change a person's name.

    :raises PreconditionFailed: if the person is no longer at the version that the caller has seen
    :raises AccessEnded, UserErased: as `locks.lock_user_to_change` does
    """
    user = locks.lock_user_to_change(user_id, actor=actor)

    if user.version != version:
        raise PreconditionFailed
    if user.name == name:
        return user

    change(user, events.USER_UPDATED, {"name": name}, actor=actor, now=now)

    return user


def confirm_email(*, user_id: UUID, challenge_id: UUID, code: str, actor: Actor, now: datetime) -> User:
    """
    Give a person the e-mail address that the code was sent to.

    :raises InvalidOtp: if the code is wrong or dead
    :raises EmailInUse: if another account has it; only who reads its mail learns so
    :raises AccessEnded, UserErased: as `locks.lock_user_to_change` does
    """
    otp.count_attempt(challenge_id=challenge_id, purpose=ChallengePurpose.CONFIRM_EMAIL, user_id=user_id, now=now)
    try:
        return _confirm_email(user_id=user_id, challenge_id=challenge_id, code=code, actor=actor, now=now)
    except IntegrityError as error:
        raise EmailInUse(param="email") from error


@transactional
def _confirm_email(*, user_id: UUID, challenge_id: UUID, code: str, actor: Actor, now: datetime) -> User:
    challenge = otp.use_code(challenge_id=challenge_id, code=code, now=now)
    user = locks.lock_user_to_change(user_id, actor=actor)

    owner = selectors.find_user_at(challenge.destination)
    if owner is not None and owner.pk != user.pk:
        raise EmailInUse(param="email")

    confirmed = {"email": challenge.destination, "email_confirmed_at": now}
    change(user, events.USER_EMAIL_CONFIRMED, confirmed, actor=actor, now=now)

    return user


def change_password_and_log_in(
    *, user_id: UUID, challenge_id: UUID, code: str, password: str, device: Device, actor: Actor, now: datetime
) -> Grant:
    """
    Set a person's password after a fresh code, end all their access, and let this device in again.

    :raises PasswordTooWeak: if the password is too weak; no attempt is counted then
    :raises InvalidOtp: if the code is wrong or dead
    :raises AccessEnded, UserErased: as `locks.lock_user_to_change` does
    """
    encoded = _prepare_new_password(user_id=user_id, challenge_id=challenge_id, password=password, now=now)

    with atomic(savepoint=False):
        user = _change_password(
            user_id=user_id, challenge_id=challenge_id, code=code, encoded=encoded, actor=actor, now=now
        )
        return sessions.start_session(user=user, device=device, now=now)


def change_password(
    *, user_id: UUID, challenge_id: UUID, code: str, password: str, actor: Actor, now: datetime
) -> User:
    """
    Set a person's password after a fresh code and end all their access, without a session of the API: for the back office.

    :raises PasswordTooWeak: if the password is too weak; no attempt is counted then
    :raises InvalidOtp: if the code is wrong or dead
    :raises AccessEnded, UserErased: as `locks.lock_user_to_change` does
    """
    encoded = _prepare_new_password(user_id=user_id, challenge_id=challenge_id, password=password, now=now)

    return _change_password(
        user_id=user_id, challenge_id=challenge_id, code=code, encoded=encoded, actor=actor, now=now
    )


def _prepare_new_password(*, user_id: UUID, challenge_id: UUID, password: str, now: datetime) -> str:
    """Return the hash of a new password that is strong enough, once an attempt at its code has been counted."""
    passwords.validate_strength(password, user=selectors.get_user(user_id))
    otp.count_attempt(challenge_id=challenge_id, purpose=ChallengePurpose.SET_PASSWORD, user_id=user_id, now=now)
    return make_password(password)


@transactional
def _change_password(
    *, user_id: UUID, challenge_id: UUID, code: str, encoded: str, actor: Actor, now: datetime
) -> User:
    otp.use_code(challenge_id=challenge_id, code=code, now=now)
    user = locks.lock_user_to_change(user_id, actor=actor)

    store_password(user, encoded=encoded, actor=actor, now=now)

    return user


def store_password(user: User, *, encoded: str, actor: Actor, now: datetime) -> None:
    """Store the hash of a new password of a person whom the caller has locked, and end all their access."""
    access = sessions.revoke_all_access(user, reason=EndReason.ACCESS_CHANGED, actor=actor, now=now)
    change(user, events.USER_PASSWORD_CHANGED, {"password": encoded, **access}, actor=actor, now=now)

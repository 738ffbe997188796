"""Logging in: by a code, which also signs up, or by a password."""

from datetime import datetime
from uuid import UUID

import structlog
from django.contrib.auth.hashers import make_password, verify_password
from django.db import IntegrityError

from apps.accounts import events, locks, rules, selectors
from apps.accounts.models import Challenge, User
from apps.accounts.rules import RateLimit
from apps.accounts.services import otp, passwords, rate_limits, sessions
from apps.accounts.services.sessions import Device, Grant
from apps.accounts.states import ChallengePurpose
from apps.core import ids
from apps.core.errors import Forbidden, Unauthenticated
from apps.core.events import Actor, change, create, user_actor
from apps.core.security_log import log_security_event
from apps.core.transactions import atomic, transactional

#: The actor of a log-in attempt: the user is not authenticated yet.
ANONYMOUS = Actor(kind="anonymous", id="")

log = structlog.get_logger(__name__)


class InvalidCredentials(Unauthenticated):
    """
    The phone number, e-mail address or password is wrong.

    Try again, log in with a one-time code, or reset the password.
    """

    message = "The phone number, e-mail address or password is wrong."


class AccountDeactivated(Forbidden):
    """The account was deactivated. The shop can activate it again."""

    message = "This account has been deactivated. Contact the shop."


def log_in_with_code(*, challenge_id: UUID, code: str, device: Device, name: str = "", now: datetime) -> Grant:
    """
    Log in by the code that was sent; the first time makes the account.

    :raises InvalidOtp: if the code is wrong, used, expired, or was tried five times
    :raises AccountDeactivated: if the code is right and the account may not be used
    """
    try:
        otp.count_attempt(challenge_id=challenge_id, purpose=ChallengePurpose.LOG_IN, user_id=None, now=now)

        return _log_in_with_code(challenge_id=challenge_id, code=code, device=device, name=name, now=now)
    except (otp.InvalidOtp, AccountDeactivated) as error:
        challenge = ids.encode(Challenge.PREFIX, challenge_id)
        log_security_event("log_in_failed", method="code", place="api", reason=error.code, challenge=challenge)
        raise


@transactional
def _log_in_with_code(*, challenge_id: UUID, code: str, device: Device, name: str, now: datetime) -> Grant:
    challenge = otp.use_code(challenge_id=challenge_id, code=code, now=now)
    user, is_new = _find_or_sign_up(challenge.destination, name=name, now=now)

    if not user.is_active:
        raise AccountDeactivated

    _confirm_email(user, destination=challenge.destination, now=now)

    return sessions.start_session(user=user, device=device, now=now, is_new_user=is_new)


def _find_or_sign_up(destination: str, *, name: str, now: datetime) -> tuple[User, bool]:
    known = selectors.find_user_at(destination)
    if known is None:
        try:
            with atomic():
                return _sign_up(destination, name=name, now=now), True
        except IntegrityError:
            # Somebody confirmed this very e-mail address a moment ago.
            known = selectors.find_user_at(destination)
            if known is None:
                raise
    return locks.lock_user(known.pk), False


def _sign_up(destination: str, *, name: str, now: datetime) -> User:
    is_email = "@" in destination
    user = User(
        phone=None if is_email else destination,
        email=destination if is_email else None,
        email_confirmed_at=now if is_email else None,
        name=name,
        password=make_password(None),
    )
    confirmed = {"confirmed": "email" if is_email else "phone"}
    create(user, events.USER_SIGNED_UP, actor=user_actor(user), event_values=confirmed, now=now)
    return user


def _confirm_email(user: User, *, destination: str, now: datetime) -> None:
    if destination != user.email or user.email_confirmed_at is not None:
        return
    change(user, events.USER_EMAIL_CONFIRMED, {"email_confirmed_at": now}, actor=user_actor(user), now=now)


def log_in_with_password(*, identity: str, password: str, device: Device, now: datetime) -> Grant:
    """
    Log in by phone number or e-mail address (normalised) and password.

    The attempt is counted before the password is checked, and does not count if it succeeds. A device on which the person has
    logged in before is counted apart, so that strangers cannot lock them out. Unknown accounts, accounts without a password
    and wrong passwords take as long as each other and get the same answer.

    :raises RateLimited: if the caller or the account was tried too often
    :raises InvalidCredentials: if they are wrong, or the account is deactivated
    """
    found = selectors.find_user_at(identity)
    counted = _count_attempt(identity, found, device=device, now=now)
    try:
        user = _verify_password(found, password)
        grant = _start_session(user_id=user.pk, seen=user.password, device=device, now=now)
    except InvalidCredentials:
        _log_failure("api", found)
        raise

    rate_limits.restore_attempts(counted, consumed_at=now)

    return grant


def _log_failure(place: str, user: User | None) -> None:
    who = user.public_id if user else "unknown"
    log_security_event("log_in_failed", method="password", place=place, reason="invalid_credentials", user=who)


def _count_attempt(identity: str, user: User | None, *, device: Device, now: datetime) -> tuple[RateLimit, ...]:
    """
    Count one attempt against the rate limits of a log-in and return them, to be restored if the log-in succeeds.

    It is counted before the password is checked: of any number of parallel calls no more are checked than the rate limit allows.

    :raises RateLimited: if the caller or the account was tried too often
    """
    is_known = user is not None and device.id and user.public_id in device.user_ids
    if user is not None and is_known:
        limits = rules.known_device_rate_limits(device_id=device.id, user_id=user.public_id)
    else:
        limits = rules.log_in_rate_limits(identity=identity, ip=device.ip, peppers=rate_limits.list_peppers())
    rate_limits.consume(limits, now=now)
    return limits


def _verify_password(user: User | None, password: str) -> User:
    # Given an unusable hash, Django spends the time of a real one.
    encoded = user.password if user and user.has_usable_password() else make_password(None)
    is_correct, is_outdated = (False, False)
    if len(password) <= passwords.MAX_LENGTH:
        is_correct, is_outdated = verify_password(password, encoded)
    if user is None or not is_correct or not user.is_active:
        raise InvalidCredentials
    return _upgrade_password_hash(user, password) if is_outdated else user


def _upgrade_password_hash(user: User, password: str) -> User:
    """
    Store the hash of a correct password as it is made today, where an older hasher or fewer rounds made the one that is there.

    Nothing is overwritten that changed meanwhile; then the password is checked against what is there now.

    :raises InvalidCredentials: if it is no longer the password
    """
    encoded = make_password(password)
    # The comparison and the write are one statement: a password changed in between stays changed.
    is_stored = User.objects.filter(pk=user.pk, password=user.password).update(password=encoded)
    if is_stored:
        user.password = encoded
        log.info("password_hash_upgraded", user=user.public_id)
        return user
    user = selectors.get_user(user.pk)
    if not verify_password(password, user.password)[0]:
        raise InvalidCredentials
    return user


@transactional
def _start_session(*, user_id: UUID, seen: str, device: Device, now: datetime) -> Grant:
    user = locks.lock_user(user_id)

    # The password was checked outside the lock, because that takes a quarter of a second.
    if not user.is_active or user.password != seen:
        raise InvalidCredentials

    return sessions.start_session(user=user, device=device, now=now)


def authenticate_staff(*, email: str, password: str, device: Device, now: datetime) -> User | None:
    """
    Return the member of staff with this e-mail address and password for the back office, or None; counted like a log-in.

    A customer's correct password is no success here; otherwise the count would reveal that it was correct.

    :raises RateLimited: if the caller or the account was tried too often
    """
    identity = selectors.parse_email_or_none(email) or email.strip().lower()
    found = selectors.find_user_at(identity)
    counted = _count_attempt(identity, found, device=device, now=now)
    try:
        user = _verify_password(found, password)
    except InvalidCredentials:
        _log_failure("back_office", found)
        return None
    if not user.is_staff:
        _log_failure("back_office", found)
        return None

    rate_limits.restore_attempts(counted, consumed_at=now)

    return user

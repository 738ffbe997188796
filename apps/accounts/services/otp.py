"""
One-time codes: asking for one, sending it, accepting it.

The web writes down that a code is wanted; a worker makes it, stores its keyed hash, commits, and sends it. So the code is
nowhere but in the message. A worker that crashes in between leaves a claim that expires: then it is unknown whether the SMS
went, and it is not sent again; an e-mail goes again as a new message with a new code.
"""

import secrets
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError

from apps.accounts import events, locks, rules, selectors, sql, states
from apps.accounts.gateways import Outcome, mail, msg91
from apps.accounts.models import Challenge
from apps.accounts.services import rate_limits
from apps.accounts.states import ChallengePurpose, Channel, SendStatus
from apps.core.errors import Conflict, Invalid, RateLimited, Unavailable
from apps.core.events import Actor, create
from apps.core.incidents import sync_credentials_incident
from apps.core.transactions import transactional


class InvalidOtp(Invalid):
    """The one-time code is wrong, used or expired. Request a new one."""

    message = "That code is incorrect or has expired. Request a new one."


class OtpNotSent(Unavailable):
    """The provider of SMS or e-mail did not accept the one-time code. Wait until it is sent again."""

    message = "The code could not be sent yet; it will be attempted again."


class OtpSendInProgress(Conflict):
    """A worker is already sending this code. Wait for it."""

    message = "This code is being sent."


class NoContactChannel(Conflict):
    """The account has neither a phone number nor an e-mail address that a code could go to. Add one first."""

    message = "There is neither a phone number nor an e-mail address to send a code to."


# Asking ---------------------------------------------------------------------------------------------------------------


def request_log_in_code(*, destination: str, ip: str, actor: Actor, now: datetime) -> Challenge:
    """
    Have a log-in code sent to a phone or a mailbox (normalised), whether anybody is known there or not.

    :raises RateLimited: if a rate limit of the destination, the network or the day is exceeded
    """
    return _request(purpose=ChallengePurpose.LOG_IN, destination=destination, user_id=None, ip=ip, actor=actor, now=now)


def request_email_code(*, user_id: UUID, email: str, ip: str, actor: Actor, now: datetime) -> Challenge:
    """
    Have a code sent to a mailbox that a person says is theirs, whether somebody else has it or not.

    :raises RateLimited: if a rate limit is exceeded
    :raises AccessEnded, UserErased: as `locks.lock_user_to_change` does
    """
    return _request(
        purpose=ChallengePurpose.CONFIRM_EMAIL, destination=email, user_id=user_id, ip=ip, actor=actor, now=now
    )


def request_password_code(*, user_id: UUID, ip: str, actor: Actor, now: datetime) -> Challenge:
    """
    Have a code sent to a person's own phone, or else to their e-mail address, which is needed to set a password.

    :raises NoContactChannel: if they have neither
    :raises RateLimited: if a rate limit is exceeded
    :raises AccessEnded, UserErased: as `locks.lock_user_to_change` does
    """
    user = selectors.get_user(user_id)
    destination = user.phone or user.email
    if not destination:
        raise NoContactChannel

    return _request(
        purpose=ChallengePurpose.SET_PASSWORD, destination=destination, user_id=user_id, ip=ip, actor=actor, now=now
    )


def _request(
    *, purpose: ChallengePurpose, destination: str, user_id: UUID | None, ip: str, actor: Actor, now: datetime
) -> Challenge:
    # A transaction of its own: the counters that everybody shares are not held while the challenge is written.
    limits = rules.code_rate_limits(
        destination=destination, purpose=purpose, ip=ip, peppers=rate_limits.list_peppers(), limits=_limits()
    )
    rate_limits.consume(limits, now=now)

    try:
        return _make_challenge(purpose=purpose, destination=destination, user_id=user_id, ip=ip, actor=actor, now=now)
    except IntegrityError as error:
        raise RateLimited(retry_after=int(rules.RESEND_INTERVAL.total_seconds())) from error


def _limits() -> rules.OtpRequestLimits:
    return rules.OtpRequestLimits(
        per_network_per_hour=settings.OTP_REQUESTS_PER_NETWORK_PER_HOUR,
        per_prefix_per_day=settings.OTP_REQUESTS_PER_PREFIX_PER_DAY,
        per_day=settings.OTP_REQUESTS_PER_DAY,
    )


@transactional
def _make_challenge(
    *, purpose: ChallengePurpose, destination: str, user_id: UUID | None, ip: str, actor: Actor, now: datetime
) -> Challenge:
    live = Challenge.objects.filter(
        destination=destination, purpose=purpose, used_at__isnull=True, superseded_at__isnull=True
    )
    live.update(superseded_at=now, updated_at=now)
    if user_id is not None:
        # After the challenges: the verification of a code locks in the same order.
        locks.lock_user_to_change(user_id, actor=actor)
    challenge = Challenge(
        purpose=purpose,
        channel=Channel.EMAIL if "@" in destination else Channel.SMS,
        destination=destination,
        user_id=user_id,
        expires_at=now + rules.CODE_TTL,
        ip=ip,
    )
    create(challenge, events.CHALLENGE_REQUESTED, actor=actor, now=now)

    return challenge


# Sending --------------------------------------------------------------------------------------------------------------


def send_code(*, challenge_id: UUID, now: datetime) -> Challenge | None:
    """
    Send the code of a challenge if it is still wanted; return the challenge then, or None.

    :raises OtpSendInProgress: if somebody else has claimed it; call again: after a crash the claim expires
    :raises OtpNotSent: if the provider certainly did not take it and may take it later
    """
    code = "".join(secrets.choice("0123456789") for _ in range(rules.CODE_LENGTH))
    challenge = _claim(challenge_id=challenge_id, code=code, now=now)
    if challenge is None:
        return None

    outcome = _send(challenge, code)
    sync_credentials_incident(
        provider="msg91" if challenge.channel == Channel.SMS else "smtp",
        is_rejected=outcome.rejects_credentials,
        is_accepted=outcome.status == SendStatus.SENT,
        detail=outcome.error,
        now=now,
    )

    challenge = _record_outcome(challenge=challenge, outcome=outcome)
    if outcome.status == SendStatus.QUEUED:
        raise OtpNotSent
    return challenge


@transactional
def _claim(*, challenge_id: UUID, code: str, now: datetime) -> Challenge | None:
    challenge = locks.lock_challenge(challenge_id)

    if challenge is None or not _is_live(challenge, now):
        return None
    if challenge.send_status == SendStatus.SENDING:
        if challenge.is_claimed(now=now):
            # Done is what this is not: the broker gives a killed worker's task to the next one within seconds.
            raise OtpSendInProgress
        if challenge.channel == Channel.SMS:
            challenge.send_status = states.transition_send_status(challenge.send_status, to=SendStatus.UNKNOWN)
            challenge.send_error = "The worker crashed; it is unknown whether the message was sent."
            challenge.save(update_fields=["send_status", "send_error", "updated_at"])
            return None
    elif challenge.send_status == SendStatus.QUEUED:
        challenge.send_status = states.transition_send_status(challenge.send_status, to=SendStatus.SENDING)
    else:
        return None

    challenge.claimed_until = now + rules.LEASE
    challenge.send_failure = ""
    challenge.code_hash = rules.hash_code(
        pepper=settings.OTP_PEPPER,
        challenge=challenge.public_id,
        purpose=challenge.purpose,
        destination=challenge.destination,
        code=code,
    )
    challenge.save(update_fields=["send_status", "claimed_until", "send_failure", "code_hash", "updated_at"])

    return challenge


def _send(challenge: Challenge, code: str) -> Outcome:
    minutes = int(rules.CODE_TTL.total_seconds() // 60)
    if challenge.channel == Channel.SMS:
        return msg91.send_code(phone=challenge.destination, code=code, minutes=minutes)
    claim = challenge.claimed_until.timestamp() if challenge.claimed_until else 0
    return mail.send_code(
        email=challenge.destination,
        code=code,
        purpose=challenge.purpose,
        minutes=minutes,
        message_id=f"<{challenge.public_id}.{claim:.0f}@{urlsplit(settings.PUBLIC_URL).hostname}>",
    )


@transactional
def _record_outcome(*, challenge: Challenge, outcome: Outcome) -> Challenge:
    held = locks.lock_challenge(challenge.pk)

    if held is None or held.claimed_until != challenge.claimed_until or held.send_status != SendStatus.SENDING:
        return challenge

    held.send_status = states.transition_send_status(held.send_status, to=outcome.status)
    held.provider_id = outcome.provider_id
    held.send_error = outcome.error[:300]
    held.send_failure = outcome.failure or ""
    held.claimed_until = None
    held.save(update_fields=["send_status", "provider_id", "send_error", "send_failure", "claimed_until", "updated_at"])

    if outcome.failure is not None:
        _restore_destination_limits(held)

    return held


def _restore_destination_limits(challenge: Challenge) -> None:
    """
    Let the person ask for another code at once: what was not sent is not counted against its destination.

    What was counted against the network, the number series and the day stays counted, so that a provider in trouble is not flooded.
    """
    counted = rules.destination_rate_limits(
        destination=challenge.destination, purpose=challenge.purpose, peppers=rate_limits.list_peppers()
    )
    rate_limits.restore_attempts(counted, consumed_at=rules.requested_at(challenge.expires_at))


# Accepting ------------------------------------------------------------------------------------------------------------


def count_attempt(*, challenge_id: UUID, purpose: ChallengePurpose, user_id: UUID | None, now: datetime) -> None:
    """
    Count an attempt at a challenge, before its code is checked; call it outside any transaction, so that it stays counted.

    :raises InvalidOtp: if the challenge is unknown, dead, for something else, or has no attempt left
    """
    is_counted = sql.count_attempt(
        challenge_id=challenge_id, purpose=purpose, user_id=user_id, most=rules.MAX_ATTEMPTS, now=now
    )
    if not is_counted:
        raise InvalidOtp(param="code")


def use_code(*, challenge_id: UUID, code: str, now: datetime) -> Challenge:
    """
    Use up a challenge whose attempt has been counted; call it inside the transaction of what the code is for.

    :raises InvalidOtp: if the code is wrong, or the challenge expired or was superseded meanwhile
    """
    challenge = locks.lock_challenge(challenge_id)

    if challenge is None or not _matches(challenge, code) or not _is_live(challenge, now):
        raise InvalidOtp(param="code")

    challenge.used_at = now
    challenge.save(update_fields=["used_at", "updated_at"])

    return challenge


def _matches(challenge: Challenge, code: str) -> bool:
    # All peppers are tried whatever comes of the first, so that the time does not reveal which one matches.
    matches = [
        rules.matches_code(
            pepper=pepper,
            challenge=challenge.public_id,
            purpose=challenge.purpose,
            destination=challenge.destination,
            code=code,
            code_hash=challenge.code_hash,
        )
        for pepper in rate_limits.list_peppers()
    ]
    return any(matches)


def _is_live(challenge: Challenge, now: datetime) -> bool:
    return challenge.used_at is None and challenge.superseded_at is None and challenge.expires_at > now

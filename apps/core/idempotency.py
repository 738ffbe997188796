"""
Idempotency keys: rows that store the response of a request that may be repeated.

No HTTP here; `core.api` has the decorator.

Claim, effect and stored response are one transaction: a process that crashes leaves no claim behind.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection, transaction

from apps.core.errors import Conflict, Unauthenticated, Unprocessable
from apps.core.models import IdempotencyKey

KEY_TTL = timedelta(days=7)
_ROUTE_LENGTH = 160
_LOCK_NOT_AVAILABLE = "55P03"


class IdempotencyKeyReused(Unprocessable):
    """The Idempotency-Key was used for another request. Use a new key for a new request."""

    message = "This Idempotency-Key was used for another request."


class RequestInFlight(Conflict):
    """
    The first request with this Idempotency-Key is still running.

    Repeat the request after `Retry-After` to get its response.
    """

    message = "The first request with this Idempotency-Key is still running. Send it again in a second."


@dataclass(frozen=True)
class StoredResponse:
    """The response of the first request: its status, its body as bytes, and its stored headers."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def claim(
    *, principal: str, user_id: UUID | None = None, route: str, key: str, fingerprint: str, now: datetime
) -> StoredResponse | None:
    """
    Claim a key for this request inside the caller's transaction, or return the stored response of an earlier one.

    `fingerprint` is of the whole request; `route` is stored, shortened, for people to read. `user_id` is the user who
    owns the key: their access may have ended since they were authenticated.

    An earlier request with the same key that is still running holds the unique row; this waits a quarter of a second
    for it.

    :raises RequestInFlight: if the earlier request has not finished after that wait
    :raises IdempotencyKeyReused: if the key was used for a different request
    :raises Unauthenticated: if the user is no longer active
    """
    _claim_row(principal=principal, user_id=user_id, route=route, key=key, fingerprint=fingerprint, now=now)

    # A separate statement: the one above cannot see what the earlier request committed while it waited.
    row = IdempotencyKey.objects.filter(principal=principal, key=key).first()
    if row is None:
        raise Unauthenticated
    if row.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    if row.status is None:
        return None
    return StoredResponse(status=row.status, body=bytes(row.body or b""), headers=row.headers)


def _claim_row(*, principal: str, user_id: UUID | None, route: str, key: str, fingerprint: str, now: datetime) -> None:
    users = get_user_model()._meta.db_table
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # The lock, held until the transaction ends, lets `delete_stored_responses` wait for the requests of a person.
            cursor.execute(
                "SELECT set_config('lock_timeout', '250ms', true), pg_advisory_xact_lock_shared(%s)",
                [_lock_key(principal)],
            )
            cursor.execute(
                "DELETE FROM core_idempotencykey WHERE principal = %s AND key = %s AND expires_at < %s",
                [principal, key, now],
            )
            cursor.execute(
                "INSERT INTO core_idempotencykey (principal, route, key, fingerprint, headers, created_at, expires_at)"  # noqa: S608
                " SELECT %s, %s, %s, %s, '{}', %s, %s"
                f" WHERE %s::uuid IS NULL OR EXISTS (SELECT FROM {users} WHERE id = %s AND is_active)"
                " ON CONFLICT (principal, key) DO NOTHING",
                [principal, route[:_ROUTE_LENGTH], key, fingerprint, now, now + KEY_TTL, user_id, user_id],
            )
            cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise RequestInFlight(retry_after=1) from error
        raise


def store(*, principal: str, key: str, answer: StoredResponse) -> None:
    """Keep the answer of the request that holds the claim, in the same transaction."""
    IdempotencyKey.objects.filter(principal=principal, key=key).update(
        status=answer.status, body=answer.body, headers=dict(answer.headers)
    )


def _lock_key(principal: str) -> int:
    digest = hashlib.sha256(f"idempotency\n{principal}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def delete_stored_responses(*, principal: str) -> int:
    """
    Delete the answers that are kept for a person, and return how many; call it before any row is locked.

    Their requests that are running are waited for, and those that come are held up until the caller's transaction ends: they
    are refused then if it has ended the person's access.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_lock_key(principal)])
    deleted, _ = IdempotencyKey.objects.filter(principal=principal).delete()
    return deleted


def run_once(
    *, principal: str, route: str, key: str, fingerprint: str, effect: Callable[[], str], now: datetime
) -> tuple[str, bool]:
    """
    Run an effect once per key and return its text; with it, whether the text is the one that was stored the first time.

    Claim, effect and text are one transaction: whatever the effect raises rolls back all, and the key may be used again.

    :raises RequestInFlight: if the first request is still running
    :raises IdempotencyKeyReused: if the key was used for a different request
    """
    with transaction.atomic():
        stored = claim(principal=principal, route=route, key=key, fingerprint=fingerprint, now=now)
        if stored is not None:
            return stored.body.decode(), True
        text = effect()
        store(principal=principal, key=key, answer=StoredResponse(status=200, body=text.encode(), headers={}))
    return text, False


def has_stored_response(*, principal: str, key: str) -> bool:
    """Test if a request with a key has been answered."""
    return IdempotencyKey.objects.filter(principal=principal, key=key, status__isnull=False).exists()


def delete_expired(*, now: datetime) -> int:
    """Delete the keys whose time is over and return how many."""
    deleted, _ = IdempotencyKey.objects.filter(expires_at__lt=now).delete()
    return deleted


def canonical(body: object) -> bytes:
    """Return a parsed JSON body in one form, whatever its spaces and the order of its keys were."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)

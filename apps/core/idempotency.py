"""
Idempotency keys: rows that store the response of a request that may be repeated.

No HTTP here; `core.api` has the decorator.

Claim, effect and stored response are one transaction: a process that crashes leaves no claim behind.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

import orjson
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection

from apps.core.errors import Conflict, Unauthenticated, Unprocessable
from apps.core.models import IdempotencyKey
from apps.core.prepared import execute, fetch_rows
from apps.core.transactions import atomic

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


@dataclass(frozen=True)
class Claim:
    """A key that a request holds until its transaction ends; `user_id` is the user who owns it."""

    id: int
    user_id: UUID | None


def claim(
    *, principal: str, user_id: UUID | None = None, route: str, key: str, fingerprint: str, now: datetime
) -> Claim | StoredResponse:
    """
    Claim a key for this request inside the caller's transaction, or return the stored response of an earlier one.

    `fingerprint` is of the whole request; `route` is stored, shortened, for people to read. `user_id` is the user who
    owns the key: their access may have ended since they were authenticated.

    An earlier request with the same key that is still running holds the unique row; this waits a quarter of a second
    for it.

    :raises RequestInFlight: if the earlier request has not finished after that wait; the transaction must be rolled back
    :raises IdempotencyKeyReused: if the key was used for a different request
    """
    claimed = _claim_row(principal=principal, route=route, key=key, fingerprint=fingerprint, now=now)
    if claimed is not None:
        return Claim(id=claimed, user_id=user_id)

    # A separate statement: the one above cannot see what the earlier request committed while it waited.
    rows = fetch_rows(_READ_STORED, [principal, key])
    if not rows or rows[0][1] is None:
        raise RequestInFlight(retry_after=1)
    stored_fingerprint, status, body, headers, _ = rows[0]
    if stored_fingerprint != fingerprint:
        raise IdempotencyKeyReused
    return StoredResponse(status=status, body=body, headers=orjson.loads(headers))


# The advisory lock, held until the transaction ends, lets `delete_stored_responses` wait for the requests of a person.
# The short lock_timeout is for this statement alone; NULL sets the session's own again.
_CLAIM = """
    WITH locked AS MATERIALIZED (
        SELECT set_config('lock_timeout', '250ms', true), pg_advisory_xact_lock_shared($1::bigint)
    )
    INSERT INTO core_idempotencykey AS held (principal, route, key, fingerprint, headers, created_at, expires_at)
    SELECT $2, $3, $4, $5, '{}', $6::timestamptz, $7::timestamptz FROM locked
    ON CONFLICT (principal, key) DO UPDATE
    SET route = excluded.route, fingerprint = excluded.fingerprint, status = NULL, body = NULL, headers = '{}',
        created_at = excluded.created_at, expires_at = excluded.expires_at
    WHERE held.expires_at < excluded.created_at
    RETURNING held.id, set_config('lock_timeout', NULL, true)
"""
_READ_STORED = """
    SELECT fingerprint, status, body, headers::text, set_config('lock_timeout', NULL, true)
    FROM core_idempotencykey WHERE principal = $1 AND key = $2
"""


def _claim_row(*, principal: str, route: str, key: str, fingerprint: str, now: datetime) -> int | None:
    """Return the id of the row, new or expired, that holds the key from now on, or None if an earlier request holds it."""
    params = [
        str(_lock_key(principal)), principal, route[:_ROUTE_LENGTH], key, fingerprint, now.isoformat(),
        (now + KEY_TTL).isoformat(),
    ]  # fmt: skip
    try:
        rows = fetch_rows(_CLAIM, params)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise RequestInFlight(retry_after=1) from error
        raise
    return rows[0][0] if rows else None


def store(claimed: Claim, answer: StoredResponse) -> None:
    """
    Keep the answer of the request that holds the claim, in the same transaction.

    :raises Unauthenticated: if the user's access ended while the claim waited for it; the transaction must be rolled back
    """
    params = [
        str(claimed.id), str(answer.status), answer.body, orjson.dumps(dict(answer.headers)).decode(),
        None if claimed.user_id is None else str(claimed.user_id),
    ]  # fmt: skip
    if execute(_store_statement(), params) != 1:
        raise Unauthenticated


@cache
def _store_statement() -> str:
    # The claim's statement cannot see an end of access that it waited for; this one, which began later, can.
    return f"""
    UPDATE core_idempotencykey SET status = $2, body = $3, headers = $4
    WHERE id = $1 AND ($5::uuid IS NULL OR EXISTS (
        SELECT FROM {get_user_model()._meta.db_table} WHERE id = $5::uuid AND is_active
    ))"""  # noqa: S608 - the name of a table, from its model


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
    with atomic():
        claimed = claim(principal=principal, route=route, key=key, fingerprint=fingerprint, now=now)
        if isinstance(claimed, StoredResponse):
            return claimed.body.decode(), True
        text = effect()
        store(claimed, StoredResponse(status=200, body=text.encode(), headers={}))
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

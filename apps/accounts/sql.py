"""
SQL for the hot path of log-in.

Each statement checks and writes at once, so that two calls cannot both be the last one allowed. Each locks the rows
that it checks and reads their last committed values.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from apps.accounts import rules
from apps.accounts.models import User
from apps.accounts.rules import RateLimit
from apps.core import prepared
from apps.core.rows import columns, to_object

_CONSUME = """
    INSERT INTO accounts_ratelimitcounter AS kept (key, allowed, hits, used, expires_at)
    SELECT asked.key, asked.allowed,
           CASE WHEN asked.allowed <= %(max_sliding)s THEN ARRAY[%(now)s::timestamptz] ELSE '{}' END,
           1, %(now)s::timestamptz + asked.duration
    FROM unnest(%(keys)s::text[], %(allowed)s::int[], %(windows)s::interval[]) AS asked (key, allowed, duration)
    WHERE asked.allowed > 0
    ORDER BY asked.key
    ON CONFLICT (key) DO UPDATE SET
        allowed = excluded.allowed,
        hits = CASE WHEN excluded.allowed <= %(max_sliding)s THEN
                   ARRAY(SELECT hit FROM unnest(kept.hits) AS hit
                         WHERE hit > %(now)s::timestamptz - (excluded.expires_at - %(now)s::timestamptz))
                   || %(now)s::timestamptz
               ELSE '{}' END,
        used = CASE WHEN excluded.allowed > %(max_sliding)s AND kept.expires_at > %(now)s THEN kept.used + 1 ELSE 1 END,
        expires_at = CASE WHEN excluded.allowed > %(max_sliding)s AND kept.expires_at > %(now)s
                     THEN kept.expires_at ELSE excluded.expires_at END
    WHERE CASE WHEN excluded.allowed <= %(max_sliding)s THEN
              (SELECT count(*) FROM unnest(kept.hits) AS hit
               WHERE hit > %(now)s::timestamptz - (excluded.expires_at - %(now)s::timestamptz)) < excluded.allowed
          ELSE kept.expires_at <= %(now)s OR kept.used < excluded.allowed END
    RETURNING kept.key
"""

#: Of several attempts at one instant, one is removed. The update applies to the latest committed version of the row.
_RESTORE = """
    WITH held AS (
        SELECT key FROM accounts_ratelimitcounter WHERE key = ANY(%(keys)s) ORDER BY key FOR NO KEY UPDATE
    )
    UPDATE accounts_ratelimitcounter AS kept SET
        hits = kept.hits[:array_position(kept.hits, %(consumed_at)s::timestamptz) - 1]
               || kept.hits[array_position(kept.hits, %(consumed_at)s::timestamptz) + 1:]
    FROM held
    WHERE kept.key = held.key AND array_position(kept.hits, %(consumed_at)s::timestamptz) IS NOT NULL
"""

_READ_COUNTERS = "SELECT key, hits, expires_at FROM accounts_ratelimitcounter WHERE key = ANY(%(keys)s)"

# The next two look for one row by its id, and say "is null" so that no partial index fits: the planner takes an index of what
# is live for empty when little was, and would read all of it for each row.

_COUNT_ATTEMPT = """
    UPDATE accounts_challenge SET attempts = attempts + 1, updated_at = %(now)s
    WHERE id = %(challenge)s AND purpose = %(purpose)s AND attempts < %(most)s
      AND num_nonnulls(used_at, superseded_at) = 0 AND expires_at > %(now)s
      AND (%(user)s::uuid IS NULL OR user_id = %(user)s)
    RETURNING attempts
"""

_ROTATE = """
    UPDATE accounts_refreshtoken SET rotated_at = %(now)s, updated_at = %(now)s
    WHERE id = %(token)s AND num_nonnulls(rotated_at, revoked_at) = 0 AND expires_at > %(now)s
    RETURNING id
"""


def consume(rate_limits: Sequence[RateLimit], *, now: datetime) -> set[str]:
    """
    Count one attempt against each rate limit that is not exceeded, and return the keys of those that are.

    Exact under any number of parallel calls: each row is checked and incremented under its lock. Rows are locked in
    the order of their keys, so that two calls cannot deadlock. The caller rolls back if a key is returned, so that a
    refused call uses up none of the other limits.
    """
    rows = prepared.fetch_all(
        _CONSUME,
        {
            "now": now,
            "max_sliding": rules.MAX_SLIDING_WINDOW_HITS,
            "keys": [rate_limit.key for rate_limit in rate_limits],
            "allowed": [rate_limit.allowed for rate_limit in rate_limits],
            "windows": [rate_limit.window for rate_limit in rate_limits],
        },
    )
    return {rate_limit.key for rate_limit in rate_limits} - {row["key"] for row in rows}


def restore_attempts(rate_limits: Sequence[RateLimit], *, consumed_at: datetime) -> None:
    """
    Remove one attempt that was counted in a sliding window at an instant; other windows stay as they are.

    Exact under any number of parallel calls: each row is changed under its lock. Rows are locked in the order of their
    keys, as in `consume`.
    """
    prepared.fetch_all(_RESTORE, {"keys": [rate_limit.key for rate_limit in rate_limits], "consumed_at": consumed_at})


def get_retry_delay(rate_limits: Sequence[RateLimit], *, now: datetime) -> timedelta:
    """Return how long it takes until each of these exceeded rate limits allows an attempt again; a hint, which decides nothing."""
    windows = {rate_limit.key: rate_limit for rate_limit in rate_limits}
    rows = prepared.fetch_all(_READ_COUNTERS, {"keys": list(windows)})
    waits = [timedelta(seconds=1)]
    for row in rows:
        rate_limit = windows[row["key"]]
        inside = sorted(hit for hit in row["hits"] if hit > now - rate_limit.window)
        is_full = len(inside) >= rate_limit.allowed > 0
        waits.append(inside[-rate_limit.allowed] + rate_limit.window - now if is_full else row["expires_at"] - now)
    return max(waits)


def count_attempt(*, challenge_id: UUID, purpose: str, user_id: UUID | None, most: int, now: datetime) -> bool:
    """Count one attempt at a live challenge and return True, or return False if it is dead or has none left."""
    params = {"challenge": challenge_id, "purpose": purpose, "user": user_id, "most": most, "now": now}
    return prepared.fetch_one(_COUNT_ATTEMPT, params) is not None


def claim_refresh_token(*, token_id: UUID, now: datetime) -> bool:
    """Mark the current refresh token as rotated and return True; of any number of callers one alone gets True."""
    return prepared.fetch_one(_ROTATE, {"token": token_id, "now": now}) is not None


@cache
def _authenticated_user() -> str:
    return f"""
    SELECT {columns(User, "account")} FROM accounts_user AS account
    JOIN accounts_session AS session ON session.user_id = account.id
    WHERE account.id = $1 AND account.is_active AND session.id = $2 AND session.ended_at IS NULL"""  # noqa: S608 - names of columns


def find_authenticated_user(*, user_id: UUID, session_id: UUID) -> User | None:
    """Return the active user of a session that has not ended, or None: what every request with a token asks first."""
    rows = prepared.fetch_rows(_authenticated_user(), [str(user_id), str(session_id)])
    return to_object(User, rows[0]) if rows else None

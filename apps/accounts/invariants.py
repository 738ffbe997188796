"""What must hold of people, their codes and their sessions."""

from datetime import datetime
from typing import Any

from apps.accounts import events
from apps.accounts.models import User
from apps.core import ids
from apps.core.audit import Invariant, Reads


def _find_events_after_deactivation(cursor: Any, now: datetime) -> list[dict[str, Any]]:
    # The actor of an event is text, so the few who were deactivated are looked for by the names that they have there.
    cursor.execute(
        """
        SELECT u.id, max(e.created_at) FROM accounts_user u
        JOIN core_event e ON e.subject_type = 'accounts.user' AND e.subject_id = u.id AND e.type = %(type)s
        WHERE NOT u.is_active GROUP BY u.id
        """,
        {"type": events.USER_DEACTIVATED},
    )
    since = {f"user:{ids.encode(User.PREFIX, pk)}": at for pk, at in cursor.fetchall()}
    cursor.execute(
        """
        SELECT e.id, e.type, e.actor, e.created_at FROM core_event e
        JOIN unnest(%(actors)s::text[], %(since)s::timestamptz[]) AS gone (actor, since) ON gone.actor = e.actor
        WHERE e.created_at > %(now)s - interval '1 day' AND e.created_at > gone.since
        """,
        {"actors": list(since), "since": list(since.values()), "now": now},
    )
    return [dict(zip(("id", "type", "actor", "created_at"), row, strict=True)) for row in cursor.fetchall()]


def _answers_to_the_erased(cursor: Any, now: datetime) -> list[dict[str, Any]]:
    cursor.execute("SELECT id FROM accounts_user WHERE erased_at IS NOT NULL")
    people = [ids.encode(User.PREFIX, pk) for (pk,) in cursor.fetchall()]
    cursor.execute("SELECT principal, route, created_at FROM core_idempotencykey WHERE principal = ANY(%s)", [people])
    return [dict(zip(("principal", "route", "created_at"), row, strict=True)) for row in cursor.fetchall()]


INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        id="INV-46",
        name="one_refresh_token_is_current",
        statement="A session has at most one current refresh token; an ended one, or one of a deactivated person, has none.",
        sql="""
            SELECT s.id AS session, s.user_id, s.end_reason, count(*) AS current_tokens
            FROM accounts_session s
            JOIN accounts_user u ON u.id = s.user_id
            JOIN accounts_refreshtoken t ON t.session_id = s.id AND t.rotated_at IS NULL AND t.revoked_at IS NULL
            GROUP BY s.id, u.is_active
            HAVING count(*) > 1 OR s.ended_at IS NOT NULL OR NOT u.is_active
        """,
    ),
    Invariant(
        id="INV-46b",
        name="refresh_tokens_form_a_chain",
        statement="A refresh token has a successor exactly if it was rotated, and the successor is of the same session.",
        sql="""
            SELECT t.id, t.session_id, t.rotated_at, t.successor_id FROM accounts_refreshtoken t
            LEFT JOIN accounts_refreshtoken n ON n.id = t.successor_id
            WHERE n.session_id <> t.session_id OR (t.successor_id IS NOT NULL AND t.rotated_at IS NULL)
               OR (t.rotated_at IS NOT NULL AND t.successor_id IS NULL AND t.expires_at > %(now)s)
        """,
    ),
    Invariant(
        id="INV-46c",
        name="refresh_tokens_expire_with_their_session",
        statement="No refresh token is valid for longer than 30 days after the log-in that it descends from.",
        sql="""
            SELECT t.id, t.session_id, s.created_at AS logged_in_at, t.expires_at FROM accounts_refreshtoken t
            JOIN accounts_session s ON s.id = t.session_id
            WHERE t.expires_at > s.created_at + interval '30 days'
        """,
    ),
    Invariant(
        id="INV-47",
        name="codes_are_bounded",
        statement="A code has at most five attempts and ten minutes, was used while valid, and is the only open one for its"
        " destination and purpose.",
        sql="""
            SELECT id, purpose, attempts, 'limits' AS fault FROM accounts_challenge
            WHERE attempts > 5 OR expires_at - created_at > interval '10 minutes'
            UNION ALL
            SELECT id, purpose, attempts, 'used dead' FROM accounts_challenge
            WHERE used_at IS NOT NULL AND (used_at > expires_at OR attempts = 0 OR code_hash = '' OR superseded_at IS NOT NULL)
            UNION ALL
            SELECT (array_agg(id))[1], purpose, count(*), 'not alone' FROM accounts_challenge
            WHERE used_at IS NULL AND superseded_at IS NULL
            GROUP BY destination, purpose HAVING count(*) > 1
        """,
    ),
    Invariant(
        id="INV-47b",
        name="unsent_codes_have_a_failure",
        statement="A code whose sending failed or is unknown has a reason, and a code that was sent has no failure.",
        sql="""
            SELECT id, purpose, send_status, send_failure FROM accounts_challenge
            WHERE (send_status IN ('failed', 'unknown') AND send_error = '')
               OR (send_status IN ('sent', 'unknown') AND send_failure <> '')
        """,
        reads=Reads.ONE_ROW,
    ),
    Invariant(
        id="INV-48",
        name="deactivated_users_do_not_act",
        statement="No event of the last day was caused by a person who was already deactivated.",
        sql=_find_events_after_deactivation,
    ),
    Invariant(
        id="INV-50",
        name="erased_users_have_no_personal_data",
        statement="An erased person has no name, also in logs, no phone, e-mail or postal address, no code and no live session.",
        sql="""
            SELECT u.id, left_over.what FROM accounts_user u
            CROSS JOIN LATERAL (
                SELECT 'account' AS what WHERE u.phone IS NOT NULL OR u.email IS NOT NULL OR u.name <> '' OR u.is_active
                UNION ALL SELECT 'address' FROM accounts_address a WHERE a.user_id = u.id
                UNION ALL SELECT 'code' FROM accounts_challenge c WHERE c.user_id = u.id
                UNION ALL SELECT 'session' FROM accounts_session s
                WHERE s.user_id = u.id AND (s.ended_at IS NULL OR s.user_agent <> '' OR s.ip IS NOT NULL)
                UNION ALL SELECT 'log of the back office' FROM django_admin_log l
                JOIN django_content_type t ON t.id = l.content_type_id AND (t.app_label, t.model) = ('accounts', 'user')
                WHERE l.object_id = u.id::text AND l.object_repr NOT LIKE 'cus!_%%' ESCAPE '!'
            ) AS left_over
            WHERE u.erased_at IS NOT NULL
        """,
    ),
    Invariant(
        id="INV-50e",
        name="no_answers_for_erased_people",
        statement="No response to a request is stored for an erased person.",
        sql=_answers_to_the_erased,
    ),
    Invariant(
        id="INV-51",
        name="secrets_are_hashed",
        statement="Passwords and codes are stored as hashes, and no event of accounts holds one.",
        sql=r"""
            SELECT 'password' AS secret, id FROM accounts_user
            WHERE password <> '' AND password !~ '^(!.*|[a-z0-9_]+\$.+)$'
            UNION ALL
            SELECT 'code', id FROM accounts_challenge WHERE code_hash !~ '^([0-9a-f]{64})?$'
            UNION ALL
            SELECT 'event', id FROM core_event
            WHERE subject_type LIKE 'accounts.%%' AND changes ?| ARRAY['password', 'code', 'code_hash', 'token', 'refresh_token']
              AND created_at > %(now)s - interval '1 day'
        """,
    ),
)

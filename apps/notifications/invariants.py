"""What must always hold of notifications."""

from apps.core.audit import Invariant, Reads
from apps.notifications.rules import LEASE, MAX_ATTEMPTS

_STUCK_AFTER = LEASE.total_seconds() + 600

INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        id="INV-45",
        name="one_notification_per_event_and_channel",
        statement="A user is notified of an event at most once per channel, and never of an event that does not exist.",
        sql="""
            SELECT n.event_id, n.channel, n.recipient, count(*) AS messages
              FROM notifications_notification n
             GROUP BY n.event_id, n.channel, n.recipient
            HAVING count(*) > 1
            UNION ALL
            SELECT n.event_id, n.channel, n.recipient, 0
              FROM notifications_notification n
             WHERE NOT EXISTS (SELECT FROM core_event e WHERE e.id = n.event_id)
        """,
    ),
    Invariant(
        id="INV-45b",
        name="sent_notifications_have_a_provider_id",
        statement="A sent message has its time, and the provider's id (SMS) or its Message-ID (e-mail).",
        sql="""
            SELECT id, channel, status, sent_at, provider_id, message_id
              FROM notifications_notification
             WHERE (status = 'sent' AND (sent_at IS NULL
                    OR (channel = 'sms' AND provider_id = '')
                    OR (channel = 'email' AND message_id = '')))
                OR (status <> 'sent' AND sent_at IS NOT NULL)
        """,
        reads=Reads.ONE_ROW,
    ),
    Invariant(
        id="INV-45c",
        name="no_notification_is_stuck",
        statement="No message is claimed by a crashed sender, or waits unsent, for more than ten minutes beyond its time.",
        grace_seconds=int(_STUCK_AFTER),
        sql=f"""
            SELECT id, channel, status, claimed_until, next_attempt_at
              FROM notifications_notification
             WHERE (status = 'sending' AND (claimed_until IS NULL OR claimed_until < %(now)s - interval '600 seconds'))
                OR (status = 'queued' AND (next_attempt_at IS NULL
                    OR next_attempt_at < %(now)s - interval '{_STUCK_AFTER:.0f} seconds'))
                OR (status IN ('sent', 'failed', 'unknown') AND next_attempt_at IS NOT NULL)
        """,  # noqa: S608 - the number is our own
        reads=Reads.ONE_ROW,
    ),
    Invariant(
        id="INV-45d",
        name="attempts_at_notifications_are_bounded",
        statement="A message is attempted at most six times, and six more times whenever staff send it again.",
        sql=f"""
            SELECT id, channel, status, attempts FROM notifications_notification
            WHERE attempts - attempts_before_resend NOT BETWEEN 0 AND {MAX_ATTEMPTS}
        """,  # noqa: S608 - the number is our own
        reads=Reads.ONE_ROW,
    ),
    Invariant(
        id="INV-50d",
        name="messages_to_erased_users_are_blank",
        statement="A message to an erased person has no recipient, title or text ten minutes after the erasure.",
        grace_seconds=600,
        sql="""
            SELECT n.id, n.channel FROM notifications_notification n
            JOIN accounts_user u ON u.id = n.user_id AND u.erased_at < %(now)s - interval '10 minutes'
            WHERE n.title <> '' OR n.body <> '' OR n.context <> '{}'
               OR (n.channel <> 'in_app' AND n.recipient NOT LIKE 'erased:%%')
        """,
    ),
)

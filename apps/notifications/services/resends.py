"""Messages that were not sent, sent again because staff ask for it."""

from datetime import datetime
from uuid import UUID

from apps.core.errors import Conflict
from apps.core.events import Actor, change
from apps.core.transactions import transactional
from apps.notifications import events, locks, rules, states
from apps.notifications.models import Notification
from apps.notifications.services import notifications
from apps.notifications.states import NOT_SENT, NotificationStatus


class NotificationAlreadySent(Conflict):
    """The message was sent or is being sent. No action is needed."""

    message = "This message was sent, or is about to be. Only a message that was not sent can be sent again."


class NotificationOutdated(Conflict):
    """The message is no longer true. It cannot be sent again."""

    message = "This message is no longer true, so it cannot be sent again."


@transactional
def request_resend(*, notification_id: UUID, actor: Actor, now: datetime) -> Notification:
    """
    Request that a message which was not sent is sent again, with as many attempts as a new one.

    `attempts` goes on rising, so that what a sender before says too late is never taken for the word of a later one.
    The text stays as it was written. A message whose outcome is unknown may have arrived already: the person then gets it twice.

    :raises NotificationAlreadySent: if it was sent, or waits to be
    :raises NotificationOutdated: if what it says is no longer true
    """
    notification = locks.lock_notification(notification_id)

    if notification.status not in NOT_SENT:
        raise NotificationAlreadySent
    if not notifications.is_still_valid(notification):
        raise NotificationOutdated

    change(
        notification,
        events.NOTIFICATION_RESEND_REQUESTED,
        {
            "status": states.transition(NotificationStatus(notification.status), to=NotificationStatus.QUEUED),
            "attempts_before_resend": notification.attempts,
            "next_attempt_at": now + rules.SWEEP_DELAY,
            "last_error": "",
        },
        root=notification.root_id,
        actor=actor,
        now=now,
    )

    return notification

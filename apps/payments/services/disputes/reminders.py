"""Reminders to staff of disputes whose deadline approaches without an answer."""

from datetime import datetime
from uuid import UUID

import structlog
from django.conf import settings

from apps.core.events import SYSTEM, change
from apps.core.transactions import transactional
from apps.orders.locks import lock_order
from apps.payments import events, locks
from apps.payments.models import Dispute
from apps.payments.selectors import disputes as selectors

log = structlog.get_logger(__name__)


def send_dispute_reminders(*, now: datetime, limit: int = 100) -> int:
    """
    Remind staff of each unanswered dispute that has come within DISPUTE_REMINDER_HOURS of its deadline.

    Each threshold causes one reminder. If a dispute has passed several at once, only the one nearest its deadline does.
    Returns the number of reminders.
    """
    reminded = 0
    for hours in sorted(settings.DISPUTE_REMINDER_HOURS):
        for dispute_id in selectors.list_disputes_due_for_reminder(now=now, hours=hours, limit=limit):
            reminded += _remind(dispute_id=dispute_id, hours=hours, now=now)
    return reminded


@transactional
def _remind(*, dispute_id: UUID, hours: int, now: datetime) -> bool:
    order = lock_order(selectors.get_dispute(dispute_id).order_id)
    dispute = locks.lock_dispute(dispute_id=dispute_id)

    was_reminded = (
        dispute is not None and dispute.last_reminder_hours is not None and dispute.last_reminder_hours <= hours
    )
    is_unanswered = Dispute.objects.filter(selectors.awaiting_response(now=now), pk=dispute_id).exists()
    if dispute is None or was_reminded or not is_unanswered:
        return False

    reminded = {"last_reminder_hours": hours}
    change(dispute, events.DISPUTE_DEADLINE_APPROACHED, reminded, root=order.pk, actor=SYSTEM, now=now)
    log.warning(
        "dispute_deadline_approached",
        dispute=dispute.gateway_dispute_id,
        hours=hours,
        respond_by=str(dispute.respond_by),
    )

    return True

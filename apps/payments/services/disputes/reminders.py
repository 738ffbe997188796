"""Warning staff of disputes that are about to be lost for want of an answer."""

from datetime import datetime
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction

from apps.core.events import SYSTEM, record, stored_fields
from apps.orders.locks import lock_order
from apps.payments import events, locks, selectors
from apps.payments.models import Dispute

log = structlog.get_logger(__name__)


def warn_of_dispute_deadlines(*, now: datetime, limit: int = 100) -> int:
    """
    Tell of each unanswered dispute that has come within DISPUTE_ALARM_HOURS of its deadline, and return how many were told.

    Each threshold is told once; of several that were passed at once, the last.
    """
    warned = 0
    for hours in sorted(settings.DISPUTE_ALARM_HOURS):
        for dispute_id in selectors.list_disputes_to_warn_of(now=now, hours=hours, limit=limit):
            warned += _warn(dispute_id=dispute_id, hours=hours, now=now)
    return warned


@transaction.atomic
def _warn(*, dispute_id: UUID, hours: int, now: datetime) -> bool:
    order = lock_order(selectors.get_dispute(dispute_id).order_id)
    dispute = locks.lock_dispute(dispute_id=dispute_id)

    was_warned = dispute is not None and dispute.warned_hours is not None and dispute.warned_hours <= hours
    is_unanswered = Dispute.objects.filter(selectors.unanswered(now=now), pk=dispute_id).exists()
    if dispute is None or was_warned or not is_unanswered:
        return False

    dispute.warned_hours = hours
    dispute.save(update_fields=["warned_hours", "updated_at"])

    log.warning("dispute_due_soon", dispute=dispute.gateway_dispute_id, hours=hours, respond_by=str(dispute.respond_by))
    changed = stored_fields(dispute, "warned_hours")
    record(events.DISPUTE_DUE_SOON, subject=dispute, root_id=order.pk, actor=SYSTEM, changed=changed, now=now)

    return True

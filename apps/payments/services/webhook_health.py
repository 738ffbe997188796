"""Whether webhooks still arrive: polling finds all that they report, only later, so that their absence would go unnoticed."""

from datetime import datetime, timedelta

import structlog
from django.conf import settings

from apps.core.incidents import find_open_incident, report_incident, resolve_incident
from apps.payments import messages
from apps.payments.selectors import webhooks as selectors

log = structlog.get_logger(__name__)

WEBHOOKS_MISSING = "webhooks_missing"
_LOOKBACK = timedelta(hours=1)


def report_missing_webhooks(*, now: datetime, gateway: str = "razorpay") -> int:
    """
    Report an incident if polling found what no webhook has reported after PAYMENT_WEBHOOK_GRACE_MINUTES, and return how much.

    What was reported before is not reported again. The incident is closed when webhooks come again. While webhooks wait to be
    processed nobody can say what they report.
    """
    until = now - settings.PAYMENT_WEBHOOK_GRACE
    if selectors.has_unprocessed_webhooks(since=until - _LOOKBACK):
        return 0
    open_incident = find_open_incident(kind=WEBHOOKS_MISSING, key=gateway)
    since = until - _LOOKBACK
    if open_incident is not None:
        since = max(since, open_incident.last_seen_at - settings.PAYMENT_WEBHOOK_GRACE)
    missing = selectors.list_facts_without_webhook(since=since, until=until)
    if missing:
        detail = messages.webhooks_missing(len(missing), missing[-1][1])
        log.error("webhooks_missing", gateway=gateway, count=len(missing), entities=[one for _, one in missing[-10:]])
        report_incident(kind=WEBHOOKS_MISSING, key=gateway, detail=detail, now=now)
        return len(missing)

    latest = selectors.last_webhook_at()
    if open_incident is not None and latest is not None and latest > open_incident.last_seen_at:
        resolve_incident(kind=WEBHOOKS_MISSING, key=gateway, now=now)
    return 0

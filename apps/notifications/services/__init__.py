"""Writes of notifications: telling (who gets what), sending (the calls out), reading (marks), proving (what a bank
is shown), dispute evidence (the same as a PDF for staff)."""

from apps.notifications.services.composition import (
    create_notifications,
)
from apps.notifications.services.dispute_evidence import (
    get_evidence_pdf,
    render_evidence_pdf,
    request_evidence_pdf,
)
from apps.notifications.services.dispute_responses import (
    submit_dispute_response,
)
from apps.notifications.services.resends import (
    NotificationOutdated,
    request_resend,
)
from apps.notifications.services.sending import (
    claim_notification,
    record_outcome,
    send_due,
    send_notification,
)

__all__ = [
    "NotificationOutdated",
    "claim_notification",
    "create_notifications",
    "get_evidence_pdf",
    "record_outcome",
    "render_evidence_pdf",
    "request_evidence_pdf",
    "request_resend",
    "send_due",
    "send_notification",
    "submit_dispute_response",
]

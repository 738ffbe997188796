"""Writes of notifications: telling (who gets what), sending (the calls out), reading (marks), proving (what a bank
is shown), dispute evidence (the same as a PDF for staff)."""

from apps.notifications.services.composition import is_still_true, list_channels, preview_cancelling, tell
from apps.notifications.services.dispute_evidence import (
    get_evidence_pdf,
    render_evidence_pdf,
    request_evidence_pdf,
)
from apps.notifications.services.dispute_responses import send_dispute_answer
from apps.notifications.services.erasure import erase_messages
from apps.notifications.services.inbox import mark_all_read, mark_read
from apps.notifications.services.resends import NotificationOutdated, request_resend
from apps.notifications.services.sending import claim, note_outcome, send, send_waiting

__all__ = [
    "NotificationOutdated",
    "claim",
    "erase_messages",
    "get_evidence_pdf",
    "is_still_true",
    "list_channels",
    "mark_all_read",
    "mark_read",
    "note_outcome",
    "preview_cancelling",
    "render_evidence_pdf",
    "request_evidence_pdf",
    "request_resend",
    "send",
    "send_dispute_answer",
    "send_waiting",
    "tell",
]

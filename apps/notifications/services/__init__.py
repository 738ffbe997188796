"""Writes of notifications: telling (who gets what), sending (the calls out), reading (marks), proving (what a bank is shown)."""

from apps.notifications.services.proving import draw_evidence, send_dispute_answer
from apps.notifications.services.reading import mark_all_read, mark_read
from apps.notifications.services.sending import claim, note_outcome, send, send_waiting
from apps.notifications.services.telling import preview_cancelling, tell

__all__ = [
    "claim",
    "draw_evidence",
    "mark_all_read",
    "mark_read",
    "note_outcome",
    "preview_cancelling",
    "send",
    "send_dispute_answer",
    "send_waiting",
    "tell",
]

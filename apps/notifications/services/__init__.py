"""Writes of notifications: telling (who gets what), sending (the calls out), reading (marks)."""

from apps.notifications.services.reading import mark_all_read, mark_read
from apps.notifications.services.sending import claim, note_outcome, send, send_waiting
from apps.notifications.services.telling import preview_cancelling, tell

__all__ = ["claim", "mark_all_read", "mark_read", "note_outcome", "preview_cancelling", "send", "send_waiting", "tell"]

"""Writes of notifications: creation, sending, resending, marks in the inbox, and erasure."""

from apps.notifications.services.notifications import create_notifications
from apps.notifications.services.resends import NotificationOutdated, request_resend
from apps.notifications.services.sending import claim_notification, record_outcome, send_due, send_notification

__all__ = [
    "NotificationOutdated",
    "claim_notification",
    "create_notifications",
    "record_outcome",
    "request_resend",
    "send_due",
    "send_notification",
]

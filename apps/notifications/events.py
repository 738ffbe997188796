"""Event names of notifications; the root of each is that of the event that it notifies of."""

NOTIFICATION_QUEUED = "notifications.notification.queued"
NOTIFICATION_SENT = "notifications.notification.sent"
NOTIFICATION_RESEND_REQUESTED = "notifications.notification.resend_requested"
NOTIFICATION_FAILED = "notifications.notification.failed"

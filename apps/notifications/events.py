"""News of notifications; each has the root of the news that it tells."""

NOTIFICATION_QUEUED = "notifications.notification.queued"
NOTIFICATION_SENT = "notifications.notification.sent"
NOTIFICATION_RESEND_REQUESTED = "notifications.notification.resend_requested"
NOTIFICATION_FAILED = "notifications.notification.failed"
DISPUTE_EVIDENCE_REQUESTED = "notifications.dispute_evidence.requested"

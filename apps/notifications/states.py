"""The states of a notification."""

from django.db import models

from apps.core.states import by_table


class Channel(models.TextChoices):
    SMS = "sms", "SMS"
    EMAIL = "email", "E-mail"
    IN_APP = "in_app", "In-app"


class NotificationStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    FAILED = "failed", "Failed"
    UNKNOWN = "unknown", "Unknown"


change = by_table(
    {
        NotificationStatus.QUEUED: {NotificationStatus.SENDING, NotificationStatus.SENT, NotificationStatus.FAILED},
        NotificationStatus.SENDING: {
            NotificationStatus.SENT, NotificationStatus.QUEUED, NotificationStatus.FAILED, NotificationStatus.UNKNOWN,
        },
    }
)  # fmt: skip

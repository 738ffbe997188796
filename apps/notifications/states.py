"""The states of a notification."""

from django.db import models

from apps.core.states import transition_table


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


#: What did not reach anybody, as far as we know: staff may send it again.
NOT_SENT = (NotificationStatus.FAILED, NotificationStatus.UNKNOWN)

transition = transition_table(
    {
        NotificationStatus.QUEUED: {NotificationStatus.SENDING, NotificationStatus.SENT, NotificationStatus.FAILED},
        NotificationStatus.SENDING: {
            NotificationStatus.SENT, NotificationStatus.QUEUED, NotificationStatus.FAILED, NotificationStatus.UNKNOWN,
        },
        NotificationStatus.FAILED: {NotificationStatus.QUEUED},
        NotificationStatus.UNKNOWN: {NotificationStatus.QUEUED},
    }
)  # fmt: skip

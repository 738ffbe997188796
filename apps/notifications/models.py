"""Messages to users."""

from django.db import models

from apps.core.external_calls import ClaimedModel
from apps.core.models import NOT_DELETED, Subject
from apps.notifications.states import Channel, NotificationStatus


class Notification(ClaimedModel, Subject):
    """
    One message to one person on one channel about one event, and its outcome.

    A sender claims the row (`claimed_until`) and commits before it calls out. A claim that ran out without an answer is
    `unknown` for an SMS, which is not sent again; an e-mail goes again under the same Message-ID.
    """

    PREFIX = "ntf"
    NOT_IN_EVENTS = frozenset({"read_at"})
    STATUSES_NOT_IN_EVENTS = frozenset({NotificationStatus.SENDING.value})
    PERSONAL_FIELDS = frozenset({"recipient", "context", "title", "body", "last_error"})

    event = models.ForeignKey("core.Event", on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="+")
    channel = models.CharField(max_length=10, choices=Channel)
    recipient = models.CharField(max_length=254, help_text="Phone, e-mail address, or the user's id for in-app.")
    template = models.CharField(max_length=60)
    context = models.JSONField(default=dict)
    title = models.CharField(max_length=160)
    body = models.TextField()
    root_id = models.UUIDField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=NotificationStatus, default=NotificationStatus.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    attempts_before_resend = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="The attempts before staff last had it sent again."
    )
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    message_id = models.CharField(max_length=120, blank=True)
    provider_id = models.CharField(max_length=80, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["event", "channel", "recipient"], name="one_notification_per_event_and_channel"
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="notification_by_user"),
            models.Index(
                fields=["user", "-created_at", "-id"],
                name="notification_unread",
                condition=models.Q(channel=Channel.IN_APP, read_at__isnull=True),
            ),
            models.Index(
                fields=["-created_at"],
                name="notification_not_sent",
                condition=models.Q(status__in=[NotificationStatus.FAILED, NotificationStatus.UNKNOWN]),
            ),
            models.Index(fields=["root_id"], name="notification_by_root", condition=models.Q(root_id__isnull=False)),
            models.Index(
                fields=["next_attempt_at"],
                name="notification_due",
                condition=models.Q(next_attempt_at__isnull=False),
            ),
        ]
        triggers = [NOT_DELETED]

    def __str__(self) -> str:
        return f"{self.channel}: {self.title}"

    @property
    def attempts_since_resend(self) -> int:
        """The attempts since staff last had it sent again: the count that is bounded."""
        return self.attempts - self.attempts_before_resend

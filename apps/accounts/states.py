"""The states of a log-in."""

from django.db import models


class ChallengePurpose(models.TextChoices):
    LOG_IN = "log_in", "Log in"
    CONFIRM_EMAIL = "confirm_email", "Confirm an e-mail address"


class Channel(models.TextChoices):
    SMS = "sms", "SMS"
    EMAIL = "email", "E-mail"


class SendStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    FAILED = "failed", "Failed"
    UNKNOWN = "unknown", "Unknown"


class Transport(models.TextChoices):
    COOKIE = "cookie", "Cookie"
    BODY = "body", "Body"


class EndReason(models.TextChoices):
    LOGGED_OUT = "logged_out", "Logged out"
    ENDED_BY_USER = "ended_by_user", "Ended by the user"
    REUSE_DETECTED = "reuse_detected", "A refresh token came back"
    ACCESS_CHANGED = "access_changed", "Password, role or status changed"
    EXPIRED = "expired", "Expired"

"""The states of a log-in."""

from typing import Final

from django.db import models

from apps.core.states import transition_table

#: The permission to create staff, assign roles and manage access.
MANAGE_PEOPLE: Final = "accounts.manage_users"


class ChallengePurpose(models.TextChoices):
    LOG_IN = "log_in", "Log in"
    CONFIRM_EMAIL = "confirm_email", "Confirm an e-mail address"
    SET_PASSWORD = "set_password", "Set a password"


class Channel(models.TextChoices):
    SMS = "sms", "SMS"
    EMAIL = "email", "E-mail"


class SendStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    FAILED = "failed", "Failed"
    UNKNOWN = "unknown", "Unknown"


class SendFailure(models.TextChoices):
    """Why a code was not sent, as a client app may say it."""

    REJECTED = "rejected", "The provider rejected it"
    PROVIDER_UNAVAILABLE = "provider_unavailable", "The provider could not accept it"


class Transport(models.TextChoices):
    COOKIE = "cookie", "Cookie"
    BODY = "body", "Body"


class EndReason(models.TextChoices):
    LOGGED_OUT = "logged_out", "Logged out"
    ENDED_BY_USER = "ended_by_user", "Ended by the user"
    REUSE_DETECTED = "reuse_detected", "A refresh token was reused"
    ACCESS_CHANGED = "access_changed", "Password, role or status changed"
    EXPIRED = "expired", "Expired"


class Role(models.TextChoices):
    """The roles of staff: groups with permissions, by name."""

    SUPPORT = "support", "Support"
    FINANCE = "finance", "Finance"
    CATALOGUE_MANAGER = "catalogue_manager", "Catalogue manager"
    ADMIN = "admin", "Administrator"


#: From sending back to queued when the provider certainly did not take the message and may take it later.
transition_send_status = transition_table(
    {
        SendStatus.QUEUED: {SendStatus.SENDING},
        SendStatus.SENDING: {SendStatus.SENT, SendStatus.FAILED, SendStatus.UNKNOWN, SendStatus.QUEUED},
    }
)

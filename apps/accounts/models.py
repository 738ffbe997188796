"""Users, their codes, sessions and addresses."""

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac

from apps.accounts.states import ChallengePurpose, Channel, EndReason, SendFailure, SendStatus, Transport
from apps.core.errors import Conflict, NotFound, Unauthenticated
from apps.core.external_calls import ClaimedModel
from apps.core.models import MillisecondField, Record, Subject
from apps.core.search import name_vector


class UserNotFound(NotFound):
    """There is no such person. Check the id."""

    message = "There is no such person."


class UserErased(Conflict):
    """The customer was erased. Nothing about them can be changed."""

    message = "This person was erased on {0}, so that nothing about them can be changed."


class AccessEnded(Unauthenticated):
    """The account lost its access while the request was running. Log in again."""

    message = "Your access has ended. Nothing was changed."
    code = Unauthenticated.code


class ChallengeNotFound(NotFound):
    """No one-time code was requested with this id. Request a code."""

    message = "There is no such code request."


class SessionNotFound(NotFound):
    """The account has no such session. List the sessions."""

    message = "There is no such session."


class AddressNotFound(NotFound):
    """The account has no such address. List the addresses."""

    message = "There is no such address."


class UserManager(BaseUserManager["User"]):
    """What the log-in page of the back office needs; people are made by services."""

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").strip().lower())


class User(Subject, AbstractBaseUser, PermissionsMixin):
    """
    A person: customer, staff or both, known by an Indian mobile number (E.164) or an e-mail address.

    `session_version` is written into access tokens; raising it ends them all at once.
    """

    PREFIX = "cus"
    NOT_IN_EVENTS = frozenset({"password", "last_login"})
    PERSONAL_FIELDS = frozenset({"phone", "email", "name"})

    phone = models.CharField(max_length=16, unique=True, null=True, blank=True)
    email = models.EmailField(max_length=254, unique=True, null=True, blank=True)
    email_confirmed_at = models.DateTimeField(null=True, blank=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    session_version = models.PositiveIntegerField(default=1)
    erased_at = models.DateTimeField(null=True, blank=True)
    last_login = MillisecondField("last login", null=True, blank=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()

    class Meta:
        permissions = [("manage_users", "Can manage staff, their roles and who has access")]
        constraints = [
            models.UniqueConstraint(Lower("email"), name="one_user_per_email"),
            models.CheckConstraint(
                condition=models.Q(phone__isnull=False)
                | models.Q(email__isnull=False)
                | models.Q(erased_at__isnull=False),
                name="user_has_phone_or_email",
            ),
            models.CheckConstraint(
                condition=models.Q(erased_at__isnull=True)
                | models.Q(phone__isnull=True, email__isnull=True, name="", is_active=False),
                name="erased_user_is_blank_and_inactive",
            ),
            models.CheckConstraint(
                condition=models.Q(phone__isnull=True) | models.Q(phone__regex=r"^\+[1-9][0-9]{7,14}$"),
                name="user_phone_is_e164",
            ),
        ]
        indexes = [
            GinIndex(name_vector("name"), name="user_name_search"),
            models.Index(fields=["id"], name="user_staff", condition=models.Q(is_staff=True)),
        ]

    def __str__(self) -> str:
        return self.name or self.email or self.phone or self.public_id

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """
        Return what a cookie of the back office is bound to: it ends with the password and with the session version.

        Django asks for it with each of SECRET_KEY_FALLBACKS too.
        """
        text = f"{self.password}:{self.session_version}"
        return salted_hmac("apps.accounts.session", text, secret=secret, algorithm="sha256").hexdigest()


class Challenge(ClaimedModel, Subject):
    """
    A one-time code on its way to a phone or a mailbox.

    The web makes the row; the worker makes the code, stores its keyed hash, commits, and sends it. One challenge is live
    for a destination and purpose; a new one supersedes it.
    """

    PREFIX = "chal"
    NOT_IN_EVENTS = frozenset(
        {
            "code_hash",
            "attempts",
            "used_at",
            "superseded_at",
            "send_status",
            "send_failure",
            "claimed_until",
            "provider_id",
        }
    )
    PERSONAL_FIELDS = frozenset({"destination", "ip", "send_error"})

    purpose = models.CharField(max_length=20, choices=ChallengePurpose)
    channel = models.CharField(max_length=10, choices=Channel)
    destination = models.CharField(max_length=254)
    user = models.ForeignKey("accounts.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    code_hash = models.CharField(max_length=64, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    superseded_at = models.DateTimeField(null=True, blank=True)
    send_status = models.CharField(max_length=10, choices=SendStatus, default=SendStatus.QUEUED)
    provider_id = models.CharField(max_length=80, blank=True)
    send_error = models.CharField(max_length=300, blank=True)
    send_failure = models.CharField(max_length=24, choices=SendFailure, blank=True, default="", db_default="")
    ip = models.GenericIPAddressField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["destination", "purpose"],
                condition=models.Q(used_at__isnull=True, superseded_at__isnull=True),
                name="one_live_challenge",
            ),
            models.CheckConstraint(condition=models.Q(attempts__lte=5), name="challenge_has_five_attempts"),
            models.CheckConstraint(
                condition=models.Q(code_hash="") | models.Q(code_hash__regex=r"^[0-9a-f]{64}$"),
                name="challenge_code_is_hashed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.public_id}"


class Session(Subject):
    """One log-in on one device: the family of its refresh tokens."""

    PREFIX = "sess"
    NOT_IN_EVENTS = frozenset({"last_used_at"})
    PERSONAL_FIELDS = frozenset({"user_agent", "ip"})

    user = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="sessions")
    transport = models.CharField(max_length=10, choices=Transport)
    user_agent = models.CharField(max_length=300, blank=True)
    ip = models.GenericIPAddressField(null=True, blank=True)
    last_used_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=20, choices=EndReason, blank=True)

    class Meta:
        indexes = [models.Index(fields=["user", "-created_at"], name="session_by_user")]

    def __str__(self) -> str:
        return self.public_id


class RefreshToken(Record):
    """
    One refresh token; its id is the token's `jti`. The text itself is nowhere: it is signed again from this row.

    Rotating it claims it and makes its successor; at most one of a session is current.
    """

    PREFIX = "rt"

    session = models.ForeignKey(Session, on_delete=models.PROTECT, related_name="refresh_tokens")
    expires_at = models.DateTimeField()
    rotated_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    successor = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["session"],
                condition=models.Q(rotated_at__isnull=True, revoked_at__isnull=True),
                name="one_current_refresh_token_per_session",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id


class RateLimitCounter(models.Model):
    """
    Recent attempts, one row per key of a rate limit.

    A low limit keeps the instants of its attempts, so that the window slides; a high one counts them (`used`) in a window
    that begins with the first. Counted and judged by one statement (`statements.consume`), so that it is exact under any
    number of parallel calls.
    """

    key = models.CharField(max_length=120, primary_key=True)
    allowed = models.PositiveIntegerField()
    hits = ArrayField(models.DateTimeField(), default=list)
    used = models.PositiveIntegerField(default=0)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.key


class Address(Subject):
    """Where a customer is billed or receives goods; `state` is the two-digit GST state code."""

    PREFIX = "addr"
    PERSONAL_FIELDS = frozenset({"name", "company", "phone", "line1", "line2", "city", "pin", "gstin"})

    user = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="addresses")
    name = models.CharField(max_length=120)
    company = models.CharField(max_length=160, blank=True)
    phone = models.CharField(max_length=16, blank=True)
    line1 = models.CharField(max_length=160)
    line2 = models.CharField(max_length=160, blank=True)
    city = models.CharField(max_length=100)
    state = models.CharField(max_length=2)
    pin = models.CharField(max_length=6)
    gstin = models.CharField(max_length=15, blank=True)
    is_default = models.BooleanField(default=False)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "addresses"
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                condition=models.Q(is_default=True, removed_at__isnull=True),
                name="one_default_address_per_user",
            ),
            models.CheckConstraint(
                condition=models.Q(pin__regex=r"^[1-9][0-9]{5}$"), name="address_pin_has_six_digits"
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-created_at"], name="address_by_user"),
            GinIndex(name_vector("name", "company"), name="address_name_search"),
            models.Index(fields=["phone"], name="address_by_phone"),
            models.Index(fields=["gstin"], name="address_by_gstin", condition=~models.Q(gstin="")),
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.city}"

"""What every table shares, and core's own tables: events, their handler runs, idempotency keys, audit runs, incidents."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import pgtrigger
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Mod
from django.db.models.lookups import Exact

from apps.core import clock, ids
from apps.core.dates import format_instant
from apps.core.quantities import PER_UNIT

#: Immutable rows: the database itself refuses UPDATE and DELETE by any caller.
FROZEN = pgtrigger.Protect(name="frozen", operation=pgtrigger.Update | pgtrigger.Delete)
NOT_DELETED = pgtrigger.Protect(name="not_deleted", operation=pgtrigger.Delete)


class _SystemTimeField(models.DateTimeField):  # type: ignore[type-arg]  # fields take no arguments when the code runs
    """A column that the writing side fills from `clock.now()`. Migrations know it as the DateTimeField that it is in the database."""

    def deconstruct(self) -> tuple[str, str, Any, dict[str, Any]]:
        name, _, args, kwargs = super().deconstruct()
        return str(name), "django.db.models.DateTimeField", args, kwargs


class CreatedAtField(_SystemTimeField):
    """When a row was made: the instant that its writer gives, such as a service's `now`, or else the present one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "auto_now_add": True})

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        if add and getattr(model_instance, self.attname) is None:
            setattr(model_instance, self.attname, clock.now())
        return getattr(model_instance, self.attname)


class UpdatedAtField(_SystemTimeField):
    """When a row was last saved; a new row's is the instant when it was made. `events.change` sets that of what it changes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "auto_now": True})

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        made_at = getattr(model_instance, "created_at", None) if add else None
        setattr(model_instance, self.attname, made_at or clock.now())
        return getattr(model_instance, self.attname)


class MillisecondField(_SystemTimeField):
    """An instant that other code than ours writes, such as Django's of the last log-in: kept without what is finer than ours."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        instant = getattr(model_instance, self.attname)
        if instant is not None:
            setattr(model_instance, self.attname, clock.to_milliseconds(instant))
        return getattr(model_instance, self.attname)


class Record(models.Model):
    """
    A row with an id that sorts by time, and the instants (UTC) when it was made and last changed.

    A service that takes `now` gives it as `created_at`, so that the row and its first event are of one instant.
    """

    #: The prefix of the public id, as `ord` in `ord_01jf3...`.
    PREFIX: ClassVar[str] = ""

    id = models.UUIDField(primary_key=True, default=ids.new, editable=False)
    created_at = CreatedAtField()
    updated_at = UpdatedAtField()

    class Meta:
        abstract = True

    @property
    def public_id(self) -> str:
        return ids.encode(self.PREFIX, self.id)


class Subject(Record):
    """
    A row that records events. Its version is the number of its last event, counted from 1 without gaps, and its ETag.

    Only `events.change` and `events.create` raise the version.
    """

    #: The columns that no event records: bookkeeping of workers, not changes of the object.
    NOT_IN_EVENTS: ClassVar[frozenset[str]] = frozenset()
    #: The statuses that no event records: a worker is processing the row, and an event records the result.
    STATUSES_NOT_IN_EVENTS: ClassVar[frozenset[str]] = frozenset()
    #: The columns with personal data. No event keeps their values, so that erasing the row erases them everywhere.
    PERSONAL_FIELDS: ClassVar[frozenset[str]] = frozenset()

    version = models.PositiveIntegerField(default=0)
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        abstract = True


class Event(models.Model):
    """
    One thing that happened: who did it to what, when, why, and the new values of the fields that changed.

    Immutable. Audit trail, timeline, notifications and webhooks all read this one row. The events of an order and of all
    that belongs to it share its `root`.
    """

    PREFIX = "evt"

    id = models.UUIDField(primary_key=True, default=ids.new, editable=False)
    type = models.CharField(max_length=100)
    subject_type = models.CharField(max_length=60)
    subject_id = models.UUIDField()
    version = models.PositiveIntegerField()
    root_id = models.UUIDField(null=True)
    actor = models.CharField(max_length=200)
    request_id = models.CharField(max_length=80, blank=True)
    changes = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject_type", "subject_id", "version"], name="event_versions_are_dense"),
        ]
        indexes = [
            models.Index(fields=["root_id", "id"], name="event_by_root", condition=models.Q(root_id__isnull=False)),
            models.Index(fields=["created_at"], name="event_by_time"),
        ]
        triggers = [FROZEN]

    def __str__(self) -> str:
        return f"{self.type} v{self.version}"

    @property
    def public_id(self) -> str:
        return ids.encode(self.PREFIX, self.id)


OUTBOX_CHANNEL = "outbox"
#: The key of the advisory lock that a relay holds while it looks at the outbox all the time: any number that no other lock uses.
RELAY_IS_AWAKE_LOCK = 724_201
_WAKE_RELAY = pgtrigger.Trigger(
    name="wake_relay",
    level=pgtrigger.Statement,
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    func=f"""
        IF pg_try_advisory_lock_shared({RELAY_IS_AWAKE_LOCK}) THEN
            PERFORM pg_advisory_unlock_shared({RELAY_IS_AWAKE_LOCK});
            PERFORM pg_notify('{OUTBOX_CHANNEL}', '');
        END IF;
        RETURN NULL;
    """,
)


class Outbox(models.Model):
    """An event that the relay has not yet turned into handler runs. The row goes when it has."""

    id = models.BigAutoField(primary_key=True)
    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "outbox"
        triggers = [_WAKE_RELAY]

    def __str__(self) -> str:
        return f"outbox {self.pk}"


class PendingProjection(models.Model):
    """
    An order of which an event is not in the projections yet.

    The relay adds the row with the handler runs of the event, and the refresh of the projections deletes it.
    `created_at` is the instant of the order's first event among those that were relayed together.
    """

    id = models.BigAutoField(primary_key=True)
    root_id = models.UUIDField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"pending projection of {self.root_id}"


def all_null(*names: str) -> models.Q:
    """
    Return the condition that all of these columns of a row are null, in words that a partial index on "is null" does not fit.

    On a quiet day the planner takes the index of what waits for empty. A statement that it fits would read it from end to end
    on a day when thousands wait, to find one row.
    """
    nonnulls = models.Func(*names, function="num_nonnulls", output_field=models.IntegerField())
    return models.Q(Exact(nonnulls, models.Value(0)))


def whole_units(*names: str) -> models.Q:
    """Return the condition that quantities are whole numbers of units, as long as all that is sold is counted in pieces."""
    return models.Q(*(Exact(Mod(models.F(name), models.Value(PER_UNIT)), models.Value(0)) for name in names))


class HandlerRun(models.Model):
    """
    One event on its way to one handler; `done_at` is the receipt, written in the transaction of the handler's effect.

    `send_after` is when a hint is sent next. It is null while the broker has one that no worker has begun: then `sent_at` says
    since when, and `resends` how often it was sent again because the broker had lost it. A handler run that starts too often
    without being done is parked for staff, with its last error.
    """

    PREFIX = "hrun"

    id = models.UUIDField(primary_key=True, default=ids.new, editable=False)
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="handler_runs")
    handler = models.CharField(max_length=160)
    queue = models.CharField(max_length=40)
    created_at = models.DateTimeField()
    send_after = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    resends = models.PositiveSmallIntegerField(default=0, db_default=0)
    starts = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    parked_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    #: Since when it has waited for a worker: when it fell due, or when its lost hint was sent again; None of a new one, which
    #: has waited since it was created. Known only where it was just claimed.
    waiting_since: datetime | None = None

    class Meta:
        verbose_name = "handler run"
        constraints = [
            models.UniqueConstraint(fields=["event", "handler"], name="one_handler_run_per_event_and_handler"),
            models.CheckConstraint(
                condition=models.Q(done_at__isnull=True) | models.Q(parked_at__isnull=True),
                name="handler_run_is_not_done_and_parked",
            ),
            models.CheckConstraint(
                condition=models.Q(sent_at__isnull=False) | models.Q(send_after__isnull=False),
                name="handler_run_is_sent_or_scheduled",
            ),
        ]
        indexes = [
            models.Index(
                fields=["queue", "send_after"],
                name="handler_run_due",
                condition=models.Q(done_at__isnull=True, parked_at__isnull=True),
            ),
            models.Index(fields=["parked_at"], name="handler_run_parked", condition=models.Q(parked_at__isnull=False)),
            models.Index(
                fields=["queue", "sent_at"],
                name="handler_run_sent",
                condition=all_null("done_at", "parked_at", "send_after"),
            ),
            models.Index(
                fields=["queue", "started_at"],
                name="handler_run_by_start",
                condition=models.Q(started_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.handler} {self.id}"


class IdempotencyKey(models.Model):
    """
    One request that may come again: whose it is, what it was, and the answer that its repetition gets.

    `status` is null only inside the transaction that is still at work.
    """

    id = models.BigAutoField(primary_key=True)
    principal = models.CharField(max_length=80)
    route = models.CharField(max_length=160)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.BinaryField(null=True)
    headers = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["principal", "key"], name="one_answer_per_idempotency_key"),
        ]
        indexes = [models.Index(fields=["expires_at"], name="idempotency_key_expiry")]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"


class AuditRun(models.Model):
    """The result of one audit: what was checked, how long it took, what was found."""

    id = models.BigAutoField(primary_key=True)
    started_at = models.DateTimeField()
    since = models.DateTimeField(null=True, help_text="From when on changes were checked; empty if all was.")
    duration_ms = models.PositiveIntegerField()
    checked = models.PositiveSmallIntegerField()
    violated = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["-started_at"], name="audit_run_latest")]
        triggers = [FROZEN]

    def __str__(self) -> str:
        return f"audit of {format_instant(self.started_at)}"


class Incident(Subject):
    """
    Something that keeps the service from its work until an operator repairs it, such as a gateway that rejects our key.

    At most one of a kind and key is open. The same fault again raises `count` and `last_seen_at`; the first success closes it.
    """

    PREFIX = "inc"
    NOT_IN_EVENTS = frozenset({"last_seen_at", "count", "detail"})

    kind = models.CharField(max_length=60)
    key = models.CharField(max_length=100, help_text="What it is about, such as the name of a gateway.")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)
    detail = models.CharField(max_length=500, blank=True, help_text="What was reported last.")
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "key"],
                condition=models.Q(resolved_at__isnull=True),
                name="one_open_incident_per_kind_and_key",
            ),
            models.CheckConstraint(condition=models.Q(count__gte=1), name="incident_was_seen"),
        ]
        indexes = [models.Index(fields=["-first_seen_at", "-id"], name="incident_by_time")]
        triggers = [
            NOT_DELETED,
            pgtrigger.ReadOnly(name="incident_is_frozen", fields=["kind", "key", "first_seen_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.key}"


def subject_type_of(subject: models.Model) -> str:
    """Return the name under which events keep a subject's kind, as `orders.order`."""
    return str(subject._meta.label_lower)


def public_pk(model: type[models.Model], text: str) -> UUID:
    """
    Return the primary key behind a public id of a model.

    :raises NotFound: if the text is not an id of that kind
    """
    return ids.decode(model.PREFIX, text)  # type: ignore[attr-defined]


def is_staff_with(user: Any, permission: str) -> bool:
    """Test if a user is active staff and holds a Django permission."""
    return bool(user.is_active and user.is_staff and user.has_perm(permission))

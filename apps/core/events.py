"""Recording of events: one immutable Event and one Outbox row, in the transaction of the change."""

import json
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.models import F

from apps.core import clock
from apps.core.models import Event, Outbox, Subject, subject_type_of

S = TypeVar("S", bound=Subject)

#: The id of the request, task or command that is running on this thread; its entry point sets it.
current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")


class SubjectNotLocked(RuntimeError):
    """An event was recorded for a row that was changed concurrently: lock the row before you change it."""


class RecordedOutsideTransaction(RuntimeError):
    """An event must be recorded in the transaction of the change that it describes."""


@dataclass(frozen=True)
class Actor:
    """Who does something: a user, an API key, the system itself or a gateway. Events keep it as text, not as a key."""

    kind: str
    id: str
    label: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}" if self.id else self.kind

    @property
    def is_system(self) -> bool:
        return self.kind == "system"


SYSTEM = Actor(kind="system", id="")


def user_actor(user: Any) -> Actor:
    """Return the actor for a user with an account: a customer or a member of staff."""
    return Actor(kind="user", id=user.public_id, label=str(user))


def gateway_actor(name: str) -> Actor:
    """Return the actor for what a gateway reports."""
    return Actor(kind="gateway", id=name, label=name)


def record(
    event_type: str,
    *,
    subject: Subject,
    actor: Actor,
    changes: dict[str, Any],
    root_id: UUID | None = None,
    reason: str = "",
    now: datetime | None = None,
) -> Event:
    """
    Write that something happened to a subject, which the caller has locked or just made.

    Raises the subject's version by one and sets its `updated_at` to `now`, in the database and on the instance. `changes` holds
    the new values of the changed fields: folding the events of a subject gives its stored state. Of personal data (`PERSONAL_FIELDS`)
    the event keeps the names of the fields alone, under `personal_fields`. `root_id` is the order that it belongs to.

    :raises RecordedOutsideTransaction: if no transaction is open
    :raises SubjectNotLocked: if the row's version is not the one that the caller holds
    """
    if not connection.in_atomic_block:
        raise RecordedOutsideTransaction(event_type)

    at = now or clock.now()
    held = subject.version
    found = type(subject)._base_manager.filter(pk=subject.pk, version=held)
    raised = found.update(version=F("version") + 1, updated_at=at)
    if raised != 1:
        raise SubjectNotLocked(f"{event_type}: {subject_type_of(subject)} {subject.pk} is not at version {held}")
    subject.version, subject.updated_at = held + 1, at

    event = Event.objects.create(
        type=event_type,
        subject_type=subject_type_of(subject),
        subject_id=subject.pk,
        version=subject.version,
        root_id=root_id,
        actor=str(actor),
        request_id=current_request_id.get(),
        changes=_without_personal_data(subject, changes),
        reason=reason[:500],
        created_at=at,
    )
    Outbox.objects.create(event=event, created_at=at)
    return event


def _without_personal_data(subject: Subject, changes: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in changes.items() if name not in subject.PERSONAL_FIELDS}
    left_out = sorted(changes.keys() & subject.PERSONAL_FIELDS)
    return {**kept, "personal_fields": left_out} if left_out else kept


def list_events_of_root(root_id: UUID) -> Any:
    """Return the events of an order and of all that belongs to it, oldest first."""
    return Event.objects.filter(root_id=root_id).order_by("created_at", "id")


def find_recent_event(event_type: str, *, subject: Subject, since: datetime) -> Event | None:
    """Return the latest event of a type that a subject has had since an instant, or None."""
    events = Event.objects.filter(
        subject_type=subject_type_of(subject), subject_id=subject.pk, type=event_type, created_at__gt=since
    )
    return events.order_by("-version").first()


def stored_fields(subject: Subject, *names: str) -> dict[str, Any]:
    """Return the stored values of some columns of a row, or of all but its bookkeeping, as an event keeps them."""
    bookkeeping = {"created_at", "updated_at", "version"}
    columns = [field.attname for field in subject._meta.concrete_fields if not field.generated]
    return {name: getattr(subject, name) for name in (names or columns) if name not in bookkeeping}


def changes_since(subject: Subject, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the columns in `before`, which `stored_fields` gave, that have another value now."""
    after = stored_fields(subject, *before)
    return {name: value for name, value in after.items() if value != before[name]}


def event_payload(subject: Subject, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the stored values of a row, or those in `values`, that its events record: all but `NOT_IN_EVENTS`."""
    values = stored_fields(subject) if values is None else values
    return {name: value for name, value in values.items() if name not in subject.NOT_IN_EVENTS}


# Folding: from the events back to the row ----------------------------------------------------------------------------


def list_events_of_subjects(model: type[Subject], subject_ids: Iterable[UUID]) -> Any:
    """Return the events of some rows of one kind, each row's own in the order of their versions."""
    rows = Event.objects.filter(subject_type=model._meta.label_lower, subject_id__in=list(subject_ids))
    return rows.order_by("subject_id", "version")


def list_events_until(model: type[Subject], subject_id: UUID, *, at: datetime) -> list[Event]:
    """
    Return the events that had made a row what it was at an instant, by version; none if it was not there yet.

    Two writers may read the clock in one order and get the lock in the other: the last version that was recorded by then counts,
    with everything before it, so that the state is one that really was.
    """
    events = list(list_events_of_subjects(model, [subject_id]))
    # A caller may give a finer `now` than the milliseconds in which the API writes instants and reads them again.
    recorded = [position for position, event in enumerate(events) if clock.to_milliseconds(event.created_at) <= at]
    return events[: recorded[-1] + 1] if recorded else []


def fold(events: Iterable[Event]) -> dict[str, Any]:
    """Return what events of one subject, by version, lead to: the last value that was recorded of each field, as JSON keeps it."""
    state: dict[str, Any] = {}
    for event in events:
        state |= event.changes
    return state


def rebuild(stored: S, events: Iterable[Event]) -> S:
    """
    Return the row that the events of a subject lead to; it is not to be saved.

    `events` are in the order of their versions, and at least one. Values that no event records, such as personal data,
    are those of the stored row.
    """
    model, recorded = type(stored), list(events)
    fields = {field.attname: field for field in model._meta.concrete_fields if not field.generated}
    state = {name: getattr(stored, name) for name in model.PERSONAL_FIELDS | model.NOT_IN_EVENTS} | fold(recorded)
    values = {name: fields[name].to_python(value) for name, value in state.items() if name in fields}
    first, last = recorded[0], recorded[-1]
    return model(**values, created_at=first.created_at, updated_at=last.created_at, version=last.version)


def find_drift(subject: Subject, events: Iterable[Event]) -> dict[str, tuple[Any, Any]]:
    """
    Return where a row is not what its events lead to: by field, what was recorded and what is stored.

    Leaves out what no event keeps (`NOT_IN_EVENTS`, `PERSONAL_FIELDS`). A
    column that is younger than the row has its default until it is recorded.
    """
    recorded = list(events)
    state = fold(recorded)
    stored = _as_recorded(
        {name: value for name, value in event_payload(subject).items() if name not in subject.PERSONAL_FIELDS}
    )
    blank = _as_recorded(stored_fields(type(subject)()))
    expected = {name: state.get(name, blank[name]) for name in stored}
    expected["version"], stored["version"] = (recorded[-1].version if recorded else 0), subject.version
    return {name: (expected[name], value) for name, value in stored.items() if expected[name] != value}


def _as_recorded(values: dict[str, Any]) -> dict[str, Any]:
    """Return values as an event keeps them, with instants to the millisecond."""
    encoded: dict[str, Any] = json.loads(json.dumps(values, cls=DjangoJSONEncoder))
    return encoded

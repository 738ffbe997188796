"""
Changes and their events: a row, one immutable Event and one Outbox row, written by one statement.

`change` and `create` take the new values once. They are stored, set on the instance and recorded, so that none of the three
can differ from the others.
"""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Model

from apps.core import clock, event_sql, ids
from apps.core.models import Event, Subject, subject_type_of

#: The id of the request, task or command that is running on this thread; its entry point sets it.
current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")


Row = TypeVar("Row", bound=Subject)

#: The columns that every event says without naming them.
_BOOKKEEPING = frozenset({"created_at", "updated_at", "version"})


class SubjectNotLocked(RuntimeError):
    """A row was changed that had been changed concurrently: lock the row before you change it."""


class RecordedOutsideTransaction(RuntimeError):
    """An event must be recorded in the transaction of the change that it describes."""


@dataclass(frozen=True)
class Actor:
    """Who does something: a user, an operator, the system itself or a gateway. Events keep it as text, not as a key."""

    kind: str
    id: str
    label: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}" if self.id else self.kind


SYSTEM = Actor(kind="system", id="")


def user_actor(user: Any) -> Actor:
    """Return the actor for a user with an account: a customer or a member of staff."""
    return Actor(kind="user", id=user.public_id, label=str(user))


def gateway_actor(name: str) -> Actor:
    """Return the actor for what a gateway reports."""
    return Actor(kind="gateway", id=name, label=name)


def change(
    row: Subject,
    event_type: str,
    values: Mapping[str, Any],
    *,
    actor: Actor,
    now: datetime,
    root: UUID | None = None,
    event_reason: str = "",
    event_values: Mapping[str, Any] | None = None,
) -> UUID:
    """
    Change a row that the caller has locked, record the event of it, and return the event's id.

    `values` are the new values by field; they may be none. They are set on the instance too, once they are stored. The event
    keeps them, but for columns in `NOT_IN_EVENTS`, and of those in `PERSONAL_FIELDS` only the names, under `personal_fields`.
    `event_values` are facts that the event keeps and the row does not have. `root` is the order that the row belongs to.

    Raises the row's version by one and sets its `updated_at` to `now`.

    :raises RecordedOutsideTransaction: if no transaction is open
    :raises SubjectNotLocked: if the row's version is not the one that the caller holds; then nothing is written
    :raises TypeError: if a name is no field of the row that may be changed, or a value is of a kind that is not supported
    """
    stored = event_sql.to_column_values(type(row), values)
    at, held = clock.to_milliseconds(now), row.version
    event_id, event = _prepare_event(
        row, event_type, {**(event_values or {}), **stored}, actor=actor, root=root, reason=event_reason, at=at
    )

    if not event_sql.update(row, stored, event, held=held):
        raise SubjectNotLocked(f"{event_type}: {subject_type_of(row)} {row.pk} is not at version {held}")

    for name, value in values.items():
        setattr(row, name, stored.get(name, value))  # a foreign key's object is kept, so that it is not read again
    row.version, row.updated_at = held + 1, at
    return event_id


def create(
    row: Subject,
    event_type: str,
    *,
    actor: Actor,
    now: datetime,
    root: UUID | None = None,
    event_reason: str = "",
    event_values: Mapping[str, Any] | None = None,
) -> UUID:
    """
    Insert a new row, record its first event with all its values, and return the event's id.

    The event keeps what `change` would keep. The row is of `now`, unless it says when it was made.

    :raises RecordedOutsideTransaction: if no transaction is open
    :raises IntegrityError: if a constraint refuses the row
    :raises TypeError: if a value is of a kind that is not supported
    """
    event_id = _insert(
        row, event_type, actor=actor, now=now, root=root, event_reason=event_reason, event_values=event_values
    )
    assert event_id is not None  # noqa: S101 - a conflict is an IntegrityError
    return event_id


def create_if_absent(
    row: Subject,
    event_type: str,
    *,
    actor: Actor,
    now: datetime,
    root: UUID | None = None,
    event_reason: str = "",
    event_values: Mapping[str, Any] | None = None,
) -> UUID | None:
    """
    Do what `create` does, or return None if a unique constraint refuses the row: then there is no event, and the transaction goes on.

    A row that another transaction has not committed yet is waited for.

    :raises RecordedOutsideTransaction: if no transaction is open
    :raises IntegrityError: if another constraint refuses the row
    :raises TypeError: if a value is of a kind that is not supported
    """
    return _insert(
        row,
        event_type,
        actor=actor,
        now=now,
        root=root,
        event_reason=event_reason,
        event_values=event_values,
        ignore_conflicts=True,
    )


def create_all(
    rows: Sequence[Row], event_type: str, *, actor: Actor, now: datetime, ignore_conflicts: bool = False
) -> list[Row]:
    """
    Do what `create` does for each of some rows of one model, in one statement, and return those that were stored.

    With `ignore_conflicts` a row that a unique constraint refuses is left out, as `create_if_absent` does.

    :raises RecordedOutsideTransaction: if no transaction is open
    :raises IntegrityError: if a constraint refuses a row; then none is stored
    :raises TypeError: if a value is of a kind that is not supported
    """
    made = [prepare_creation(row, event_type, actor=actor, now=now) for row in rows]
    return store_all(made, ignore_conflicts=ignore_conflicts)


def store_all(creations: "Sequence[Creation[Row]]", *, ignore_conflicts: bool = False) -> list[Row]:
    """
    Insert the rows of some creations, all of one model, with their events, in one statement, and return those that were stored.

    With `ignore_conflicts` a row that a unique constraint refuses is left out, as `create_if_absent` does.

    :raises IntegrityError: if a constraint refuses a row; then none is stored
    """
    if not creations:
        return []
    stored = event_sql.insert_all(
        type(creations[0].row),
        [one.values for one in creations],
        [one.event for one in creations],
        ignore_conflicts=ignore_conflicts,
    )
    kept = [one for one in creations if one.row.pk in stored]
    for one in kept:
        one.mark_stored()
    return [one.row for one in kept]


def _insert(
    row: Subject,
    event_type: str,
    *,
    actor: Actor,
    now: datetime,
    root: UUID | None,
    event_reason: str,
    event_values: Mapping[str, Any] | None,
    ignore_conflicts: bool = False,
) -> UUID | None:
    creation = prepare_creation(
        row, event_type, actor=actor, now=now, root=root, event_reason=event_reason, event_values=event_values
    )
    if not event_sql.insert(row, creation.values, creation.event, ignore_conflicts=ignore_conflicts):
        return None
    creation.mark_stored()
    return creation.event_id


@dataclass(frozen=True)
class Creation(Generic[Row]):
    """A new row and its first event, before a statement stores both: `values` of the row, and the parameters of the event."""

    row: Row
    event_id: UUID
    event: list[str | None]
    values: dict[str, Any]

    def mark_stored(self) -> None:
        """Make the row one that is stored, as it is now."""
        self.row._state.adding, self.row._state.db = False, connection.alias
        self.row.version, self.row.updated_at = 1, self.values["updated_at"]


def prepare_creation(
    row: Row,
    event_type: str,
    *,
    actor: Actor,
    now: datetime,
    root: UUID | None = None,
    event_reason: str = "",
    event_values: Mapping[str, Any] | None = None,
) -> Creation[Row]:
    """
    Return what `create` would store of a new row and its event, for a statement that stores more than these.

    :raises RecordedOutsideTransaction: if no transaction is open
    :raises TypeError: if the row is not new
    """
    if not row._state.adding or row.version:
        raise TypeError(f"{event_type}: {subject_type_of(row)} {row.pk} is not new")
    at = clock.to_milliseconds(now)
    if row.created_at is None:
        row.created_at = at
    values = {**event_sql.new_values(row), "version": 1, "updated_at": at}
    recorded = {name: value for name, value in values.items() if name not in _BOOKKEEPING}
    event_id, event = _prepare_event(
        row, event_type, {**(event_values or {}), **recorded}, actor=actor, root=root, reason=event_reason, at=at
    )
    return Creation(row=row, event_id=event_id, event=event, values=values)


def _prepare_event(
    row: Subject,
    event_type: str,
    values: Mapping[str, Any],
    *,
    actor: Actor,
    root: UUID | None,
    reason: str,
    at: datetime,
) -> tuple[UUID, list[str | None]]:
    """Return the id of an event, and the parameters of the statement that writes it."""
    if not connection.in_atomic_block:
        raise RecordedOutsideTransaction(event_type)
    event_id = ids.new()
    kept = {name: value for name, value in values.items() if name not in row.NOT_IN_EVENTS}
    return event_id, [
        str(event_id),
        event_type,
        subject_type_of(row),
        str(row.pk),
        None if root is None else str(root),
        str(actor),
        current_request_id.get(),
        event_sql.to_json(_without_personal_data(row, kept)),
        reason[:500],
        at.isoformat(),
    ]


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


def current_values(subject: Subject, *names: str) -> dict[str, Any]:
    """Return the current values of some columns of a row, or of all but its bookkeeping, as an event keeps them; reads no database."""
    columns = event_sql.fields_of(type(subject))
    return {name: getattr(subject, name) for name in (names or columns) if name not in _BOOKKEEPING}


def changes_since(subject: Subject, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the columns in `before`, which `current_values` gave, that have another value now."""
    after = current_values(subject, *before)
    return {name: value for name, value in after.items() if value != before[name]}


def changed_values(row: Model, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the values by field that a row does not have yet."""
    return {name: value for name, value in values.items() if getattr(row, name) != value}


def event_payload(subject: Subject, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the stored values of a row, or those in `values`, that its events record: all but `NOT_IN_EVENTS`."""
    values = current_values(subject) if values is None else values
    return {name: value for name, value in values.items() if name not in subject.NOT_IN_EVENTS}

"""Folding from the events of a row back to the row: what it was at an instant, and whether anything has drifted."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder

from apps.core import clock
from apps.core.events import current_values, event_payload
from apps.core.models import Event, Subject

S = TypeVar("S", bound=Subject)


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
    blank = _as_recorded(current_values(type(subject)()))
    expected = {name: state.get(name, blank[name]) for name in stored}
    expected["version"], stored["version"] = (recorded[-1].version if recorded else 0), subject.version
    return {name: (expected[name], value) for name, value in stored.items() if expected[name] != value}


def _as_recorded(values: dict[str, Any]) -> dict[str, Any]:
    """Return values as an event keeps them, with instants to the millisecond."""
    encoded: dict[str, Any] = json.loads(json.dumps(values, cls=DjangoJSONEncoder))
    return encoded

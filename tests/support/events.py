"""Events that a test needs and no service of it records."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.core import clock
from apps.core.events import SYSTEM, Actor, change
from apps.core.models import Event, Subject
from tests.factories.accounts import make_user


def record_event(
    event_type: str,
    *,
    subject: Subject,
    actor: Actor = SYSTEM,
    changes: Mapping[str, Any] | None = None,
    root_id: UUID | None = None,
    reason: str = "",
    now: datetime | None = None,
) -> Event:
    """Record an event of a row, of which nothing but the version changes, whatever `changes` the event says."""
    event_id = change(
        subject,
        event_type,
        {},
        actor=actor,
        now=now or clock.now(),
        root=root_id,
        event_reason=reason,
        event_values=changes,
    )
    return Event.objects.get(pk=event_id)


#: What the events are called that tests record of a new user.
USER_MADE = "test.user.made"


def make_event() -> Event:
    """Record an event of a new user, in a transaction of its own if there is none."""
    with transaction.atomic():
        return record_event(USER_MADE, subject=make_user(), actor=SYSTEM, changes={})


def store_unchecked(row: Subject, event_type: str, values: Mapping[str, Any], **_: Any) -> None:
    """Store values as `change` does, but whatever the row's version is and without an event: for controls without a lock."""
    type(row)._default_manager.filter(pk=row.pk).update(**values)
    for name, value in values.items():
        setattr(row, name, value)

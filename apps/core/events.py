"""How news is written: one immutable Event and one Outbox row, in the writer's own transaction."""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F

from apps.core import clock
from apps.core.models import Event, Outbox, Subject, subject_type_of

#: The request, task or command that is at work on this thread; set by whatever starts code.
current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")


class SubjectNotLocked(RuntimeError):
    """News was recorded of a row that somebody else has changed meanwhile: lock it before you change it."""


class RecordedOutsideTransaction(RuntimeError):
    """News must be written in the transaction of the change that it tells."""


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


def gateway_actor(name: str) -> Actor:
    """Return the actor for what a gateway tells us."""
    return Actor(kind="gateway", id=name, label=name)


def record(
    event_type: str,
    *,
    subject: Subject,
    actor: Actor,
    changed: dict[str, Any],
    root_id: UUID | None = None,
    reason: str = "",
    now: datetime | None = None,
) -> Event:
    """
    Write that something happened to a subject, which the caller has locked or just made.

    Raises the subject's version by one, in the database and on the instance. `changed` holds the new values of the changed
    fields: folding the events of a subject gives its stored state. `root_id` is the order that it belongs to.

    :raises RecordedOutsideTransaction: if no transaction is open
    :raises SubjectNotLocked: if the row's version is not the one that the caller holds
    """
    if not connection.in_atomic_block:
        raise RecordedOutsideTransaction(event_type)

    held = subject.version
    raised = type(subject)._base_manager.filter(pk=subject.pk, version=held).update(version=F("version") + 1)
    if raised != 1:
        raise SubjectNotLocked(f"{event_type}: {subject_type_of(subject)} {subject.pk} is not at version {held}")
    subject.version = held + 1

    at = now or clock.now()
    event = Event.objects.create(
        type=event_type,
        subject_type=subject_type_of(subject),
        subject_id=subject.pk,
        version=subject.version,
        root_id=root_id,
        actor=str(actor),
        request_id=current_request_id.get(),
        changed=changed,
        reason=reason[:500],
        created_at=at,
    )
    Outbox.objects.create(event=event, created_at=at)
    return event


def list_events_of_root(root_id: UUID) -> Any:
    """Return the events of an order and of all that belongs to it, oldest first."""
    return Event.objects.filter(root_id=root_id).order_by("created_at", "id")


def stored_fields(subject: Subject, *names: str) -> dict[str, Any]:
    """Return the stored values of some columns of a row, or of all but its bookkeeping, as an event keeps them."""
    bookkeeping = {"created_at", "updated_at", "version"}
    columns = [field.attname for field in subject._meta.concrete_fields if not field.generated]
    return {name: getattr(subject, name) for name in (names or columns) if name not in bookkeeping}

"""The proof that the events are the truth: folded again, they give the rows of orders, payments, attempts and refunds."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.events import list_events_of_subjects, untrue_fields
from apps.core.models import Event, Subject, subject_type_of
from apps.orders import selectors as orders
from apps.payments import selectors

BATCH = 200


@dataclass(frozen=True)
class Difference:
    """One field of one row that is not what the events say."""

    order: str
    subject: str
    id: str
    field: str
    told: Any
    stored: Any


@dataclass
class Replay:
    """What was folded, by kind, how many events there were, and where they do not give the stored state."""

    rows: dict[str, int]
    events: int
    differences: list[Difference]

    @property
    def holds(self) -> bool:
        return not self.differences


def replay_order(*, order_id: UUID) -> Replay:
    """
    Fold the events of an order, its payments, attempts and refunds, and compare what comes out with the rows.

    :raises OrderNotFound: if there is none
    """
    return _replay([orders.get_order(order_id)])


def replay_all_orders(*, on_batch: Callable[[Replay], None] | None = None) -> Replay:
    """Do the same for every order, oldest first, some hundreds at a time; `on_batch` hears how far it is."""
    total = Replay(rows={}, events=0, differences=[])
    after: UUID | None = None
    while batch := orders.list_orders_after(after, limit=BATCH):
        part = _replay(batch)
        for kind, count in part.rows.items():
            total.rows[kind] = total.rows.get(kind, 0) + count
        total.events += part.events
        total.differences += part.differences
        after = batch[-1].pk
        if on_batch:
            on_batch(total)
    return total


def _replay(batch: Sequence[Any]) -> Replay:
    numbers = {order.pk: order.number for order in batch}
    kinds: dict[str, list[tuple[UUID, Subject]]] = {
        "orders": [(order.pk, order) for order in batch],
        **selectors.list_subjects_of_orders(list(numbers)),
    }
    replay = Replay(rows={kind: len(found) for kind, found in kinds.items()}, events=0, differences=[])
    for found in kinds.values():
        told = _events_of([subject for _, subject in found])
        for order_id, subject in found:
            # The row was read first: what was told since then is not in it.
            events = [event for event in told[subject.pk] if event.version <= subject.version]
            replay.events += len(events)
            replay.differences += [
                Difference(
                    order=numbers[order_id],
                    subject=subject_type_of(subject),
                    id=subject.public_id,
                    field=name,
                    told=told_value,
                    stored=stored_value,
                )
                for name, (told_value, stored_value) in untrue_fields(subject, events).items()
            ]
    return replay


def _events_of(subjects: Sequence[Subject]) -> dict[UUID, list[Event]]:
    grouped: dict[UUID, list[Event]] = defaultdict(list)
    if subjects:
        rows: Iterable[Event] = list_events_of_subjects(type(subjects[0]), [subject.pk for subject in subjects])
        for event in rows:
            grouped[event.subject_id].append(event)
    return grouped

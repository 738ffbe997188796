"""Replay of events: a proof that the events alone give the stored rows."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from apps.core.event_replay import find_drift, list_events_of_subjects
from apps.core.models import Event, Subject, subject_type_of
from apps.fulfilment import selectors as fulfilment
from apps.invoicing import selectors as invoicing
from apps.ledger import selectors as ledger
from apps.orders import selectors as orders
from apps.payments import selectors as payments
from apps.settlements import selectors as settlements

BATCH = 200
#: Further differences are counted but not kept: the first ones are enough to find the cause.
MAX_DIFFERENCES_KEPT = 1000

#: Rows that record events, by kind, each with the id of its order, or None if it belongs to no order.
Rows = Mapping[str, Sequence[tuple[UUID | None, Subject]]]


@dataclass(frozen=True)
class Difference:
    """One field of one row that differs from its events. `order` is empty for a row that belongs to no order."""

    order: str
    subject: str
    id: str
    field: str
    replayed: Any
    stored: Any


@dataclass
class Replay:
    """The result of a replay: the rows by kind, the number of events, and the differences (the first of them)."""

    rows: dict[str, int] = field(default_factory=dict)
    events: int = 0
    differences: list[Difference] = field(default_factory=list)
    difference_count: int = 0

    @property
    def is_consistent(self) -> bool:
        return not self.difference_count

    def add(self, found: Iterable[Difference]) -> None:
        for one in found:
            self.difference_count += 1
            if len(self.differences) < MAX_DIFFERENCES_KEPT:
                self.differences.append(one)


OnProgress = Callable[[Replay], None]


def replay_order(*, order_id: UUID) -> Replay:
    """
    Replay the events of an order, its payments, attempts, refunds, disputes, documents and shipments, and compare them with the rows.

    :raises OrderNotFound: if there is none
    """
    replay = Replay()
    _replay_orders(replay, [orders.get_order(order_id)])
    return replay


def replay_everything(*, on_batch: OnProgress | None = None) -> Replay:
    """
    Replay every order, settlement, import and exception, oldest first, in batches.

    `on_batch` receives the result so far after each batch.
    """
    total = Replay()
    after: UUID | None = None
    while batch := orders.list_orders_after(after, limit=BATCH):
        _replay_orders(total, batch)
        after = batch[-1].pk
        if on_batch:
            on_batch(total)
    for kind, list_after in _WITHOUT_ORDER.items():
        _replay_without_order(total, kind, list_after, on_batch=on_batch)
    return total


#: Rows that belong to no order, by kind: each function returns a page of them after an id.
_WITHOUT_ORDER: Mapping[str, Callable[..., Sequence[Any]]] = {
    **{kind: partial(settlements.list_rows_after, model) for kind, model in settlements.SUBJECTS.items()},
    "exceptions": ledger.list_exceptions_after,
}


def _replay_without_order(
    total: Replay, kind: str, list_after: Callable[..., Sequence[Any]], *, on_batch: OnProgress | None
) -> None:
    total.rows.setdefault(kind, 0)
    after: UUID | None = None
    while batch := list_after(after, limit=BATCH):
        _replay(total, {kind: [(None, one) for one in batch]}, {})
        after = batch[-1].pk
        if on_batch:
            on_batch(total)


def _replay_orders(total: Replay, batch: Sequence[Any]) -> None:
    numbers = {order.pk: order.number for order in batch}
    order_ids = list(numbers)
    rows: Rows = {
        "orders": [(order.pk, order) for order in batch],
        **payments.list_rows_of_orders(order_ids),
        **invoicing.list_rows_of_orders(order_ids),
        **fulfilment.list_rows_of_orders(order_ids),
    }
    _replay(total, rows, numbers)


def _replay(total: Replay, rows: Rows, numbers: Mapping[UUID, str]) -> None:
    for kind, found in rows.items():
        total.rows[kind] = total.rows.get(kind, 0) + len(found)
        events_of = _events_of([subject for _, subject in found])
        for order_id, subject in found:
            # The row was read before its events: later events are not in it.
            events = [event for event in events_of[subject.pk] if event.version <= subject.version]
            total.events += len(events)
            total.add(
                Difference(
                    order=numbers[order_id] if order_id else "",
                    subject=subject_type_of(subject),
                    id=subject.public_id,
                    field=name,
                    replayed=replayed_value,
                    stored=stored_value,
                )
                for name, (replayed_value, stored_value) in find_drift(subject, events).items()
            )


def _events_of(subjects: Sequence[Subject]) -> dict[UUID, list[Event]]:
    grouped: dict[UUID, list[Event]] = defaultdict(list)
    if subjects:
        rows: Iterable[Event] = list_events_of_subjects(type(subjects[0]), [subject.pk for subject in subjects])
        for event in rows:
            grouped[event.subject_id].append(event)
    return grouped

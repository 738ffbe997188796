"""The proof that the events are the truth: folded again, they give the rows of orders and of all that became of their money."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from apps.core.events import find_drift, list_events_of_subjects
from apps.core.models import Event, Subject, subject_type_of
from apps.orders import selectors as orders
from apps.payments import selectors

BATCH = 200
#: More differences than this are counted and not kept: whoever has so many needs to see the first ones.
MAX_DIFFERENCES_KEPT = 1000

#: Rows that make news, by kind, each with the order that it belongs to, if it belongs to one.
Rows = Mapping[str, Sequence[tuple[UUID | None, Subject]]]


@dataclass(frozen=True)
class Difference:
    """One field of one row that is not what the events say; `order` is empty where it belongs to none."""

    order: str
    subject: str
    id: str
    field: str
    replayed: Any
    stored: Any


@dataclass
class Replay:
    """What was folded, by kind, how many events there were, and where they do not give the stored state (the first of them)."""

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
#: What other apps keep of some orders.
RelatedRows = Callable[[list[UUID]], Rows]


def replay_order(*, order_id: UUID, related_rows: RelatedRows | None = None) -> Replay:
    """
    Fold the events of an order, its payments, attempts, refunds and disputes, and compare what comes out with the rows.

    :raises OrderNotFound: if there is none
    """
    replay = Replay()
    _replay_orders(replay, [orders.get_order(order_id)], related_rows)
    return replay


def replay_all_orders(*, on_batch: OnProgress | None = None, related_rows: RelatedRows | None = None) -> Replay:
    """Do the same for every order, oldest first, some hundreds at a time; `on_batch` hears how far it is."""
    total = Replay()
    after: UUID | None = None
    while batch := orders.list_orders_after(after, limit=BATCH):
        _replay_orders(total, batch, related_rows)
        after = batch[-1].pk
        if on_batch:
            on_batch(total)
    return total


def replay_settlements(total: Replay, *, on_batch: OnProgress | None = None) -> None:
    """Add to a replay what belongs to no order: the settlements, the imports of reports, and the exceptions."""
    for kind in selectors.SETTLEMENT_MODELS:
        total.rows.setdefault(kind, 0)
        after: UUID | None = None
        while batch := selectors.list_rows_of_settlements(kind, after=after, limit=BATCH):
            _replay(total, {kind: [(None, one) for one in batch]}, {})
            after = batch[-1].pk
            if on_batch:
                on_batch(total)


def _replay_orders(total: Replay, batch: Sequence[Any], related_rows: RelatedRows | None) -> None:
    numbers = {order.pk: order.number for order in batch}
    order_ids = list(numbers)
    rows: Rows = {
        "orders": [(order.pk, order) for order in batch],
        **selectors.list_rows_of_orders(order_ids),
        **(related_rows(order_ids) if related_rows else {}),
    }
    _replay(total, rows, numbers)


def _replay(total: Replay, rows: Rows, numbers: Mapping[UUID, str]) -> None:
    for kind, found in rows.items():
        total.rows[kind] = total.rows.get(kind, 0) + len(found)
        events_of = _events_of([subject for _, subject in found])
        for order_id, subject in found:
            # The row was read first: what was told since then is not in it.
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

"""Where the money of captured payments is, by state and age, and how much of it is explained three ways."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from django.core.cache import cache

from apps.backoffice import messages
from apps.backoffice.sql import money_states as sql
from apps.backoffice.sql.money_states import MoneyLine
from apps.core import clock
from apps.core.dates import working_days_before, working_days_between

#: The states in the order in which money passes through them, with what each means.
STATES = {
    "captured": "in no settlement yet, or owed again after a failed transfer",
    "settled": "in a settlement that the bank's statement does not show yet",
    "banked": "in a settlement that the bank's statement shows",
    "deducted": "fees, GST and adjustments of settlements",
    "refunded": "returned to the payer",
    "disputed": "taken by a bank in a dispute that is open or lost",
    "suspense": "not explained yet, under an open exception",
}
#: What is captured and, after `DUE_WORKING_DAYS`, not in our books, the gateway's report and the bank's statement alike.
UNEXPLAINED = "unexplained"
#: The goal: this share, in millionths, is explained three ways within `DUE_WORKING_DAYS` working days.
DUE_WORKING_DAYS = 4
GOAL_PER_MILLION = 999_900
#: Buckets of age in working days since the capture: the most that belongs to each, and its name.
_BUCKETS = ((1, "0-1"), (2, "2"), (4, "3-4"), (10, "5-10"), (None, "over 10"))
BUCKETS = tuple(name for _, name in _BUCKETS)
#: Where the last measurement is kept for the dashboard.
EXPLAINED_CACHE_KEY = "back-office:explained"


@dataclass
class MoneyState:
    """The money in one state, in paise: in all, by age, and of no payment; `count` is the number of payments that have some."""

    name: str
    count: int = 0
    amount: int = 0
    unattributed_amount: int = 0
    by_age: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class MoneyStates:
    """
    Where captured money is at an instant. Amounts in paise.

    `due_amount` was captured on or before `due_day`, `DUE_WORKING_DAYS` working days ago or longer; `explained_amount` is
    what of that is explained three ways: by our attempt, the gateway's report and the bank's line.
    """

    at: datetime
    since: datetime | None
    captured_count: int
    captured_amount: int
    states: list[MoneyState]
    due_day: date
    due_amount: int
    due_count: int
    explained_amount: int
    explained_count: int

    @property
    def difference(self) -> int:
        """By how many paise the states differ from what was captured; anything but 0 is a fault of the books."""
        return sum(state.amount for state in self.states) - self.captured_amount

    @property
    def explained_per_million(self) -> int:
        """The share of what is due that is explained, rounded down, in millionths; all of it if nothing is due."""
        return self.explained_amount * 1_000_000 // self.due_amount if self.due_amount else 1_000_000

    @property
    def title(self) -> str:
        """How much was captured, as a heading."""
        since = clock.ist_date(self.since) if self.since else None
        return messages.captured_money(amount=self.captured_amount, count=self.captured_count, since=since)

    @property
    def goal_text(self) -> str:
        """How much is explained three ways, and whether that is enough, as a sentence."""
        if not self.due_amount:
            return messages.nothing_due(self.due_day)
        return messages.explained_three_ways(
            due=self.due_amount,
            explained=self.explained_amount,
            count=self.due_count - self.explained_count,
            per_million=self.explained_per_million,
            day=self.due_day,
            is_met=self.is_goal_met,
        )

    @property
    def is_goal_met(self) -> bool:
        """Test if the share that is explained reaches `GOAL_PER_MILLION`."""
        return self.explained_per_million >= GOAL_PER_MILLION


def find_measured_figure() -> tuple[str, str, str] | None:
    """Return figure, note and tone of what was measured last, or None if nothing was in the last two hours."""
    found = cache.get(EXPLAINED_CACHE_KEY)
    return None if found is None else (found["figure"], found["note"], found["tone"])


def get_money_states(*, at: datetime, since: datetime | None = None) -> MoneyStates:
    """Return where the money that was captured until an instant was at that instant, by its books and events."""
    today = clock.ist_date(at)
    due = due_day(at)
    states = {name: MoneyState(name) for name in STATES}
    totals: Counter[str] = Counter()
    for one in sql.list_sums(at=at, since=since):
        if one.day is None:
            states[one.kind].unattributed_amount += one.amount
        elif one.kind in states:
            state = states[one.kind]
            state.count += one.count
            state.amount += one.amount
            state.by_age[_bucket(one.day, today)] += one.amount
        else:
            totals[one.kind] += one.amount
            totals[f"{one.kind} count"] += one.count
            if one.day <= due:
                totals[f"due {one.kind}"] += one.amount
                totals[f"due {one.kind} count"] += one.count
    return MoneyStates(
        at=at,
        since=since,
        captured_count=totals["captured total count"],
        captured_amount=totals["captured total"],
        states=list(states.values()),
        due_day=due,
        due_amount=totals["due captured total"],
        due_count=totals["due captured total count"],
        explained_amount=totals["due explained"],
        explained_count=totals["due explained count"],
    )


def iterate_money_lines(
    *,
    state: str,
    at: datetime,
    since: datetime | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int | None = None,
) -> Iterator[MoneyLine]:
    """Yield the payments with money in a state at an instant, or those that are `unexplained`; oldest capture first."""
    return sql.iterate_lines(state=state, at=at, since=since, due=due_day(at), after=after, limit=limit)


def due_day(at: datetime) -> date:
    """Return the last day whose captures should all be explained at an instant."""
    return working_days_before(clock.ist_date(at), DUE_WORKING_DAYS)


def _bucket(day: date, today: date) -> str:
    age = working_days_between(day, today)
    return next(name for most, name in _BUCKETS if most is None or age <= most)

"""The playing of all templates, in a transaction that is rolled back: what is learnt of it is all that stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from apps.accounts import events as account_events
from apps.accounts.models import User
from apps.accounts.services import AddressFields, add_address
from apps.catalog.models import MAIN_LOCATION_ID, Variant
from apps.core import clock
from apps.core.events import create, user_actor
from apps.tax.models import Registration
from devtools.demo_data.shop import ensure_registration
from devtools.generate.goods import Kind, list_kinds, make_categories, make_product, sold_place
from devtools.generate.people import PLACES, marks_of
from devtools.generate.played_world import PlayedClock, played_world
from devtools.generate.plays import KARNATAKA, PLAYS, STATES, Play, Stage, run_handlers
from devtools.generate.settlements import open_amounts
from devtools.generate.snapshots import Camera, Row, Snapshot, Table, find_added, list_tables
from devtools.generate.templates import Template, TemplateBuilder

#: How long before the end of the generated time the orders are played: long enough for the longest of them.
_BEFORE: Final = timedelta(days=45)
_SETTLED_AT_HOUR: Final = 11
#: How old an order is at most that waits to be sent, or is on its way.
_MOST_WAITING: Final = timedelta(days=6)
#: Django's own mark of a transaction that is around everything, which its tests use: it counts as none.
_AROUND_ALL: Final = "_from_testcase"
_FOREVER: Final = timedelta(days=36_500)


@dataclass(frozen=True)
class OrderTemplate:
    """A template of orders: whose they may be, how often, and how old such an order is, at least and at most (in seconds)."""

    template: Template
    state: str
    weight: float
    youngest: int
    oldest: int


@dataclass(frozen=True)
class Repertoire:
    """Everything that was learnt: the templates of orders, customers by state, goods, and settlements, and when they began."""

    begin: datetime
    kinds: Sequence[Kind]
    category_slugs: Sequence[str]
    orders: Sequence[OrderTemplate]
    customers: dict[str, Template]
    categories: Template
    goods: Sequence[Template]
    settlement: Template
    settlement_begin: datetime
    shared: dict[str, list[Row]]
    registration: Registration
    is_registration_new: bool
    tables: Sequence[Table]

    @property
    def templates(self) -> list[Template]:
        """All templates."""
        played = [each.template for each in self.orders]
        return [*played, *self.customers.values(), *self.goods, self.categories, self.settlement]


@contextmanager
def _undone() -> Iterator[None]:
    """Run a block in a transaction that services take for none, as they call what may not be called in one, and roll it back."""
    around = transaction.atomic()
    setattr(around, _AROUND_ALL, True)
    with connection.cursor() as cursor:
        # Sequences are not rolled back.
        cursor.execute(
            "SELECT format('%I', sequencename), coalesce(last_value, start_value), last_value IS NOT NULL FROM pg_sequences"
            " WHERE schemaname = current_schema()"
        )
        sequences = cursor.fetchall()
    try:
        with around:
            yield
            transaction.set_rollback(True)
    finally:
        with connection.cursor() as cursor:
            cursor.executemany("SELECT setval(%s::regclass, %s, %s)", sequences)


def rehearse(*, products: int, until: datetime, on_progress: Callable[[int, int], None]) -> Repertoire:
    """
    Play every template once and return what was learnt; the database is left as it was.

    :param until: the end of the generated time
    :param on_progress: gets how many of how many templates were played
    :raises PlayFailed: if the product does what the generator does not know
    """
    start = (
        until.astimezone(clock.IST).replace(hour=9, minute=30, second=0, microsecond=137_000).astimezone(UTC) - _BEFORE
    )
    with _undone(), played_world(start) as played:
        return _Rehearsal(played, products=products).run(on_progress)


class _Rehearsal:
    def __init__(self, played: PlayedClock, *, products: int) -> None:
        self.clock = played
        self.tables = list_tables()
        self.camera = Camera(self.tables)
        self.registration, self.is_registration_new = ensure_registration(now=played.now())
        self.kinds = list_kinds(products)
        self.categories: Sequence[str] = ()
        self.kept = frozenset({MAIN_LOCATION_ID})
        self.foreign: dict[UUID, str] = {self.registration.pk: "reg"}
        self.exact: dict[str, str] = {}
        self.variants: list[Variant] = []
        self.before: Snapshot = {}
        self.shared: dict[str, list[Row]] = {}
        self.settlement: tuple[Template, datetime] | None = None

    def run(self, on_progress: Callable[[int, int], None]) -> Repertoire:
        begin = self.clock.now()
        if self.is_registration_new:
            [row] = self.camera.take()["tax_registration"].values()
            self.shared["tax_registration"] = [row]
        categories, goods = self._make_goods()
        people = {state: self._sign_up(state) for state in STATES}
        self.clock.pass_time(days=1)
        start, self.before = self.clock.now(), self.camera.take()
        chosen = [(play, state) for play in PLAYS for state in play.states]
        orders = []
        for number, (play, state) in enumerate(chosen):
            on_progress(number, len(chosen))
            user, address, _ = people[state]
            self.clock.instant = start
            orders.append(self._play(play, state, Stage(self.clock, user, address, self.variants, shift=3 * number)))
        assert self.settlement is not None  # noqa: S101 - the plays are constants, and most are paid
        return Repertoire(
            begin=begin,
            kinds=self.kinds,
            category_slugs=self.categories,
            orders=orders,
            customers={state: one[2] for state, one in people.items()},
            categories=categories,
            goods=goods,
            settlement=self.settlement[0],
            settlement_begin=self.settlement[1],
            shared=self.shared,
            registration=self.registration,
            is_registration_new=self.is_registration_new,
            tables=self.tables,
        )

    def _builder(self, begin: datetime, foreign: dict[UUID, str], exact: dict[str, str]) -> TemplateBuilder:
        return TemplateBuilder(self.tables, begin=begin, foreign=foreign, kept=self.kept, exact=exact)

    def _make_goods(self) -> tuple[Template, list[Template]]:
        now, none = self.clock.now(), frozenset[str]()
        before = self.camera.take()
        categories = make_categories(now=now)
        self.categories = tuple(categories)
        after = self.camera.take(before)
        foreign = {each.pk: f"cat{place}" for place, each in enumerate(categories.values())}
        built = self._builder(now, foreign, {}).build(
            find_added(before, after, without=frozenset({"catalog_catalogversion"})), end=now
        )
        goods = []
        for place, kind in enumerate(self.kinds):
            before = after
            variants = make_product(kind, categories[kind.demo.category], now=now)
            run_handlers(self.clock)
            after = self.camera.take(before)
            sold = variants[sold_place(kind, place)]
            self.variants.append(sold)
            self.foreign[sold.pk] = f"v{place}"
            self.exact |= {kind.demo.name: f"name{place}", sold.sku: f"sku{place}"}
            own = {each.pk: f"v{place}" if each is sold else f"o{at}" for at, each in enumerate(variants)}
            exact = {kind.demo.name: "name", kind.demo.slug: "slug"} | {
                each.sku: f"sku{at}" for at, each in enumerate(kind.demo.variants)
            }
            rows = find_added(before, after, without=none)
            goods.append(self._builder(now, {**foreign, **own}, exact).build(rows, end=now))
        return built, goods

    def _sign_up(self, state: str) -> tuple[User, Any, Template]:
        now, marks = self.clock.now(), marks_of(state)
        before = self.camera.take()
        # One in four customers has no e-mail address, and gets fewer messages.
        email = None if state == KARNATAKA else marks.email
        confirmed_at = None if email is None else now
        user = User(phone=marks.phone, email=email, email_confirmed_at=confirmed_at, name=marks.name, password="!")  # noqa: S106 - none
        with transaction.atomic():
            create(
                user,
                account_events.USER_SIGNED_UP,
                actor=user_actor(user),
                event_values={"confirmed": "phone"},
                now=now,
            )
        run_handlers(self.clock)
        city, pin = PLACES[state]
        fields = AddressFields(name=marks.name, line1=marks.line1, city=city, pin=pin, state=state, phone=marks.phone)
        address = add_address(
            user_id=user.pk, fields=fields, actor=user_actor(user), now=self.clock.pass_time(seconds=70)
        )
        run_handlers(self.clock)
        self.foreign[user.pk] = "cu"
        rows = find_added(before, self.camera.take(before))
        template = self._builder(now, {user.pk: "cu"}, marks.exact).build(rows, end=self.clock.now())
        self.clock.instant = now
        return user, address, template

    def _play(self, play: Play, state: str, stage: Stage) -> OrderTemplate:
        begin, before = self.clock.now(), self.before
        undo = transaction.savepoint()
        play.steps(stage)
        end = self.clock.now()
        ended = self.camera.take(before)
        stage.order.refresh_from_db()
        is_paid = bool(stage.order.paid_amount)
        rows, settled = find_added(before, ended), None
        if is_paid:
            settled_at = self._settle(stage)
            settled = self.camera.take(ended)
            rows = self._add_lines(rows, find_added(ended, settled))
        exact = self.exact | marks_of(state).exact
        kinds = {str(variant.pk): place for place, variant in enumerate(self.variants)}
        template = self._builder(begin, self.foreign, exact).build(rows, end=end, kinds=kinds)
        if is_paid and settled is not None and self.settlement is None:
            self.settlement = self._learn_settlement(ended, settled, settled_at), settled_at
        transaction.savepoint_rollback(undo)
        self.shared |= template.shared
        return OrderTemplate(
            template, state, play.weight / len(play.states), template.seconds, self._oldest(stage, begin)
        )

    def _settle(self, stage: Stage) -> datetime:
        """Settle at the hour of all settlements, so that a template of one fits every day."""
        day = (self.clock.now() + timedelta(days=2)).astimezone(clock.IST)
        self.clock.instant = day.replace(hour=_SETTLED_AT_HOUR, minute=0, second=0).astimezone(UTC)
        at = self.clock.now()
        stage.settle()
        return at

    def _add_lines(self, rows: dict[str, list[Row]], added: dict[str, list[Row]]) -> dict[str, list[Row]]:
        return {**rows, "settlements_settlementline": added.get("settlements_settlementline", [])}

    def _learn_settlement(self, before: Snapshot, after: Snapshot, at: datetime) -> Template:
        rows = {
            name: found for name, found in find_added(before, after).items() if name != "settlements_settlementline"
        }
        [settlement] = rows["settlements_settlement"]
        builder = self._builder(at, {}, {settlement["utr"]: "utr"})
        return builder.build(rows, end=self.clock.now(), opened=open_amounts)

    def _oldest(self, stage: Stage, begin: datetime) -> int:
        """Return how old an order of this template is at most: a completed one is closed then, and a paid one is sent."""
        order = stage.order
        limit = {
            "completed": (order.completed_at or begin) - begin + settings.RETURN_WINDOW,
            "confirmed": _MOST_WAITING,
            "in_fulfilment": _MOST_WAITING,
        }.get(order.status, _FOREVER)
        return int(limit.total_seconds())

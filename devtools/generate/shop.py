"""The rows of a whole generated shop, in order of time and in pieces, so that they never have to be held together."""

from __future__ import annotations

import bisect
import heapq
import itertools
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from devtools.generate import calendar
from devtools.generate.books import Books, Numbers, Stock
from devtools.generate.copies import Copier, Values
from devtools.generate.goods import mark_of, mark_of_code, sold_place
from devtools.generate.identifiers import FREE_BITS, base_of, id_values, mix
from devtools.generate.patterns import FRACTION_MS
from devtools.generate.people import People
from devtools.generate.rehearsal import OrderTemplate, Repertoire
from devtools.generate.settlements import Settlements
from devtools.generate.snapshots import Row
from devtools.generate.templates import Document, Posting, SettledLine

#: Orders, customers or products whose rows are written together.
_PIECE: Final = 1_000
_DAY: Final = 86_400
#: The last order is so old that the time to pay it is over.
_QUIET: Final = 3 * 3600
#: In the last minutes nothing happens, so that whatever handles what happened has had its time.
_MARGIN: Final = 900
#: Customers, products and settlements have numbers from here on, apart from those of orders.
_OTHER_NUMBERS: Final = 1 << 40
_CHECKED_AT: Final = 1_800
#: When a refund is settled for which the gateway had not enough of our money.
_LATER: Final = 3 * 3600
_SOLD_PLACE: Final = 4_095
#: Texts of rows by table.
Piece = dict[str, str]
_Into = dict[str, list[str]]


@dataclass(frozen=True)
class Plan:
    """How much is generated: `begin` and `until` are seconds of Unix time between which all orders lie."""

    orders: int
    products: int
    customers: int
    begin: int
    until: int
    seed: int


@dataclass
class _Order:
    """An order that has begun; its rows are written when all its numbers are known."""

    number: int
    at: int
    bits: int
    customer: int
    source: OrderTemplate
    goods: tuple[int, ...]
    shipment: int
    values: Values = field(default_factory=dict)
    lines: list[tuple[SettledLine, int]] = field(default_factory=list)
    late: list[SettledLine] = field(default_factory=list)


class _Choice:
    """Chooses the template of an order of one state by its age."""

    def __init__(self, sources: Sequence[OrderTemplate]) -> None:
        self._edges = sorted({0} | {edge for each in sources for edge in (each.youngest + _MARGIN, each.oldest)})
        self._open = []
        for edge in self._edges:
            fitting = [each for each in sources if each.youngest + _MARGIN <= edge < each.oldest]
            self._open.append((fitting, list(itertools.accumulate(each.weight for each in fitting))))

    def choose(self, age: int, chance: random.Random) -> OrderTemplate:
        fitting, weights = self._open[bisect.bisect_right(self._edges, age) - 1]
        return chance.choices(fitting, cum_weights=weights)[0]


class Shop:
    """
    A shop that follows from a plan and from what was learnt of the product: the same plan makes the same rows.

    `done` is how many orders are written. What all orders add up to is known once all of them are.
    """

    def __init__(self, plan: Plan, repertoire: Repertoire) -> None:
        self.plan, self.repertoire = plan, repertoire
        self.done = self.shipments = 0
        run = f"{mix(plan.seed, plan.orders, plan.products, plan.until) >> 30:08x}"
        self.numbers, self.books, self.stock = Numbers(run), Books(), Stock()
        begin = int(repertoire.begin.timestamp())
        self.people = People(plan.customers, begin=plan.begin - 40 * _DAY, seconds=30 * _DAY, seed=plan.seed)
        self._goods_at = plan.begin - 41 * _DAY
        self._customers = {state: Copier(template, begin=begin) for state, template in repertoire.customers.items()}
        self._kinds = [Copier(template, begin=begin) for template in repertoire.goods]
        self._orders = {id(source): Copier(source.template, begin=begin + _DAY) for source in repertoire.orders}
        self._choices = {
            state: _Choice([each for each in repertoire.orders if each.state == state])
            for state in repertoire.customers
        }
        settled_at = int(repertoire.settlement_begin.timestamp())
        bases = repertoire.settlement.bases
        self._settlement = Copier(repertoire.settlement, begin=settled_at)
        self.settlements = Settlements(
            until=plan.until - _MARGIN, seed=plan.seed, begin=settled_at,
            ids=(bases["settlements_settlement"], bases["settlements_settlementimport"]),
        )  # fmt: skip
        self._registration = self._name_registration()
        self._columns = {table.name: tuple(table.columns) for table in repertoire.tables}

    def _name_registration(self) -> Values:
        """Return the values of the holes of the seller's registration: the one that is there, or a new one of this shop."""
        value = self.repertoire.registration.pk.int
        if self.repertoire.is_registration_new:
            value = base_of(self._goods_at * 1000 + FRACTION_MS, 0) + mix(self.plan.seed, "registration")
        return id_values("reg", value)

    def pieces(self) -> Iterator[Piece]:
        """Return all rows: customers, orders with what happens to their money, and what follows from all of them."""
        yield from self._customer_pieces()
        yield from self._order_pieces()
        yield from self._goods_pieces()
        into: _Into = defaultdict(list)
        played, own = str(self.repertoire.registration.pk), self._registration["reg"]
        for table, rows in self.repertoire.shared.items():
            self._add_rows(
                table, [{column: cell.replace(played, own) for column, cell in row.items()} for row in rows], into
            )
        self._add_rows("invoicing_numberseries", self.numbers.rows(own), into)
        yield _joined(into)

    def _add_rows(self, table: str, rows: Iterable[Row], into: _Into) -> None:
        into[table] += ["\t".join(row[column] for column in self._columns[table]) + "\n" for row in rows]

    # Customers ---------------------------------------------------------------------------------------------------

    def _customer_pieces(self) -> Iterator[Piece]:
        for first in range(0, self.plan.customers, _PIECE):
            into: _Into = defaultdict(list)
            for number in range(first, min(first + _PIECE, self.plan.customers)):
                copier = self._customers[self.people.state_of(number)]
                values: Values = {}
                self.people.fill(values, number)
                at, bits = self.people.signed_up_at(number), self.people.bits_of(number)
                copier.fill(values, at=at, number=_OTHER_NUMBERS + number, bits=bits)
                copier.render(values, into)
            yield _joined(into)

    # Orders ------------------------------------------------------------------------------------------------------

    def _order_pieces(self) -> Iterator[Piece]:
        """
        Return the rows of all orders, and of the settlements and checkpoints of balances in between.

        What takes numbers in order of time happens in that order over all orders: documents, entries of the ledger,
        settlements, checkpoints.
        """
        into: _Into = defaultdict(list)
        waiting: list[tuple[int, int, int, _Order | None]] = [*self._list_nights()]
        heapq.heapify(waiting)
        for order in self._begin_orders():
            while waiting and waiting[0][0] <= order.at:
                self._happen(heapq.heappop(waiting), waiting, into)
            self._wait(order, 0, waiting, into)
            if len(into["orders_order"]) >= _PIECE:
                yield _joined(into)
                into = defaultdict(list)
        while waiting and waiting[0][0] <= self.plan.until:
            self._happen(heapq.heappop(waiting), waiting, into)
        yield _joined(into)

    def _list_nights(self) -> Iterator[tuple[int, int, int, None]]:
        """Return when balances are written down (step 0) and when the gateway settles (step 1), a day after the end too."""
        for day in range(calendar.day_number(self.plan.begin) + 1, calendar.day_number(self.plan.until) + 2):
            yield calendar.start_of_day(day) + _CHECKED_AT, -day, 0, None
            yield self.settlements.second_of(day), -day, 1, None

    def _begin_orders(self) -> Iterator[_Order]:
        chance = random.Random(self.plan.seed)  # noqa: S311 - no secret
        span = self.plan.until - _QUIET - self.plan.begin
        for number in range(self.plan.orders):
            at = self.plan.begin + int((number + chance.random()) * span / self.plan.orders)
            # Some customers buy often, and most do so seldom; so it is with goods.
            customer = int(self.plan.customers * chance.random() ** 1.5)
            source = self._choices[self.people.state_of(customer)].choose(self.plan.until - at, chance)
            goods = tuple(int(self._count_of(kind) * chance.random() ** 2) for kind in source.template.goods)
            self.shipments += source.template.shipments
            yield _Order(number, at, chance.getrandbits(FREE_BITS), customer, source, goods, self.shipments)

    def _count_of(self, kind: int) -> int:
        """Return how many products of a kind there are."""
        return (self.plan.products - kind - 1) // len(self._kinds) + 1

    def _wait(self, order: _Order, step: int, waiting: list[tuple[int, int, int, _Order | None]], into: _Into) -> None:
        """Have an order wait for its next happening that takes numbers, or write it."""
        happenings = order.source.template.happenings
        if step < len(happenings):
            heapq.heappush(waiting, (order.at + happenings[step][0], order.number, step, order))
        else:
            self._write(order, into)

    def _happen(
        self,
        happening: tuple[int, int, int, _Order | None],
        waiting: list[tuple[int, int, int, _Order | None]],
        into: _Into,
    ) -> None:
        at, number, step, order = happening
        if order is None and step == 0:
            self._add_rows("ledger_balancecheckpoint", self.books.check(at), into)
        elif order is None:
            self._settle(-number, into)
        else:
            late, order.late = order.late, []
            for each in late or order.source.template.happenings[step][1]:
                self._take_numbers(order, each, at)
            if order.late and at + _LATER < self.plan.until:
                heapq.heappush(waiting, (at + _LATER, number, step, order))
            else:
                order.late = []
                self._wait(order, step + 1, waiting, into)

    def _take_numbers(self, order: _Order, each: Document | Posting | SettledLine, at: int) -> None:
        if isinstance(each, Posting):
            self.books.post(each, order.values)
        elif isinstance(each, Document):
            self.numbers.take(each, order.values, at=at)
        elif not self.settlements.can_add(each, at=at):
            order.late.append(each)
        else:
            day = self.settlements.add(each, at=at)
            if day is not None:
                order.lines.append((each, day))

    def _write(self, order: _Order, into: _Into) -> None:
        values, template = order.values, order.source.template
        values |= self._registration
        year = calendar.short_year_of(calendar.day_number(order.at))
        values["order_number"] = f"ORD-{year}-{order.number + 1:06d}"
        for place in range(template.shipments):
            values[f"sh{place}"] = f"SHP-{year}-{order.shipment - template.shipments + place + 1:06d}"
        self.people.fill(values, order.customer)
        for (kind, moved), number in zip(template.goods.items(), order.goods, strict=True):
            self._fill_goods(values, kind, number)
            self.stock.take(kind, number, moved)
        copier = self._orders[id(order.source)]
        copier.fill(values, at=order.at, number=order.number, bits=order.bits)
        copier.fill_hashes(values)
        copier.render(values, into)
        for place, (line, day) in enumerate(order.lines):
            self.settlements.fill_line(values, day=day, bits=order.bits, place=place)
            into["settlements_settlementline"].append(line.pattern % values)
        self.done += 1

    def _settle(self, day: int, into: _Into) -> None:
        totals = self.settlements.totals.pop(day, None)
        if totals is None:
            return
        values: Values = {"utr": f"UTR{day:012d}"}
        totals.fill(values)
        template, bits = self.repertoire.settlement, self.settlements.bits_of(day)
        for _second, postings in template.happenings:
            for posting in postings:
                if isinstance(posting, Posting):
                    for hole, account, amount in posting.entries:
                        self.books.enter(hole, account, totals.amount_of(account, amount), values)
        self._settlement.fill(values, at=self.settlements.second_of(day), number=2 * _OTHER_NUMBERS + day, bits=bits)
        self._settlement.render(values, into)

    # Goods -------------------------------------------------------------------------------------------------------

    def _sold_id(self, kind: int, number: int) -> int:
        return base_of(self._goods_at * 1000 + FRACTION_MS, _SOLD_PLACE) + mix(self.plan.seed, "goods", kind, number)

    def _fill_goods(self, values: Values, kind: int, number: int) -> None:
        """Add the values of the holes that are about what was sold of a kind: the product with a number."""
        demo = self.repertoire.kinds[kind].demo
        values |= id_values(f"v{kind}", self._sold_id(kind, number))
        values[f"name{kind}"] = demo.name + mark_of(number)
        values[f"sku{kind}"] = demo.variants[sold_place(self.repertoire.kinds[kind], kind)].sku + mark_of_code(number)

    def _goods_pieces(self) -> Iterator[Piece]:
        into: _Into = defaultdict(list)
        categories = Copier(self.repertoire.categories, begin=int(self.repertoire.begin.timestamp()))
        shared: Values = {}
        for place in range(len(self.repertoire.category_slugs)):
            value = base_of(self._goods_at * 1000 + FRACTION_MS, place) + mix(self.plan.seed, "category", place)
            shared |= id_values(f"cat{place}", value)
        values = dict(shared)
        categories.fill(values, at=self._goods_at, number=3 * _OTHER_NUMBERS, bits=0)
        categories.render(values, into)
        for number in range(self.plan.products):
            self._write_product(*divmod(number, len(self._kinds)), shared, into)
            if len(into["catalog_product"]) >= _PIECE:
                yield _joined(into)
                into = defaultdict(list)
        yield _joined(into)

    def _write_product(self, number: int, kind: int, shared: Values, into: _Into) -> None:
        copier, demo = self._kinds[kind], self.repertoire.kinds[kind].demo
        values = {**shared, "name": demo.name + mark_of(number), "slug": demo.slug + mark_of_code(number)}
        bits = mix(self.plan.seed, "product", kind, number)
        sold_at = sold_place(self.repertoire.kinds[kind], kind)
        for place, variant in enumerate(demo.variants):
            is_sold = place == sold_at
            hole = f"v{kind}" if is_sold else f"o{place}"
            value = self._sold_id(kind, number) if is_sold else self._sold_id(kind, number) + ((place + 1) << 70)
            gone, held = self.stock.taken(kind, number) if is_sold else (0, 0)
            hand = held + max(1, variant.stock) * 1_000
            values |= id_values(hole, value)
            values |= {
                f"sku{place}": variant.sku + mark_of_code(number),
                f"{hole}_hand": str(hand), f"{hole}_held": str(held), f"{hole}_opening": str(hand + gone),
            }  # fmt: skip
        copier.fill(
            values, at=self._goods_at, number=3 * _OTHER_NUMBERS + number * len(self._kinds) + kind + 1, bits=bits
        )
        copier.render(values, into)


def _joined(into: _Into) -> Piece:
    return {table: "".join(texts) for table, texts in into.items() if texts}

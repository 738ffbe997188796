"""`python -m bench compare`: what the same work costs Bahi and its peers, in turns within one run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median

from bench import requests as work
from bench.commands import add_shop_options, format_facts, print_report, refuse_busy, say
from bench.cpu import load_average
from bench.loads import audit
from bench.measures import Cost, StatementCounter, WorkFailed, count_per_request, measure_block
from bench.peers import limits
from bench.peers.processes import NAMES, Peer, Requests, find_missing, start_peers
from bench.shop import Shop, running_shop
from bench.table import format_columns

BAHI = "bahi"
_CLIENTS = 4
_PLACE = "place-order"
#: The work, what Bahi does, and which work of the peers that is compared with.
_PAIRS = (
    ("empty", work.empty, "empty"),
    ("list-products", work.list_products, "list-products"),
    ("list-products, made", work.list_uncached_products, "list-products"),
    ("read-product", work.read_product, "read-product"),
    ("read-own-order", work.read_own_order, "read-own-order"),
    (_PLACE, work.place_order, "place-order"),
)


@dataclass(frozen=True)
class Side:
    """One of those that are compared: where it listens, its first process, and its requests by the name of the work."""

    name: str
    port: int
    pid: int
    requests: Mapping[str, Requests]
    costs: dict[str, Cost] = field(default_factory=dict)


def main(argv: Sequence[str]) -> int:
    """Compare, and return 1 if something could not be measured."""
    options = _parser().parse_args(argv)
    if refuse_busy(options):
        return 1
    busy = load_average()
    with running_shop({"HOT_PATH": options.hot_path}) as shop:
        sides = [_bahi(shop), *(_side(peer) for peer in start_peers(shop, _choose_peers(options.peers)))]
        with shop.background_frozen():
            measure_sides(shop, sides, rounds=options.rounds, seconds=options.seconds)
            limit = limits.measure_limit(shop, rounds=options.rounds, seconds=options.seconds)
        facts = format_facts(options, busy)
        audited = audit(shop)
    print_report(f"{facts}\n\n{format_comparison(sides, limit)}\n{audited}", options)
    return 0


def format_comparison(sides: Sequence[Side], limit: Cost) -> str:
    """Return the table of what each work takes on each side, and what Postgres alone would take for an order."""
    headings = ["work", BAHI, *(text for side in sides[1:] for text in (side.name, "times")), "statements"]
    table = format_columns(headings, [_row(name, sides) for name, *_ in _PAIRS])
    place = sides[0].costs[_PLACE]
    return (
        f"{table}\n\n"
        "CPU in milliseconds a request, processes + Postgres. `times`: what the peer takes, divided by what Bahi takes, in the "
        f"same round. Medians of {len(limit.rate)} rounds, {_CLIENTS} clients.\n"
        f"An order's rows by one prepared statement from pgbench: {limit.of('postgres'):.2f} ms of Postgres, "
        f"{median(limit.rate):.0f} orders/s with {limits.CLIENTS} clients. Bahi: {place.of('postgres'):.2f} ms "
        f"({place.of('postgres') / limit.of('postgres'):.1f} times), {median(place.rate):.0f} orders/s."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench compare",
        description="Measure what the same work costs Bahi and its peers, which run next to it on the same Postgres.",
    )
    parser.add_argument("--peers", nargs="*", choices=NAMES, default=None, help="which of them (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds in which the sides alternate (default: 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds of each work and side (default: 2)")
    add_shop_options(parser)
    return parser


def _bahi(shop: Shop) -> Side:
    requests: dict[str, Requests] = {name: partial(make, shop) for name, make, _ in _PAIRS}
    return Side(BAHI, shop.port, shop.pids["web"], requests)


def _side(peer: Peer) -> Side:
    return Side(peer.name, peer.port, peer.pid, {name: peer.requests[theirs] for name, _, theirs in _PAIRS})


def _choose_peers(names: Sequence[str] | None) -> list[str]:
    """
    Return those that were named, or all that can run here.

    :raises WorkFailed: if one that was named cannot
    """
    missing = {name: why for name in (NAMES if names is None else names) if (why := find_missing(name))}
    if missing and names is not None:
        raise WorkFailed("; ".join(f"{name} cannot run here: {why}" for name, why in missing.items()))
    for name, why in missing.items():
        say(f"{name} is left out: {why}")
    return [name for name in (NAMES if names is None else names) if name not in missing]


def measure_sides(shop: Shop, sides: Sequence[Side], *, rounds: int, seconds: float) -> None:
    """Let the sides do each work in turns, and add what it takes to their costs."""
    counter = StatementCounter(shop)
    for name, *_ in _PAIRS:
        for side in sides:
            say(f"preparing {name}: {side.name}")
            side.costs[name] = Cost(statements=count_per_request(side.port, counter, side.requests[name]()))
        for side in sides:  # and not measured: some engines compile what runs often, and pools open their connections
            _measure_turn(shop, side, name, seconds=seconds, cost=Cost())
    for number in range(1, rounds + 1):
        for name, *_ in _PAIRS:
            say(f"round {number} of {rounds}: {name}")
            # Each round begins with another side: what a block leaves behind is charged to each of them in turn.
            turn = number % len(sides)
            for side in (*sides[turn:], *sides[:turn]):
                _measure_turn(shop, side, name, seconds=seconds, cost=side.costs[name])


def _measure_turn(shop: Shop, side: Side, name: str, *, seconds: float, cost: Cost) -> None:
    pids = {"app": side.pid, "postgres": shop.pids["postgres"]}
    measure_block(side.port, side.requests[name](), pids=pids, clients=_CLIENTS, seconds=seconds, cost=cost)


def _row(name: str, sides: Sequence[Side]) -> list[str]:
    ours = sides[0].costs[name]
    cells = [name, _split(ours)]
    for side in sides[1:]:
        theirs = side.costs[name]
        cells += [_split(theirs), f"{median(_ratios(theirs, ours)):.2f}"]
    return [*cells, " / ".join(f"{side.costs[name].statements:.3g}" for side in sides)]


def _ratios(theirs: Cost, ours: Cost) -> list[float]:
    """Return the ratio of each round: what slows the machine for a while slows both sides of it."""
    return [above / below for above, below in zip(_totals(theirs), _totals(ours), strict=True)]


def _totals(cost: Cost) -> list[float]:
    return [sum(each) for each in zip(cost.cpu["app"], cost.cpu["postgres"], strict=True)]


def _split(cost: Cost) -> str:
    return f"{cost.of('app'):.2f} + {cost.of('postgres'):.2f}"

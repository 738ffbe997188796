"""`python -m bench`: what each kind of work costs, with its budget."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench import arrivals, compare, connections, flash_sale, users
from bench import requests as work
from bench.commands import add_shop_options, format_facts, print_report, refuse_busy, say
from bench.cpu import load_average
from bench.journey import JourneyCost, measure_journey
from bench.measures import Cost, StatementCounter, WorkFailed, count_per_request, measure_block
from bench.peers.database import PeerFailed
from bench.rest import measure_rest
from bench.settlement_import import ImportCost, measure_settlement_import
from bench.shop import Shop, running_shop
from bench.table import Row, format_table
from devtools.demo.client import StepFailed
from devtools.embedded import ServersFailed
from devtools.history.stack import AuditFailed
from devtools.processes import ProcessFailed

_CLIENTS = 4
_EPILOG = """\
examples:
  python -m bench                          everything, in about eight minutes
  python -m bench place-order --rounds 9   one kind of work, more often
  python -m bench journey --orders 200     the whole sale
  python -m bench settlement-import        a settlement report of 20,000 lines
  python -m bench --strict                 refuse to measure while the machine is busy

commands with options of their own (python -m bench COMMAND --help):
  compare       the same work by Bahi and its peers, in turns
  users         users who think between their requests
  arrivals      requests at a constant rate, however slow the answers are
  flash-sale    many buyers, few units
  connections   connections that are open and idle
"""
_COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "compare": compare.main,
    "users": users.main,
    "arrivals": arrivals.main,
    "flash-sale": flash_sale.main,
    "connections": connections.main,
}


@dataclass(frozen=True)
class HttpCase:
    """
    One kind of request.

    :param milliseconds: the most that Bahi and Postgres may take together
    :param statements: the most that may reach Postgres, BEGIN and COMMIT included; stored responses take none but the version
        of the catalogue, which a process reads once a second
    :param times_empty: how many times the CPU of an empty view it may take
    """

    name: str
    requests: Callable[[Shop], Iterator[bytes]]
    milliseconds: float | None = None
    statements: float | None = None
    times_empty: float | None = None


_EMPTY = "empty"
HTTP_CASES = (
    HttpCase(_EMPTY, work.empty),
    HttpCase("list-products", work.list_products, None, 0.3, 1.2),
    HttpCase("read-product", work.read_product, None, 0.3, 1.2),
    HttpCase("list-categories", work.list_categories, None, 0.3, 1.2),
    HttpCase("search-products", work.search_products, None, 0.3, 1.2),
    HttpCase("list-products-uncached", work.list_uncached_products, 1.7, 1),
    HttpCase("read-product-uncached", work.read_uncached_product, None, 2),
    HttpCase("search-products-uncached", work.search_uncached_products, None, 1),
    HttpCase("read-own-order", work.read_own_order, 1.8, 3),
    HttpCase("read-payment", work.read_payment, 1.8, 3),
    HttpCase("place-order", work.place_order, 4.5, 8),
    HttpCase("start-payment", work.start_payment, 6.0, 9),
    HttpCase("receive-webhook", work.receive_webhook, 1.5, 3),
)
_JOURNEY = "journey"
_REST = "rest"
_SETTLEMENT_IMPORT = "settlement-import"
_REPORT_LINES = 20_000
_NAMES = (*(case.name for case in HTTP_CASES), _JOURNEY, _SETTLEMENT_IMPORT, _REST)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks that are asked for, and return 1 if one could not be measured."""
    given = list(sys.argv[1:] if argv is None else argv)
    run = _COMMANDS.get(given[0]) if given else None
    try:
        return _measure_all(given) if run is None else run(given[1:])
    except (WorkFailed, PeerFailed, StepFailed, AuditFailed, ProcessFailed, ServersFailed) as failed:
        print(f"bench: {failed}", file=sys.stderr)
        return 1


def _measure_all(argv: Sequence[str]) -> int:
    parser = _parser()
    options = parser.parse_args(argv)
    chosen = options.work or _NAMES
    if unknown := [name for name in chosen if name not in _NAMES]:
        parser.error(f"there is no work {unknown[0]!r}; choose from {', '.join(_NAMES)}")
    if refuse_busy(options):
        return 1
    busy = load_average()
    with running_shop({"HOT_PATH": options.hot_path}) as shop:
        rows = _measure(shop, chosen, options)
    print_report(f"{format_facts(options, busy)}\n\n{format_table(rows)}", options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure what each kind of work costs Bahi: CPU of its processes and of Postgres, statements, waiting.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "work", nargs="*", metavar="WORK", help=f"what to measure: {', '.join(_NAMES)}; default: all of it"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="rounds in which the kinds of work alternate (default: 5)"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds of each kind in a round (default: 3)")
    parser.add_argument("--orders", type=int, default=60, help="orders of the journey (default: 60)")
    add_shop_options(parser)
    return parser


def _measure(shop: Shop, chosen: Sequence[str], options: argparse.Namespace) -> list[Row]:
    counter = StatementCounter(shop)
    rows = []
    if _REST in chosen:
        say("doing nothing for a minute")
        rows += _rest_rows(measure_rest(shop, seconds=60))
    if _JOURNEY in chosen:
        say(f"selling {options.orders} orders")
        rows += _journey_rows(measure_journey(shop, counter, orders=options.orders))
    cases = [case for case in HTTP_CASES if case.name in chosen]
    with shop.background_frozen():
        if _SETTLEMENT_IMPORT in chosen:
            say(f"importing a settlement report of {_REPORT_LINES} lines")
            rows += _import_rows(measure_settlement_import(shop, counter, lines=_REPORT_LINES))
        return [*_measure_http(shop, counter, cases, options), *rows]


def _measure_http(
    shop: Shop, counter: StatementCounter, cases: Sequence[HttpCase], options: argparse.Namespace
) -> list[Row]:
    pids = {role: shop.pids[role] for role in ("web", "postgres")}
    costs = {case.name: Cost() for case in cases}
    for case in cases:
        say(f"preparing {case.name}")
        costs[case.name].statements = count_per_request(shop.port, counter, case.requests(shop))
    for number in range(1, options.rounds + 1):
        for case in cases:
            say(f"round {number} of {options.rounds}: {case.name}")
            # New ones for each block: what they need is prepared before it, and some kinds can be sent once.
            requests = case.requests(shop)
            measure_block(
                shop.port, requests, pids=pids, clients=_CLIENTS, seconds=options.seconds, cost=costs[case.name]
            )
    return [row for case in cases for row in _http_rows(case, costs[case.name], empty=costs.get(_EMPTY))]


def _http_rows(case: HttpCase, cost: Cost, *, empty: Cost | None) -> list[Row]:
    app, postgres = cost.of("web"), cost.of("postgres")
    note = f"app {app:.2f} + Postgres {postgres:.2f}; p50 {min(cost.p50):.1f} ms with {_CLIENTS} clients"
    rows = [
        Row(case.name, app + postgres, "ms", case.milliseconds, note),
        Row(case.name, cost.statements, "statements", case.statements),
    ]
    if case.times_empty and empty is not None:
        times = (app + postgres) / empty.of("web", "postgres")
        rows.append(Row(case.name, times, "x an empty view", case.times_empty))
    return rows


def _journey_rows(cost: JourneyCost) -> list[Row]:
    parts = ", ".join(f"{role} {milliseconds:.1f}" for role, milliseconds in cost.cpu.items())
    rate = cost.orders / cost.seconds
    possible = 2000 / (cost.total + cost.cpu["sandbox"] + cost.client)
    return [
        Row(_JOURNEY, cost.total, "ms", 95, f"{parts}; client {cost.client:.1f}"),
        Row(_JOURNEY, cost.statements, "statements", 90),
        Row(_JOURNEY, cost.counts["events"], "events", 12),
        Row(_JOURNEY, cost.counts["handler runs"], "handler runs", 6),
        Row(_JOURNEY, cost.counts["bytes"] / 1024, "KiB", 15, "growth of the database, indexes included"),
        Row("journey, seconds an order", 1 / rate, "s", None, f"{rate:.1f} orders/s; CPU would allow {possible:.1f}"),
        Row("journey, approval to confirmation", cost.confirmed_p95, "ms", None, "p95, at full load"),
    ]


def _rest_rows(cpu: dict[str, float]) -> list[Row]:
    parts = ", ".join(f"{role} {seconds:.2f}" for role, seconds in cpu.items())
    return [
        Row(_REST, sum(cpu.values()), "CPU s a minute", 0.8, parts),
        Row("rest, relay and Postgres", cpu["relay"] + cpu["postgres"], "CPU s a minute", 0.3),
    ]


def _import_rows(cost: ImportCost) -> list[Row]:
    work, rate = f"{_SETTLEMENT_IMPORT}, 1,000 lines", cost.lines / cost.seconds
    note = f"app {cost.app:.0f} + Postgres {cost.postgres:.0f}; {rate:,.0f} lines a second by the clock"
    return [
        Row(work, cost.app + cost.postgres, "ms", 200, note),
        Row(work, cost.statements, "statements", 60, "with the start of the command"),
    ]


if __name__ == "__main__":
    sys.exit(main())

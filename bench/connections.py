"""`python -m bench connections`: what connections cost that are open and idle, and whether they stay open."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.async_http import AsyncConnection
from bench.commands import add_shop_options, say
from bench.cpu import list_processes
from bench.http_load import AnswerIncomplete, build_request
from bench.loads import SPARE_FILES, raise_file_limit, report_load
from bench.percentiles import percentile
from bench.shop import API, Shop

#: Seconds without a request after which the web process closes a connection (config/gunicorn.py).
KEEPALIVE_SECONDS = 60
#: Connections that are opened at the same time: the queue of what waits to be accepted is short.
_AT_ONCE = 64
_PROBES = 200
_SHARES = (("p50", 0.5), ("p95", 0.95), ("max", 1.0))
_REQUEST = build_request("GET", f"{API}/bench/empty")


@dataclass(frozen=True)
class ConnectionResult:
    """
    What became of idle connections.

    :param opened: how many were opened, and answered a first request
    :param refused: how many were not
    :param early: how many the server closed although they had been idle for less than it allows
    :param late: how many it closed after that
    :param answered: of those still open that were asked once more, how many answered
    :param bytes_each: growth of the web process's own memory, shared pages divided by who shares them
    :param waits: milliseconds of requests over other connections meanwhile
    """

    opened: int
    refused: int
    early: int
    late: int
    asked: int
    answered: int
    bytes_each: float
    waits: list[float]


def main(argv: Sequence[str]) -> int:
    """Hold connections, and return 1 if one was refused or closed early."""
    options = _parser().parse_args(argv)
    files = raise_file_limit(options.count + SPARE_FILES)
    failed: list[ConnectionResult] = []

    def load(shop: Shop) -> str:
        held = hold_connections(shop, count=options.count, seconds=options.seconds)
        if held.refused or held.early or held.answered < held.asked:
            failed.append(held)
        return "\n".join(
            [
                f"{held.opened:,} of {options.count:,} connections held for {options.seconds:g} s; a process may open {files:,} files.",
                f"- closed early: {held.early:,}; closed after {KEEPALIVE_SECONDS} s without a request: {held.late:,}",
                f"- of {held.asked:,} that were asked again, {held.answered:,} answered",
                f"- memory of the web processes: {held.bytes_each:,.0f} bytes for each",
                f"- {len(held.waits):,} requests over other connections meanwhile: {_format_waits(held.waits)}",
            ]
        )

    return report_load(options, load) or len(failed)


def _format_waits(waits: Sequence[float]) -> str:
    return ", ".join(f"{name} {percentile(waits, share):.1f} ms" for name, share in _SHARES)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench connections",
        description="Hold connections that are open and idle, as client apps and proxies do.",
    )
    parser.add_argument("--count", type=int, default=2_000, help="how many (default: 2000; the full size is 10000)")
    parser.add_argument("--seconds", type=float, default=40.0, help="how long each is held (default: 40)")
    parser.set_defaults(customers=1)
    add_shop_options(parser)
    return parser


def hold_connections(shop: Shop, *, count: int, seconds: float) -> ConnectionResult:
    """Open connections with one request each, hold them idle for some seconds, and return what became of them."""
    say(f"holding {count:,} connections for {seconds:.0f} s")
    return asyncio.run(_hold(shop, count=count, seconds=seconds))


@dataclass(frozen=True)
class _Idle:
    connection: AsyncConnection
    since: float


async def _hold(shop: Shop, *, count: int, seconds: float) -> ConnectionResult:
    clock = asyncio.get_running_loop().time
    await _warm_up(shop)
    before = _read_memory(shop.pids["web"])
    idle = await _open_all(shop.port, count)
    grown = _read_memory(shop.pids["web"]) - before
    waits = await _use_others(shop.port, until=clock() + seconds)
    closed = [each.connection.closed_at - each.since for each in idle if each.connection.closed_at is not None]
    # What may be closed at any moment is not asked.
    open_still = [
        each.connection for each in idle if each.connection.is_open and clock() - each.since < KEEPALIVE_SECONDS - 2
    ]
    chosen = open_still[:: max(1, len(open_still) // _PROBES)]
    answered = sum(await asyncio.gather(*(_is_answered(connection) for connection in chosen)))
    for each in idle:
        each.connection.close()
    # The server counts whole seconds.
    early = sum(1 for age in closed if age < KEEPALIVE_SECONDS - 1)
    return ConnectionResult(
        opened=len(idle),
        refused=count - len(idle),
        early=early,
        late=len(closed) - early,
        asked=len(chosen),
        answered=answered,
        bytes_each=grown / max(1, len(idle)),
        waits=waits,
    )


async def _warm_up(shop: Shop) -> None:
    """Let each worker answer often enough that it does not grow later for another reason."""
    for _ in range(4):
        for each in await _open_all(shop.port, 100):
            each.connection.close()


async def _open_all(port: int, count: int) -> list[_Idle]:
    found: list[_Idle] = []
    gate = asyncio.Semaphore(_AT_ONCE)

    async def open_one() -> None:
        async with gate:
            try:
                connection = await AsyncConnection.open(port)
                answer = await connection.send(_REQUEST)
            except (AnswerIncomplete, OSError):
                return
            if answer.status == 200 and connection.is_open:  # noqa: PLR2004 - the empty view
                found.append(_Idle(connection, asyncio.get_running_loop().time()))

    await asyncio.gather(*(open_one() for _ in range(count)))
    return found


async def _use_others(port: int, *, until: float) -> list[float]:
    """Send a request over a new connection five times a second, as a buyer who comes meanwhile."""
    clock = asyncio.get_running_loop().time
    waits = []
    while clock() < until:
        began = clock()
        for each in await _open_all(port, 1):
            waits.append((clock() - began) * 1000)
            each.connection.close()
        await asyncio.sleep(0.2)
    return waits


async def _is_answered(connection: AsyncConnection) -> bool:
    try:
        return (await connection.send(_REQUEST)).status == 200  # noqa: PLR2004 - the empty view
    except (AnswerIncomplete, OSError):
        return False


def _read_memory(pid: int) -> int:
    """Return the bytes of a process and its descendants; a page that n share counts as an nth."""
    total = 0
    for process in list_processes(pid):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total

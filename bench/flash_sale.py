"""`python -m bench flash-sale`: many buyers, few units of one variant: who gets one, who does not, and who waits how long."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from apps.core import ids
from bench.arrivals import at_constant_rate
from bench.async_http import AsyncConnection
from bench.commands import add_shop_options, say
from bench.http_load import Answer, AnswerIncomplete
from bench.loads import SPARE_FILES, report_load
from bench.measures import Usage, WorkFailed, measured
from bench.percentiles import percentile
from bench.samples import NO_ANSWER, kind_of, kind_of_failure
from bench.shop import Shop, build_write

SOLD, SOLD_OUT = "sold", "409 insufficient_stock"
#: After these a client app sends the same request again: as far as it knows, nothing was decided.
_REPEATABLE = ("409 request_in_flight", "429 rate_limited", "503 overloaded", "503 unavailable", NO_ANSWER)
_PAUSE_SECONDS = 1.0
#: The seconds after their arrival in which a buyer sends the request again.
_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True)
class BuyerResult:
    """
    What came of one buyer.

    :param number: their place in the order of arrival, from 0
    :param seconds: from the instant at which they came until they knew
    :param repeats: how often they had to send their request again
    """

    number: int
    outcome: str
    seconds: float
    repeats: int
    order: str = ""


def main(argv: Sequence[str]) -> int:
    """Hold a flash sale, and return 1 if it sold another number than it had, or something else is not as it should be."""
    options = _parser().parse_args(argv)

    def load(shop: Shop) -> str:
        results, usage = run_flash_sale(shop, buyers=options.buyers, units=options.units, seconds=options.seconds)
        heading = f"{options.buyers:,} buyers within {options.seconds:g} s for {options.units:,} units of one variant."
        return f"{heading}\n\n{format_results(results)}\n\n{usage}"

    return report_load(options, load, files=options.buyers + SPARE_FILES)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench flash-sale",
        description="Let many buyers come for few units of one variant, each over a connection of their own.",
    )
    parser.add_argument("--buyers", type=int, default=2_000, help="how many (default: 2000; the full size is 10000)")
    parser.add_argument("--units", type=int, default=500, help="how many there are (default: 500)")
    parser.add_argument("--seconds", type=float, default=30.0, help="within which they come (default: 30)")
    parser.add_argument("--customers", type=int, default=64, help="accounts that the buyers share (default: 64)")
    add_shop_options(parser)
    return parser


def run_flash_sale(shop: Shop, *, buyers: int, units: int, seconds: float) -> tuple[list[BuyerResult], Usage]:
    """
    Hold a flash sale, and return what came of each buyer in the order of their arrival, and what it took.

    :raises WorkFailed: if another number was sold than there were units for, somebody else was not refused as sold out, or what
        is stored differs from what was answered
    """
    variant = shop.make_hot_product(units=units)
    say(f"{buyers:,} buyers within {seconds:.0f} s for {units:,} units")
    results: list[BuyerResult] = []

    async def come(number: int, due: float) -> None:
        results.append(await _buy(shop, variant, number=number, due=due))

    with measured(shop) as usage:
        asyncio.run(at_constant_rate(come, count=buyers, rate=buyers / seconds))
    results.sort(key=lambda each: each.number)
    _check(shop, variant, results, units=units)
    return results, usage


async def _buy(shop: Shop, variant: str, *, number: int, due: float) -> BuyerResult:
    clock = asyncio.get_running_loop().time
    request = _build_request(shop, variant, number)
    connection: AsyncConnection | None = None
    repeats = 0
    while True:
        order = ""
        try:
            if connection is None or not connection.is_open:
                connection = await AsyncConnection.open(shop.port)
            outcome, order = _read(await connection.send(request, timeout=max(1.0, due + _PATIENCE_SECONDS - clock())))
        except (AnswerIncomplete, OSError) as error:
            outcome = kind_of_failure(error)
        if outcome not in _REPEATABLE or clock() - due + _PAUSE_SECONDS > _PATIENCE_SECONDS:
            break
        # The same request, with its key: the client app cannot know whether there is an order now.
        repeats += 1
        await asyncio.sleep(_PAUSE_SECONDS)
    if connection is not None:
        connection.close()
    return BuyerResult(number, outcome, clock() - due, repeats, order)


def _build_request(shop: Shop, variant: str, number: int) -> bytes:
    customer = shop.customers[number % len(shop.customers)]
    body = {"lines": [{"variant_id": variant, "quantity": 1}], "shipping_address_id": customer.address_id}
    return build_write("/orders", json.dumps(body).encode(), customer=customer)


def _read(answer: Answer) -> tuple[str, str]:
    if answer.status == 201:  # noqa: PLR2004 - what placing answers
        return SOLD, str(answer.json()["id"])
    return kind_of(answer), ""


def _check(shop: Shop, variant: str, results: Sequence[BuyerResult], *, units: int) -> None:
    """
    Compare the answers that buyers got with what is stored.

    :raises WorkFailed: if they differ
    """
    promised = sorted(each.order for each in results if each.outcome == SOLD)
    with shop.connect() as connection:
        rows = connection.execute(
            "SELECT order_id FROM orders_orderline WHERE variant_id = %s", [ids.decode("var", variant)]
        ).fetchall()
        level = connection.execute(
            "SELECT sum(on_hand_milli), sum(reserved_milli) FROM catalog_stocklevel WHERE variant_id = %s",
            [ids.decode("var", variant)],
        ).fetchone()
    stored = sorted(ids.encode("ord", order) for (order,) in rows)
    expected = min(units, len(results))
    outcomes = dict(Counter(each.outcome for each in results))
    is_exact = len(set(promised)) == expected and outcomes.keys() <= {SOLD, SOLD_OUT}
    if not (is_exact and promised == stored and level == (units * 1000, expected * 1000)):
        raise WorkFailed(
            f"{expected} orders were possible. Buyers were promised {len(promised)}, {len(stored)} are stored, and the stock is "
            f"{level}; outcomes: {outcomes}."
        )


def format_results(results: Sequence[BuyerResult]) -> str:
    """Return how many buyers had which outcome, how long they waited, and whether who came first was served first."""
    lines = []
    for outcome, count in Counter(each.outcome for each in results).most_common():
        waits = [each.seconds * 1000 for each in results if each.outcome == outcome]
        lines.append(
            f"- {outcome}: {count:,}; waited p50 {percentile(waits, 0.5):,.0f}, p95 {percentile(waits, 0.95):,.0f}, "
            f"p99 {percentile(waits, 0.99):,.0f}, max {max(waits):,.0f} ms"
        )
    repeated = sum(1 for each in results if each.repeats)
    return "\n".join([*lines, f"- {repeated:,} buyers had to send their request again", f"- {describe_order(results)}"])


def describe_order(results: Sequence[BuyerResult]) -> str:
    """Return how far the units went to those who came first."""
    sold = [each.number for each in results if each.outcome == SOLD]
    early = sum(1 for number in sold if number < len(sold))
    last = max(sold, default=-1) + 1
    return f"{early:,} of the first {len(sold):,} who came got a unit; the last who got one came as number {last:,}"

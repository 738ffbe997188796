"""`python -m bench arrivals`: buyers who come at a constant rate, whether the shop keeps up or not."""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from bench.async_http import Pool
from bench.buyers import SHARES, Buyer, choose_act, prepare_customers
from bench.commands import add_shop_options, say
from bench.loads import report_load
from bench.measures import Usage, measured
from bench.percentiles import percentile
from bench.samples import Sample, format_samples
from bench.shop import Shop

#: The most requests that wait for their answers; what comes beyond it is an error, and does not wait for the others.
_CONNECTIONS = 4_000


def main(argv: Sequence[str]) -> int:
    """Load a shop with arrivals, and return 1 if the machine is too busy."""
    options = _parser().parse_args(argv)

    def load(shop: Shop) -> str:
        samples, usage = run_arrivals(shop, rate=options.rate, seconds=options.seconds, seed=options.seed)
        late = percentile([sample.sent - sample.due for sample in samples], 0.99) * 1000
        notes = (
            f"{options.rate:g} arrivals a second for {options.seconds:g} s; latency counts from the instant at which a request "
            f"was due. The client itself sent them {late:.1f} ms late (p99)."
        )
        return f"{notes}\n\n{format_samples(samples)}\n\n{usage}"

    return report_load(options, load)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench arrivals",
        description=(
            "Load a shop with buyers who arrive at a constant rate and do one thing each: "
            f"{', '.join(f'{name} {share} %%' for name, share in SHARES.items())}."
        ),
    )
    parser.add_argument("--rate", type=float, default=20.0, help="arrivals a second (default: 20)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long they come (default: 60)")
    parser.add_argument("--customers", type=int, default=32, help="accounts that the buyers share (default: 32)")
    parser.add_argument("--seed", type=int, default=1, help="decides what each buyer does (default: 1)")
    add_shop_options(parser)
    return parser


def run_arrivals(shop: Shop, *, rate: float, seconds: float, seed: int = 1) -> tuple[list[Sample], Usage]:
    """Let buyers arrive for some seconds, and finish what they began; return what they saw and what it took."""
    customers = prepare_customers(shop)
    say(f"{rate:g} arrivals a second for {seconds:.0f} s")
    samples: list[Sample] = []

    async def load() -> None:
        rng = random.Random(seed)
        shop_pool = Pool(shop.port, limit=_CONNECTIONS)
        sandbox = Pool(shop.stack.ports.sandbox, limit=_CONNECTIONS)
        clock = asyncio.get_running_loop().time

        async def arrive(number: int, due: float) -> None:
            customer = customers[number % len(customers)]
            buyer = Buyer(shop, customer, client=shop_pool, sandbox=sandbox, samples=samples, clock=clock)
            await buyer.act(choose_act(rng), due=due)

        await at_constant_rate(arrive, count=round(rate * seconds), rate=rate)
        shop_pool.close()
        sandbox.close()

    with measured(shop) as usage:
        asyncio.run(load())
    return samples, usage


async def at_constant_rate(
    arrive: Callable[[int, float], Coroutine[Any, Any, None]], *, count: int, rate: float
) -> None:
    """
    Call `arrive(number, due)` this often at a constant rate, and return when all of them have ended.

    None waits for another. If the caller itself comes late, `due` is still the instant at which it should have been called.

    :param rate: calls a second
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            due = start + number / rate
            if (left := due - loop.time()) > 0:
                await asyncio.sleep(left)
            group.create_task(arrive(number, due))

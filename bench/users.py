"""`python -m bench users`: users who think between their requests, so that a slow answer slows the next request too."""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Sequence

from bench.async_http import Pool
from bench.buyers import SHARES, Buyer, PreparedCustomer, choose_act, prepare_customers
from bench.commands import add_shop_options, say
from bench.loads import SPARE_FILES, report_load
from bench.measures import Usage, measured
from bench.samples import Sample, format_samples
from bench.shop import Shop

#: Seconds between the answer to one and the next: half of it to one and a half times as long.
THINK_SECONDS = 2.0
_SANDBOX_CONNECTIONS = 32


def main(argv: Sequence[str]) -> int:
    """Load a shop with users, and return 1 if the machine is too busy."""
    options = _parser().parse_args(argv)

    def load(shop: Shop) -> str:
        samples, usage = run_users(shop, users=options.users, seconds=options.minutes * 60, seed=options.seed)
        heading = f"{options.users} users for {options.minutes:g} min, {THINK_SECONDS:g} s between their requests."
        return f"{heading}\n\n{format_samples(samples)}\n\n{usage}"

    return report_load(options, load, files=options.users + SPARE_FILES)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench users",
        description=(
            "Load a shop with users who think 2 s between their requests, in these shares: "
            f"{', '.join(f'{name} {share} %%' for name, share in SHARES.items())}."
        ),
    )
    parser.add_argument("--users", type=int, default=200, help="how many (default: 200; the full size is 1000)")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long (default: 1)")
    parser.add_argument("--customers", type=int, default=32, help="accounts that the users share (default: 32)")
    parser.add_argument("--seed", type=int, default=1, help="decides what each user does (default: 1)")
    add_shop_options(parser)
    return parser


def run_users(shop: Shop, *, users: int, seconds: float, seed: int = 1) -> tuple[list[Sample], Usage]:
    """Let users act for some seconds, and finish what they began; return what they saw and what it took."""
    customers = prepare_customers(shop)
    say(f"{users} users for {seconds:.0f} s")
    samples: list[Sample] = []
    with measured(shop) as usage:
        asyncio.run(_act(shop, customers, samples, users=users, seconds=seconds, seed=seed))
    return samples, usage


async def _act(
    shop: Shop, customers: Sequence[PreparedCustomer], samples: list[Sample], *, users: int, seconds: float, seed: int
) -> None:
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    sandbox = Pool(shop.stack.ports.sandbox, limit=_SANDBOX_CONNECTIONS)

    async def use(number: int) -> None:
        rng = random.Random(f"{seed} {number}")
        client = Pool(shop.port, limit=1)
        buyer = Buyer(
            shop, customers[number % len(customers)], client=client, sandbox=sandbox, samples=samples, clock=clock
        )
        await asyncio.sleep(rng.uniform(0, THINK_SECONDS))
        while clock() < deadline:
            await buyer.act(choose_act(rng), due=clock())
            await asyncio.sleep(rng.uniform(0.5, 1.5) * THINK_SECONDS)
        client.close()

    await asyncio.gather(*(use(number) for number in range(users)))
    sandbox.close()

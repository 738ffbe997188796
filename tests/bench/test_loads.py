"""The loads on a whole shop, in small sizes: what they do, and that the shop is right behind them."""

import asyncio

import pytest

from bench import flash_sale
from bench.arrivals import run_arrivals
from bench.async_http import Pool
from bench.buyers import SHARES, Buyer, prepare_customers
from bench.connections import hold_connections
from bench.flash_sale import SOLD, SOLD_OUT, run_flash_sale
from bench.loads import audit
from bench.measures import WorkFailed
from bench.samples import CONFIRM, Sample
from bench.shop import Shop
from bench.users import run_users


class TestBuyer:
    def test_does_each_thing_to_its_end(self, shop: Shop) -> None:
        customer = prepare_customers(shop)[0]
        found: dict[str, list[str]] = {}

        async def act() -> None:
            client, sandbox = Pool(shop.port, limit=1), Pool(shop.stack.ports.sandbox, limit=1)
            clock = asyncio.get_running_loop().time
            for name in SHARES:
                samples: list[Sample] = []
                buyer = Buyer(shop, customer, client=client, sandbox=sandbox, samples=samples, clock=clock)
                await buyer.act(name, due=clock())
                found[name] = list(dict.fromkeys(sample.work for sample in samples))
                assert [sample.error for sample in samples if sample.error] == []

        asyncio.run(act())

        assert found == {
            "browse": ["list products", "read product"],
            "search": ["search products"],
            "own order": ["read own order"],
            "payment status": ["read payment"],
            "quote": ["quote"],
            "place and pay": ["place order", "start payment", "poll payment", "poll order", CONFIRM],
        }
        assert audit(shop) == "The audit of the shop found no violation."


def test_users_have_no_errors(shop: Shop) -> None:
    samples, usage = run_users(shop, users=6, seconds=3)

    assert {sample.error for sample in samples} == {""}
    assert set(usage.cpu) == {"web", "worker", "relay", "beat", "postgres", "valkey", "sandbox"}


def test_each_arrival_is_answered(shop: Shop) -> None:
    samples, _ = run_arrivals(shop, rate=10, seconds=2, seed=3)

    began = [sample for sample in samples if sample.due != sample.sent]
    assert ({sample.error for sample in samples}, len(began)) == ({""}, 20)


class TestFlashSale:
    def test_sells_exactly_what_is_there(self, shop: Shop) -> None:
        results, _ = run_flash_sale(shop, buyers=60, units=20, seconds=1)

        outcomes = [each.outcome for each in results]
        assert [each.number for each in results] == list(range(60))
        assert (outcomes.count(SOLD), outcomes.count(SOLD_OUT)) == (20, 40)
        assert len({each.order for each in results if each.outcome == SOLD}) == 20
        assert audit(shop) == "The audit of the shop found no violation."

    def test_fewer_buyers_than_units_all_get_one(self, shop: Shop) -> None:
        results, _ = run_flash_sale(shop, buyers=3, units=5, seconds=1)

        assert [each.outcome for each in results] == [SOLD] * 3

    def test_an_answer_without_its_order_is_noticed(self, shop: Shop) -> None:
        variant = shop.make_hot_product(units=1)
        told = [flash_sale.BuyerResult(0, SOLD, 0.1, 0, "ord_01m8q54ef1ebnvsdca8mc87t3e")]

        with pytest.raises(WorkFailed, match=r"1 orders were possible. Buyers were promised 1, 0 are stored"):
            flash_sale._check(shop, variant, told, units=1)


def test_idle_connections_stay_open(shop: Shop) -> None:
    held = hold_connections(shop, count=40, seconds=1)

    assert (held.opened, held.refused, held.early, held.late) == (40, 0, 0, 0)
    assert (held.asked, held.answered) == (40, 40)

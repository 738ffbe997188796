"""The hot path by the ORM and by what is registered in its place: what happens leaves the same rows, and the same refusals."""

import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core import hot_path
from apps.core.events import SYSTEM
from apps.payments.services import attempts, payments
from apps.payments.states import Source
from tests.factories.payments import make_gateway_payment
from tests.support.threads import run_together
from tests.twins.journeys import JOURNEYS, differences, require_equal
from tests.twins.rows import find_differences, read_rows
from tests.twins.shop import Shop, Step, open_shop, planted, run_under

_order = st.integers(0, 2)
#: A step of a random walk.
_steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(
        lambda who, what, count: lambda shop: shop.place(customer=who, variant=what, quantity=count),
        st.integers(0, 1), st.integers(0, 1), st.integers(1, 2),
    ),
    st.builds(lambda order: lambda shop: shop.start(order), _order),
    st.builds(
        lambda order, status, less: lambda shop: shop.pay(order, status=status, less=less),
        _order, st.sampled_from(["captured", "captured", "failed", "authorized"]), st.sampled_from([0, 0, 0, 500]),
    ),
    st.builds(lambda order: lambda shop: shop.webhook(order), _order),
    st.builds(lambda order: lambda shop: shop.cancel(order), _order),
    st.builds(lambda order: lambda shop: shop.refund(order), _order),
    st.just(Shop.wait),
)  # fmt: skip


@pytest.fixture
def shop(reference_data: None) -> Shop:
    return open_shop()


@pytest.mark.django_db
class TestBothRuns:
    @pytest.mark.parametrize("journey", JOURNEYS)
    def test_a_journey_ends_the_same(self, shop: Shop, journey: str) -> None:
        require_equal(differences(shop, JOURNEYS[journey]))

    @settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    @given(walk=st.lists(_steps, min_size=6, max_size=9))
    def test_a_random_walk_ends_the_same(self, shop: Shop, walk: list[Step]) -> None:
        steps: list[Step] = [Shop.place, Shop.start, *walk]

        require_equal(differences(shop, steps))

    def test_the_journeys_reach_every_operation(self, shop: Shop) -> None:
        reached: Counter[str] = Counter()

        def spy(operation: str, service: Callable[..., Any]) -> Callable[..., Any]:
            def run(*args: Any, **kwargs: Any) -> Any:
                reached[operation] += 1
                return service(*args, **kwargs)

            return run

        with planted({name: spy(name, service) for name, service in hot_path.list_operations().items()}):
            for journey in ("paid by webhook", "expired, and paid late"):
                run_under("sql", shop, JOURNEYS[journey])

        assert set(hot_path.list_operations()) - hot_path.list_reads() - set(reached) == set()
        assert len(reached) == 11

    def test_an_implementation_takes_what_its_service_takes(self) -> None:
        services = hot_path.list_operations()

        for operation, implementation in hot_path.list_sql_implementations().items():
            assert inspect.signature(implementation) == inspect.signature(services[operation]), operation


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestRaces:
    """What happens at the same moment, among equals: whoever is first, the rows are the same."""

    def last_units(self, shop: Shop) -> list[Any]:
        return run_together(*[lambda: shop.place(quantity=2)] * 3)

    def clicks_and_captures(self, shop: Shop) -> list[Any]:
        order = shop.place()
        clicked = run_together(
            *[
                lambda: payments.start_payment(
                    order_id=order.pk, customer_id=order.customer_id, actor=SYSTEM, now=shop.now
                )
            ]
            * 4
        )
        facts = make_gateway_payment(shop.start(), id=shop.new_id("pay"))

        def apply() -> Any:
            return attempts.apply_gateway_payment(facts=facts, source=Source.POLL, actor=SYSTEM, now=shop.now)

        return [*clicked, *run_together(*[apply] * 4)]

    @pytest.mark.parametrize("race", ["last_units", "clicks_and_captures"])
    def test_a_race_ends_the_same(self, settings: Any, race: str) -> None:
        runs = []
        for value in ("orm", "sql"):
            settings.HOT_PATH = value
            call_command("flush", interactive=False, verbosity=0)
            call_command("setup_reference_data", verbosity=0)
            results = getattr(self, race)(open_shop())
            runs.append((Counter(type(result).__name__ for result in results), read_rows()))

        (said, rows), (said_by_other, rows_of_other) = runs
        assert said == said_by_other
        require_equal(find_differences(rows, rows_of_other))

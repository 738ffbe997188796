"""A shop that the tests of loads and peers share: a whole Bahi, with its own servers."""

from collections.abc import Iterator

import pytest

from bench.shop import Shop, running_shop


@pytest.fixture(scope="package")
def shop() -> Iterator[Shop]:
    with running_shop(customers=4) as running:
        yield running

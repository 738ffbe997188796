"""The product against the model: histories of a shop that Hypothesis makes up, the same for each seed."""

import pytest

from tests.model import running


@pytest.mark.parametrize("seed", range(running.FIRST_SEED, running.FIRST_SEED + running.SEEDS))
@pytest.mark.timeout(3_600)
def test_product_is_as_the_model(seed: int, db: None) -> None:
    running.run(seed)

"""The product against the model: histories of a shop that Hypothesis makes up, the same for each seed."""

import os
import sys

import pytest

from tests.model import running


@pytest.mark.parametrize("seed", range(running.FIRST_SEED, running.FIRST_SEED + running.SEEDS))
@pytest.mark.timeout(3_600)
def test_product_is_as_the_model(seed: int, db: None, capsys: pytest.CaptureFixture[str]) -> None:
    done = running.run(seed)

    if "PYTEST_XDIST_WORKER" not in os.environ:  # the output of a worker is that of nobody
        with capsys.disabled():
            sys.stdout.write(f"\n{done}\n")

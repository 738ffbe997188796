"""How the machine is run: some examples of one seed, which prints how to replay a failure."""

import os
from typing import cast
from unittest import mock

import hypothesis
from django.test import override_settings
from hypothesis import HealthCheck, Phase
from hypothesis.internal.conjecture.providers import HypothesisProvider
from hypothesis.stateful import invariant, run_state_machine_as_test

from tests.model.machine import ShopMachine

EXAMPLES_A_SEED = 5
STEPS = 30
#: Which implementation of the hot path runs: SQL for even seeds, the ORM for odd ones.
HOT_PATHS = ("sql", "orm")
#: When an order is invoiced: a third of the seeds at its first dispatch.
INVOICE_AT = ("dispatch", "payment", "payment")
#: `make soak-model` sets how many seeds there are; `make model SEED=17` the first, of one.
SEEDS = int(os.environ.get("MODEL_SEEDS", "12"))
FIRST_SEED = int(os.environ.get("MODEL_SEED", "1"))
IS_SHRUNK = bool(os.environ.get("MODEL_SHRINK"))


class CountedMachine(ShopMachine):
    """The machine, which counts its histories and their steps."""

    histories = 0
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).histories += 1

    @invariant()
    def count_step(self) -> None:
        type(self).steps += 1


def run(seed: int, *, examples: int = EXAMPLES_A_SEED) -> str:
    """Run the examples of a seed, which are the same on every machine; the first that fails ends it. Return what was run."""
    machine = cast("type[CountedMachine]", type("ShopMachine", (CountedMachine,), {}))
    settings = hypothesis.settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink) if IS_SHRUNK else (Phase.generate,),
        derandomize=False,
    )
    try:
        # Hypothesis mixes in constants of whichever modules are imported: with them a seed would depend on other tests.
        with (
            mock.patch.object(HypothesisProvider, "_maybe_draw_constant", return_value=None),
            override_settings(HOT_PATH=HOT_PATHS[seed % 2], INVOICE_AT=INVOICE_AT[seed % 3]),
        ):
            run_state_machine_as_test(hypothesis.seed(seed)(machine), settings=settings)
    except BaseException as failure:
        failure.add_note(
            f"Replay: make model SEED={seed}   (SHRINK=1 looks for the shortest history, which takes minutes)"
        )
        raise
    return f"seed {seed}: {machine.histories} histories, {machine.steps} steps; the product did what the model does"

"""
`make contract` and `make nightly`: the OpenAPI document against the API that runs.

Clients that are generated from the document play log-in, order, payment and refund; generated requests look for answers
that the document does not describe. Everything runs on a stack of its own, on free ports, and is thrown away.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from devtools import run
from devtools.contract.stack import ContractFailed, running_stack
from devtools.demo.client import StepFailed
from devtools.embedded import ServersFailed
from devtools.processes import ProcessFailed, Stack


def main(names: list[str]) -> int:
    """Run the named checks (all of `make contract` if none is named) on one stack; return the exit code."""
    checks = _checks()
    chosen = names or ["python", "conformance"]
    if unknown := [name for name in chosen if name not in checks]:
        print(f"contract: there is no check {unknown[0]}; there are: {', '.join(checks)}", file=sys.stderr)
        return 2
    run.stop_on_signals()
    began = time.monotonic()
    try:
        for name in chosen:
            checks[name][0]()
        with running_stack() as stack:
            for name in chosen:
                checks[name][1](stack)
    except KeyboardInterrupt:
        return 130
    except (ContractFailed, StepFailed, ServersFailed, ProcessFailed) as failed:
        print(f"\ncontract: {failed}", file=sys.stderr, flush=True)
        return 1
    print(f"\ncontract: {', '.join(chosen)}: no mismatch was found ({time.monotonic() - began:.0f} s)", flush=True)
    return 0


def _checks() -> dict[str, tuple[Callable[[], None], Callable[[Stack], None]]]:
    """Return by name what a check needs to find before a stack is worth starting, and the check."""
    from devtools.contract import conformance, python_client, typescript_client

    return {
        "python": (python_client.require_tools, python_client.play),
        "conformance": (conformance.require_tools, conformance.check),
        "typescript": (typescript_client.require_tools, typescript_client.play),
    }

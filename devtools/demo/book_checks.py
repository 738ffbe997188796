"""The checks of the books: what `manage.py prove` found, reported line by line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from apps.core.money import rupees
from devtools.demo.client import StepFailed, StepReporter
from devtools.embedded import CHECKOUT

_SECONDS = 120.0


def check_books(env: Mapping[str, str], reporter: StepReporter) -> int:
    """
    Check the books in four ways and return how many invariants hold.

    :raises StepFailed: if one of them finds what does not agree
    """
    with reporter.step("run ledger, reconcile, order replay and audit") as step:
        found = _run(env)
        for command, each in found.items():
            if each["code"]:
                raise StepFailed(f"{command} found a mismatch: {_describe_mismatch(each['report'])}", where="web")
        ledger, _, replay, audit = (each["report"] for each in found.values())
        debits = sum(one["amount"] for one in ledger["accounts"] if one["amount"] > 0)
        facts = (
            f"debits of {rupees(debits)} and credits of the same amount: the trial balance is zero",
            "the books agree with Razorpay's, and no exception is open",
            f"replaying {replay['events']:,} events gives exactly the stored rows",
            f"{audit['checked']} invariants hold",
        )
        for command, fact in zip(found, facts, strict=True):
            step.report(f"{command}: {fact}")
    return int(audit["checked"])


def _run(env: Mapping[str, str]) -> dict[str, Any]:
    try:
        ended = subprocess.run(
            [sys.executable, str(CHECKOUT / "manage.py"), "prove"],
            env=dict(env), capture_output=True, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as timeout:
        raise StepFailed(f"The commands did not end within {_SECONDS:.0f} s.", where="") from timeout
    try:
        return dict(json.loads(ended.stdout))
    except ValueError as error:
        raise StepFailed(f"The commands failed: {ended.stderr[-2000:]}", where="") from error


def _describe_mismatch(report: dict[str, Any]) -> str:
    broken = [result["name"] for result in report.get("results", []) if not result["holds"]]
    return ", ".join(broken) or json.dumps(report)[:2000]

"""The operator's proof: what `manage.py prove` prints, reported line by line."""

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


def prove(env: Mapping[str, str], reporter: StepReporter) -> int:
    """
    Have the books proved in four ways and return how many invariants hold.

    :raises StepFailed: if one of them does not find all well
    """
    with reporter.step("ledger, reconcile, order replay, audit") as step:
        found = _run(env)
        for command, each in found.items():
            if each["code"]:
                raise StepFailed(f"{command} does not find all well: {_troubles(each['report'])}", where="web")
        ledger, _, replay, audit = (each["report"] for each in found.values())
        debits = sum(one["amount"] for one in ledger["accounts"] if one["amount"] > 0)
        facts = (
            f"{rupees(debits)} debit and as much credit: the trial balance sums to zero",
            "our books agree with Razorpay's, no exception is open",
            f"{replay['events']:,} events give exactly what is stored",
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
    except subprocess.TimeoutExpired as late:
        raise StepFailed(f"the commands did not end within {_SECONDS:.0f} s", where="") from late
    try:
        return dict(json.loads(ended.stdout))
    except ValueError as unread:
        raise StepFailed(f"the commands failed: {ended.stderr[-2000:]}", where="") from unread


def _troubles(report: dict[str, Any]) -> str:
    broken = [result["name"] for result in report.get("results", []) if not result["holds"]]
    return ", ".join(broken) or json.dumps(report)[:2000]

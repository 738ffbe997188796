"""What follows a settlement: it is in the bank once a line of the bank's statement shows it, and not before."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from apps.core.money import rupees
from devtools.demo.client import StepFailed
from devtools.demo.refunds import RefundScenario
from devtools.embedded import CHECKOUT

ACCOUNT = "50100012345678"
_HEAD = "Date,Narration,Value Dat,Debit Amount,Credit Amount,Chq/Ref Number,Closing Balance\n"
#: What was in the account before, in paise.
_OPENING = 1_000_000
_SECONDS = 120.0


class BankScenario:
    """The bank's statement with the line of a settlement that was played, and its import by the operator."""

    def __init__(self, after: RefundScenario, env: Mapping[str, str], *, documents: Path) -> None:
        self.after = after
        self.reporter = after.reporter
        self.env = dict(env)
        self.file = documents / "bank-statement.csv"

    def play(self) -> None:
        """
        Play all of the scenario and report each step.

        :raises StepFailed: at the first step that does not go as it should
        """
        self.reporter.heading("The bank's statement shows the settlement")
        self._write_statement()
        self._import()
        self._read_settlement()

    def _write_statement(self) -> None:
        with self.reporter.step("finance downloads the bank's statement") as step:
            settlement = self.after.settlement
            self._expect_transfer("in_transit")
            self.file.write_text(_HEAD + self._line(settlement["amount"], settlement["utr"]))
            step.report(f"a CSV of HDFC: {rupees(settlement['amount'])} came with the UTR {settlement['utr']}")
            step.report(f"saved as {self.file}")

    def _line(self, amount: int, utr: str) -> str:
        day = f"{self.after.day:%d/%m/%y}"
        credit, balance = (Decimal(paise).scaleb(-2) for paise in (amount, _OPENING + amount))
        return f"{day},NEFT CR-RAZORPAY SOFTWARE PVT LTD-{utr},{day},0.00,{credit},{utr},{balance}\n"

    def _import(self) -> None:
        with self.reporter.step("the operator imports it") as step:
            done = self._run("import_bank_statement", str(self.file), "--account", ACCOUNT, "--json")
            if (done["lines_added"], done["exceptions_opened"]) != (1, 0):
                raise StepFailed(f"One line should have been booked without an exception, not {done}.", where="")
            step.report(f"{done['id']}, recognised as {done['layout']}: {done['lines_added']} line, no exception")

    def _run(self, *arguments: str) -> dict[str, Any]:
        try:
            ended = subprocess.run(
                [sys.executable, str(CHECKOUT / "manage.py"), *arguments],
                env=self.env, capture_output=True, text=True, timeout=_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as timeout:
            raise StepFailed(f"The import did not end within {_SECONDS:.0f} s.", where="") from timeout
        try:
            return dict(json.loads(ended.stdout))
        except ValueError as error:
            raise StepFailed(f"The import failed: {ended.stderr[-2000:]}", where="") from error

    def _read_settlement(self) -> None:
        with self.reporter.step("the settlement is in the bank") as step:
            self._expect_transfer("banked")
            step.report(f"{self.after.gateway_settlement}: from in transit to the bank, by the line and nothing else")

    def _expect_transfer(self, wanted: str) -> None:
        settlement = self.after.finance.get(f"/settlements/{self.after.settlement['id']}")
        if settlement["transfer_status"] != wanted:
            raise StepFailed(f"The settlement should be {wanted}, not {settlement['transfer_status']}.", where="web")

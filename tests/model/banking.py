"""The gateway's transfers to our bank, and what the bank's statements say of them."""

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from apps.core.clock import ist_date
from apps.core.events import SYSTEM
from apps.settlements.models import Settlement
from apps.settlements.services import bank_statements, report_imports, transfers
from apps.settlements.services.import_claims import CLAIM_TTL
from tests.model.gateway import captured, key_of, settlement
from tests.model.stage import PICK, Skipped, Stage, Trouble, step
from tests.support.bank_statements import statement
from tests.support.settlements import as_csv, line

CHARGE, ITS_TAX = 1_180, 180
#: A claim is extended by the time that an import took, so that it lasts a little longer.
CLAIM_SECONDS = int(CLAIM_TTL.total_seconds()) + 60


@dataclass
class Statement:
    """A file of the bank: lines of one day, after a balance."""

    day: str
    first: int
    rows: list[tuple[int, str]]

    def written(self) -> bytes:
        return statement(*self.rows, first=self.first, on=self.day)

    @property
    def last_line(self) -> str:
        """A line is known again by its day, its balance and what it says."""
        return f"{self.day} {self.balance} {self.rows[-1]}"

    @property
    def balance(self) -> int:
        return self.first + sum(amount for amount, _ in self.rows)


class Banking(Stage):
    """The rules about settlements and the bank's statements."""

    @step(is_at_bank=st.sampled_from([False, False, True]))
    @precondition(lambda self: self.has_captured())
    def gateway_settles(self, trouble: Trouble, *, is_at_bank: bool = False) -> None:
        """
        The gateway transfers what it has captured and refunded since the last settlement, less its fees.

        The bank's statement may show it before the gateway's report comes.
        """
        at = int(self.driver.now.timestamp())
        utr, rows, books = f"UTR{self.truth.numbers:09d}", [], Counter[str]()
        for order in self.model.orders.values():
            for gateway_id, attempt in order.attempts.items():
                if attempt.status == "captured" and gateway_id not in self.settled:
                    facts = captured(self.truth.payments[gateway_id])
                    fee, tax = facts.fee_amount or 0, facts.fee_tax_amount or 0
                    books.update(credited=facts.amount, fees=fee - tax, tax=tax)
                    row = {"amount": facts.amount, "credit": facts.amount - fee, "fee": fee, "tax": tax}
                    rows.append(line(gateway_id, **row))
        for made in self.truth.refunds.values():
            _, refund = self.find_refund(key_of(made))
            if refund.status == "processed" and made.status == "processed" and made.id not in self.settled:
                books.update(debited=made.amount)
                taken = {"debit": made.amount, "amount": made.amount, "payment_id": made.gateway_payment_id}
                rows.append(line(made.id, "refund", **taken))
        net = books["credited"] - books["debited"] - books["fees"] - books["tax"]
        if not rows or net <= 0:
            raise Skipped
        if is_at_bank:
            self._receive(net, f"NEFT {utr} RAZORPAY", trouble, lambda said: self.model.read_credit(said, net, utr))
        transfer = settlement(self.truth, amount=net, utr=utr, at=self.driver.now)
        for row in rows:
            row |= {"settlement_id": transfer.id, "settlement_utr": utr, "created_at": at - 60, "settled_at": at}
        report = as_csv(*rows)
        for _ in range(2 if trouble.is_repeated else 1):
            self.driver.do(lambda: self._import(report), trouble.kill, claim=CLAIM_SECONDS)
        self.settled |= {str(row["entity_id"]) for row in rows}
        self.model.settle(
            utr, credited=books["credited"], debited=books["debited"], fees=books["fees"], tax_on_fees=books["tax"]
        )
        self.finish()

    @step(index=PICK, has_failed=st.booleans())
    @precondition(lambda self: self.truth.settlements)
    def gateway_says_how_a_transfer_went(self, trouble: Trouble, index: int, *, has_failed: bool) -> None:
        """A transfer that was initiated fails, or is made again; either may be said twice."""
        made = self.pick(list(self.truth.settlements.values()), index)
        facts = self.truth.settlements[made.id] = replace(made, status="failed" if has_failed else "processed")
        row = Settlement.objects.get(gateway_settlement_id=made.id)
        for _ in range(2 if trouble.is_repeated else 1):
            self.driver.do(
                lambda: transfers.record_transfer(settlement_id=row.pk, facts=facts, now=self.driver.now), trouble.kill
            )
        (self.model.fail_transfer if has_failed else self.model.repeat_transfer)(made.utr)
        self.finish(trouble)

    @step(index=PICK, other=st.sampled_from([0, 0, 0, 1, -1]))
    @precondition(lambda self: self.truth.settlements)
    def bank_shows_a_settlement(self, trouble: Trouble, index: int, other: int) -> None:
        """A credit with the UTR of a settlement, which may be of another amount, failed or shown before."""
        made = self.pick(list(self.truth.settlements.values()), index)
        amount, utr = made.amount + other, made.utr
        self._receive(amount, f"NEFT {utr} RAZORPAY", trouble, lambda said: self.model.read_credit(said, amount, utr))

    @step(what=st.sampled_from(["unknown", "charge", "charge with GST"]))
    @precondition(lambda self: self.has_captured() and len(self.statements) < 2)
    def bank_shows_something_else(self, trouble: Trouble, what: str) -> None:
        """Money that nothing explains, or what the bank takes for itself."""
        if what == "unknown":
            self._receive(70_000, "NEFT UTR999999999", trouble, lambda said: self.model.read_credit(said, 70_000, ""))
            return
        tax = ITS_TAX if "GST" in what else 0
        words = "SMS CHARGES INCL GST 1.80" if tax else "SMS CHARGES"
        self._receive(-CHARGE, words, trouble, lambda said: self.model.read_charge(said, CHARGE, tax))

    @step(index=PICK)
    @precondition(lambda self: self.transferred)
    def bank_shows_a_refund(self, trouble: Trouble, index: int) -> None:
        """The debit of a refund by bank transfer, or the same debit again."""
        refund = self.pick(self.transferred, index)
        amount, words = refund.amount, f"IMPS {self.reference(refund)}"
        self._receive(-amount, words, trouble, lambda said: self.model.read_refund(said, amount, refund.id))

    def _receive(self, amount: int, words: str, trouble: Trouble, read: Callable[[str], None]) -> None:
        """
        Import a statement with a new line, alone or after the lines of the statement before, and tell the model of the line.

        What is repeated is the whole file.
        """
        last = self.statements[-1] if self.statements else None
        if last is not None and trouble.is_late:
            received = Statement(last.day, last.first, [*last.rows, (amount, words)])
        else:
            day = f"{ist_date(self.driver.now):%d-%m-%Y}"
            received = Statement(day, last.balance if last else 10_000_000, [(amount, words)])
        self.statements.append(received)
        for _ in range(2 if trouble.is_repeated else 1):
            self.driver.do(lambda: self._import_statement(received), trouble.kill, claim=CLAIM_SECONDS)
        read(received.last_line)

    def _import_statement(self, received: Statement) -> None:
        bank_statements.import_bank_statement(
            stream=io.BytesIO(received.written()), name="bank.csv", actor=SYSTEM, now=self.driver.now,
            account="917020012345678",
        )  # fmt: skip

    def _import(self, report: bytes) -> None:
        report_imports.import_settlement_file(
            stream=io.BytesIO(report), name="report.csv", actor=SYSTEM, now=self.driver.now
        )

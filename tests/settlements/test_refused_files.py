"""What is kept of a file that is refused: why, and at which row, but none of its words, which may name persons."""

import ast
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.core import clock
from apps.core.errors import BahiError
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.payments.facts import UnreadableFacts
from apps.settlements.models import BankStatementImport, SettlementImport
from apps.settlements.rules import without_cells
from apps.settlements.services import bank_statements, report_imports
from tests.support.settlements import as_csv, import_csv, line

SBI = "Txn Date,Value Date,Description,Ref No./Cheque No.,Debit,Credit,Balance\n20 Nov 2026,20 Nov 2026,UPI,,{0},,100.00\n"
#: What a refusal may interpolate without quotes: places, words of our own, and what a pattern has read as a date, a tag or a currency.
UNQUOTED = {
    "row", "ended_at", "reader.line_num", "number", "line.row", "fields['row']", "tag", "value", "found[3]", "failure", "name",
    "report_format.unit", "said", "missing", "unknown[0]", "cell[:12]", "inspection.example", "', '.join(orders)",
    "', '.join(twice)", "', '.join(_SETTINGS)", "', '.join(_COLUMNS)", "', '.join(DATE_ORDERS)", "DAY_FIRST", "MONTH_FIRST",
    "on", "unsigned", "len(self.account)", "_LONGEST_LINE", "_LONGEST_NAME", "_LONGEST_NUMBER", "_SHORTEST_END",
    "_WHICH", "_READ", "expat.errors.messages.get(failure.code, 'error')",
}  # fmt: skip


@pytest.mark.django_db
class TestRefusedBankStatement:
    def test_shows_the_cell_to_its_caller_alone(self, capsys: Any) -> None:
        raw = SBI.format("RAVI KUMAR MUMBAI").encode()

        with pytest.raises(BahiError, match="RAVI KUMAR"):
            bank_statements.import_bank_statement(
                stream=io.BytesIO(raw), name="sbi.csv", actor=SYSTEM, now=clock.now(), account="12345678901"
            )

        kept = BankStatementImport.objects.get().error
        assert kept == "row 2: “…” is not an amount in rupees"
        assert_nowhere("RAVI", capsys)


@pytest.mark.django_db
class TestRefusedSettlementReport:
    def test_shows_the_cell_to_its_caller_alone(self, capsys: Any) -> None:
        with pytest.raises(BahiError, match="RAVI KUMAR"):
            import_csv(as_csv(line("pay_00000000000001", fee="RAVI KUMAR")))

        assert "“…”" in SettlementImport.objects.get().error
        assert_nowhere("RAVI", capsys)

    def test_that_a_worker_reads_shows_it_to_nobody(self, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
        def refuse(**_: Any) -> None:
            raise UnreadableFacts("fee is not in paise: 'RAVI KUMAR'")

        monkeypatch.setattr(report_imports, "stage_day", refuse)
        now = clock.now()
        asked = report_imports.request_settlement_import(day=clock.ist_date(now), actor=SYSTEM, now=now)

        with pytest.raises(report_imports.ReportUnreadable, match="fee is not in paise") as refused:
            report_imports.run_import_if_waiting(import_id=asked.pk, now=now)

        assert "RAVI" not in str(refused.value.text)
        assert refused.value.__suppress_context__
        assert_nowhere("RAVI", capsys)


class TestWithoutCells:
    @pytest.mark.parametrize("cell", ["RAVI", "RAVI's", 'RAVI "K"', 'RAVI\'s "K"', "RAVI\n\\'", "RAVI\\"])
    def test_nothing_of_a_quoted_cell_is_left(self, cell: str) -> None:
        kept = without_cells(f"row 2: {cell!r} is not the file's date")

        assert kept == "row 2: “…” is not the file's date"

    def test_each_refusal_quotes_what_a_file_says(self) -> None:
        unquoted = {ast.unparse(one.value) for one in interpolations() if one.conversion != ord("r")}

        assert unquoted - UNQUOTED == set(), "quote it with !r, so that it is not kept"


def assert_nowhere(word: str, capsys: Any) -> None:
    """Fail if a word is in an event or in the log."""
    written = capsys.readouterr()
    text = written.out + written.err
    assert word not in text, text
    assert word not in str(list(Event.objects.values_list("changes", "reason")))


def interpolations() -> Iterator[ast.FormattedValue]:
    """Yield what the refusals of files interpolate."""
    for path in sorted(Path("apps/settlements/gateways").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and node.exc and "UnreadableFacts" in ast.unparse(node.exc):
                yield from (one for one in ast.walk(node.exc) if isinstance(one, ast.FormattedValue))

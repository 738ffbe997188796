"""Lines of bank statements in the books: settlements, refunds, charges, and what nothing explains."""

import gc
import html
import io
import json
import sys
import threading
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.management import ManagementUtility, call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse

from apps.core import clock, ids
from apps.core.dates import format_instant
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.ledger import selectors as ledger
from apps.ledger import services as ledger_services
from apps.ledger.models import LedgerTransaction, ReconciliationException
from apps.payments.models import PaymentAttempt, Refund
from apps.settlements import locks, selectors
from apps.settlements.messages import why_import_failed
from apps.settlements.models import BankLine, BankStatementImport, Settlement
from apps.settlements.services import bank_lines, bank_statements, matching, report_imports, report_rows, transfers
from apps.settlements.services.exception_resolution import BankLineOfSettlementInTransit
from apps.settlements.services.import_claims import ImportInProgress
from tests.factories.orders import make_order
from tests.factories.payments import make_settlement, pay
from tests.support.bank_statements import import_statement, statement
from tests.support.colleagues import BALA
from tests.support.lock_controls import run_amid, with_control
from tests.support.settlements import amounts, as_csv, found, import_csv, line_of, violated
from tests.support.threads import run_together

INVARIANTS = (
    "INV-25c", "INV-25e", "INV-26", "INV-26b", "INV-26c", "INV-26e", "INV-26f", "INV-26g", "INV-26h", "INV-26i", "INV-28b", "INV-28c",
)  # fmt: skip
#: What the page "Where the money is" shows agrees with the books too.
STATES = ("INV-21c", "INV-26p", "INV-26q")
UTR = "UTR1000001"


@pytest.fixture
def paid(shop: Any, owner: Any) -> PaymentAttempt:
    return pay(make_order(owner))


@pytest.fixture
def settlement(paid: PaymentAttempt, sandbox: Any) -> Settlement:
    import_csv(as_csv(line_of(paid, settlement_utr=UTR)))
    return Settlement.objects.get()


def state() -> tuple[int, ...]:
    """Return how many rows of statements and of the books there are."""
    models: tuple[Any, ...] = (BankLine, LedgerTransaction, ReconciliationException, Event)
    return tuple(model.objects.count() for model in models)


@pytest.mark.django_db
class TestLineOfSettlement:
    def test_moves_it_to_the_bank(self, settlement: Settlement) -> None:
        amount = settlement.lines_amount

        done = import_statement(statement((amount, f"NEFT/{UTR}/RAZORPAY")))

        settlement.refresh_from_db()
        line = BankLine.objects.get()
        assert (done.status, done.lines_added, done.exceptions_opened) == ("completed", 1, 0)
        assert (settlement.transfer_status, settlement.amount, line.settlement_id) == ("banked", amount, settlement.pk)
        posting = LedgerTransaction.objects.get(source_type="settlements.bankline")
        assert amounts(posting) == {"bank": amount, "settlement_in_transit": -amount}
        assert "RAZORPAY" not in posting.description
        assert violated(*INVARIANTS) == []

    def test_of_another_amount_is_in_suspense(self, settlement: Settlement) -> None:
        import_statement(statement((settlement.lines_amount - 1, f"NEFT/{UTR}/RAZORPAY")))

        settlement.refresh_from_db()
        line = BankLine.objects.get()
        assert found() == [("bank_amount_mismatch", line.public_id, 1 - settlement.lines_amount)]
        assert (settlement.transfer_status, line.kind) == ("in_transit", "suspense")
        assert ledger.balance_of("settlement_in_transit") == settlement.lines_amount
        assert violated(*INVARIANTS) == []

    def test_that_failed_is_an_exception_and_counts_against_what_is_owed(self, settlement: Settlement) -> None:
        facts = transfers.GatewaySettlement(
            gateway="razorpay", id=settlement.gateway_settlement_id, amount=settlement.lines_amount, status="failed",
            utr=UTR, created_at=None,
        )  # fmt: skip
        transfers.record_transfer(settlement_id=settlement.pk, facts=facts, now=clock.now())

        import_statement(statement((settlement.lines_amount, f"NEFT/{UTR}/RAZORPAY")))

        settlement.refresh_from_db()
        assert [reason for reason, _, _ in found()] == ["settlement_failed", "failed_settlement_banked"]
        assert settlement.transfer_status == "failed"
        exception = ReconciliationException.objects.get(reason="failed_settlement_banked")
        ledger_services.resolve_exception(
            exception_id=exception.pk, resolution="cleared", note="arrived", actor=SYSTEM, now=clock.now()
        )
        assert ledger.balance_of("gateway_receivable:razorpay") == 0
        assert ledger.balance_of("bank") == settlement.lines_amount
        assert violated(*INVARIANTS) == []

    def test_that_is_banked_already_is_an_exception(self, settlement: Settlement) -> None:
        amount = settlement.lines_amount
        import_statement(statement((amount, f"NEFT/{UTR}/RAZORPAY"), (amount, f"NEFT/{UTR}/RAZORPAY")))

        assert [reason for reason, _, _ in found()] == ["bank_line_repeated"]
        assert ledger.balance_of("settlement_in_transit") == 0
        assert violated(*INVARIANTS) == []

    def test_that_comes_before_its_report_is_assigned_when_that_comes(self, paid: PaymentAttempt, sandbox: Any) -> None:
        amount = paid.amount - (paid.fee_amount or 0)
        import_statement(statement((amount, f"NEFT/{UTR}/RAZORPAY")))
        assert [reason for reason, _, _ in found()] == ["bank_line_unknown"]

        import_csv(as_csv(line_of(paid, settlement_utr=UTR)))

        assert Settlement.objects.get().transfer_status == "banked"
        assert ReconciliationException.objects.get().resolution == "booked"
        assert (ledger.balance_of("suspense"), ledger.balance_of("settlement_in_transit")) == (0, 0)
        assert violated(*INVARIANTS) == []


@pytest.mark.django_db
class TestOtherLines:
    def test_charge_is_a_cost_with_its_gst(self, shop: Any) -> None:
        import_statement(statement((-2_36, "NEFT CHARGES INCL GST 0.36"), (-36, "GST ON NEFT CHGS")))

        assert (ledger.balance_of("bank_charges"), ledger.balance_of("input_gst")) == (2_00, 72)
        assert ledger.balance_of("bank") == -2_72
        assert (found(), violated(*INVARIANTS)) == ([], [])

    @pytest.mark.parametrize(
        "line",
        [
            (-50_000_00, "NEFT DR-DELHIVERY LTD-FREIGHT CHARGES NOV"),
            (-500_00, "GST PMT-06 CHALLAN LATE FEE CHARGES"),
            (-1_180_01, "AMB CHARGES INCL GST"),
        ],
    )
    def test_payment_to_others_and_large_charge_are_in_suspense(self, shop: Any, line: tuple[int, str]) -> None:
        import_statement(statement(line))

        assert (BankLine.objects.get().kind, ledger.balance_of("suspense")) == ("suspense", -line[0])
        assert (ledger.balance_of("bank_charges"), ledger.balance_of("input_gst")) == (0, 0)
        assert [reason for reason, _, _ in found()] == ["bank_line_unknown"]
        assert violated(*INVARIANTS) == []

    def test_refund_that_another_import_has_just_booked_is_repeated(
        self, colleagues: None, paid: PaymentAttempt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refund = transferred_refund(paid)
        import_statement(statement((-refund.amount, "NEFT DR N326261234567 ASHA")))
        is_booked = selectors.is_refund_on_statement
        # The first look is one of before the other import committed.
        looks = iter([lambda _: False])
        monkeypatch.setattr(selectors, "is_refund_on_statement", lambda pk: next(looks, is_booked)(pk))

        done = import_statement(statement((-refund.amount, "NEFT DR N326261234567 RAO"), first=2_000_000))

        line = BankLine.objects.exclude(refund_id=refund.pk).get()
        assert (done.status, done.lines_added, done.exceptions_opened) == ("completed", 1, 1)
        assert found() == [("bank_line_repeated", line.public_id, refund.amount)]
        assert violated(*INVARIANTS) == []

    def test_refund_by_bank_transfer_posts_nothing_more(self, colleagues: None, paid: PaymentAttempt) -> None:
        refund = transferred_refund(paid)
        bank = ledger.balance_of("bank")

        import_statement(statement((-refund.amount, "NEFT DR N326261234567 ASHA")))

        line = BankLine.objects.get()
        assert (line.kind, line.refund_id, ledger.balance_of("bank")) == ("refund", refund.pk, bank)
        assert (found(), violated(*INVARIANTS)) == ([], [])

    @pytest.mark.parametrize(
        ("resolution", "account"),
        [
            ("written_off", "bank_charges"),
            ("paid_outside", "other_bank_movements"),
            ("cleared", "gateway_receivable:razorpay"),
        ],
    )
    def test_rest_is_in_suspense_until_staff_decide(self, shop: Any, resolution: str, account: str) -> None:
        import_statement(statement((-5_000_00, "RENT")))
        exception = ReconciliationException.objects.get()
        assert (exception.reason, exception.held_amount, ledger.balance_of("suspense")) == (
            "bank_line_unknown", 5_000_00, 5_000_00,
        )  # fmt: skip
        assert "RENT" not in exception.description

        ledger_services.resolve_exception(
            exception_id=exception.pk, resolution=resolution, note="rent", actor=SYSTEM, now=clock.now()
        )

        assert (ledger.balance_of("suspense"), ledger.balance_of(account)) == (0, 5_000_00)
        assert violated("INV-26", "INV-26c", "INV-26h", "INV-26i", "INV-28c") == []

    def test_words_of_the_bank_are_in_no_event(self, shop: Any) -> None:
        import_statement(statement((-5_000_00, "RENT TO ASHA")))

        event = Event.objects.get(type="settlements.bank_line.imported")
        assert "ASHA" not in json.dumps(event.changes)
        assert event.changes["personal_fields"] == ["description"]


def transferred_refund(paid: PaymentAttempt) -> Refund:
    """Return a refund of ₹100.00 that failed at the gateway and that finance has transferred."""
    from apps.payments.services.refunds import bank_transfers, requests
    from tests.factories.payments import apply_refund

    (refund,) = requests.request_refund_by_amount(
        order_id=paid.payment.order_id, amount=10_000, reason="other", actor=SYSTEM, now=clock.now()
    )
    apply_refund(refund, status="failed")
    bank_transfers.confirm_refund_transfer(refund_id=refund.pk, reference="N326261234567", actor=BALA, now=clock.now())
    refund.refresh_from_db()
    return refund


@pytest.mark.django_db
class TestImportedAgain:
    def test_file_changes_nothing(self, settlement: Settlement) -> None:
        raw = statement((settlement.lines_amount, f"NEFT/{UTR}/RAZORPAY"), (-5_000_00, "RENT"))
        first = import_statement(raw)
        before = state()

        again = import_statement(raw)

        assert (again.pk, state()) == (first.pk, before)

    def test_overlapping_statement_adds_only_what_is_new(self, settlement: Settlement) -> None:
        amount = settlement.lines_amount
        import_statement(statement((amount, f"NEFT/{UTR}/RAZORPAY"), (-5_000_00, "RENT")))

        done = import_statement(statement((amount, f"NEFT/{UTR}/RAZORPAY"), (-5_000_00, "RENT"), (-100, "FEE")))

        assert (done.lines_added, BankLine.objects.count()) == (1, 3)
        assert violated(*INVARIANTS) == []

    def test_equal_lines_of_a_day_are_counted(self, shop: Any) -> None:
        mapping = b'date_order="day-first"\n[columns]\ndate="When"\ndescription="What"\namount="Rs"'
        raw = b"When,What,Rs\n20/11/2026,PARCEL,50.00 Dr\n20/11/2026,PARCEL,50.00 Dr\n"

        import_statement(raw, mapping=mapping)
        import_statement(raw + b"21/11/2026,PARCEL,50.00 Dr\n", mapping=mapping)

        rows = BankLine.objects.order_by("pk").values_list("booked_on", "occurrence")
        assert list(rows) == [(date(2026, 11, 20), 1), (date(2026, 11, 20), 2), (date(2026, 11, 21), 1)]

    def test_days_in_another_layout_are_refused(self, shop: Any) -> None:
        files = Path(__file__).parent / "files"
        import_statement((files / "statement.sta").read_bytes(), account="50200012345678")
        before = BankLine.objects.count()

        with pytest.raises(bank_statements.StatementUnreadable, match="were imported as MT940"):
            raw = (files / "axis.csv").read_bytes().replace(b"917020012345678", b"50200012345678")
            import_statement(raw, account="50200012345678")

        assert BankLine.objects.count() == before

    def test_interrupted_import_continues_where_it_stopped(self, shop: Any, monkeypatch: Any) -> None:
        raw = statement(*((-100 * number, f"LINE {number}") for number in range(1, 6)))
        whole, booked = bank_statements.book_bank_lines, []

        def crash(lines: list[BankLine], *, now: Any) -> Any:
            if len(booked) == 3:
                raise KeyboardInterrupt
            booked.append(lines)
            return whole(lines, now=now)

        monkeypatch.setattr(bank_statements, "_BATCH", 1)
        monkeypatch.setattr(bank_statements, "book_bank_lines", crash)
        with pytest.raises(KeyboardInterrupt):
            import_statement(raw)
        broken = BankStatementImport.objects.get()
        assert (broken.status, broken.claimed_until, BankLine.objects.count()) == ("failed", None, 3)

        monkeypatch.setattr(bank_statements, "book_bank_lines", whole)
        done = import_statement(raw)

        assert (done.pk, done.status, BankLine.objects.count()) == (broken.pk, "completed", 5)
        assert violated(*INVARIANTS) == []


@pytest.mark.django_db
def test_a_broken_statement_books_nothing(shop: Any) -> None:
    raw = statement((100, "ONE"), (200, "TWO")).replace(b"10003.00", b"10004.00")
    before = LedgerTransaction.objects.count()

    with pytest.raises(bank_statements.StatementUnreadable, match="the balance of row 3"):
        import_statement(raw)

    assert (BankLine.objects.count(), LedgerTransaction.objects.count()) == (0, before)
    assert BankStatementImport.objects.get().status == "failed"


@pytest.mark.django_db
class TestAssignBankLine:
    @pytest.fixture
    def waiting(self, settlement: Settlement) -> BankLine:
        import_statement(statement((settlement.lines_amount, "NEFT FROM RAZORPAY")))
        return BankLine.objects.get()

    def test_moves_it_from_suspense_to_the_settlement(self, waiting: BankLine, settlement: Settlement) -> None:
        bank_lines.assign_bank_line(line_id=waiting.pk, settlement_id=settlement.pk, actor=SYSTEM, now=clock.now())

        settlement.refresh_from_db()
        assert settlement.transfer_status == "banked"
        assert (ledger.balance_of("suspense"), ledger.balance_of("settlement_in_transit")) == (0, 0)
        assert violated(*INVARIANTS) == []
        with pytest.raises(bank_lines.BankLineNotAssignable):
            bank_lines.assign_bank_line(line_id=waiting.pk, settlement_id=settlement.pk, actor=SYSTEM, now=clock.now())

    def test_of_another_amount_or_state_is_refused(self, waiting: BankLine) -> None:
        other = make_settlement(amount=1)
        banked = make_settlement(amount=waiting.amount, transfer_status="banked")
        before = state()

        for row, refusal in (
            (other, bank_lines.BankLineAmountDiffers), (banked, bank_lines.SettlementNotInTransit),
        ):  # fmt: skip
            with pytest.raises(refusal):
                bank_lines.assign_bank_line(line_id=waiting.pk, settlement_id=row.pk, actor=SYSTEM, now=clock.now())

        assert state() == before


@pytest.mark.django_db
class TestAssignLineOfAnotherAmount:
    @pytest.fixture(params=[-1, 1, -250_00])
    def difference(self, request: pytest.FixtureRequest) -> int:
        return int(request.param)

    @pytest.fixture
    def line(self, settlement: Settlement, difference: int) -> BankLine:
        import_statement(statement((settlement.lines_amount + difference, f"NEFT/{UTR}/RAZORPAY")))
        return BankLine.objects.get()

    @pytest.mark.parametrize(
        ("resolution", "account"),
        [
            ("written_off", "gateway_fees:razorpay"),
            ("paid_outside", "other_bank_movements"),
            ("cleared", "gateway_receivable:razorpay"),
        ],
    )
    def test_banks_what_came_and_leaves_the_rest_to_staff(
        self, line: BankLine, settlement: Settlement, difference: int, resolution: str, account: str
    ) -> None:
        before = ledger.balance_of(account)

        assign(line, settlement, accepted_difference=difference, note="the bank says so")

        settlement.refresh_from_db()
        rest = ReconciliationException.objects.get(reason="sum_mismatch")
        assert (settlement.transfer_status, settlement.amount) == ("banked", line.amount)
        assert (ledger.balance_of("bank"), ledger.balance_of("settlement_in_transit")) == (line.amount, 0)
        assert (rest.held_amount, ledger.balance_of("suspense"), rest.settlement_id) == (
            -difference, -difference, settlement.pk,
        )  # fmt: skip
        assert line.public_id in rest.description
        assert "the bank says so" in ReconciliationException.objects.get(pk=line.exception_id).note
        assert violated(*INVARIANTS, *STATES) == []

        resolve(rest, resolution)

        assert (ledger.balance_of("suspense"), ledger.balance_of(account) - before) == (0, -difference)
        assert violated(*INVARIANTS, *STATES) == []

    def test_is_refused_without_its_difference_or_a_note(
        self, line: BankLine, settlement: Settlement, difference: int
    ) -> None:
        before = state()

        for given, refusal in (
            ({}, bank_lines.BankLineAmountDiffers),
            ({"accepted_difference": difference * 2, "note": "so"}, bank_lines.BankLineAmountDiffers),
            ({"accepted_difference": difference, "note": " "}, ledger_services.NoteRequired),
        ):
            with pytest.raises(refusal):
                assign(line, settlement, **given)

        assert state() == before

    @pytest.mark.parametrize("resolution", ["cleared", "written_off", "paid_outside"])
    def test_cannot_be_resolved_so_that_the_settlement_stays_in_transit(self, line: BankLine, resolution: str) -> None:
        before = state()

        with pytest.raises(BankLineOfSettlementInTransit):
            resolve(ReconciliationException.objects.get(), resolution)

        assert state() == before


@pytest.mark.django_db
class TestLineWithTheReferenceOfASettlement:
    def test_can_be_resolved_once_another_line_brought_it(self, settlement: Settlement) -> None:
        amount = settlement.lines_amount
        import_statement(statement((100, f"NEFT/{UTR}/A"), (amount, f"NEFT/{UTR}/RAZORPAY")))

        resolve(ReconciliationException.objects.get(), "cleared")

        assert violated(*INVARIANTS, *STATES) == []

    def test_debit_is_resolved_and_never_assigned(self, settlement: Settlement) -> None:
        import_statement(statement((-100, f"REVERSAL {UTR}")))
        line = BankLine.objects.get()

        with pytest.raises(bank_lines.BankLineAmountDiffers):
            assign(line, settlement, accepted_difference=-100 - settlement.lines_amount, note="so")
        resolve(ReconciliationException.objects.get(), "written_off")

        assert violated(*INVARIANTS, *STATES) == []

    def test_difference_that_the_gateway_reported_already_is_replaced(self, settlement: Settlement) -> None:
        facts = transfers.GatewaySettlement(
            gateway="razorpay", id=settlement.gateway_settlement_id, amount=settlement.lines_amount - 500, status="processed",
            utr=UTR, created_at=None,
        )  # fmt: skip
        transfers.record_transfer(settlement_id=settlement.pk, facts=facts, now=clock.now())
        matching.open_sum_mismatch_exceptions(settlement_ids=[settlement.pk], now=clock.now())
        import_statement(statement((settlement.lines_amount - 501, f"NEFT/{UTR}/RAZORPAY")))

        assign(BankLine.objects.get(), settlement, accepted_difference=-1, note="so")

        rest = ReconciliationException.objects.filter(reason="sum_mismatch").order_by("pk")
        assert [(one.held_amount, one.resolution) for one in rest] == [(500, "arrived"), (501, "")]
        assert (ledger.balance_of("suspense"), ledger.balance_of("settlement_in_transit")) == (501, 0)
        assert violated(*INVARIANTS, *STATES) == []

    def test_staff_see_the_difference_before_they_accept_it(
        self, settlement: Settlement, administrator: Any, client: Any
    ) -> None:
        import_statement(statement((settlement.lines_amount - 1, f"NEFT/{UTR}/RAZORPAY")))
        page = reverse("admin:settlements_bankline_action", args=[BankLine.objects.get().pk, "assign"])
        client.force_login(administrator)
        form = {"gateway_settlement_id": settlement.gateway_settlement_id, "note": "the bank says so"}

        preview = client.post(page, form).content.decode()
        client.post(page, {**form, "seen_difference": -1, "confirmed": "1", "request_key": str(ids.new())})

        assert "The bank received ₹0.01 less." in preview
        settlement.refresh_from_db()
        assert settlement.transfer_status == "banked"
        assert [reason for reason, _, _ in found()] == ["bank_amount_mismatch", "sum_mismatch"]


def assign(line: BankLine, settlement: Settlement, **given: Any) -> BankLine:
    return bank_lines.assign_bank_line(
        line_id=line.pk, settlement_id=settlement.pk, actor=BALA, now=clock.now(), **given
    )


def resolve(exception: ReconciliationException, resolution: str) -> None:
    ledger_services.resolve_exception(
        exception_id=exception.pk, resolution=resolution, note="decided", actor=BALA, now=clock.now()
    )


@pytest.mark.django_db
class TestFrozenLine:
    def test_facts_never_change(self, shop: Any) -> None:
        import_statement(statement((-5_000_00, "RENT")))

        with pytest.raises(Exception, match="Cannot update|Cannot delete|frozen"), transaction.atomic():
            BankLine.objects.update(amount=1)
        assert BankLine.objects.get().amount == -5_000_00


@pytest.mark.django_db
class TestCommand:
    def test_exits_by_what_it_found(self, shop: Any, tmp_path: Path) -> None:
        file = tmp_path / "bank.csv"
        file.write_bytes(statement((-5_000_00, "RENT")))
        out = io.StringIO()

        call_command(
            "import_bank_statement", str(file), account="917020012345678", dry_run=True, as_json=True, stdout=out
        )
        assert (json.loads(out.getvalue())["lines"], BankLine.objects.count()) == (1, 0)
        with pytest.raises(SystemExit) as mismatch:
            call_command("import_bank_statement", str(file), account="917020012345678", stdout=io.StringIO())
        with pytest.raises((SystemExit, Exception)) as refused:
            call_command("import_bank_statement", str(tmp_path / "none.csv"), stdout=io.StringIO())

        assert mismatch.value.code == 1
        assert "none.csv cannot be read" in str(refused.value)


@pytest.mark.django_db
class TestWordsOfCommands:
    def run(self, *arguments: str) -> tuple[int, str]:
        out, code = io.StringIO(), 0
        try:
            call_command(*arguments, stdout=out, stderr=io.StringIO(), no_color=True)
        except SystemExit as end:
            code = int(str(end.code))
        return code, out.getvalue()

    def test_a_statement_that_was_imported_already_adds_nothing_and_exits_with_0(
        self, shop: Any, tmp_path: Path
    ) -> None:
        file = tmp_path / "bank.csv"
        file.write_bytes(statement((-5_000_00, "RENT"), (100, "A")))
        command = ("import_bank_statement", str(file), "--account", "917020012345678")

        first, second = self.run(*command), self.run(*command)
        as_json = self.run(*command, "--json")

        done = BankStatementImport.objects.get()
        assert done.completed_at is not None
        assert first[0] == 1
        assert first[1] == (
            f"{done.public_id}: Axis CSV of the account 917020012345678, 2 lines read, 2 lines added.\n"
            "2 exceptions were opened: see Reconciliation exceptions in the back office"
            " (/admin/ledger/reconciliationexception/?state=open).\n"
        )
        at = format_instant(done.completed_at)
        assert second == (0, f"This file was imported already on {at} ({done.public_id}); nothing was added.\n")
        assert as_json[0] == 0
        assert (json.loads(as_json[1])["lines_added"], json.loads(as_json[1])["was_imported"]) == (0, True)

    def test_a_report_that_was_imported_already_adds_nothing_and_exits_with_0(
        self, paid: PaymentAttempt, sandbox: Any, tmp_path: Path
    ) -> None:
        file = tmp_path / "report.csv"
        file.write_bytes(as_csv(line_of(paid, amount=paid.amount + 100)))
        command = ("import_settlements", "--csv", str(file))

        first, second = self.run(*command), self.run(*command)

        assert first[0] == 1
        assert second[0] == 0
        assert "This file was imported already on" in second[1]

    def test_a_dry_run_is_in_sentences_with_rupees(self, tmp_path: Path) -> None:
        file = tmp_path / "bank.csv"
        file.write_bytes(statement((52424, "A"), on="20-11-2026"))

        code, text = self.run("import_bank_statement", str(file), "--account", "917020012345678", "--dry-run")

        assert code == 0
        assert text == (
            "The file is a statement (Axis CSV) of the account 917020012345678 with 1 line from 20 Nov 2026 to 20 Nov 2026.\n"
            "Its closing balance is ₹10,524.24.\nIt can be imported; nothing was booked.\n"
        )


@pytest.mark.django_db
class TestFileThatIsLeftInTheMiddle:
    """A reader that is left before the end of its file ends before the file is closed, else Python writes about it."""

    FILES = Path(__file__).parent / "files"

    @pytest.fixture(autouse=True)
    def _write_what_python_ignores(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)

    @pytest.mark.parametrize(
        ("name", "old", "new"),
        [
            ("axis.csv", b"218456.78", b"218456.79"),
            ("axis.csv", b"218456.78", b"218456.78.9"),
            ("sbi.csv", b'"2,23,456.78"', b'"2,23,456.00"'),
            ("statement.sta", b"D5000,00", b"D5000,01"),
            ("statement.sta", b":60F:C261119INR100000,00", b":60F:C261119INR100000,00\n:60F:C261119INR1,00"),
            ("camt053.xml", b">5000.00<", b">5000.01<"),
        ],
    )
    def test_is_refused_in_one_sentence_and_no_other_word(
        self, name: str, old: bytes, new: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / name
        file.write_bytes((self.FILES / name).read_bytes().replace(old, new))
        why = self.refusal_of(file)

        with pytest.raises(SystemExit) as end:
            ManagementUtility(["manage.py", "import_bank_statement", str(file), "--dry-run"]).execute()
        gc.collect()

        assert end.value.code == 2
        assert capsys.readouterr().err == f"CommandError: {why}\n"

    def refusal_of(self, file: Path) -> str:
        with file.open("rb") as stream, pytest.raises(bank_statements.StatementUnreadable) as refused:
            bank_statements.inspect_bank_statement(stream=stream, account="", mapping=None, now=clock.now())
        return refused.value.text

    @pytest.mark.parametrize("name", ["axis.csv", "statement.sta", "camt053.xml"])
    def test_that_broke_off_while_it_was_booked_leaves_no_other_word(
        self, name: str, shop: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def crash(lines: list[BankLine], *, now: Any) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr(bank_statements, "book_bank_lines", crash)
        with (self.FILES / name).open("rb") as stream, pytest.raises(KeyboardInterrupt) as interruption:
            bank_statements.import_bank_statement(stream=stream, name=name, actor=SYSTEM, now=clock.now())
        del interruption
        gc.collect()

        assert "Exception ignored" not in capsys.readouterr().err

    def test_of_settlements_leaves_no_other_word(
        self, paid: PaymentAttempt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def crash(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(report_rows, "_BATCH", 1)
        monkeypatch.setattr(report_rows.sql, "stage", crash)
        file = tmp_path / "report.csv"
        file.write_bytes(as_csv(line_of(paid), line_of(paid)))
        with file.open("rb") as stream, pytest.raises(KeyboardInterrupt) as interruption:
            report_imports.import_settlement_file(stream=stream, name="report.csv", actor=SYSTEM, now=clock.now())
        del interruption
        gc.collect()

        assert "Exception ignored" not in capsys.readouterr().err


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_one_file_is_booked_once(self, settlement: Settlement) -> None:
        raw = statement((settlement.lines_amount, f"NEFT/{UTR}/RAZORPAY"), (-5_000_00, "RENT"))

        results = run_together(*[lambda: import_statement(raw)] * 2)

        assert {type(result) for result in results} <= {BankStatementImport, ImportInProgress}
        assert BankLine.objects.count() == 2
        assert violated(*INVARIANTS) == []

    def test_two_files_with_one_line_book_it_once(self, settlement: Settlement) -> None:
        raw = statement((settlement.lines_amount, f"NEFT/{UTR}/RAZORPAY"))

        results = run_together(lambda: import_statement(raw), lambda: import_statement(raw + b"\n"))

        assert sorted(result.lines_added for result in results) == [0, 1]
        assert ledger.balance_of("bank") == settlement.lines_amount
        assert violated(*INVARIANTS) == []

    def test_even_without_the_lock_two_lines_of_one_settlement_bring_it_once(
        self, settlement: Settlement, monkeypatch: Any
    ) -> None:
        """The row of the second line is refused by the constraint, and it is matched again."""
        both_have_read, first_reads = threading.Barrier(2), ["one", "other"]

        def unlocked(*, gateway: str, gateway_settlement_id: str) -> Settlement:
            row = Settlement.objects.get(gateway=gateway, gateway_settlement_id=gateway_settlement_id)
            if first_reads:
                first_reads.pop()
                both_have_read.wait(60)
            return row

        monkeypatch.setattr(locks, "lock_settlement", unlocked)
        one, other = (
            statement((settlement.lines_amount, f"NEFT/{UTR}/{words}"), first=first)
            for words, first in (("A", 1_000_000), ("B", 2_000_000))
        )

        results = run_together(lambda: import_statement(one), lambda: import_statement(other))

        assert [result for result in results if isinstance(result, Exception)] == []
        assert sorted(BankLine.objects.values_list("kind", flat=True)) == ["settlement", "suspense"]
        assert violated(*INVARIANTS) == []

    def test_a_line_and_the_failure_of_its_settlement_leave_one_of_both(self, settlement: Settlement) -> None:
        facts = transfers.GatewaySettlement(
            gateway="razorpay", id=settlement.gateway_settlement_id, amount=settlement.lines_amount, status="failed",
            utr=UTR, created_at=None,
        )  # fmt: skip
        raw = statement((settlement.lines_amount, f"NEFT/{UTR}/RAZORPAY"))

        results = run_together(
            lambda: import_statement(raw),
            lambda: transfers.record_transfer(settlement_id=settlement.pk, facts=facts, now=clock.now()),
        )

        assert [result for result in results if isinstance(result, Exception)] == []
        settlement.refresh_from_db()
        reasons = {reason for reason, _, _ in found()}
        assert (settlement.transfer_status, reasons) in (
            ("banked", {"settlement_failed"}), ("failed", {"settlement_failed", "failed_settlement_banked"}),
        )  # fmt: skip
        assert violated(*INVARIANTS) == []

    @with_control
    def test_a_line_is_assigned_to_one_of_two_settlements(
        self, settlement: Settlement, shop: Any, is_locked: bool
    ) -> None:
        amount = settlement.lines_amount
        import_statement(statement((amount, "NEFT FROM RAZORPAY")))
        line, other = BankLine.objects.get(), make_settlement(amount=amount)

        def assign(to: Settlement) -> BankLine:
            return bank_lines.assign_bank_line(line_id=line.pk, settlement_id=to.pk, actor=SYSTEM, now=clock.now())

        results = run_amid(
            "apps.ledger.locks.lock_exception", lambda: assign(settlement), lambda: assign(other), is_locked=is_locked
        )

        assert [type(result).__name__ for result in results] == (
            ["BankLine", "BankLineNotAssignable"] if is_locked else ["SubjectNotLocked", "BankLine"]
        )
        assert list(Settlement.objects.filter(transfer_status="banked")) == [settlement if is_locked else other]
        assert ledger.balance_of("suspense") == 0

    def test_two_imports_assign_a_waiting_line_once_and_both_end(
        self, settlement: Settlement, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        utr, words = settlement.utr, f"NEFT/{UTR}/RAZORPAY"
        Settlement.objects.update(utr="")
        import_statement(statement((settlement.lines_amount, words)))
        Settlement.objects.update(utr=utr)
        both_have_read, read = threading.Barrier(2), bank_lines.selectors.list_unexplained_credits

        def read_together(*, limit: int) -> list[BankLine]:
            found = read(limit=limit)
            both_have_read.wait(60)
            return found

        monkeypatch.setattr(bank_lines.selectors, "list_unexplained_credits", read_together)

        results = run_together(*[lambda: bank_lines.assign_waiting_lines(now=clock.now())] * 2)

        assert sorted(results) == [0, 1]
        assert (ledger.balance_of("suspense"), violated(*INVARIANTS)) == (0, [])

    @with_control
    def test_two_runs_of_an_import_complete_it_once(self, shop: Any, is_locked: bool) -> None:
        raw, now = statement((-100, "FEE")), clock.now()
        report = BankStatementImport.objects.create(fingerprint="file", requested_by="system")
        seen = bank_statements.inspect_bank_statement(
            stream=io.BytesIO(raw), account="917020012345678", mapping=None, now=now
        )

        def complete() -> BankStatementImport:
            return bank_statements._complete(report, seen, now=now)

        results = run_amid("apps.settlements.locks.lock_bank_statement_import", complete, complete, is_locked=is_locked)

        assert [type(result).__name__ for result in results] == (
            ["BankStatementImport", "BankStatementImport"] if is_locked else ["SubjectNotLocked", "BankStatementImport"]
        )
        assert Event.objects.filter(type="settlements.bank_statement_import.completed").count() == 1


@pytest.mark.django_db
def test_finance_reads_statements_over_http(settlement: Settlement, finance: Any, support: Any, client_of: Any) -> None:
    done = import_statement(statement((settlement.lines_amount, f"NEFT/{UTR}/RAZORPAY"), (-5_000_00, "RENT")))
    client, url = client_of(finance), f"/api/v1/bank-statements/{done.public_id}"

    (listed,) = client.get("/api/v1/bank-statements").json()["data"]
    lines = client.get(f"{url}/lines").json()["data"]

    assert client.get(url).json() == listed
    today = clock.ist_date(clock.now()).isoformat()
    assert (listed["layout"], listed["first_on"], listed["lines_added"]) == ("Axis CSV", today, 2)
    exception = ReconciliationException.objects.get()
    assert [(one["kind"], one["amount"], one["description"]) for one in lines] == [
        ("settlement", settlement.lines_amount, f"NEFT/{UTR}/RAZORPAY"), ("suspense", -5_000_00, "RENT"),
    ]  # fmt: skip
    assert [one["settlement_id"] for one in lines] == [settlement.public_id, None]
    assert [one["exception_id"] for one in lines] == [None, exception.public_id]
    assert client.get("/api/v1/bank-statements/bsi_01jf3z8k4qe7tv2w9x0y1z2a3b/lines").json()["error"]["code"] == (
        "bank_statement_not_found"
    )
    assert client_of(support).get(url).status_code == 403


@pytest.mark.django_db
class TestPagesOfImports:
    @pytest.fixture
    def client(self, finance: Any) -> Client:
        client = Client()
        client.force_login(finance)
        return client

    def test_the_list_says_how_to_import_and_why_one_failed(self, shop: Any, client: Client) -> None:
        with pytest.raises(bank_statements.StatementUnreadable):
            import_statement(statement((100, "ONE"), (200, "TWO")).replace(b"10003.00", b"10004.00"))

        page = html.unescape(client.get(reverse("admin:settlements_bankstatementimport_changelist")).content.decode())

        assert "import_bank_statement FILE --account NUMBER" in page
        assert "It could not be imported: the balance of row 3 is not that of the line before it" in page

    def test_the_page_of_an_import_leads_to_its_lines_and_exceptions_and_hides_internals(
        self, shop: Any, client: Client
    ) -> None:
        done = import_statement(statement((-5_000_00, "RENT"), (-2_36, "NEFT CHARGES")))
        import_statement(statement((-1_00, "OTHER"), first=9_000_000))
        line = BankLine.objects.get(description="RENT")
        lines = f"{reverse('admin:settlements_bankline_changelist')}?statement={done.pk}"

        page = client.get(reverse("admin:settlements_bankstatementimport_change", args=[done.pk])).content.decode()
        listed = client.get(lines).content.decode()

        assert lines in page
        assert reverse("admin:settlements_bankline_change", args=[line.pk]) in page
        assert reverse("admin:ledger_reconciliationexception_change", args=[line.exception_id]) in page
        assert listed.count("/admin/settlements/bankline/0") == 2
        for internal in ("Claimed until", "Version", "Metadata", "Fingerprint"):
            assert internal not in page

    @pytest.mark.parametrize(
        ("error", "sentence"),
        [
            (
                "KeyboardInterrupt",
                "It was interrupted (KeyboardInterrupt). Import it again: it continues where it stopped.",
            ),
            ("no date order fits", "It could not be imported: no date order fits."),
        ],
    )
    def test_a_failure_is_told_in_sentences(self, error: str, sentence: str) -> None:
        assert why_import_failed(error) == sentence

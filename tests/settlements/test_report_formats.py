"""Settlement reports as the dashboard offers them and programs save them: layout, unit and date order are found out, never assumed."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.management import CommandError, call_command

from apps.core import clock
from apps.core.clock import IST
from apps.core.events import SYSTEM
from apps.ledger import selectors as ledger
from apps.ledger.models import LedgerTransaction, ReconciliationException
from apps.payments.facts import SettlementRow, UnreadableFacts
from apps.payments.models import PaymentAttempt
from apps.payments.services.settlement_reports import read_report_line
from apps.settlements.gateways.razorpay_report_files import inspect_report, rows_from_report
from apps.settlements.gateways.report_formats import DAY_FIRST, MONTH_FIRST, KnownFact
from apps.settlements.gateways.report_recognition import resolve_format
from apps.settlements.models import Settlement, SettlementImport, SettlementLine
from apps.settlements.services import reconciliation, report_imports
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.factories.payments import pay
from tests.support.gateway_payments import make_orders_paid_at_gateway
from tests.support.settlements import as_csv, found, import_csv, line, line_of, violated

DATA = Path(__file__).parent / "data"
TODAY = datetime(2026, 11, 28, 12, tzinfo=UTC)

#: The columns of the dashboard's Settlement Recon report.
RECON = (
    "transaction_entity,entity_id,amount,currency,fee (exclusive tax),tax,debit,credit,payment_method,card_type,issuer_name,"
    "entity_created_at,payment_captured_at,payment_notes,refund_notes,arn,entity_description,order_id,order_receipt,order_notes,"
    "dispute_id,dispute_created_at,dispute_reason,settlement_id,settled_at,settlement_utr,settled_by"
)
#: The columns of the dashboard's Combined report.
COMBINED = (
    "entity_id,type,debit,credit,amount,currency,fee,tax,on_hold,settled,created_at,settled_at,settlement_id,description,notes,"
    "payment_id,arn,settlement_utr,order_id,order_receipt,method,upi_flow,card_network,card_issuer,card_type,dispute_id"
)
NAMES = {
    "type": "transaction_entity", "fee": "fee (exclusive tax)", "created_at": "entity_created_at", "method": "payment_method",
}  # fmt: skip


def recon(*rows: dict[str, Any], delimiter: str = ",", end: str = "\n") -> str:
    return table(RECON, [{NAMES.get(name, name): value for name, value in row.items()} for row in rows], delimiter, end)


def combined(*rows: dict[str, Any], delimiter: str = ",", end: str = "\n") -> str:
    return table(COMBINED, list(rows), delimiter, end)


def table(header: str, rows: list[dict[str, Any]], delimiter: str, end: str) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(
        out, header.split(","), delimiter=delimiter, lineterminator=end, restval="", extrasaction="ignore"
    )
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def payment(**said: Any) -> dict[str, Any]:
    """Return a payment of ₹1,000.00 with a fee of ₹20.00 and ₹3.60 of GST on it, as Settlement Recon has it."""
    return {
        "type": "payment", "entity_id": "pay_Rp0000000000A1", "amount": "1000.00", "currency": "INR", "fee": "20.00",
        "tax": "3.60", "debit": "0.00", "credit": "976.40", "created_at": "2026-11-25T13:33:57", "settled": "true",
        "settlement_id": "setl_Rp0000000000S1", "settled_at": "2026-11-27T10:30:00", "settlement_utr": "UTR1",
        "settled_by": "Razorpay", **said,
    }  # fmt: skip


def read(
    report: str | bytes, *, known: dict[str, KnownFact] | None = None, date_order: str | None = None
) -> list[SettlementRow]:
    stream = io.BytesIO(report.encode() if isinstance(report, str) else report)
    report_format = resolve_format(
        inspect_report(stream), known=known or {}, date_order=date_order, today=clock.ist_date(TODAY)
    )
    rows = rows_from_report(stream, report_format, read_line=partial(read_report_line, gateway="razorpay"))
    return [row for row in rows if row is not None]


def money(row: SettlementRow) -> tuple[int, int, int, int, int]:
    return row.amount, row.debit, row.credit, row.fee_amount, row.tax_amount


def at(row: SettlementRow) -> tuple[str, str]:
    return tuple(f"{when.astimezone(IST):%Y-%m-%d %H:%M}" for when in (row.entity_created_at, row.settled_at) if when)  # type: ignore[return-value]


class TestLayout:
    def test_settlement_recon_has_rupees_and_the_fee_without_its_gst(self) -> None:
        (row,) = read(recon(payment()))

        assert money(row) == (100_000, 0, 97_640, 2_360, 360)
        assert at(row) == ("2026-11-25 13:33", "2026-11-27 10:30")
        assert (row.kind, row.entity_id, row.utr, row.credit_type) == ("payment", "pay_Rp0000000000A1", "UTR1", "")

    def test_combined_has_the_fee_with_its_gst(self) -> None:
        (row,) = read(combined(payment(fee="23.60")))

        assert money(row) == (100_000, 0, 97_640, 2_360, 360)

    def test_what_payments_were_credited_with_decides_what_the_fee_includes(self) -> None:
        assert money(read(combined(payment(fee="20.00")))[0]) == (100_000, 0, 97_640, 2_360, 360)
        assert money(read(recon(payment(fee="23.60")))[0]) == (100_000, 0, 97_640, 2_360, 360)

    @pytest.mark.parametrize("settled", ["false", "No", "0"])
    def test_what_is_not_settled_is_left_out(self, settled: str) -> None:
        assert read(combined(payment(fee="23.60", settled=settled), payment(fee="23.60", settlement_id="NULL"))) == []

    @pytest.mark.parametrize(
        "report",
        [
            "id,amount,currency,payment_id,notes,receipt,created_at,contact,email,arn\nrfnd_1,1.0,INR,pay_1,,,,,,\n",
            "a;b;c\n1;2;3\n",
            "",
        ],
    )
    def test_an_unknown_one_is_a_sentence_that_says_which_to_take(self, report: str) -> None:
        with pytest.raises(UnreadableFacts) as refusal:
            read(report)

        assert str(refusal.value) == (
            "Settlement Recon, Combined and Settlements are the reports that Bahi reads, and this file has the columns of none of them;"
            " download Reports > Settlement Recon as CSV in Razorpay's dashboard"
        )

    def test_missing_columns_are_named(self) -> None:
        with pytest.raises(
            UnreadableFacts, match="these columns are missing: credit, debit, settled_at, settlement_utr;"
        ):
            read("entity_id,type,amount,fee,tax,settlement_id\n")

    @pytest.mark.parametrize("second", ["entity_id", "Entity ID", "utr", "fee_(exclusive_tax)"])
    def test_a_column_that_is_there_twice_is_refused(self, second: str) -> None:
        head, *lines = combined(payment(fee="23.60")).splitlines()
        report = "\n".join([f"{head},{second}", *(f"{line},x" for line in lines)]) + "\n"

        with pytest.raises(
            UnreadableFacts, match="these columns are there more than once: (entity_id|settlement_utr|fee);"
        ):
            read(report)

    @pytest.mark.parametrize("start", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0"])
    def test_a_workbook_is_refused(self, start: bytes) -> None:
        with pytest.raises(UnreadableFacts, match="it is an Excel workbook and not a CSV file; download Reports"):
            read(start + b"\x00" * 40)


class TestFile:
    """The same report as different programs save it."""

    @pytest.mark.parametrize(
        "save",
        [
            lambda text: text.encode("utf-8-sig"),
            lambda text: text.encode("utf-16"),
            lambda text: text.encode("utf-16-le"),
            lambda text: text.encode("utf-16-be"),
            lambda text: text.replace("café", "café – €5").encode("cp1252"),
            lambda text: text.replace("\n", "\r\n").encode(),
            lambda text: text.replace(",", "\t").encode("utf-16"),
            lambda text: (text + "\n\n" + "," * 26 + "\n").encode(),
            lambda text: ("sep=,\n" + text).encode(),
            lambda text: text.replace("entity_id", " Entity ID ").encode(),
        ],
        ids=[
            "bom",
            "utf-16",
            "utf-16-le",
            "utf-16-be",
            "windows",
            "crlf",
            "tabs",
            "blank-lines",
            "sep",
            "spaced-names",
        ],
    )
    def test_it_is_the_same_report(self, save: Callable[[str], bytes]) -> None:
        (row,) = read(save(recon(payment(entity_description="café"))))

        assert money(row) == (100_000, 0, 97_640, 2_360, 360)
        assert row.description.startswith("café")

    @pytest.mark.parametrize(
        ("delimiter", "amount"),
        [
            (",", "1,23,456.00"),
            (",", "123,456.00"),
            (",", "₹1,23,456.00"),
            (",", "Rs. 123456"),
            (";", "123.456,00"),
            (";", "1.23.456,0"),
            (";", "123456,00"),
        ],
    )
    def test_thousands_and_decimals_are_distinguished_by_the_file(self, delimiter: str, amount: str) -> None:
        mark = "," if delimiter == ";" else "."
        small = {"fee": f"20{mark}00", "tax": f"3{mark}60", "debit": "0", "credit": f"976{mark}4"}

        (row,) = read(recon(payment(amount=amount, **small), delimiter=delimiter))

        assert money(row) == (12_345_600, 0, 97_640, 2_360, 360)

    def test_two_decimal_marks_in_one_file_are_refused(self) -> None:
        with pytest.raises(UnreadableFacts, match="its amounts use point and comma in more than one way"):
            read(recon(payment(), payment(amount="1000,00"), delimiter=";"))

    @pytest.mark.parametrize("amount", ["1_000", "１２", "+5", "1e3", " ", "--5", "0x10", "12.345", "1,00.00", "-5.00"])
    def test_what_is_no_plain_amount_is_refused_with_its_line(self, amount: str) -> None:
        with pytest.raises(UnreadableFacts, match="^line 3: amount is not in rupees: "):
            read(recon(payment(), payment(amount=amount)))


class TestUnit:
    WHOLE: dict[str, Any] = {"amount": "1000", "fee": "0", "tax": "0", "debit": "0", "credit": "1000"}

    def test_whole_rupees_of_the_dashboards_layout_are_rupees(self) -> None:
        assert money(read(recon(payment(**self.WHOLE)))[0]) == (100_000, 0, 100_000, 0, 0)

    def test_one_amount_with_decimals_makes_all_of_them_rupees(self) -> None:
        rows = read(combined(payment(**self.WHOLE), payment(fee="23.60")))

        assert [row.amount for row in rows] == [100_000, 100_000]

    @pytest.mark.parametrize(("held", "unit"), [(100_000, 100_000), (1_000, 1_000)])
    def test_a_payment_that_we_hold_decides(self, held: int, unit: int) -> None:
        known = {"pay_Rp0000000000A1": KnownFact(held, None)}

        assert read(combined(payment(**self.WHOLE)), known=known)[0].amount == unit

    def test_unix_times_are_of_the_api_which_has_paise(self) -> None:
        times = {"created_at": "1795594000", "settled_at": "1795755600"}

        assert read(combined(payment(**self.WHOLE, **times)))[0].amount == 1_000
        known = {"pay_Rp0000000000A1": KnownFact(100_000, None)}
        assert read(combined(payment(**self.WHOLE, **times)), known=known)[0].amount == 100_000

    @pytest.mark.parametrize(
        "known",
        [
            {},
            {"pay_Rp0000000000A1": KnownFact(77_700, None)},
            {"pay_Rp0000000000A1": KnownFact(100_000, None), "pay_Rp0000000000A2": KnownFact(1_000, None)},
        ],
    )
    def test_what_nothing_decides_is_refused(self, known: dict[str, KnownFact]) -> None:
        other = payment(**self.WHOLE, entity_id="pay_Rp0000000000A2")

        with pytest.raises(UnreadableFacts, match="nothing in it shows whether its amounts are rupees or paise"):
            read(combined(payment(**self.WHOLE), other), known=known)

    def test_decimals_next_to_payments_in_paise_are_refused(self) -> None:
        known = {"pay_Rp0000000000A1": KnownFact(1_000, None)}

        with pytest.raises(UnreadableFacts, match="nothing in it shows whether"):
            read(combined(payment(**self.WHOLE), payment(entity_id="pay_Rp0000000000A2", fee="23.60")), known=known)


class TestDateOrder:
    @pytest.mark.parametrize(
        ("written", "instant"),
        [
            ("2026-11-05T09:08:07", "2026-11-05 09:08"),
            ("2026-11-05 03:38:07Z", "2026-11-05 09:08"),
            ("2026-11-05T09:08:07+05:30", "2026-11-05 09:08"),
            ("05-Nov-2026 09:08", "2026-11-05 09:08"),
            ("5 November 2026, 9:08 PM", "2026-11-05 21:08"),
            ("25/11/2026 09:08:07", "2026-11-25 09:08"),
            ("25-11-2026 09:08", "2026-11-25 09:08"),
            ("25.11.26 12:08 am", "2026-11-25 00:08"),
            ("11/25/2026 9:08", "2026-11-25 09:08"),
            ("1793849880", "2026-11-05 09:08"),
        ],
    )
    def test_a_time_is_read_as_it_is_written(self, written: str, instant: str) -> None:
        (row,) = read(recon(payment(created_at=written)))

        assert at(row)[0] == instant

    def test_one_day_after_the_twelfth_decides_for_all(self) -> None:
        rows = read(
            recon(
                payment(created_at="05/11/2026 10:00:00", settled_at="06/11/2026"),
                payment(created_at="13/11/2026 10:00:00", settled_at="16/11/2026"),
            )
        )

        assert [at(row)[1][:10] for row in rows] == ["2026-11-06", "2026-11-16"]
        (row,) = read(recon(payment(created_at="11/05/2026 10:00:00", settled_at="11/13/2026")))
        assert at(row) == ("2026-11-05 10:00", "2026-11-13 00:00")

    def test_nothing_is_settled_before_it_was_paid(self) -> None:
        # 12 January and 1 February: with the month first, 2 January would be before 1 December.
        (row,) = read(recon(payment(created_at="12/01/2026", settled_at="01/02/2026")))

        assert at(row)[1][:10] == "2026-02-01"

    def test_a_column_of_iso_dates_decides_the_other(self) -> None:
        (row,) = read(recon(payment(created_at="2026-11-05T10:00:00", settled_at="06/11/2026")))
        assert at(row)[1][:10] == "2026-11-06"

        (row,) = read(recon(payment(created_at="2026-08-05T10:00:00", settled_at="08/07/2026")))
        assert at(row)[1][:10] == "2026-08-07"

    def test_nothing_was_settled_in_the_future(self) -> None:
        (row,) = read(recon(payment(created_at="01/11/2026", settled_at="03/12/2026")))

        assert at(row) == ("2026-01-11 00:00", "2026-03-12 00:00")

    @pytest.mark.parametrize(("captured", "made"), [((2026, 6, 5), "2026-06-05"), ((2026, 5, 6), "2026-05-06")])
    def test_a_payment_that_we_hold_decides(self, captured: tuple[int, int, int], made: str) -> None:
        known = {"pay_Rp0000000000A1": KnownFact(None, datetime(*captured, 8, tzinfo=UTC))}

        (row,) = read(recon(payment(created_at="05/06/2026", settled_at="06/06/2026")), known=known)

        assert at(row) == (f"{made} 00:00", "2026-06-06 00:00")

    def test_what_may_be_read_in_two_ways_is_refused_and_the_user_can_say(self) -> None:
        report = recon(payment(created_at="05/06/2026", settled_at="06/06/2026"))

        with pytest.raises(UnreadableFacts) as refusal:
            read(report)

        assert str(refusal.value) == (
            "its dates, such as 05/06/2026, can be read with the day or the month first; run the import again with"
            " --date-order day-first or --date-order month-first"
        )
        assert at(read(report, date_order=DAY_FIRST)[0])[0] == "2026-06-05 00:00"
        assert at(read(report, date_order=MONTH_FIRST)[0])[0] == "2026-05-06 00:00"

    def test_the_same_number_for_day_and_month_asks_nobody(self) -> None:
        (row,) = read(recon(payment(created_at="05/05/2026", settled_at="06/06/2026")))

        assert at(row) == ("2026-05-05 00:00", "2026-06-06 00:00")

    def test_what_the_user_says_may_not_contradict_the_file(self) -> None:
        with pytest.raises(UnreadableFacts, match="its dates cannot be month-first: they fit only day-first"):
            read(recon(payment(created_at="25/11/2026")), date_order=MONTH_FIRST)

    def test_both_orders_in_one_file_are_refused(self) -> None:
        rows = payment(created_at="25/11/2026"), payment(created_at="11/25/2026")

        with pytest.raises(UnreadableFacts, match="some of its dates have the day first and others the month"):
            read(recon(*rows))

    def test_a_date_that_a_spreadsheet_has_made_a_number_is_refused(self) -> None:
        with pytest.raises(
            UnreadableFacts, match=r"a spreadsheet program has turned the time 44658\.446898 into a number"
        ):
            read(recon(payment(created_at="44658.44689814815"), payment(created_at="29/06/2026 07:34:39")))

    @pytest.mark.parametrize(
        "written", ["31/02/2026", "2026-13-01", "yesterday", "25/11/2026 25:00", "25/11/1926", "13:00 PM"]
    )
    def test_what_is_no_time_is_refused(self, written: str) -> None:
        with pytest.raises(UnreadableFacts, match=r"settled_at is not a time|some of its dates"):
            read(recon(payment(settled_at=written)))


# With our books -------------------------------------------------------------------------------------------------------


@pytest.fixture
def paid(shop: Any, owner: Any, sandbox: Any) -> PaymentAttempt:
    return pay(make_order(owner))


def in_rupees(paise: int) -> str:
    return f"{paise // 100}.{paise % 100:02d}"


def dashboard_line_of(attempt: PaymentAttempt, **said: Any) -> dict[str, Any]:
    fee, tax = attempt.fee_amount or 0, attempt.fee_tax_amount or 0
    now = clock.now().astimezone(IST)
    return payment(
        entity_id=attempt.gateway_payment_id, amount=in_rupees(attempt.amount), fee=in_rupees(fee - tax), tax=in_rupees(tax),
        credit=in_rupees(attempt.amount - fee), created_at=f"{now:%d/%m/%Y %H:%M:%S}", settled_at=f"{now:%d/%m/%Y %H:%M:%S}",
        settlement_id="setl_00000000000001", **said,
    )  # fmt: skip


@pytest.mark.django_db
class TestImportFile:
    def test_the_dashboards_report_is_booked_to_the_paisa(self, paid: PaymentAttempt) -> None:
        done = import_csv(recon(dashboard_line_of(paid)).encode())

        assert (done.status, found()) == ("completed", [])
        assert ledger.balance_of("settlement_in_transit") == paid.amount - paid.fee_amount
        assert ledger.balance_of("gateway_receivable:razorpay") == 0
        assert ledger.balance_of("input_gst") == paid.fee_tax_amount

    def test_a_file_of_the_dashboard_about_what_we_do_not_hold_is_held_in_suspense(self, paid: PaymentAttempt) -> None:
        done = import_csv((DATA / "settlement_recon_days_iso.csv").read_bytes())

        assert done.status == "completed"
        assert found() == [
            ("unknown_payment", "pay_Rp0000000000A1", -97_640), ("unknown_payment", "rfnd_Rp000000000A1", 20_000),
        ]  # fmt: skip
        assert Settlement.objects.get().settled_at == datetime(2026, 11, 27, 5, 0, tzinfo=UTC)
        assert ledger.balance_of("settlement_in_transit") == 77_640

    def test_it_adds_nothing_to_what_the_api_reported_before(self, paid: PaymentAttempt, owner: Any) -> None:
        other = pay(make_order(owner))
        import_csv(as_csv(line_of(paid)))
        before = ledger.balance_of("settlement_in_transit")

        done = import_csv(recon(dashboard_line_of(paid), dashboard_line_of(other)).encode())

        assert (done.lines_added, SettlementLine.objects.count(), found()) == (1, 2, [])
        assert ledger.balance_of("settlement_in_transit") == before + other.amount - other.fee_amount
        assert violated("INV-21", "INV-21b", "INV-26", "INV-26b", "INV-26c", "INV-28c") == []

    def test_fee_credits_of_a_report_make_no_exception(self, paid: PaymentAttempt) -> None:
        text = (DATA / "settlement_fee_credits.csv").read_text()
        PaymentAttempt.objects.filter(pk=paid.pk).update(fee_amount=paid.amount // 50, fee_tax_amount=0)
        fee = paid.amount // 50
        for was, now in (
            ("PAYMENT_ID", paid.gateway_payment_id),
            ("100000", str(paid.amount)),
            ("2360,360", f"{fee},0"),
        ):
            text = text.replace(was, now)

        done = import_csv(text.encode())

        assert (done.exceptions_opened, found()) == (0, [])
        assert ledger.balance_of("settlement_in_transit") == paid.amount
        assert SettlementLine.objects.get().fee_credit_amount == fee

    def test_what_cannot_be_decided_changes_nothing_and_can_be_said(self, paid: PaymentAttempt) -> None:
        report = recon(payment(created_at="05/06/2026", settled_at="06/06/2026")).encode()

        with pytest.raises(report_imports.ReportUnreadable, match="run the import again with --date-order"):
            import_csv(report)
        assert (
            Settlement.objects.count(),
            LedgerTransaction.objects.filter(source_type="settlements.settlement").count(),
        ) == (0, 0)
        assert ReconciliationException.objects.count() == 0

        done = report_imports.import_settlement_file(
            stream=io.BytesIO(report), name="report.csv", actor=SYSTEM, now=clock.now(), date_order=DAY_FIRST
        )
        assert (done.status, SettlementImport.objects.count()) == ("completed", 1)
        assert SettlementLine.objects.get().entity_created_at == datetime(2026, 6, 4, 18, 30, tzinfo=UTC)

    def test_the_command_takes_the_date_order(self, paid: PaymentAttempt, tmp_path: Path) -> None:
        file = tmp_path / "report.csv"
        file.write_text(recon(payment(created_at="05/06/2026", settled_at="06/06/2026")))

        with pytest.raises(CommandError) as refused:
            call_command("import_settlements", "--csv", str(file))
        with pytest.raises(SystemExit) as booked:
            call_command("import_settlements", "--csv", str(file), "--date-order", "day-first")

        assert (refused.value.returncode, booked.value.code) == (2, 1)
        assert found() == [("unknown_payment", "pay_Rp0000000000A1", -97_640)]


@pytest.mark.django_db
class TestTransfersReport:
    """The dashboard's Settlements report: what was transferred, without lines."""

    HEADER = "id,amount,status,fees,tax,utr,created_at\n"

    def test_it_names_what_was_transferred_by_settlements_that_we_know(self, paid: PaymentAttempt) -> None:
        import_csv(as_csv(line_of(paid)))
        amount = in_rupees(paid.amount - paid.fee_amount)
        rows = f"setl_00000000000001,{amount},processed,0.0,0.0,UTR1,2026-11-27T10:30:00\n"

        done = import_csv(
            (self.HEADER + rows + "setl_00000000000009,5.00,processed,0.0,0.0,U,2026-11-27T10:30:00\n").encode()
        )

        assert (done.status, done.rows_read, done.lines_added, found()) == ("completed", 2, 0, [])
        assert Settlement.objects.get().amount == paid.amount - paid.fee_amount

    def test_a_payment_of_a_moment_ago_is_not_blamed_for_a_sum_that_does_not_fit(
        self, paid: PaymentAttempt, owner: Any, settings: Any
    ) -> None:
        last = clock.now() - settings.SETTLEMENT_OVERDUE_AFTER
        overdue, recent = (pay(make_order(owner)) for _ in range(2))
        for attempt, seconds in ((paid, -2), (overdue, -1), (recent, 60)):
            PaymentAttempt.objects.filter(pk=attempt.pk).update(captured_at=last + timedelta(seconds=seconds))
        import_csv(as_csv(line_of(paid, created_at=int(last.timestamp()))))
        excess = overdue.amount - overdue.fee_amount + recent.amount - recent.fee_amount - 1
        amount = in_rupees(paid.amount - paid.fee_amount + excess)

        import_csv(
            f"{self.HEADER}setl_00000000000001,{amount},processed,0.0,0.0,UTR1,{clock.ist_date(clock.now()):%d/%m/%Y}\n".encode()
        )

        assert [entity for reason, entity, _ in found() if reason == "missing_line"] == [overdue.gateway_payment_id]

    def test_another_sum_than_that_of_the_lines_is_an_exception(self, paid: PaymentAttempt) -> None:
        import_csv(as_csv(line_of(paid)))
        amount = in_rupees(paid.amount - paid.fee_amount - 100)

        done = import_csv(f"{self.HEADER}setl_00000000000001,{amount},processed,0.0,0.0,UTR1,27/11/2026\n".encode())

        assert (done.exceptions_opened, found()) == (1, [("sum_mismatch", "setl_00000000000001", 100)])


@pytest.mark.django_db
@pytest.mark.parametrize("created_at", ["2026-11-25T13:33:57", "2026-11-25T13:33", "2026-11-25"])
def test_a_line_without_an_id_is_one_in_both_layouts(paid: PaymentAttempt, created_at: str) -> None:
    settled_at = datetime(2026, 11, 27, 10, 30, tzinfo=IST)
    of_api = line(
        "", "platform_fee", amount=11_800, debit=11_800, fee=118, tax=18, settlement_id="setl_Rp0000000000S1",
        created_at=int(datetime(2026, 11, 25, 13, 33, 57, tzinfo=IST).timestamp()), settled_at=int(settled_at.timestamp()),
    )  # fmt: skip
    of_dashboard = payment(
        type="platform_fee", entity_id="", amount="118.00", fee="1.00", tax="0.18", debit="118.00", credit="0.00",
        created_at=created_at,
    )  # fmt: skip
    import_csv(as_csv(of_api))

    again = import_csv(recon(of_dashboard).encode())

    assert (again.lines_added, SettlementLine.objects.count()) == (0, 1)
    assert (ledger.balance_of("suspense"), ledger.balance_of("settlement_in_transit")) == (11_800, -11_800)


@pytest.mark.django_db(transaction=True)
def test_the_dashboards_file_agrees_with_the_api(reference_data: None, owner: Any, sandbox: Any) -> None:
    make_registration()
    make_orders_paid_at_gateway(owner, sandbox, 2)
    sandbox.control("POST", "/knobs/razorpay", {"fee_credits": 0})
    settled = sandbox.control("POST", "/settlements/run", {"due_only": False})["settlement"]
    now = clock.now()
    asked = reconciliation.request_settlement_import(day=clock.ist_date(now), actor=SYSTEM, now=now)
    reconciliation.import_settlements(import_id=asked.pk, now=now)
    url = f"{sandbox.url}/__sim__/settlements/report.csv"
    report = requests.get(
        url, params={"settlement_id": settled["id"], "layout": "settlement_recon"}, timeout=10
    ).content

    done = import_csv(report, now=now + timedelta(seconds=1))

    assert (done.status, done.rows_read, done.lines_added, done.exceptions_opened) == ("completed", 2, 0, 0)
    assert ledger.balance_of("settlement_in_transit") == settled["amount"]

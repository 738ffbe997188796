"""Files of bank statements: each layout is recognised from the whole file, and what is ambiguous or broken is refused."""

import io
import tomllib
import tracemalloc
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from apps.payments.facts import UnreadableFacts
from apps.settlements.gateways.bank_statements import inspect_statement, layouts, read_lines
from apps.settlements.gateways.bank_statements.camt053 import read_camt053
from apps.settlements.gateways.bank_statements.facts import BankFact
from apps.settlements.management.commands.import_bank_statement import Command as ImportBankStatement
from apps.settlements.rules import MAX_BANK_CHARGE, gst_of_charge, is_bank_charge, list_references
from tests.support.pages import read_example

FILES = Path(__file__).parent / "files"
TODAY = date(2026, 11, 29)
MAPPING = (FILES / "mapped.toml").read_bytes()


def inspect(raw: bytes, *, account: str = "", mapping: bytes | None = None, today: date = TODAY) -> Any:
    return inspect_statement(io.BytesIO(raw), account=account, mapping=mapping, today=today)


def lines(raw: bytes, *, mapping: bytes | None = None) -> list[BankFact]:
    return list(read_lines(io.BytesIO(raw), mapping=mapping))


def refusal(raw: bytes, **given: Any) -> str:
    with pytest.raises(UnreadableFacts) as refused:
        inspect(raw, **{"account": "1234", **given})
    return str(refused.value)


class TestLayout:
    @pytest.mark.parametrize(
        ("name", "layout", "account"),
        [
            ("icici.csv", "ICICI CSV", "123405001234"),
            ("sbi.csv", "SBI CSV", "00000012345678901"),
            ("axis.csv", "Axis CSV", "917020012345678"),
            ("statement.sta", "MT940", "50200012345678"),
            ("camt053.xml", "camt.053", "50200012345678"),
        ],
    )
    def test_is_recognised_with_lines_and_balances(self, name: str, layout: str, account: str) -> None:
        raw = (FILES / name).read_bytes()

        seen = inspect(raw)

        assert (seen.layout, seen.account, seen.lines) == (layout, account, 2)
        assert (seen.first_on, seen.last_on, seen.closing_balance) == (
            date(2026, 11, 20), date(2026, 11, 21), 218_456_78,
        )  # fmt: skip
        found = {(line.booked_on, line.amount) for line in lines(raw)}
        assert found == {(date(2026, 11, 20), 123_456_78), (date(2026, 11, 21), -5_000_00)}
        credit = next(line for line in lines(raw) if line.amount > 0)
        assert "UTR1000001" in list_references(credit.reference, credit.description)

    def test_of_hdfc_needs_the_account_from_the_user(self) -> None:
        raw = (FILES / "hdfc.csv").read_bytes()

        assert refusal(raw, account="") == "it does not name its account: give the account's number with --account"
        seen = inspect(raw, account="50100012345678")
        assert (seen.layout, seen.account, seen.lines, seen.closing_balance) == (
            "HDFC CSV",
            "50100012345678",
            3,
            5_486_66,
        )
        assert [line.reference for line in lines(raw)] == ["UTR1000001", "", "000123"]

    def test_of_another_bank_is_read_by_a_mapping_file(self) -> None:
        raw = (FILES / "mapped.csv").read_bytes()

        seen = inspect(raw, mapping=MAPPING)

        assert (seen.layout, seen.account) == ("Co-operative CSV", "4455667788")
        assert [(line.booked_on, line.amount) for line in lines(raw, mapping=MAPPING)] == [
            (date(2026, 11, 20), 123_456_78), (date(2026, 11, 21), -5_000_00),
        ]  # fmt: skip

    def test_that_nobody_knows_is_refused_with_what_to_do(self) -> None:
        assert refusal(b"a,b\n1,2\n") == (
            "it has no header of a statement of HDFC, ICICI, SBI or Axis. Say with a mapping file which column is which"
        )

    @pytest.mark.parametrize("size", [100, 20_000])
    def test_of_any_size_needs_the_same_memory(self, size: int) -> None:
        head = "Tran Date,CHQNO,PARTICULARS,DR,CR,BAL,SOL\n"
        rows = (f"20-11-2026,-,LINE {number},,1.00,{number}.00,248\n" for number in range(1, size + 1))
        raw = (head + "".join(rows)).encode()

        tracemalloc.start()
        assert inspect(raw, account="1234").lines == size
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert peak - len(raw) < 2_000_000


class TestDates:
    HEAD = b"When;What;Rs\n"

    def test_that_fit_both_orders_are_refused(self) -> None:
        assert "set date_order in the mapping file" in refusal(
            self.HEAD + b"01/02/2026;A;1.00 Cr\n03/04/2026;B;1.00 Cr\n", mapping=MAPPING
        )

    def test_that_fit_both_orders_are_read_as_the_mapping_says(self) -> None:
        mapping = b'date_order = "day-first"\n' + MAPPING

        seen = inspect(self.HEAD + b"01/02/2026;A;1.00 Cr\n", mapping=mapping)

        assert seen.first_on == date(2026, 2, 1)

    def test_that_fit_no_order_are_refused(self) -> None:
        assert refusal(self.HEAD + b"25/02/2026;A;1.00 Cr\n02/25/2026;B;1.00 Cr\n", mapping=MAPPING) == (
            "no date order fits all of its dates"
        )

    def test_against_the_order_of_a_bank_are_refused(self) -> None:
        raw = (FILES / "axis.csv").read_bytes().replace(b"20-11-2026", b"11-20-2026")

        assert refusal(raw, account="") == "row 4: '11-20-2026' is not a date"

    def test_of_days_to_come_are_refused(self) -> None:
        raw = (FILES / "axis.csv").read_bytes()

        assert refusal(raw, account="", today=date(2026, 11, 20)) == "row 5 is of a day that has not come yet"


class TestAmounts:
    def test_without_a_sign_anywhere_are_refused(self) -> None:
        raw = b"When;What;Rs\n11/20/2026;A;1.00\n"

        assert "nothing says whether the amount of row 2 is a debit or a credit" in refusal(raw, mapping=MAPPING)

    @pytest.mark.parametrize("cell", ["12.345", "1.234,50", "1,2,3.00", "one", "--5"])
    def test_that_are_none_are_refused(self, cell: str) -> None:
        raw = (FILES / "axis.csv").read_bytes().replace(b"123456.78,", f'"{cell}",'.encode())

        assert refusal(raw, account="") == f"row 4: {cell!r} is not an amount in rupees"

    def test_on_both_sides_are_refused(self) -> None:
        raw = (FILES / "axis.csv").read_bytes().replace(b",,123456.78", b",5.00,123456.78")

        assert refusal(raw, account="") == "row 4 has not exactly one of a debit and a credit"


class TestBalances:
    @pytest.mark.parametrize(
        ("name", "old", "new", "why"),
        [
            ("axis.csv", b"218456.78", b"218456.79", "the balance of row 5 is not that of the line before it"),
            ("sbi.csv", b'"2,23,456.78"', b'"2,23,456.00"', "the balance of row 5 is not that of the line before it"),
            ("statement.sta", b"D5000,00", b"D5000,01", "do not add up to its closing balance"),
            ("camt053.xml", b">5000.00<", b">5000.01<", "do not add up to its closing balance"),
        ],
    )
    def test_that_contradict_the_lines_are_refused(self, name: str, old: bytes, new: bytes, why: str) -> None:
        assert why in refusal((FILES / name).read_bytes().replace(old, new), account="")

    def test_of_pages_that_do_not_follow_are_refused(self) -> None:
        page = (FILES / "statement.sta").read_bytes()

        assert "a page is missing" in refusal(page + page, account="")


class TestAccount:
    def test_that_the_file_contradicts_is_refused(self) -> None:
        assert "of another account" in refusal((FILES / "axis.csv").read_bytes(), account="999999999")

    def test_that_the_file_masks_is_the_one_that_was_given(self) -> None:
        raw = (FILES / "axis.csv").read_bytes().replace(b"917020012345678", b"XXXXXXXXXXX5678")

        assert inspect(raw, account="917020012345678").account == "917020012345678"


class TestXml:
    def test_with_entities_is_refused(self) -> None:
        bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha">]><Document>&b;</Document>'

        assert refusal(bomb) == "its XML declares a document type, which no statement does"

    @pytest.mark.parametrize(
        ("raw", "why"),
        [
            (b"<Document><Stmt></Document>", "it is not well-formed XML"),
            (b"<Document/>", "no statement of camt.053"),
            (b"<a>" * 100, "nested too deeply"),
        ],
    )
    def test_that_is_no_statement_is_refused(self, raw: bytes, why: str) -> None:
        assert why in refusal(raw)

    def test_in_another_currency_is_refused(self) -> None:
        raw = (FILES / "camt053.xml").read_bytes().replace(b'Ccy="INR"', b'Ccy="USD"')

        assert "is in 'USD', not in INR" in refusal(raw, account="")


class TestLongFields:
    """A file of any size is read in the same memory and time for each byte: what would have to be held whole is refused."""

    SIZE = 8 << 20

    @pytest.mark.parametrize(
        ("start", "end", "why"),
        [
            (b'<Document a="', b'"/>', "a tag or a comment of its XML is longer"),
            (b"<Document><!--", b"--></Document>", "a tag or a comment of its XML is longer"),
            (b"<Document><?a ", b"?></Document>", "a tag or a comment of its XML is longer"),
            (b"<Document><", b"/></Document>", "a tag or a comment of its XML is longer"),
        ],
    )
    def test_of_xml_are_refused_before_they_end(self, start: bytes, end: bytes, why: str) -> None:
        stream = io.BytesIO(start + b"x" * self.SIZE + end)

        with pytest.raises(UnreadableFacts, match=why):
            list(read_camt053(stream))

        assert stream.tell() < 2 << 20

    def test_text_of_xml_is_passed_over(self) -> None:
        whole = (FILES / "camt053.xml").read_bytes()
        long = whole.replace(b"<Stmt>", b"<Stmt><Note>" + b"x" * self.SIZE + b"</Note>", 1)

        assert long != whole
        assert list(read_camt053(io.BytesIO(long))) == list(read_camt053(io.BytesIO(whole)))

    def test_of_more_kinds_than_a_statement_has_are_refused(self) -> None:
        names = b"".join(b"<a%d/>" % number for number in range(2_000))

        assert "more kinds of elements" in refusal(b"<Document>" + names + b"</Document>")

    def test_of_mt940_are_refused_before_they_end(self) -> None:
        head = ":20:S\n:25:50200012345678\n:60F:C261120INR100,00\n:61:2611201120C10,00NTRFNONREF\n:86:"

        assert "line 5 is longer than" in refusal((head + "x" * self.SIZE).encode(), account="50200012345678")


class TestMapping:
    @pytest.mark.parametrize(
        ("mapping", "why"),
        [
            (b"{", "neither TOML nor JSON"),
            (
                b'date = "D"\ndescription = "W"\namount = "A"',
                "has no table [columns], which says how the file names its columns: date, description, and either",
            ),
            (b'[columns]\ndate = "D"', "needs date, description, and either debit and credit or amount"),
            (b'[columns]\ndate = "D"\ncolour = "C"', "colour is none of them"),
            (b'date_order = "up"\n[columns]\ndate="D"\ndescription="W"\namount="A"', "date_order is one of"),
        ],
    )
    def test_that_says_too_little_is_refused(self, mapping: bytes, why: str) -> None:
        assert why in refusal(b"When;What;Rs\n", mapping=mapping)

    def test_of_other_columns_is_refused_with_those_that_are_missing(self) -> None:
        assert refusal(b"When;Text;Rs\n20/11/2026;RENT;1.00 Dr\n", mapping=MAPPING) == (
            "the columns that the mapping file names are rs, what, when, and no row of the file's first 60 has all of them;"
            " missing: what"
        )

    def test_of_the_page_reads_its_file(self) -> None:
        mapping = read_example("money.md", beginning="name = ").encode()
        raw = read_example("money.md", beginning="Txn Date;").encode()

        seen = inspect(raw, mapping=mapping)

        assert (seen.layout, seen.account, seen.closing_balance) == ("Co-operative CSV", "4455667788", 218_456_78)
        assert [line[1:5] for line in lines(raw, mapping=mapping)] == [
            (date(2026, 11, 20), 123_456_78, "UTR1000001", "NEFT RAZORPAY SOFTWARE"),
            (date(2026, 11, 21), -5_000_00, "000123", "RENT NOVEMBER"),
        ]

    def test_of_the_help_is_that_of_the_page_and_both_name_every_key(self) -> None:
        page = read_example("money.md", beginning="name = ")
        shown = ImportBankStatement().create_parser("manage.py", "import_bank_statement").format_help()
        of_help = "\n".join(line.partition("#")[0].strip() for line in shown.splitlines())

        assert tomllib.loads(of_help[of_help.index('name = "') : of_help.index("The page")]) == tomllib.loads(page)
        keys = {*layouts._SETTINGS, *layouts._COLUMNS, "[columns]"}
        assert {key for key in keys if key not in shown} == set()
        money = (Path(__file__).parents[2] / "docs" / "money.md").read_text()
        assert {key for key in keys if f"`{key}`" not in money} == set()


class TestWordsOfLines:
    def test_references_are_words_and_pairs_in_each_case(self) -> None:
        assert {"N326261234567", "n326261234567", "NEFT N326261234567"} <= set(list_references("NEFT N326261234567"))

    @pytest.mark.parametrize(
        ("description", "is_charge", "tax"),
        [
            ("NEFT CHARGES INCL GST 0.36", True, 36),
            ("GST ON NEFT CHGS", True, 2_36),
            ("NEFT CHARGES", True, 0),
            ("SMS CHRG APR26-JUN26 INCL GST-MIR2610312345678", True, 0),
            ("Consolidated Charges for A/c", True, 0),
            ("AMB CHRG INCL GST FOR 01/10/26-31/10/26", True, 0),
            ("GST @18% on Charge", True, 2_36),
            ("CHQ BOOK ISSUE CHGS INCL GST OF RS. 0.36", True, 36),
            ("NEFT CHARGES INCL GST 1.99", True, 0),
            ("DISCHARGE OF LOAN", False, 0),
            ("GST PAYMENT CPIN 2611", False, 2_36),
            ("GST CHARGES NOV", False, 2_36),
            ("GST PMT-06 CHALLAN LATE FEE CHARGES", False, 2_36),
            ("NEFT DR-DELHIVERY LTD-FREIGHT CHARGES NOV", False, 0),
            ("FREIGHT CHARGES NOV", False, 0),
            ("UPI/632612345678/CHARGES", False, 0),
            ("IMPS 632612345678 CHARGES", False, 0),
            ("NEFT HDFCN26326123456 CHARGES", False, 0),
            ("RTGS HDFCR52026112612345678 CHARGES", False, 0),
            ("ELECTRICITY CHARGES", False, 0),
            ("ASHA CHARGES", False, 0),
            ("NEFT", False, 0),
        ],
    )
    def test_a_charge_is_named_as_one(self, description: str, is_charge: bool, tax: int) -> None:
        assert is_bank_charge(amount=-2_36, description=description) is is_charge
        assert gst_of_charge(amount=-2_36, description=description) == tax

    def test_a_large_charge_is_for_staff(self) -> None:
        assert is_bank_charge(amount=-MAX_BANK_CHARGE, description="AMB CHARGES")
        assert not is_bank_charge(amount=-MAX_BANK_CHARGE - 1, description="AMB CHARGES")

    def test_what_has_the_reference_of_a_transfer_is_no_charge(self) -> None:
        assert is_bank_charge(amount=-2_36, description="NEFT CHARGES", reference="0000000000000000")
        assert not is_bank_charge(amount=-2_36, description="NEFT CHARGES", reference="HDFCN26326123456")

    def test_a_credit_is_no_charge(self) -> None:
        assert not is_bank_charge(amount=2_36, description="NEFT CHARGES REVERSED")

"""Statements that are cut off, damaged or ambiguous: recognised or refused as a whole, and imported once they are repaired."""

from typing import Any

import pytest

from apps.ledger import selectors as ledger
from apps.settlements.models import BankLine, BankStatementImport
from apps.settlements.rules import find_account
from apps.settlements.services import bank_statements
from apps.settlements.services.bank_statements import StatementUnreadable
from tests.support.bank_statements import import_statement, statement
from tests.support.settlements import violated

pytestmark = pytest.mark.django_db

INVARIANTS = ("INV-25c", "INV-26", "INV-26g", "INV-26h", "INV-26i")
HEAD = "Tran Date,CHQNO,PARTICULARS,DR,CR,BAL,SOL\n"
WHOLE = (HEAD + "20-11-2026,-,A,,1.00,1.00,248\n20-11-2026,-,B,,150.00,151.00,248\n").encode()
PAIR = b"""name="Coop"
account="4455667788"
date_order="day-first"
[columns]
date="Date"
description="Narration"
debit="Debit"
credit="Credit"
balance="Balance"
"""
AMOUNT = PAIR.replace(b'debit="Debit"\ncredit="Credit"', b'amount="Amount"')
NO_BALANCE = AMOUNT.replace(b'balance="Balance"\n', b"")


@pytest.fixture(autouse=True)
def _books(reference_data: None, shop: Any) -> None: ...


def bank() -> int:
    return ledger.balance_of("bank")


def refusal(raw: bytes, **given: Any) -> str:
    """Return why a statement is refused; nothing of it is booked."""
    before = (BankLine.objects.count(), bank())

    with pytest.raises(StatementUnreadable) as refused:
        import_statement(raw, **given)

    assert (BankLine.objects.count(), bank()) == before
    return refused.value.text


def mt940(number: int, *, opening: str, closing: str, lines: str = ":61:2611201120C10,00NTRFNONREF\n") -> bytes:
    return (
        f":20:S{number}\n:25:50200012345678\n:28C:{number}/1\n:60F:C261120INR{opening}\n{lines}:62F:C261120INR{closing}\n-\n"
    ).encode()


class TestCutOff:
    @pytest.mark.parametrize(
        ("end", "why"),
        [
            (b"150.00", "ends before its last column"),
            (b"150.00,151.00", "ends before its last column"),
            (b"150.00,151.00,", ""),
            (b"150", "ends before its last column"),
            (b"-,B", "ends before its last column"),
            (b",248\n20-11", "ends before its last column"),
        ],
    )
    def test_csv_is_refused_and_the_whole_one_is_booked_once(self, end: bytes, why: str) -> None:
        cut = WHOLE[: WHOLE.index(end) + len(end)]

        if why:
            assert why in refusal(cut)
        else:
            import_statement(cut)
        import_statement(WHOLE)

        assert (bank(), violated(*INVARIANTS)) == (151_00, [])

    def test_csv_in_the_balance_of_its_last_line_is_refused(self) -> None:
        raw = b"Date,Narration,Debit,Credit,Balance\n25/11/2026,A,,1.00,1.00\n25/11/2026,B,,1.00,2.00\n25/11/2026,C,,148.00,150.00\n"

        assert "the balance of row 4" in refusal(raw[: raw.index(b"150.00") + 2], account="", mapping=PAIR)
        import_statement(raw, account="", mapping=PAIR)

        assert bank() == 150_00

    @pytest.mark.parametrize(
        ("raw", "mapping"),
        [
            (b"Date,Narration,Amount\n25/11/2026,A,1.00 Dr\n25/11/2026,B,15.00 Cr", NO_BALANCE),
            (b"Date,Narration,Debit,Credit,Balance\n25/11/2026,A,,1.00,15", PAIR),
            (b"Balance,Date,Narration,Debit,Credit\n3.00,25/11/2026,A,,2.00\n1.00,25/11/2026,B,,1.00", PAIR),
        ],
    )
    def test_csv_whose_last_line_nothing_vouches_for_must_have_its_end(self, raw: bytes, mapping: bytes) -> None:
        assert "its last line has no end" in refusal(raw, account="", mapping=mapping)

        assert import_statement(raw + b"\n", account="", mapping=mapping).status == "completed"

    def test_line_without_its_balance_is_refused(self) -> None:
        assert "row 3 has no balance" in refusal(WHOLE.replace(b"151.00", b""))

    @pytest.mark.parametrize(
        "end",
        [b"UTR1000", b"UTR1000001\n", b":62F:", b"110,00\n-\n:20:S2\n:25:50200012345678\n:60F:C261120INR110,00\n"],
    )
    def test_mt940_without_its_closing_balance_is_refused(self, end: bytes) -> None:
        whole = mt940(1, opening="100,00", closing="110,00", lines=":61:2611201120C10,00NTRFUTR1000001\n")
        two = whole + mt940(2, opening="110,00", closing="120,00")

        refusal(two[: two.index(end.split(b"\n-\n")[0]) + len(end)], account="")
        import_statement(whole, account="")

        assert bank() == 10_00

    def test_mt940_that_ends_with_a_page_is_refused(self) -> None:
        page = mt940(1, opening="100,00", closing="110,00").replace(b":62F:", b":62M:")

        assert "a page is missing" in refusal(page, account="")

    def test_mt940_line_without_an_opening_balance_is_refused(self) -> None:
        raw = mt940(1, opening="100,00", closing="110,00").replace(b":60F:C261120INR100,00\n", b"")

        assert "no opening balance (60F) stands before" in refusal(raw, account="")


class TestSigns:
    def test_of_amounts_that_only_balances_could_tell_are_not_guessed(self) -> None:
        raw = b"Date,Narration,Amount,Balance\n25/11/2026,RENT,500.00,1000.00\n25/11/2026,NEFT,200.00,1200.00\n"

        assert "whether the amount of row 2 is a debit or a credit" in refusal(raw, account="", mapping=AMOUNT)

    def test_of_some_amounts_where_credits_are_marked_are_not_guessed(self) -> None:
        raw = b"Date,Narration,Amount\n25/11/2026,A,1.00 Cr\n25/11/2026,B,2.00 Dr\n25/11/2026,C,3.00\n"

        assert "the amount of row 4" in refusal(raw, account="", mapping=NO_BALANCE)

    def test_of_debits_alone_are_enough(self) -> None:
        raw = b"Date,Narration,Amount\n25/11/2026,A,-1.00\n25/11/2026,B,3.00\n"

        import_statement(raw, account="", mapping=NO_BALANCE)

        assert bank() == 2_00


class TestRows:
    HEAD = b"Narration,Date,Debit,Credit,Balance\n"

    @pytest.mark.parametrize("first", [b"RENT", b"NEFT 12", b""])
    def test_whose_first_column_has_no_digit_are_lines_by_their_date(self, first: bytes) -> None:
        raw = self.HEAD + first + b",25/11/2026,,500.00,500.00\nSALARY,26/11/2026,100.00,,400.00\n"

        done = import_statement(raw, account="", mapping=PAIR)

        assert (done.lines_added, done.closing_balance, bank()) == (2, 400_00, 400_00)
        assert violated(*INVARIANTS) == []

    @pytest.mark.parametrize("row", [b"SALARY,,100.00,,400.00\n", b"SALARY,soon,100.00,,400.00\n"])
    def test_with_an_amount_and_no_date_are_refused(self, row: bytes) -> None:
        raw = self.HEAD + b"NEFT,25/11/2026,,500.00,500.00\n" + row

        assert "row 3 has an amount, but" in refusal(raw, account="", mapping=PAIR)

    def test_of_sums_below_the_lines_are_none(self) -> None:
        raw = self.HEAD + b"NEFT,25/11/2026,,500.00,500.00\nTotal,,0.00,500.00,500.00\nEnd of statement\n"

        assert import_statement(raw, account="", mapping=PAIR).lines_added == 1


class TestBytes:
    @pytest.mark.parametrize(
        ("raw", "why"),
        [
            (WHOLE.replace(b",B,", b",B\0C,"), "line 3 has a NUL byte"),
            (b"x" * 200_000 + b"\n" + WHOLE, "line 1 is longer than 65,536 characters"),
            (WHOLE.decode().encode("utf-16") + b"\x01", "it is cut off or damaged"),
            (
                mt940(1, opening="1,00", closing="11,00").replace(b"NONREF", b"\0").replace(b"50200012", b"917020012"),
                "has a NUL byte",
            ),
            (b'<Amt Ccy="INR">1</Amt>', "no statement of camt.053"),
            (b'<?xml version="1.0" encoding="latin-99"?><a/>', "an encoding that Bahi does not read"),
            (b'<?xml version="1.0" encoding="big5"?><a/>', "an encoding that Bahi does not read"),
        ],
        ids=["nul", "long-line", "utf16-odd", "mt940-nul", "amt-root", "unknown-encoding", "multi-byte-encoding"],
    )
    def test_that_are_no_text_are_refused_in_a_sentence(self, raw: bytes, why: str) -> None:
        assert why in refusal(raw)
        assert BankStatementImport.objects.get().status == "failed"

    def test_that_were_damaged_are_imported_once_repaired(self) -> None:
        refusal(WHOLE.replace(b",B,", b",B\0C,"), account="5678")

        import_statement(WHOLE.replace(b",B,", b",BC,"), account="917020012345678")

        assert (bank(), violated(*INVARIANTS)) == (151_00, [])


class TestMapping:
    @pytest.mark.parametrize(
        "change",
        [
            (b'"Coop"', b'"' + b"X" * 300 + b'"'),
            (b'"Coop"', b'"a\\u0000b"'),
            (b'"4455667788"', b'"' + b"4" * 300 + b'"'),
            (b'"4455667788"', b'"44"'),
        ],
    )
    def test_whose_name_or_account_cannot_be_kept_is_refused(self, change: tuple[bytes, bytes]) -> None:
        raw = b"Date,Narration,Debit,Credit,Balance\n25/11/2026,RENT,500.00,,500.00\n"

        refusal(raw, account="", mapping=PAIR.replace(*change))
        assert import_statement(raw, account="", mapping=PAIR).lines_added == 1


class TestEqualLines:
    def test_of_two_messages_of_one_day_are_two_and_each_is_known_again(self) -> None:
        one, other = mt940(1, opening="100,00", closing="110,00"), mt940(2, opening="110,00", closing="120,00")

        import_statement(one, account="")
        import_statement(other, account="")
        both = import_statement(one + other, account="")

        assert (bank(), both.lines_added, violated(*INVARIANTS)) == (20_00, 0, [])
        assert list(BankLine.objects.order_by("pk").values_list("balance", flat=True)) == [110_00, 120_00]


class TestAccounts:
    @pytest.mark.parametrize("number", ["8", "678"])
    def test_need_four_characters(self, number: str) -> None:
        assert "give at least its last 4" in refusal(statement((100_00, "A")), account=number)

    def test_of_an_interrupted_import_are_known_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole, booked = bank_statements.book_bank_lines, []

        def crash(lines: list[BankLine], *, now: Any) -> Any:
            if booked:
                raise KeyboardInterrupt
            booked.append(lines)
            return whole(lines, now=now)

        monkeypatch.setattr(bank_statements, "_BATCH", 1)
        monkeypatch.setattr(bank_statements, "book_bank_lines", crash)
        with pytest.raises(KeyboardInterrupt):
            import_statement(WHOLE, account="5678")
        monkeypatch.setattr(bank_statements, "book_bank_lines", whole)

        import_statement(WHOLE + b"\n", account="917020012345678")

        assert bank() == 151_00

    def test_that_end_alike_stay_apart(self) -> None:
        for number, end in (("5678", b""), ("11115678", b"\n"), ("99995678", b"\n\n"), ("11115678", b"\n\n\n")):
            import_statement(WHOLE + end, account=number)

        assert set(BankLine.objects.values_list("account", flat=True)) == {"5678", "99995678"}
        assert bank() == 2 * 151_00
        assert "several accounts whose numbers end with 5678" in refusal(WHOLE + b"\n" * 4, account="5678")

    @pytest.mark.parametrize(
        ("number", "known", "kept"),
        [
            ("5678", [], "5678"),
            ("5678", ["11115678"], "11115678"),
            ("11115678", ["5678"], "5678"),
            ("99995678", ["5678", "11115678"], "99995678"),
            ("11115678", ["5678", "11115678", "99995678"], "5678"),
            ("99995678", ["5678", "11115678", "99995678"], "99995678"),
            ("99995678", ["11115678", "5678"], "99995678"),
            ("5678", ["11115678", "99995678"], ""),
            ("915678", ["11115678"], "915678"),
        ],
    )
    def test_are_kept_under_the_number_that_came_first(self, number: str, known: list[str], kept: str) -> None:
        assert find_account(number, known) == kept

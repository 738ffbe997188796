from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.invoicing import rules
from apps.invoicing.rules import Draft, DraftLine, HsnRow, Refusal

LINE = DraftLine(
    position=1, order_line_id="line-1", sku="KUR-1", name="Kurta", hsn="61091000", uqc="PCS", quantity_milli=2_000, unit_price=49_950,
    price_includes_tax=False, gross_amount=99_900, discount_amount=0, shipping_amount=0, taxable_amount=99_900, tax_rate=1800,
    taxability="taxable",
    cgst_amount=0, sgst_amount=0, utgst_amount=0, igst_amount=17_982, total_amount=117_882,
)  # fmt: skip
DRAFT = Draft(
    supplier_state="27", place_of_supply="29", lines=(LINE,), taxable_amount=99_900, cgst_amount=0, sgst_amount=0,
    utgst_amount=0, igst_amount=17_982, round_off_amount=18, total_amount=117_900,
)  # fmt: skip


class TestDocumentNumber:
    @pytest.mark.parametrize(
        ("prefix", "year", "sequence", "number"),
        [
            ("INV", "2026-27", 1, "INV260000001"),
            ("INV", "2026-27", 9_999_999, "INV269999999"),
            ("MH27", "2099-00", 42, "MH27990000042"),
            ("A", "2030-31", 7, "A300000007"),
        ],
    )
    def test_is_prefix_year_and_seven_digits(self, prefix: str, year: str, sequence: int, number: str) -> None:
        assert rules.document_number(prefix=prefix, financial_year=year, sequence=sequence) == number
        assert len(number) <= 16
        assert rules.NUMBER_REGEX.fullmatch(number)

    @pytest.mark.parametrize("sequence", [0, -1, 10_000_000])
    def test_refuses_what_has_no_seven_digits(self, sequence: int) -> None:
        with pytest.raises(ValueError, match="1 to 9999999"):
            rules.document_number(prefix="INV", financial_year="2026-27", sequence=sequence)

    @pytest.mark.parametrize("prefix", ["", "inv", "0INV", "INVOI", "I/V", "-INV", "INV\n"])
    def test_refuses_a_prefix_that_the_law_or_the_portal_refuses(self, prefix: str) -> None:
        with pytest.raises(ValueError, match="no prefix"):
            rules.document_number(prefix=prefix, financial_year="2026-27", sequence=1)

    @given(st.integers(1, 9_999_998))
    def test_sorts_as_it_counts(self, sequence: int) -> None:
        this, following = (
            rules.document_number(prefix="INV", financial_year="2026-27", sequence=one)
            for one in (sequence, sequence + 1)
        )
        assert this < following


class TestNextIssuedAt:
    NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)

    def test_is_now_for_the_first_document(self) -> None:
        assert rules.next_issued_at(self.NOW, None) == self.NOW

    def test_never_decreases(self) -> None:
        later = self.NOW + timedelta(seconds=3)
        assert rules.next_issued_at(self.NOW, later) == later
        assert rules.next_issued_at(later, self.NOW) == later

    @pytest.mark.parametrize(
        ("instant", "year", "day"),
        [
            (datetime(2027, 3, 31, 18, 29, 59, 999_999, tzinfo=UTC), "2026-27", date(2027, 3, 31)),
            (datetime(2027, 3, 31, 18, 30, tzinfo=UTC), "2027-28", date(2027, 4, 1)),
            (datetime(2026, 12, 31, 20, 0, tzinfo=UTC), "2026-27", date(2027, 1, 1)),
            (datetime(2099, 12, 1, tzinfo=UTC), "2099-00", date(2099, 12, 1)),
        ],
    )
    def test_year_and_date_are_those_of_india(self, instant: datetime, year: str, day: date) -> None:
        assert rules.financial_year_at(instant) == year
        assert rules.invoice_date_at(instant) == day


class TestAmountInWords:
    @pytest.mark.parametrize(
        ("paise", "figures", "words"),
        [
            (0, "0.00", "Rupees Zero Only"),
            (1105, "11.05", "Rupees Eleven and Five Paise Only"),
            (117_900, "1,179.00", "Rupees One Thousand One Hundred Seventy-Nine Only"),
            (
                9_999_999,
                "99,999.99",
                "Rupees Ninety-Nine Thousand Nine Hundred Ninety-Nine and Ninety-Nine Paise Only",
            ),
            (10_000_000, "1,00,000.00", "Rupees One Lakh Only"),
            (
                123_456_750,
                "12,34,567.50",
                "Rupees Twelve Lakh Thirty-Four Thousand Five Hundred Sixty-Seven and Fifty Paise Only",
            ),
            (1_000_000_000, "1,00,00,000.00", "Rupees One Crore Only"),
            (
                12_345_678_901,
                "12,34,56,789.01",
                "Rupees Twelve Crore Thirty-Four Lakh Fifty-Six Thousand Seven Hundred Eighty-Nine and One Paise Only",
            ),
            (100_000_000_000, "1,00,00,00,000.00", "Rupees One Hundred Crore Only"),
        ],
    )
    def test_follows_the_indian_way(self, paise: int, figures: str, words: str) -> None:
        assert rules.grouped(paise) == figures
        assert rules.amount_in_words(paise) == words

    @pytest.mark.parametrize(
        ("rupees", "words"),
        [
            (
                9_999_999_999,
                "Nine Hundred Ninety-Nine Crore Ninety-Nine Lakh Ninety-Nine Thousand Nine Hundred Ninety-Nine",
            ),
            (10_000_000_000, "One Thousand Crore"),
            (10_000_000_001, "One Thousand Crore One"),
            (12_34_567 * 10_000_000, "Twelve Lakh Thirty-Four Thousand Five Hundred Sixty-Seven Crore"),
            (10_000_000 * 10_000_000, "One Crore Crore"),
        ],
    )
    def test_goes_on_beyond_a_thousand_crore(self, rupees: int, words: str) -> None:
        assert rules.amount_in_words(rupees * 100) == f"Rupees {words} Only"

    def test_knows_no_negative_amount(self) -> None:
        with pytest.raises(ValueError, match="no negative"):
            rules.amount_in_words(-1)

    def test_a_negative_figure_keeps_its_sign(self) -> None:
        assert rules.grouped(-34) == "-0.34"


class TestDraft:
    def test_has_the_figures_of_the_order_in_the_order_of_its_lines(self) -> None:
        totals = {name: getattr(DRAFT, name) for name in Draft.__slots__ if name not in {"supplier_state", "lines"}}
        facts = {name: getattr(LINE, name) for name in DraftLine.__slots__ if name != "order_line_id"}
        rows: list[Any] = [
            SimpleNamespace(id="second", **{**facts, "position": 2}),
            SimpleNamespace(id="first", **facts),
        ]

        draft = rules.draft_of(SimpleNamespace(**totals), rows, supplier_state="27")

        assert [(line.position, line.order_line_id) for line in draft.lines] == [(1, "first"), (2, "second")]
        assert draft.lines[0] == replace(LINE, order_line_id="first")
        assert draft.total_amount == 117_900

    def test_that_adds_up_passes(self) -> None:
        assert rules.check_draft(DRAFT) is None

    def test_within_a_state_bears_two_equal_heads(self) -> None:
        line = replace(LINE, igst_amount=0, cgst_amount=8_991, sgst_amount=8_991)
        draft = replace(DRAFT, place_of_supply="27", lines=(line,), igst_amount=0, cgst_amount=8_991, sgst_amount=8_991)
        assert rules.check_draft(draft) is None

    def test_within_a_union_territory_bears_utgst(self) -> None:
        line = replace(LINE, igst_amount=0, cgst_amount=8_991, utgst_amount=8_991)
        draft = replace(
            DRAFT,
            supplier_state="04",
            place_of_supply="04",
            lines=(line,),
            igst_amount=0,
            cgst_amount=8_991,
            utgst_amount=8_991,
        )
        assert rules.check_draft(draft) is None
        as_sgst = replace(line, utgst_amount=0, sgst_amount=8_991)
        wrong = replace(draft, lines=(as_sgst,), utgst_amount=0, sgst_amount=8_991)
        assert rules.check_draft(wrong) is Refusal.TAX_DOES_NOT_FOLLOW_THE_RATE

    @pytest.mark.parametrize(
        ("draft", "refusal"),
        [
            (replace(DRAFT, lines=()), Refusal.NO_LINES),
            (replace(DRAFT, place_of_supply="27"), Refusal.TAX_DOES_NOT_FOLLOW_THE_RATE),
            (replace(DRAFT, lines=(replace(LINE, discount_amount=1),)), Refusal.LINE_DOES_NOT_ADD_UP),
            (replace(DRAFT, lines=(replace(LINE, total_amount=1),)), Refusal.LINE_DOES_NOT_ADD_UP),
            (
                replace(DRAFT, lines=(replace(LINE, igst_amount=17_983, total_amount=117_883),)),
                Refusal.TAX_DOES_NOT_FOLLOW_THE_RATE,
            ),
            (replace(DRAFT, taxable_amount=99_901), Refusal.TOTALS_DO_NOT_ADD_UP),
            (replace(DRAFT, igst_amount=17_981, round_off_amount=19), Refusal.TOTALS_DO_NOT_ADD_UP),
            (replace(DRAFT, total_amount=118_000), Refusal.TOTALS_DO_NOT_ADD_UP),
            (replace(DRAFT, round_off_amount=-82, total_amount=117_800), Refusal.ROUND_OFF_TOO_LARGE),
        ],
    )
    def test_that_does_not_add_up_is_refused(self, draft: Draft, refusal: Refusal) -> None:
        assert rules.check_draft(draft) is refusal


class TestHsnSummary:
    def test_groups_by_code_and_rate(self) -> None:
        rice = replace(LINE, hsn="10063020", tax_rate=0, igst_amount=0, taxable_amount=5_000)
        cheap = replace(LINE, tax_rate=500, igst_amount=500, taxable_amount=10_000)

        assert rules.hsn_summary([LINE, rice, cheap, LINE]) == (
            HsnRow(hsn="10063020", tax_rate=0, taxable=5_000),
            HsnRow(hsn="61091000", tax_rate=500, taxable=10_000, igst=500),
            HsnRow(hsn="61091000", tax_rate=1800, taxable=199_800, igst=35_964),
        )

"""What credit notes take back: exact, within the invoice, and without a paisa left at the end."""

from dataclasses import fields
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.money import half_up, round_to_rupee
from apps.invoicing import rules
from apps.invoicing.rules import LineBalance, SkipReason
from apps.tax.rules import Credit

NOTHING = Credit(quantity=0, taxable=0)
KURTAS = LineBalance(
    order_line_id="a", original=Credit(quantity=2, taxable=90_000, cgst=8_100, sgst=8_100), credited=NOTHING
)


def plus(first: Credit, second: Credit) -> Credit:
    return Credit(**{field.name: getattr(first, field.name) + getattr(second, field.name) for field in fields(Credit)})


def after(balances: list[LineBalance], draft: rules.CreditDraft) -> list[LineBalance]:
    taken = dict(draft.lines)
    return [
        LineBalance(
            order_line_id=balance.order_line_id,
            original=balance.original,
            credited=plus(balance.credited, taken.get(balance.order_line_id, NOTHING)),
        )
        for balance in balances
    ]


class TestByUnits:
    def test_takes_the_units_share_of_the_line(self) -> None:
        draft = rules.draft_credit(
            [KURTAS], remaining_round_off=0, amount=53_100, line_amounts={"a": 53_100}, returned_units={"a": 1}
        )
        assert draft.lines == (("a", Credit(quantity=1, taxable=45_000, cgst=4_050, sgst=4_050)),)
        assert (draft.round_off, draft.total) == (0, 53_100)

    def test_the_last_takes_what_is_left_of_an_odd_split(self) -> None:
        line = LineBalance(
            order_line_id="a", original=Credit(quantity=3, taxable=9_999, cgst=250, sgst=250), credited=NOTHING
        )
        first = rules.draft_credit(
            [line], remaining_round_off=0, amount=3_499, line_amounts={"a": 3_499}, returned_units={"a": 1}
        )
        assert dict(first.lines)["a"] == Credit(quantity=1, taxable=3_333, cgst=83, sgst=83)
        last = rules.draft_credit(
            after([line], first),
            remaining_round_off=0,
            amount=7_000,
            line_amounts={"a": 7_000},
            returned_units={"a": 2},
        )
        assert dict(last.lines)["a"] == Credit(quantity=2, taxable=6_666, cgst=167, sgst=167)

    def test_an_amount_that_is_not_that_of_the_units_is_split_over_their_line_alone(self) -> None:
        other = LineBalance(order_line_id="b", original=Credit(quantity=1, taxable=10_000), credited=NOTHING)
        draft = rules.draft_credit(
            [KURTAS, other], remaining_round_off=0, amount=50_000, line_amounts={"a": 50_000}, returned_units={"a": 1}
        )
        assert draft.lines == (("a", Credit(quantity=1, taxable=42_372, cgst=3_814, sgst=3_814)),)


class TestByAmount:
    def test_is_split_over_the_lines_by_what_they_are_worth_at_their_rates(self) -> None:
        lines = [
            LineBalance(order_line_id="a", original=Credit(quantity=1, taxable=10_000, igst=1_800), credited=NOTHING),
            LineBalance(order_line_id="b", original=Credit(quantity=1, taxable=20_000, igst=1_000), credited=NOTHING),
        ]
        draft = rules.draft_credit(lines, remaining_round_off=0, amount=3_280)
        assert dict(draft.lines) == {
            "a": Credit(quantity=0, taxable=1_000, igst=180),
            "b": Credit(quantity=0, taxable=2_000, igst=100),
        }

    def test_the_rest_takes_everything_with_units_and_round_off(self) -> None:
        first = rules.draft_credit([KURTAS], remaining_round_off=18, amount=1_000)
        rest = rules.draft_credit(after([KURTAS], first), remaining_round_off=18, amount=105_218)
        assert plus(dict(first.lines)["a"], dict(rest.lines)["a"]) == KURTAS.original
        assert rest.round_off == 18

    def test_more_than_the_lines_have_comes_out_of_the_round_off(self) -> None:
        draft = rules.draft_credit([KURTAS], remaining_round_off=18, amount=106_208)
        assert (dict(draft.lines)["a"].total, draft.round_off) == (106_200, 8)

    def test_the_round_off_alone_still_makes_a_line(self) -> None:
        spent = LineBalance(order_line_id="a", original=KURTAS.original, credited=KURTAS.original)
        draft = rules.draft_credit([spent], remaining_round_off=8, amount=8)
        assert (draft.lines, draft.round_off) == ((("a", NOTHING),), 8)

    @pytest.mark.parametrize("amount", [0, -1, 106_201])
    def test_nothing_and_more_than_is_left_is_refused(self, amount: int) -> None:
        with pytest.raises(ValueError, match="cannot be credited"):
            rules.draft_credit([KURTAS], remaining_round_off=0, amount=amount)


@st.composite
def invoices(draw: Any) -> tuple[list[LineBalance], int]:
    is_inter_state, twin = draw(st.booleans()), draw(st.sampled_from(["sgst", "utgst"]))
    balances = []
    for index in range(draw(st.integers(1, 4))):
        taxable, rate = draw(st.integers(1, 200_000)), draw(st.sampled_from([0, 500, 1_800, 4_000]))
        half = half_up(taxable * rate, 20_000)
        heads = {"igst": half_up(taxable * rate, 10_000)} if is_inter_state else {"cgst": half, twin: half}
        original = Credit(quantity=draw(st.integers(1, 5)), taxable=taxable, **heads)
        balances.append(LineBalance(order_line_id=index, original=original, credited=NOTHING))
    total = sum(balance.original.total for balance in balances)
    return balances, round_to_rupee(total) - total


class TestAnySequenceOfCreditNotes:
    @given(invoices(), st.data())
    def test_is_exact_within_the_invoice_and_leaves_nothing(
        self, invoice: tuple[list[LineBalance], int], data: Any
    ) -> None:
        balances, remaining_round_off = invoice
        notes = 0
        while (left := sum(balance.remaining.total for balance in balances) + remaining_round_off) > 0:
            taken: dict[Any, int] = {}
            returned: dict[Any, int] = {}
            amount = data.draw(st.integers(1, left)) if notes < 5 else left
            if data.draw(st.booleans()):
                balance = data.draw(st.sampled_from(balances))
                if balance.remaining.quantity:
                    units = data.draw(st.integers(1, balance.remaining.quantity))
                    worth = min(half_up(balance.original.total * units, balance.original.quantity), left)
                    amount = worth or amount
                    taken, returned = {balance.order_line_id: amount}, {balance.order_line_id: units}
            draft = rules.draft_credit(
                balances,
                remaining_round_off=remaining_round_off,
                amount=amount,
                line_amounts=taken,
                returned_units=returned,
            )
            notes += 1

            assert draft.total == amount
            for _, credit in draft.lines:
                assert credit.cgst == credit.sgst + credit.utgst
                assert min(credit.quantity, credit.taxable, credit.cgst, credit.igst) >= 0
            balances = after(balances, draft)
            remaining_round_off -= draft.round_off
            for balance in balances:
                assert min(getattr(balance.remaining, field.name) for field in fields(Credit)) >= 0
            if notes > 6:
                break

        if notes and left == 0:
            assert all(balance.remaining.total == 0 for balance in balances)
            assert remaining_round_off == 0


class TestCreditDeadline:
    @pytest.mark.parametrize(
        ("invoiced", "until"),
        [
            (date(2026, 4, 1), date(2027, 11, 30)),
            (date(2027, 3, 31), date(2027, 11, 30)),
            (date(2027, 4, 1), date(2028, 11, 30)),
        ],
    )
    def test_is_30_november_after_the_financial_year(self, invoiced: date, until: date) -> None:
        assert rules.credit_deadline(invoiced) == until

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({}, None),
            ({"invoice_date": None}, SkipReason.NEVER_INVOICED),
            ({"is_before_sale": True}, SkipReason.REFUNDED_BEFORE_SALE),
            ({"is_surplus": True}, SkipReason.SURPLUS),
            ({"remaining": 0}, SkipReason.FULLY_CREDITED),
            ({"today": date(2027, 12, 1)}, SkipReason.DEADLINE_PASSED),
            ({"today": date(2027, 11, 30)}, None),
        ],
    )
    def test_is_one_of_the_reasons_for_no_note(self, changed: dict[str, Any], reason: SkipReason | None) -> None:
        facts: dict[str, Any] = {
            "invoice_date": date(2026, 11, 21), "remaining": 100, "is_surplus": False, "is_before_sale": False,
            "today": date(2026, 12, 1),
        }  # fmt: skip
        assert rules.credit_note_skip_reason(**{**facts, **changed}) == reason

"""Any sequence of refunds by amount and by units, credited in any order, takes each line's value once, to the paisa."""

from dataclasses import fields
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from apps.core.money import half_up, round_to_rupee
from apps.invoicing import rules as documents
from apps.invoicing.rules import LineBalance
from apps.payments import rules as money
from apps.payments.rules import RefundableLine
from apps.tax.rules import Credit

NOTHING = Credit(quantity=0, taxable=0)
SMALLEST = 100


def plus(first: Credit, second: Credit) -> Credit:
    return Credit(**{field.name: getattr(first, field.name) + getattr(second, field.name) for field in fields(Credit)})


class Sale:
    """An invoiced order of one payment, as payments and documents see it, without a database."""

    def __init__(self, originals: list[Credit]) -> None:
        self.balances = [
            LineBalance(order_line_id=number, original=original, credited=NOTHING)
            for number, original in enumerate(originals)
        ]
        self.lines = [
            RefundableLine(id=number, quantity=one.quantity, total_amount=one.total)
            for number, one in enumerate(originals)
        ]
        total = sum(one.total for one in originals)
        self.round_off = self.round_off_uncredited = round_to_rupee(total) - total
        self.left = round_to_rupee(total)
        self.beyond_lines = 0
        self.uncredited: list[tuple[int, dict[Any, int], dict[Any, int]]] = []

    def worth_of(self, units: dict[int, int]) -> dict[int, int]:
        return {number: self.lines[number].value_of(count) for number, count in units.items()}

    def default_amount(self, units: dict[int, int]) -> int:
        is_last = all(line.left_quantity == units.get(line.id, 0) for line in self.lines)
        rest = money.round_off_left(self.round_off, self.beyond_lines) if is_last else 0
        return sum(self.worth_of(units).values()) + rest

    def may_refund(self, amount: int) -> bool:
        return bool(amount >= SMALLEST and money.refund_parts(amount, [self.left], smallest=SMALLEST))

    def refund(self, amount: int, units: dict[int, int] | None = None) -> None:
        units = units or {}
        values = self.worth_of(units)
        rest = money.round_off_left(self.round_off, self.beyond_lines)
        taken = money.line_amounts(self.lines, amount, values=values, round_off=rest)
        self.lines = [line.after(units=units, values=values, amounts=taken) for line in self.lines]
        self.left -= amount
        self.beyond_lines += amount - sum(taken.values())
        self.uncredited.append((amount, taken, units))

        for line in self.lines:
            assert line.refunded_amount <= line.valued_amount <= line.total_amount
            if units and line.id not in units and taken.get(line.id):
                assert all(self.lines[number].left_amount == 0 for number in units), "the returned lines give first"
        assert sum(line.left_amount for line in self.lines) + self._round_off_left() == self.left

    def _round_off_left(self) -> int:
        return money.round_off_left(self.round_off, self.beyond_lines)

    def credit(self, position: int) -> None:
        amount, taken, units = self.uncredited.pop(position)
        draft = documents.draft_credit(
            self.balances,
            remaining_round_off=self.round_off_uncredited,
            amount=amount,
            line_amounts=taken,
            returned_units=units,
        )
        parts = dict(draft.lines)
        assert draft.total == amount
        if self.uncredited or self.left:
            assert all(credit.total <= taken.get(number, 0) for number, credit in parts.items())
            assert amount - sum(credit.total for credit in parts.values()) <= len(self.lines) + 50
        self.round_off_uncredited -= draft.round_off
        self.balances = [
            LineBalance(
                order_line_id=one.order_line_id,
                original=one.original,
                credited=plus(one.credited, parts.get(one.order_line_id, NOTHING)),
            )
            for one in self.balances
        ]
        for one in self.balances:
            assert min(getattr(one.remaining, field.name) for field in fields(Credit)) >= 0
            assert one.credited.cgst == one.credited.sgst + one.credited.utgst


@st.composite
def sales(draw: Any) -> Sale:
    is_inter_state, twin = draw(st.booleans()), draw(st.sampled_from(["sgst", "utgst"]))
    originals = []
    for _ in range(draw(st.integers(1, 4))):
        taxable, rate = draw(st.integers(1, 200_000)), draw(st.sampled_from([0, 500, 1_800, 4_000]))
        half = half_up(taxable * rate, 20_000)
        heads = {"igst": half_up(taxable * rate, 10_000)} if is_inter_state else {"cgst": half, twin: half}
        originals.append(Credit(quantity=draw(st.integers(1, 4)), taxable=taxable, **heads))
    sale = Sale(originals)
    assume(sale.left >= SMALLEST)
    return sale


def some_units(sale: Sale, data: Any) -> dict[int, int]:
    there = [line for line in sale.lines if line.left_quantity]
    if not there:
        return {}
    chosen = data.draw(st.lists(st.sampled_from(there), min_size=1, max_size=2, unique_by=lambda line: line.id))
    return {line.id: data.draw(st.integers(1, line.left_quantity)) for line in chosen}


def refund_something(sale: Sale, data: Any) -> None:
    how = data.draw(st.sampled_from(["amount", "units", "units for an amount"]))
    units = {} if how == "amount" else some_units(sale, data)
    amount = sale.default_amount(units) if how == "units" else data.draw(st.integers(1, max(1, sale.left)))
    if sale.may_refund(amount):
        sale.refund(amount, units)
    if sale.uncredited and data.draw(st.booleans()):
        sale.credit(data.draw(st.integers(0, len(sale.uncredited) - 1)))


class TestAnySequenceOfRefunds:
    @given(sales(), st.data())
    def test_ends_with_everything_refunded_and_all_tax_credited(self, sale: Sale, data: Any) -> None:
        for _ in range(data.draw(st.integers(0, 6))):
            refund_something(sale, data)

        # Then every line is returned in full by itself, and what refunds for less than the value have kept is refunded.
        for number in data.draw(st.permutations(range(len(sale.lines)))):
            units = {number: sale.lines[number].left_quantity}
            if units[number] and sale.may_refund(sale.default_amount(units)):
                sale.refund(sale.default_amount(units), units)
        if sale.left >= SMALLEST:
            sale.refund(sale.left)
        while sale.uncredited:
            sale.credit(data.draw(st.integers(0, len(sale.uncredited) - 1)))

        assert sale.left == 0
        assert sale.round_off_uncredited == 0
        for one in sale.balances:
            assert (one.credited.total, one.credited.taxable, one.credited.igst, one.credited.cgst) == (
                one.original.total,
                one.original.taxable,
                one.original.igst,
                one.original.cgst,
            )

    @given(sales(), st.data())
    def test_returning_one_line_in_full_leaves_every_other_line_what_it_was_worth(self, sale: Sale, data: Any) -> None:
        for _ in range(data.draw(st.integers(0, 4))):
            refund_something(sale, data)
        number = data.draw(st.integers(0, len(sale.lines) - 1))
        units = {number: sale.lines[number].left_quantity}
        amount = sum(sale.worth_of(units).values()) if units[number] else 0
        worth_before = [line.value_of(line.left_quantity) if line.left_quantity else 0 for line in sale.lines]
        if not amount or not sale.may_refund(amount):
            return

        sale.refund(amount, units)

        if sale.left == 0:
            return  # A negative round-off has taken what the other lines were worth: all of the money is refunded.
        for line, worth in zip(sale.lines, worth_before, strict=True):
            if line.id != number and line.left_quantity:
                assert line.value_of(line.left_quantity) == worth <= sale.left + max(0, -sale.round_off)

    @given(sales(), st.data())
    def test_units_alone_give_each_line_back_to_the_paisa(self, sale: Sale, data: Any) -> None:
        while there := [line for line in sale.lines if line.left_quantity]:
            line = data.draw(st.sampled_from(there))
            units = {line.id: data.draw(st.integers(1, line.left_quantity))}
            sale.refund(sale.default_amount(units), units)

        assert sale.left == 0
        assert all(line.refunded_amount == line.total_amount for line in sale.lines)

"""What an order or invoice comes to, by worked figures: tax, rounding, credit notes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.money import allocate, half_up, round_to_rupee
from apps.tax.rules import (
    Computation,
    Credit,
    Heads,
    Line,
    SupplyType,
    Treatment,
    compute,
    credit_portion,
)

INTRA, UT, INTER = SupplyType.INTRA_STATE, SupplyType.INTRA_UT, SupplyType.INTER_STATE


def line(unit_price: int, rate: int, quantity: int = 1, **more: int | bool | str) -> Line:
    return Line(**{"id": "a", "unit_price": unit_price, "rate": rate, "quantity": quantity, **more})


def money(result: Computation) -> tuple[int, int, int, int, int, int, int]:
    """Taxable, CGST, SGST, UTGST, IGST, round-off, total."""
    return (
        result.taxable,
        result.cgst,
        result.sgst,
        result.utgst,
        result.igst,
        result.round_off,
        result.total,
    )


class TestCompute:
    def test_charges_half_the_rate_twice_within_a_state(self) -> None:
        result = compute([line(49_950, 1800, 2)], supply=INTRA)

        assert money(result) == (99_900, 8_991, 8_991, 0, 0, 18, 117_900)
        assert result.lines[0].total == 117_882

    def test_charges_igst_between_states(self) -> None:
        assert money(compute([line(49_950, 1800, 2)], supply=INTER)) == (99_900, 0, 0, 0, 17_982, 18, 117_900)

    def test_charges_utgst_in_a_union_territory(self) -> None:
        assert money(compute([line(250_000, 1800)], supply=UT)) == (250_000, 22_500, 0, 22_500, 0, 0, 295_000)

    @pytest.mark.parametrize(
        ("price", "rate", "supply", "expected"),
        [
            (99_900, 1800, INTRA, (84_661, 7_619, 7_619, 0, 0, 1, 99_900)),
            (99_900, 1800, INTER, (84_661, 0, 0, 0, 15_239, 0, 99_900)),
            (14_000, 4000, INTRA, (10_000, 2_000, 2_000, 0, 0, 0, 14_000)),
            (4_000, 4000, INTRA, (2_857, 571, 571, 0, 0, 1, 4_000)),
            (1_180_000, 1800, INTRA, (1_000_000, 90_000, 90_000, 0, 0, 0, 1_180_000)),
            (1_000_000, 1800, INTRA, (847_458, 76_271, 76_271, 0, 0, 0, 1_000_000)),
        ],
    )
    def test_takes_the_tax_out_of_an_inclusive_price(self, price: Any, rate: Any, supply: Any, expected: Any) -> None:
        assert money(compute([line(price, rate, price_includes_tax=True)], supply=supply)) == expected

    def test_adds_up_lines_of_many_rates(self) -> None:
        lines = [line(4_500, 0, 3), line(12_025, 500, 2), line(149_900, 1800), line(4_000, 4000, 6)]

        result = compute(lines, supply=INTRA)

        assert [row.taxable for row in result.lines] == [13_500, 24_050, 149_900, 24_000]
        assert [row.cgst for row in result.lines] == [0, 601, 13_491, 4_800]
        assert [row.sgst for row in result.lines] == [0, 601, 13_491, 4_800]
        assert money(result) == (211_450, 18_892, 18_892, 0, 0, -34, 249_200)

    def test_spreads_the_discount_of_an_order_by_largest_remainder(self) -> None:
        lines = [line(24_050, 500), line(149_900, 1800), line(13_500, 0)]

        result = compute(lines, supply=INTRA, order_discount=10_000)

        assert [row.order_discount for row in result.lines] == [1_283, 7_997, 720]
        assert [row.taxable for row in result.lines] == [22_767, 141_903, 12_780]
        assert [row.cgst for row in result.lines] == [569, 12_771, 0]
        assert money(result) == (177_450, 13_340, 13_340, 0, 0, -30, 204_100)

    def test_spreads_the_shipping_charge_and_taxes_it_at_each_rate(self) -> None:
        result = compute([line(60_000, 500), line(40_000, 1800)], supply=INTER, shipping=6_000)

        assert [row.shipping for row in result.lines] == [3_600, 2_400]
        assert [row.taxable for row in result.lines] == [63_600, 42_400]
        assert [row.igst for row in result.lines] == [3_180, 7_632]
        assert money(result) == (106_000, 0, 0, 0, 10_812, -12, 116_800)

    @pytest.mark.parametrize(
        ("given_line", "supply", "expected"),
        [
            (line(1_234_567, 300, 10), INTRA, (12_345_670, 185_185, 185_185, 0, 0, -40, 12_716_000)),
            (line(1_234_567, 25), INTER, (1_234_567, 0, 0, 0, 3_086, 47, 1_237_700)),
        ],
        ids=["gold", "rough stones"],
    )
    def test_knows_the_rates_of_jewellers(self, given_line: Any, supply: Any, expected: Any) -> None:
        assert money(compute([given_line], supply=supply)) == expected

    def test_charges_nothing_on_an_export_under_an_undertaking(self) -> None:
        result = compute([line(5_000_000, 1800)], supply=INTER, treatment=Treatment.ZERO_RATED_WITHOUT_PAYMENT)

        assert money(result) == (5_000_000, 0, 0, 0, 0, 0, 5_000_000)

    def test_charges_igst_on_an_export_with_payment(self) -> None:
        result = compute([line(5_000_000, 1800)], supply=INTER, treatment=Treatment.ZERO_RATED_WITH_PAYMENT)

        assert money(result) == (5_000_000, 0, 0, 0, 900_000, 0, 5_900_000)

    def test_takes_the_tax_out_of_an_inclusive_price_even_where_none_is_charged(self) -> None:
        exported = line(118_000, 1800, price_includes_tax=True)

        result = compute([exported], supply=INTER, treatment=Treatment.ZERO_RATED_WITHOUT_PAYMENT)

        assert money(result) == (100_000, 0, 0, 0, 0, 0, 100_000)

    def test_leaves_the_tax_to_the_recipient_under_reverse_charge(self) -> None:
        result = compute([line(1_000_000, 500)], supply=INTRA, treatment=Treatment.REVERSE_CHARGE)

        assert money(result) == (1_000_000, 0, 0, 0, 0, 0, 1_000_000)
        assert result.recipient_tax == Heads(cgst=25_000, sgst=25_000)

    def test_rounds_each_line_and_not_the_sum(self) -> None:
        apart = compute([line(3_333, 500)] * 3, supply=INTRA)
        together = compute([line(3_333, 500, 3)], supply=INTRA)

        assert money(apart) == (9_999, 249, 249, 0, 0, 3, 10_500)
        assert money(together) == (9_999, 250, 250, 0, 0, 1, 10_500)

    @pytest.mark.parametrize(
        ("supply", "expected"),
        [
            (INTRA, (11_109, 278, 278, 0, 0, 35, 11_700)),
            (INTER, (11_109, 0, 0, 0, 555, 36, 11_700)),
        ],
    )
    def test_takes_goods_by_weight_in_grams(self, supply: Any, expected: Any) -> None:
        assert money(compute([line(8_995, 500, 1_235, price_per=1_000)], supply=supply)) == expected

    def test_keeps_the_paise_when_the_total_is_not_rounded(self) -> None:
        result = compute([line(3_333, 500, 3)], supply=INTRA, round_total=False)

        assert (result.round_off, result.total) == (0, 10_499)

    def test_takes_the_discount_of_a_line_from_that_line_alone(self) -> None:
        result = compute([line(49_950, 1800, 2, discount=9_900), line(10_000, 0, id="b")], supply=INTRA)

        assert [(row.taxable, row.cgst, row.total) for row in result.lines] == [
            (90_000, 8_100, 106_200),
            (10_000, 0, 10_000),
        ]

    def test_spreads_in_the_terms_of_inclusive_prices(self) -> None:
        lines = [line(10_500, 500, price_includes_tax=True), line(11_800, 1800, price_includes_tax=True)]

        result = compute(lines, supply=INTER, order_discount=2_230, shipping=4_460)

        assert [row.order_discount for row in result.lines] == [1_050, 1_180]
        assert [row.shipping for row in result.lines] == [2_100, 2_360]
        assert [row.total for row in result.lines] == [11_550, 12_980]
        assert money(result) == (22_000, 0, 0, 0, 2_530, -30, 24_500)

    def test_spreads_shipping_evenly_when_all_goods_are_free(self) -> None:
        result = compute([line(0, 500), line(5_000, 1800, discount=5_000)], supply=INTER, shipping=1_001)

        assert [row.shipping for row in result.lines] == [501, 500]

    def test_lets_a_discount_take_the_whole_price(self) -> None:
        result = compute(
            [line(14_000, 4000, price_includes_tax=True), line(10_000, 0)], supply=INTRA, order_discount=24_000
        )

        assert [row.order_discount for row in result.lines] == [14_000, 10_000]
        assert result.total == 0

    @pytest.mark.parametrize(
        "faulty",
        [{"quantity": 0}, {"price_per": 0}, {"unit_price": -1}, {"rate": -1}, {"discount": -1}, {"discount": 101}],
    )
    def test_refuses_a_line_that_cannot_be(self, faulty: Any) -> None:
        with pytest.raises(ValueError, match="line a"):
            line(**{"unit_price": 100, "rate": 500, **faulty})

    @pytest.mark.parametrize("faulty", [{"order_discount": 101}, {"order_discount": -1}, {"shipping": -1}])
    def test_refuses_a_charge_that_cannot_be(self, faulty: Any) -> None:
        with pytest.raises(ValueError, match="the order's discount"):
            compute([line(100, 500)], supply=INTRA, **faulty)

    def test_refuses_an_empty_document(self) -> None:
        with pytest.raises(ValueError, match="nothing"):
            compute([], supply=INTRA)

    def test_refuses_a_zero_rated_supply_within_a_state(self) -> None:
        with pytest.raises(ValueError, match="inter-State"):
            compute([line(100, 500)], supply=INTRA, treatment=Treatment.ZERO_RATED_WITH_PAYMENT)


LINES = st.lists(
    st.builds(
        Line,
        id=st.just("a"),
        quantity=st.integers(1, 5_000),
        unit_price=st.integers(0, 50_000_00),
        rate=st.sampled_from([0, 10, 25, 150, 300, 500, 1200, 1800, 2800, 4000]),
        price_includes_tax=st.booleans(),
        price_per=st.sampled_from([1, 10, 1000]),
    ),
    min_size=1,
    max_size=12,
)


class TestComputeForAnyOrder:
    @settings(max_examples=200)
    @given(
        lines=LINES, supply=st.sampled_from(SupplyType), percent=st.integers(0, 100), shipping=st.integers(0, 99_999)
    )
    def test_everything_adds_up(self, lines: Any, supply: Any, percent: Any, shipping: Any) -> None:
        discount = sum(row.gross for row in lines) * percent // 100

        result = compute(lines, supply=supply, order_discount=discount, shipping=shipping)

        assert result.total == sum(row.taxable + row.cgst + row.sgst + row.utgst + row.igst for row in result.lines) + (
            result.round_off
        )
        assert sum(row.order_discount for row in result.lines) == discount
        assert sum(row.shipping for row in result.lines) == shipping
        assert result.total % 100 == 0
        assert abs(result.round_off) <= 50
        for row in result.lines:
            assert row.cgst == row.sgst + row.utgst
            assert row.taxable >= 0
            assert not (row.igst and row.cgst)
            if row.price_includes_tax:
                quoted = row.gross - row.discount - row.order_discount + row.shipping
                assert abs(quoted - row.total) <= 1
            else:
                assert row.taxable == row.gross - row.discount - row.order_discount + row.shipping

    @settings(max_examples=100)
    @given(lines=LINES)
    def test_reverse_charge_moves_the_tax_and_changes_no_value(self, lines: Any) -> None:
        charged = compute(lines, supply=INTRA)
        reversed_ = compute(lines, supply=INTRA, treatment=Treatment.REVERSE_CHARGE)

        assert reversed_.tax == 0
        assert reversed_.recipient_tax.tax == charged.tax
        assert reversed_.taxable == charged.taxable

    @settings(max_examples=200)
    @given(amount=st.integers(0, 10**9), weights=st.lists(st.integers(0, 10**8), min_size=1, max_size=20).filter(any))
    def test_an_allocation_is_exact_and_within_a_paisa_of_fair(self, amount: Any, weights: Any) -> None:
        parts = allocate(amount, weights)

        assert sum(parts) == amount
        assert all(
            abs(part * sum(weights) - amount * weight) < sum(weights)
            for part, weight in zip(parts, weights, strict=True)
        )


class TestRounding:
    @pytest.mark.parametrize(
        ("paise", "rounded"), [(50, 100), (149, 100), (250, 300), (117_850, 117_900), (117_849, 117_800)]
    )
    def test_rounds_half_a_rupee_up(self, paise: Any, rounded: Any) -> None:
        assert round_to_rupee(paise) == rounded

    @pytest.mark.parametrize(("thousandths", "paise"), [(125, 13), (2_675, 268), (-125, -13)])
    def test_rounds_half_a_paisa_away_from_zero(self, thousandths: Any, paise: Any) -> None:
        assert half_up(thousandths, 10) == paise


class TestCreditPortion:
    def test_credits_by_proportion(self) -> None:
        result = compute([line(49_950, 1800, 2, discount=9_900)], supply=INTRA).lines[0]
        original = Credit(quantity=2, taxable=result.taxable, cgst=result.cgst, sgst=result.sgst)

        note = credit_portion(original, Credit(quantity=0, taxable=0), 1)

        assert (original.taxable, original.cgst, original.sgst, original.total) == (90_000, 8_100, 8_100, 106_200)
        assert (note.taxable, note.cgst, note.sgst, note.total) == (45_000, 4_050, 4_050, 53_100)

    def test_credits_the_rest_by_subtraction(self) -> None:
        original = Credit(quantity=3, taxable=9_999, cgst=250, sgst=250)

        first = credit_portion(original, Credit(quantity=0, taxable=0), 1)
        rest = credit_portion(original, first, 2)

        assert (first.taxable, first.cgst, first.sgst, first.total) == (3_333, 83, 83, 3_499)
        assert (rest.taxable, rest.cgst, rest.sgst, rest.total) == (6_666, 167, 167, 7_000)

    def test_never_credits_a_head_beyond_what_it_was(self) -> None:
        original = Credit(quantity=4, taxable=2, igst=2)
        credited = Credit(quantity=0, taxable=0)
        notes = []
        for _ in range(4):
            note = credit_portion(original, credited, 1)
            notes.append(note.igst)
            credited = Credit(
                quantity=credited.quantity + 1, taxable=credited.taxable + note.taxable, igst=credited.igst + note.igst
            )

        assert notes == [1, 1, 0, 0]
        assert credited == original

    @pytest.mark.parametrize("quantity", [0, -1, 3])
    def test_refuses_more_than_is_left(self, quantity: Any) -> None:
        with pytest.raises(ValueError, match="2 left"):
            credit_portion(Credit(quantity=3, taxable=300), Credit(quantity=1, taxable=100), quantity)

    @settings(max_examples=200)
    @given(
        taxable=st.integers(0, 10**7),
        half=st.integers(0, 10**6),
        returns=st.lists(st.integers(1, 9), min_size=1, max_size=8),
    )
    def test_all_credits_add_up_to_the_line(self, taxable: Any, half: Any, returns: Any) -> None:
        original = Credit(quantity=sum(returns), taxable=taxable, cgst=half, sgst=half)
        credited = Credit(quantity=0, taxable=0)
        for quantity in returns:
            note = credit_portion(original, credited, quantity)
            assert note.cgst == note.sgst
            assert min(note.taxable, note.cgst) >= 0
            credited = Credit(
                quantity=credited.quantity + note.quantity,
                taxable=credited.taxable + note.taxable,
                cgst=credited.cgst + note.cgst,
                sgst=credited.sgst + note.sgst,
            )

        assert credited == original

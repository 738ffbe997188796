import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import money


class TestHalfUp:
    @pytest.mark.parametrize(
        ("numerator", "denominator", "expected"),
        [
            (1, 2, 1),
            (125, 10, 13),
            (2675, 10, 268),
            (-125, 10, -13),
            (149, 100, 1),
            (250, 100, 3),
            (0, 7, 0),
            (-1, 2, -1),
        ],
    )
    def test_rounds_halves_away_from_zero(self, numerator: int, denominator: int, expected: int) -> None:
        assert money.half_up(numerator, denominator) == expected

    def test_refuses_a_denominator_that_is_not_positive(self) -> None:
        with pytest.raises(ValueError, match="positive"):
            money.half_up(1, 0)


class TestRoundToRupee:
    @pytest.mark.parametrize(
        ("paise", "expected"), [(50, 100), (149, 100), (250, 300), (117_850, 117_900), (117_849, 117_800), (-50, -100)]
    )
    def test_fifty_paise_round_up(self, paise: int, expected: int) -> None:
        assert money.round_to_rupee(paise) == expected


class TestAllocate:
    def test_gives_the_rest_to_the_largest_remainders(self) -> None:
        assert money.allocate(10_000, [24_050, 149_900, 13_500]) == [1283, 7997, 720]

    def test_a_tie_goes_to_the_earlier_part(self) -> None:
        assert money.allocate(1, [1, 1]) == [1, 0]

    def test_allocating_over_zero_weights_is_refused(self) -> None:
        assert money.allocate(0, [0, 0]) == [0, 0]
        with pytest.raises(ValueError, match="nothing to allocate"):
            money.allocate(1, [0, 0])

    def test_refuses_negative_parts(self) -> None:
        with pytest.raises(ValueError, match="not negative"):
            money.allocate(-1, [1])

    @given(st.integers(0, 10**12), st.lists(st.integers(0, 10**9), min_size=1, max_size=30).filter(any))
    def test_the_parts_always_sum_to_the_amount(self, amount: int, weights: list[int]) -> None:
        parts = money.allocate(amount, weights)

        assert sum(parts) == amount
        assert all(part >= 0 for part in parts)
        assert all(
            abs(part * sum(weights) - amount * weight) < sum(weights)
            for part, weight in zip(parts, weights, strict=True)
        )


class TestRupees:
    @pytest.mark.parametrize(
        ("paise", "expected"),
        [
            (0, "₹0.00"), (1105, "₹11.05"), (117_900, "₹1,179.00"), (9_999_999, "₹99,999.99"), (10_000_000, "₹1,00,000.00"),
            (123_456_750, "₹12,34,567.50"), (12_345_678_901, "₹12,34,56,789.01"), (-50, "-₹0.50"),
        ],
    )  # fmt: skip
    def test_groups_as_india_does(self, paise: int, expected: str) -> None:
        assert money.rupees(paise) == expected


class TestParseRupees:
    @pytest.mark.parametrize(
        ("typed", "paise"),
        [("599", 59_900), ("0.5", 50), ("0.05", 5), ("₹12,34,567.50", 123_456_750), ("1,234,567", 123_456_700)],
    )
    def test_reads_what_people_type(self, typed: str, paise: int) -> None:
        assert money.parse_rupees(typed) == paise

    @pytest.mark.parametrize("typed", ["", "5.999", "-1", "5,99", "1e3", "1,2,3", "abc", "9" * 18])
    def test_guesses_nothing(self, typed: str) -> None:
        with pytest.raises(ValueError, match="not an amount in rupees"):
            money.parse_rupees(typed)

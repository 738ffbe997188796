"""GST rules by date and code: financial years, HSN, slabs and the history of each tax class."""

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest

from apps.tax.rules import (
    REFERENCE_RATES,
    TAX_CLASSES,
    HsnRefusal,
    check_hsn,
    financial_year,
    fy_short,
    is_rate_allowed,
    is_service_code,
    ist_date,
    rates_allowed,
    reference_rate,
    start_of_financial_year,
)


class TestTaxCalendar:
    @pytest.mark.parametrize(
        ("day", "year", "short"),
        [
            (date(2026, 4, 1), "2026-27", "2627"),
            (date(2027, 3, 31), "2026-27", "2627"),
            (date(2027, 4, 1), "2027-28", "2728"),
            (date(2026, 1, 1), "2025-26", "2526"),
            (date(2099, 12, 31), "2099-00", "9900"),
        ],
    )
    def test_the_year_begins_in_april(self, day: Any, year: Any, short: Any) -> None:
        assert financial_year(day) == year
        assert fy_short(day) == short
        assert start_of_financial_year(day) == date(int(year[:4]), 4, 1)

    @pytest.mark.parametrize(
        ("instant", "day"),
        [
            (datetime(2026, 3, 31, 18, 29, 59, tzinfo=UTC), date(2026, 3, 31)),
            (datetime(2026, 3, 31, 18, 30, tzinfo=UTC), date(2026, 4, 1)),
            (datetime(2026, 4, 1, 2, 0, tzinfo=timezone(timedelta(hours=9))), date(2026, 3, 31)),
        ],
    )
    def test_the_day_is_the_indian_one(self, instant: Any, day: Any) -> None:
        assert ist_date(instant) == day

    def test_an_instant_without_zone_is_refused(self) -> None:
        with pytest.raises(ValueError, match="time zone"):
            ist_date(datetime(2026, 4, 1))  # noqa: DTZ001


class TestHsn:
    @pytest.mark.parametrize("code", ["1006", "100630", "61149090", "998314", "0401"])
    def test_accepts_codes_of_goods_and_services(self, code: Any) -> None:
        assert check_hsn(code) is None

    @pytest.mark.parametrize(
        ("code", "refusal"),
        [
            ("", HsnRefusal.NOT_DIGITS),
            ("10O6", HsnRefusal.NOT_DIGITS),
            ("१००६", HsnRefusal.NOT_DIGITS),
            ("10063", HsnRefusal.WRONG_LENGTH),
            ("99831400", HsnRefusal.WRONG_LENGTH),
            ("0001", HsnRefusal.UNKNOWN_CHAPTER),
            ("7701", HsnRefusal.UNKNOWN_CHAPTER),
        ],
    )
    def test_refuses_what_is_no_code(self, code: Any, refusal: Any) -> None:
        assert check_hsn(code) is refusal

    def test_a_large_seller_needs_six_digits(self) -> None:
        assert check_hsn("1006", minimum_digits=6) is HsnRefusal.TOO_SHORT
        assert check_hsn("100630", minimum_digits=6) is None

    def test_tells_services_from_goods(self) -> None:
        assert is_service_code("998314")
        assert not is_service_code("100630")


class TestRates:
    @pytest.mark.parametrize(
        ("rate", "last_before", "first_after"),
        [(1200, True, False), (2800, True, True), (4000, False, True), (500, True, True), (1800, True, True)],
    )
    def test_the_slabs_of_2025_change_on_22_september(self, rate: Any, last_before: Any, first_after: Any) -> None:
        assert is_rate_allowed(rate, date(2025, 9, 21)) is last_before
        assert is_rate_allowed(rate, date(2025, 9, 22)) is first_after

    def test_28_percent_ends_with_january_2026(self) -> None:
        assert is_rate_allowed(2800, date(2026, 1, 31))
        assert not is_rate_allowed(2800, date(2026, 2, 1))

    def test_the_rates_of_today(self) -> None:
        assert rates_allowed(date(2026, 11, 21)) == {0, 10, 25, 100, 150, 300, 500, 600, 750, 1800, 4000}

    def test_there_was_no_gst_before_it_began(self) -> None:
        assert rates_allowed(date(2017, 6, 30)) == frozenset()
        with pytest.raises(ValueError, match="2017-06-30"):
            reference_rate("gst_5", date(2017, 6, 30))

    @pytest.mark.parametrize(
        ("tax_class", "before", "after"),
        [
            ("exempt", 0, 0),
            ("exempt_was_12", 1200, 0),
            ("gst_5", 500, 500),
            ("gst_5_was_12", 1200, 500),
            ("gst_5_was_18", 1800, 500),
            ("gst_18", 1800, 1800),
            ("gst_18_was_28", 2800, 1800),
            ("gst_40", 2800, 4000),
            ("gst_40_tobacco", 2800, 2800),
            ("gst_3", 300, 300),
        ],
    )
    def test_each_class_has_the_rate_of_the_day(self, tax_class: Any, before: Any, after: Any) -> None:
        assert reference_rate(tax_class, date(2025, 9, 21)).rate == before
        assert reference_rate(tax_class, date(2025, 9, 22)).rate == after

    @pytest.mark.parametrize(("tax_class", "rate"), [("gst_40_tobacco", 4000), ("gst_18_bidi", 1800)])
    def test_tobacco_moves_in_february_2026(self, tax_class: Any, rate: Any) -> None:
        assert reference_rate(tax_class, date(2026, 1, 31)).rate == 2800
        assert reference_rate(tax_class, date(2026, 2, 1)).rate == rate

    def test_each_class_has_one_rate_on_each_day_since_gst_began(self) -> None:
        assert {row.tax_class for row in REFERENCE_RATES} == set(TAX_CLASSES)
        for tax_class in TAX_CLASSES:
            rows = [row for row in REFERENCE_RATES if row.tax_class == tax_class]
            began = date(2022, 4, 1) if tax_class.endswith("_bricks") else date(2017, 7, 1)
            assert rows[0].valid_from == began
            assert rows[-1].valid_to is None
            for earlier, later in pairwise(rows):
                assert earlier.valid_to is not None
                assert later.valid_from == earlier.valid_to + timedelta(days=1)
            for row in rows:
                assert is_rate_allowed(row.rate, row.valid_from, tax_class=tax_class)
                assert is_rate_allowed(row.rate, row.valid_to or date(2026, 11, 21), tax_class=tax_class)

    def test_an_unknown_class_has_no_rate(self) -> None:
        with pytest.raises(ValueError, match="gst_12"):
            reference_rate("gst_12", date(2026, 1, 1))

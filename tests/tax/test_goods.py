"""What GST asks of goods and texts: units, lengths, rates that depend on a value, and rates of a few goods alone."""

from datetime import date

import pytest

from apps.tax import rules
from apps.tax.rules import Taxability, TextRefusal

TODAY = date(2026, 11, 28)
OFFICIAL = (
    "BAG BAL BDL BKL BOU BOX BTL BUN CAN CBM CCM CMS CTN DOZ DRM GGK GMS GRS GYD KGS KLR KME LTR MLT MTR MTS NOS OTH PAC PCS PRS QTL"
    " ROL SET SQF SQM SQY TBS TGM THD TON TUB UGS UNT YDS"
)


class TestUnits:
    def test_list_is_the_official_one(self) -> None:
        assert set(rules.UQCS) == {*OFFICIAL.split(), "NA"}

    @pytest.mark.parametrize(
        ("uqc", "hsn", "is_allowed"),
        [
            ("NOS", "61091000", True),
            ("KGS", "100630", True),
            ("XYZ", "61091000", False),
            ("nos", "61091000", False),
            ("NA", "61091000", False),
            ("NA", "998314", True),
            ("NOS", "998314", False),
        ],
    )
    def test_services_have_none_and_goods_one(self, uqc: str, hsn: str, is_allowed: bool) -> None:
        assert rules.is_uqc_of(uqc, hsn) is is_allowed

    def test_default_is_of_its_kind(self) -> None:
        assert (rules.default_uqc("61091000"), rules.default_uqc("998314")) == ("NOS", "NA")


class TestTexts:
    @pytest.mark.parametrize(
        ("text", "refusal"),
        [
            ("Om", TextRefusal.TOO_SHORT),
            ("Asha", None),
            ("आशा", None),
            ("ஆஷா", None),
            ("D'Souza & Sons (P) Ltd.", None),
            ("a" * 100, None),
            ("अ" * 101, TextRefusal.TOO_LONG),
            ('The "Best" Shop', TextRefusal.FORBIDDEN_CHARACTER),
            ("Asha\\Rao", TextRefusal.FORBIDDEN_CHARACTER),
        ],
    )
    def test_name_is_of_the_schema(self, text: str, refusal: TextRefusal | None) -> None:
        assert rules.check_text(text, rules.NAME_LIMITS) is refusal

    def test_limits_are_those_of_the_schema(self) -> None:
        limits = [
            rules.NAME_LIMITS, rules.ADDRESS_LINE1_LIMITS, rules.ADDRESS_LINE2_LIMITS, rules.PLACE_LIMITS, rules.DESCRIPTION_LIMITS,
        ]  # fmt: skip

        assert [(one.fewest, one.most) for one in limits] == [(3, 100), (1, 100), (3, 100), (3, 100), (3, 300)]


class TestBricks:
    @pytest.mark.parametrize("hsn", ["6815", "681599", "6901", "69010010", "690410", "69041000", "6905", "69051000"])
    def test_bricks_and_roofing_tiles_can_bear_12_percent(self, hsn: str) -> None:
        assert rules.is_rate_of_goods(1200, hsn=hsn, day=TODAY)
        assert rules.is_rate_of_goods(600, hsn=hsn, day=TODAY)

    @pytest.mark.parametrize("hsn", ["040510", "69049000", "6907", "61091000", "69059000"])
    def test_other_goods_cannot(self, hsn: str) -> None:
        assert not rules.is_rate_of_goods(1200, hsn=hsn, day=TODAY)
        assert rules.is_rate_of_goods(1800, hsn=hsn, day=TODAY)

    def test_butter_could_before_the_slab_ended(self) -> None:
        assert rules.is_rate_of_goods(1200, hsn="040510", day=date(2025, 9, 21))

    def test_their_classes_have_dated_rates(self) -> None:
        for day in (date(2022, 4, 1), date(2025, 9, 21), date(2025, 9, 22), TODAY):
            assert rules.reference_rate("gst_12_bricks", day).rate == 1200
            assert rules.reference_rate("gst_6_bricks", day).rate == 600
        assert rules.reference_rate("gst_12_bricks", TODAY).notification == "14/2025-Central Tax (Rate)"

    def test_12_percent_is_open_to_their_class_alone(self) -> None:
        assert rules.is_rate_allowed(1200, TODAY, tax_class="gst_12_bricks")
        assert not rules.is_rate_allowed(1200, TODAY)
        assert not rules.is_rate_allowed(1200, TODAY, tax_class="gst_5_was_12")


class TestValueLimit:
    @pytest.mark.parametrize(
        ("hsn", "classes"),
        [
            ("61091000", ("gst_5", "gst_5_was_12", "gst_18_was_12")),
            ("6211", ("gst_5", "gst_5_was_12", "gst_18_was_12")),
            ("630231", ("gst_5", "gst_5_was_12", "gst_18_was_12")),
            ("940440", ("gst_5", "gst_5_was_12", "gst_18_was_12")),
            ("640399", ("gst_5_was_12", "gst_5_was_18", "gst_18")),
        ],
    )
    def test_class_follows_the_value_of_a_piece(self, hsn: str, classes: tuple[str, str, str]) -> None:
        limit = rules.value_limit(hsn, TODAY)

        assert limit is not None
        assert tuple(limit.class_of(value) for value in (100_000, 250_000, 250_001)) == classes
        assert tuple(limit.rate_of(value) for value in (250_000, 250_001)) == (500, 1800)

    @pytest.mark.parametrize("hsn", ["520852", "630532", "630533", "6309", "6310", "6406", "940490", "100630"])
    def test_other_goods_have_none(self, hsn: str) -> None:
        assert rules.value_limit(hsn, TODAY) is None

    def test_limit_began_with_the_new_slabs(self) -> None:
        assert rules.value_limit("61091000", date(2025, 9, 21)) is None
        assert rules.value_limit("61091000", date(2025, 9, 22)) is not None

    @pytest.mark.parametrize(
        ("price", "includes_tax", "rate", "discount", "quantity", "value"),
        [
            (262_500, True, 500, 0, 1, 250_000),
            (262_501, True, 500, 0, 1, 250_001),
            (295_000, True, 1800, 0, 1, 250_000),
            (250_000, False, 500, 0, 1, 250_000),
            (260_000, False, 1800, 20_000, 2, 250_000),
            (270_000, True, 500, 15_000, 2, 250_000),
        ],
    )
    def test_value_is_without_tax_and_after_discount(
        self, price: int, includes_tax: bool, rate: int, discount: int, quantity: int, value: int
    ) -> None:
        assert value == rules.value_of_piece(
            price=price, price_includes_tax=includes_tax, rate=rate, discount=discount, quantity=quantity
        )

    @pytest.mark.parametrize(
        ("tax_class", "rate", "value", "is_allowed"),
        [
            ("gst_5", 500, 250_000, True),
            ("gst_5", 500, 250_001, False),
            ("exempt", 0, 250_001, False),
            ("gst_18_was_12", 1800, 250_001, True),
            ("gst_18_was_12", 1800, 250_000, False),
            ("gst_18", 1800, 250_000, True),
        ],
    )
    def test_class_must_fit_the_value(self, tax_class: str, rate: int, value: int, is_allowed: bool) -> None:
        limit = rules.value_limit("61091000", TODAY)

        assert limit is not None
        assert limit.is_class_allowed(tax_class=tax_class, rate=rate, value=value) is is_allowed

    def test_prices_between_the_two_rates_are_named(self) -> None:
        limit = rules.value_limit("61091000", TODAY)

        assert limit is not None
        assert limit.highest_price_below(price_includes_tax=True) == 262_500
        assert limit.highest_price_not_above(price_includes_tax=True) == 295_000
        assert limit.highest_price_below(price_includes_tax=False) == 250_000


class TestTaxability:
    @pytest.mark.parametrize(
        ("tax_class", "rate", "taxability"),
        [
            ("gst_18", 1800, Taxability.TAXABLE),
            ("nil", 0, Taxability.NIL),
            ("exempt", 0, Taxability.EXEMPT),
            ("exempt_was_12", 0, Taxability.EXEMPT),
            ("exempt_was_12", 1200, Taxability.TAXABLE),
            ("non_gst", 0, Taxability.NON_GST),
            ("khadi", 0, Taxability.EXEMPT),
        ],
    )
    def test_three_kinds_without_tax_are_distinguished(self, tax_class: str, rate: int, taxability: Taxability) -> None:
        assert rules.taxability_of(tax_class, rate) is taxability

    def test_each_has_a_class_of_its_own(self) -> None:
        assert {name: rules.reference_rate(name, TODAY).rate for name in ("nil", "exempt", "non_gst")} == {
            "nil": 0, "exempt": 0, "non_gst": 0,
        }  # fmt: skip


class TestHsnDigits:
    @pytest.mark.parametrize("digits", [4, 6, 8])
    def test_services_have_six_whatever_the_turnover(self, digits: int) -> None:
        assert rules.check_hsn("998314", minimum_digits=digits) is None

    def test_goods_have_as_many_as_the_turnover_asks(self) -> None:
        assert rules.check_hsn("620462", minimum_digits=8) is rules.HsnRefusal.TOO_SHORT
        assert rules.check_hsn("62046200", minimum_digits=8) is None

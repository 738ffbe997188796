"""The demo shop: the same everywhere, varied, and right in what GST needs."""

from collections import Counter
from datetime import date

from apps.catalog.services.gst_checks import check_description
from apps.tax.rules import (
    REFERENCE_RATES,
    TAX_CLASSES,
    check_hsn,
    is_rate_of_goods,
    is_uqc_of,
    reference_rate,
    value_limit,
    value_of_piece,
)
from devtools.demo_data.catalogue import list_categories, make_products

TODAY = date(2026, 11, 21)
PRODUCTS = list(make_products())
VARIANTS = [variant for product in PRODUCTS for variant in product.variants]


class TestDemoShop:
    def test_has_about_a_thousand_products_in_twelve_categories(self) -> None:
        counted = Counter(product.category for product in PRODUCTS)

        assert 950 <= len(PRODUCTS) <= 1_050
        assert set(counted) == {category.slug for category in list_categories()}
        assert len(counted) == 12
        assert min(counted.values()) >= 60

    def test_is_the_same_every_time(self) -> None:
        assert list(make_products()) == PRODUCTS

    def test_repeats_no_name_and_no_sku(self) -> None:
        assert len({product.slug for product in PRODUCTS}) == len(PRODUCTS)
        assert len({product.name for product in PRODUCTS}) == len(PRODUCTS)
        assert len({variant.sku for variant in VARIANTS}) == len(VARIANTS)

    def test_fits_its_columns(self) -> None:
        assert max(len(variant.sku) for variant in VARIANTS) <= 40
        assert max(len(product.name) for product in PRODUCTS) <= 160

    def test_has_codes_and_classes_that_exist(self) -> None:
        assert {check_hsn(variant.hsn, minimum_digits=6) for variant in VARIANTS} == {None}
        assert {variant.tax_class for variant in VARIANTS} <= set(TAX_CLASSES)
        assert {variant.uqc for variant in VARIANTS} == {"KGS", "NOS", "PAC", "PRS", "SET"}

    def test_covers_the_rates_of_today(self) -> None:
        rates = Counter(reference_rate(variant.tax_class, TODAY).rate for variant in VARIANTS)

        assert set(rates) == {0, 300, 500, 1800, 4000}
        assert min(rates.values()) >= 10

    def test_has_products_with_one_to_four_variants(self) -> None:
        assert set(Counter(len(product.variants) for product in PRODUCTS)) == {1, 2, 3, 4}

    def test_has_stock_but_for_a_few(self) -> None:
        sold_out = [variant for variant in VARIANTS if variant.stock == 0]

        assert 10 <= len(sold_out) <= len(VARIANTS) // 20
        assert max(variant.stock for variant in VARIANTS) <= 400

    def test_prices_are_whole_rupees_with_tax(self) -> None:
        assert all(
            variant.price > 0 and variant.price % 100 == 0 and variant.price_includes_tax for variant in VARIANTS
        )

    def test_clothes_change_class_at_2500_rupees_before_tax(self) -> None:
        worn = [
            variant
            for variant in VARIANTS
            if variant.sku.startswith(("CLO", "SHO")) and variant.hsn[:2] in {"61", "62", "64"}
        ]

        for variant in worn:
            rate = reference_rate(variant.tax_class, TODAY).rate
            value = variant.price * 10_000 // (10_000 + rate)
            assert (rate == 1800) is (value > 2_500_00)

    def test_every_variant_could_be_created(self) -> None:
        for product in PRODUCTS:
            check_description(name=product.name)
            for variant in product.variants:
                check_description(title=variant.title)
                assert is_uqc_of(variant.uqc, variant.hsn)
                rate = reference_rate(variant.tax_class, TODAY).rate
                assert is_rate_of_goods(rate, hsn=variant.hsn, day=TODAY)
                limit = value_limit(variant.hsn, TODAY)
                if limit is not None:
                    value = value_of_piece(price=variant.price, price_includes_tax=True, rate=rate)
                    assert (limit.class_of(value), variant.sku) == (variant.tax_class, variant.sku)

    def test_a_larger_pack_never_costs_less(self) -> None:
        for product in PRODUCTS:
            if product.category.startswith("grains"):
                prices = [variant.price for variant in product.variants]
                assert prices == sorted(prices)


def test_the_reference_rates_have_no_class_without_goods_or_reason() -> None:
    sold = {variant.tax_class for variant in VARIANTS}

    assert {row.tax_class for row in REFERENCE_RATES} - sold == {
        "gst_18_bidi", "gst_40_tobacco", "gst_0_25", "gst_1_5", "gst_6_bricks", "gst_12_bricks", "nil", "non_gst",
    }  # fmt: skip

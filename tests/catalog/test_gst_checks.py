"""What GST asks of goods before they are sold, at every door: services, API, back office, audit."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from apps.catalog import services
from apps.catalog.models import Product, Variant
from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from tests.factories.catalog import make_product, make_variant

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reference_data")]

KURTA = {"sku": "KUR-M", "hsn": "62114290", "tax_class": "gst_5", "price": 49_900}


def create(product: Product | None = None, **fields: Any) -> Variant:
    product = product or make_product()
    return services.create_variant(product_id=product.pk, **{**KURTA, **fields}, actor=SYSTEM, now=clock.now())


def change(variant: Variant, **changes: Any) -> Variant:
    return services.update_variant(variant_id=variant.pk, changes=changes, actor=SYSTEM, now=clock.now())


def find_uninvoiceable_variants() -> list[dict[str, object]]:
    [result] = audit.run(now=clock.now(), only=["INV-55"]).results
    assert not result.error
    return result.rows


class TestUnits:
    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            (
                {"uqc": "XYZ"},
                "XYZ is not a GST unit for goods. Choose one from the list, such as NOS (numbers), PCS (pieces), KGS or LTR.",
            ),
            (
                {"uqc": "NA"},
                "NA is not a GST unit for goods. Choose one from the list, such as NOS (numbers), PCS (pieces), KGS or LTR.",
            ),
            ({"hsn": "998314", "uqc": "NOS"}, "A service cannot have the unit NOS. Choose NA."),
        ],
    )
    def test_only_those_of_the_official_list_are_taken(self, fields: dict[str, str], sentence: str) -> None:
        with pytest.raises(services.UnitNotAllowed) as refused:
            create(**fields)

        assert (refused.value.text, refused.value.param) == (sentence, "uqc")
        assert (Variant.objects.count(), Event.objects.count()) == (0, 0)

    def test_goods_have_numbers_and_services_none_unless_they_say(self) -> None:
        assert create().uqc == "NOS"
        assert create(sku="SEW-1", hsn="998314", tax_class="gst_18").uqc == "NA"

    def test_change_is_refused_too(self) -> None:
        variant = create()

        with pytest.raises(services.UnitNotAllowed):
            change(variant, uqc="EACH")

        variant.refresh_from_db()
        assert (variant.uqc, variant.version) == ("NOS", 1)

    def test_variant_of_before_the_list_can_be_switched_off(self) -> None:
        variant = make_variant(uqc="XYZ")

        assert not change(variant, is_active=False).is_active


class TestHsnDigits:
    @pytest.mark.parametrize(("digits", "is_taken"), [(4, True), (6, False), (8, False)])
    def test_goods_have_as_many_as_the_turnover_asks(self, settings: Any, digits: int, is_taken: bool) -> None:
        settings.HSN_MIN_DIGITS = digits
        if is_taken:
            assert create(hsn="6211").hsn == "6211"
            return

        with pytest.raises(services.InvalidHsn) as refused:
            create(hsn="6211")

        assert refused.value.text == (
            f"The HSN 6211 has 4 digits; at the shop's turnover, invoices must show at least {digits}."
        )
        assert not Variant.objects.exists()

    def test_services_have_six_at_any_turnover(self, settings: Any) -> None:
        settings.HSN_MIN_DIGITS = 8

        assert create(hsn="998314", tax_class="gst_18").hsn == "998314"


class TestDescriptions:
    @pytest.mark.parametrize(
        ("name", "sentence"),
        [
            ("TV", "The name of the product has 2 characters; a GST invoice needs at least 3. Write it out in full."),
            (
                'Television 43"',
                'The name of the product has a quotation mark (") or a backslash (\\), which a GST invoice cannot contain. Remove it.',
            ),
        ],
    )
    def test_product_has_a_name_that_an_invoice_carries(self, name: str, sentence: str) -> None:
        product = make_product(name="Cotton kurta")

        with pytest.raises(services.InvalidDescription) as refused:
            services.create_product(category_id=product.category_id, name=name, actor=SYSTEM, now=clock.now())
        with pytest.raises(services.InvalidDescription):
            services.update_product(product_id=product.pk, changes={"name": name}, actor=SYSTEM, now=clock.now())

        product.refresh_from_db()
        assert refused.value.text == sentence
        assert (product.name, Product.objects.count(), Event.objects.count()) == ("Cotton kurta", 1, 0)

    def test_names_in_indian_scripts_are_taken(self) -> None:
        category = make_product().category

        for name in ("सूती कुर्ता", "பட்டு புடவை", "ચણિયા ચોળી"):
            made = services.create_product(category_id=category.pk, name=name, actor=SYSTEM, now=clock.now())
            assert made.name == name

    def test_title_may_be_a_letter_and_has_no_quotation_mark(self) -> None:
        assert create(title="M").title == "M"
        with pytest.raises(services.InvalidDescription):
            create(sku="KUR-43", title='43"')


class TestBricks:
    def test_bear_12_percent(self) -> None:
        assert create(hsn="69041000", tax_class="gst_12_bricks").tax_class == "gst_12_bricks"

    @pytest.mark.parametrize("tax_class", ["gst_12_bricks", "gst_6_bricks"])
    def test_other_goods_do_not(self, tax_class: str) -> None:
        with pytest.raises(services.RateNotAllowedForHsn) as refused:
            create(tax_class=tax_class)

        percent = tax_class.split("_")[1]
        assert refused.value.text == (
            f"The tax class {tax_class} bears {percent} %, which since 22 Sep 2025 applies only to HSN 6815, 69010010, 69041000,"
            " 69051000; these goods have HSN 62114290."
        )
        assert not Variant.objects.exists()


class TestValueLimit:
    def test_499_rupee_kurta_bears_5_percent(self) -> None:
        assert create(price=49_900).tax_class == "gst_5"

    def test_price_above_2500_without_tax_names_the_other_class(self) -> None:
        variant = create(price=240_000, price_includes_tax=False, tax_class="gst_5_was_12")

        with pytest.raises(services.TaxClassMismatch) as refused:
            change(variant, price=260_000)

        assert refused.value.text == (
            "At ₹2,600.00 a piece is worth ₹2,600.00 without tax. Above ₹2,500.00 goods of HSN 62114290 bear 18 %, and gst_5_was_12"
            " bears 5 %: choose the tax class gst_18_was_12, or a price of at most ₹2,500.00."
        )
        assert refused.value.details == [{"param": "price", "code": "tax_class_mismatch", "tax_class": "gst_18_was_12"}]
        variant.refresh_from_db()
        assert (variant.price, variant.version, Event.objects.filter(subject_id=variant.pk).count()) == (240_000, 1, 1)

    @pytest.mark.parametrize("tax_class", ["gst_18_was_12", "gst_18"])
    def test_price_below_names_the_other_class(self, tax_class: str) -> None:
        variant = create(price=350_000, tax_class=tax_class)

        with pytest.raises(services.TaxClassMismatch) as refused:
            change(variant, price=49_900)

        assert refused.value.text == (
            f"At ₹499.00 a piece is worth ₹422.88 without tax. Up to ₹2,500.00 goods of HSN 62114290 bear 5 %, and {tax_class}"
            " bears 18 %: choose the tax class gst_5, or a price above ₹2,950.00."
        )
        variant.refresh_from_db()
        assert variant.price == 350_000

    def test_price_between_the_two_rates_has_no_class(self) -> None:
        variant = create(price=262_500, tax_class="gst_5_was_12")

        with pytest.raises(services.TaxClassMismatch) as refused:
            change(variant, price=270_000)

        assert refused.value.text == (
            "At ₹2,700.00 with tax, a piece is worth more than ₹2,500.00 without tax if it bears 5 %, and not if it bears 18 %, so that"
            " goods of HSN 62114290 have no tax class at this price. Choose a price of at most ₹2,625.00 with the tax class gst_5_was_12,"
            " or above ₹2,950.00 with the tax class gst_18_was_12."
        )

    def test_price_and_class_may_cross_together(self) -> None:
        variant = create(price=240_000, price_includes_tax=False, tax_class="gst_5_was_12")

        changed = change(variant, price=260_000, tax_class="gst_18_was_12")
        back = change(changed, price=99_900, tax_class="gst_5")

        assert (back.price, back.tax_class) == (99_900, "gst_5")

    def test_price_that_says_something_else_with_tax_is_judged_too(self) -> None:
        variant = create(price=260_000, tax_class="gst_5_was_12")

        with pytest.raises(services.TaxClassMismatch):
            change(variant, price_includes_tax=False)

    @pytest.mark.parametrize(
        "fields",
        [
            {"price": 262_600},
            {"price": 250_001, "price_includes_tax": False},
            {"price": 49_900, "tax_class": "gst_18_was_12"},
            {"price": 300_000, "hsn": "640399", "tax_class": "gst_5_was_18"},
            {"price": 300_000, "hsn": "940440", "tax_class": "gst_5_was_12"},
            {"price": 300_000, "hsn": "6302", "tax_class": "exempt"},
        ],
    )
    def test_new_variant_on_the_wrong_side_is_refused(self, fields: dict[str, Any]) -> None:
        with pytest.raises(services.TaxClassMismatch):
            create(**fields)

        assert (Variant.objects.count(), Event.objects.count()) == (0, 0)

    @pytest.mark.parametrize(
        "fields",
        [
            {"price": 262_500},
            {"price": 295_100, "tax_class": "gst_18_was_12"},
            {"price": 300_000, "hsn": "520852"},
            {"price": 300_000, "hsn": "6309"},
            {"price": 40_000, "tax_class": "gst_18"},
        ],
    )
    def test_others_are_taken(self, fields: dict[str, Any]) -> None:
        assert create(**fields).price == fields["price"]

    def test_class_that_does_not_fit_the_price_is_refused(self) -> None:
        variant = create(price=350_000, tax_class="gst_18_was_12")

        with pytest.raises(services.TaxClassMismatch) as refused:
            change(variant, tax_class="gst_5")

        assert refused.value.param == "tax_class"

    def test_limit_did_not_hold_before_the_slabs_changed(self) -> None:
        product = make_product()

        made = services.create_variant(
            product_id=product.pk,
            **{**KURTA, "price": 300_000},
            actor=SYSTEM,
            now=datetime(2025, 9, 21, 12, tzinfo=UTC),
        )

        assert made.price == 300_000


class TestOverHttp:
    @pytest.fixture
    def manager(self, catalogue_manager: Any, client_of: Any) -> Any:
        return client_of(catalogue_manager)

    @pytest.mark.parametrize(
        ("fields", "code", "param"),
        [
            ({"uqc": "XYZ"}, "invalid_choice", "uqc"),
            ({"uqc": "NA"}, "unit_not_allowed", "uqc"),
            ({"tax_class": "gst_12_bricks"}, "rate_not_allowed_for_hsn", "tax_class"),
            ({"price": 300_000}, "tax_class_mismatch", "price"),
            ({"title": 'A "title"'}, "invalid_description", "title"),
        ],
    )
    def test_staff_meet_the_same_refusals(self, manager: Any, fields: dict[str, Any], code: str, param: str) -> None:
        url = f"/api/v1/products/{make_product().public_id}/variants"

        response = manager.post(url, {**KURTA, **fields}, format="json")

        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (400, code, param)
        assert not Variant.objects.exists()

    def test_stranger_changes_nothing(self, stranger: Any, client_of: Any) -> None:
        variant = make_variant(tax_class="gst_5")

        response = client_of(stranger).patch(
            f"/api/v1/variants/{variant.public_id}", {"price": 1}, format="json", headers={"If-Match": '"v0"'}
        )

        assert response.status_code == 403


class TestBackOffice:
    FORM = {
        "sku": "KUR-M", "title": "M", "hsn": "62114290", "uqc": "NOS", "tax_class": "gst_5", "price": "49900",
        "price_includes_tax": "on", "attributes": "{}", "metadata": "{}", "position": "0", "is_active": "on",
    }  # fmt: skip

    def test_units_are_chosen_from_the_list(self, client: Client, catalogue_manager: Any) -> None:
        client.force_login(catalogue_manager)
        form = {**self.FORM, "product": str(make_product().pk)}

        page = client.get("/admin/catalog/variant/add/").content.decode()
        refused = client.post("/admin/catalog/variant/add/", {**form, "uqc": "XYZ"})

        assert "KGS (Kilograms)" in page
        assert "XYZ is not one of the available choices" in refused.content.decode()
        assert not Variant.objects.exists()

    def test_price_across_the_limit_is_refused_by_name(self, client: Client, catalogue_manager: Any) -> None:
        client.force_login(catalogue_manager)
        variant = create(make_product(), title="M", price=210_000)
        form = {**self.FORM, "product": str(variant.product_id), "price": "3000.00"}

        page = client.post(f"/admin/catalog/variant/{variant.pk}/change/", form, follow=True).content.decode()

        variant.refresh_from_db()
        assert "choose the tax class gst_18_was_12" in page
        assert variant.price == 210_000


class TestInvariant:
    @pytest.mark.parametrize(
        ("plant", "names"),
        [
            ({"uqc": "XYZ"}, ["uqc"]),
            ({"uqc": "NA"}, ["uqc"]),
            ({"title": '43"'}, ["title"]),
            ({"price": 262_600}, ["tax_class"]),
            ({"price": 250_001, "price_includes_tax": False}, ["tax_class"]),
        ],
    )
    def test_finds_what_is_planted(self, plant: dict[str, Any], names: list[str]) -> None:
        variant = create()
        assert find_uninvoiceable_variants() == []

        Variant.objects.filter(pk=variant.pk).update(**plant)

        assert find_uninvoiceable_variants() == [{"sku": variant.sku, "invalid_fields": names}]
        Variant.objects.filter(pk=variant.pk).update(is_active=False)
        assert find_uninvoiceable_variants() == []

    def test_finds_codes_that_are_too_short_since_the_turnover_rose(self, settings: Any) -> None:
        create(hsn="6211")
        create(sku="SEW-1", hsn="998314", tax_class="gst_18")
        assert find_uninvoiceable_variants() == []

        settings.HSN_MIN_DIGITS = 8

        assert find_uninvoiceable_variants() == [{"sku": "KUR-M", "invalid_fields": ["hsn"]}]

    @pytest.mark.parametrize("name", ["TV", "Kurta\\M"])
    def test_finds_names_that_no_invoice_carries(self, name: str) -> None:
        variant = create()

        Product.objects.filter(pk=variant.product_id).update(name=name)

        assert find_uninvoiceable_variants() == [{"sku": "KUR-M", "invalid_fields": ["name"]}]

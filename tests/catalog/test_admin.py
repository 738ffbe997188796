from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from apps.catalog import services
from apps.catalog.models import Category, Product, StockMovement, Variant
from apps.catalog.services import ReservationInput
from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from tests.factories.catalog import make_product, make_variant
from tests.support.stock import stock_of

pytestmark = pytest.mark.django_db

MODELS = ("category", "product", "variant", "location", "stockmovement", "reservation")
PRODUCT_FORM = {
    "name": "Cotton Kurta", "slug": "cotton-kurta", "brand": "Suti", "description": "", "attributes": "{}",
    "metadata": "{}", "is_published": "on",
    "variants-TOTAL_FORMS": "0", "variants-INITIAL_FORMS": "0",
}  # fmt: skip


@pytest.fixture
def desk(client: Client, catalogue_manager: Any) -> Client:
    client.force_login(catalogue_manager)
    return client


@pytest.fixture
def shirt() -> Variant:
    variant = make_variant(stock=5)
    services.reserve_stock(inputs=[ReservationInput(variant.pk, uuid4(), 2)], actor=SYSTEM, now=clock.now())
    return variant


def page_of(row: Any) -> str:
    return f"/admin/catalog/{row._meta.model_name}/{row.pk}/change/"


@pytest.mark.parametrize("model", MODELS)
def test_every_list_and_page_can_be_read(desk: Client, shirt: Variant, model: str, count_queries: Any) -> None:
    from django.apps import apps

    url = f"/admin/catalog/{model}/"
    with count_queries() as few:
        assert desk.get(url).status_code == 200
    for _ in range(5):
        other = make_variant(product=make_product(), stock=5)
        services.reserve_stock(inputs=[ReservationInput(other.pk, uuid4(), 1)], actor=SYSTEM, now=clock.now())
    with count_queries() as many:
        assert desk.get(url).status_code == 200

    assert len(many) <= len(few)
    row = apps.get_model("catalog", model)._default_manager.first()
    assert desk.get(page_of(row)).status_code == 200


@pytest.mark.parametrize("model", MODELS[1:5])
def test_goods_are_found_by_their_sku(desk: Client, shirt: Variant, model: str) -> None:
    assert shirt.product.name in desk.get(f"/admin/catalog/product/?q={shirt.sku}").content.decode()
    assert desk.get(f"/admin/catalog/{model}/?q={shirt.sku}").status_code == 200


def test_a_product_is_added_through_the_service(desk: Client, catalogue_manager: Any) -> None:
    category = Category.objects.create(name="Clothing", slug="clothing")

    response = desk.post("/admin/catalog/product/add/", {**PRODUCT_FORM, "category": str(category.pk)})

    assert response.status_code == 302, response.content[:3000]
    product = Product.objects.get()
    event = Event.objects.get(subject_id=product.pk)
    assert (event.type, event.actor) == ("catalog.product.created", f"user:{catalogue_manager.public_id}")


def test_a_product_leads_to_its_variants_and_to_a_new_one(desk: Client, shirt: Variant) -> None:
    page = desk.get(page_of(shirt.product)).content.decode()
    form = desk.get("/admin/catalog/variant/add/", {"product": str(shirt.product_id)}).content.decode()

    assert f'href="{page_of(shirt)}"' in page
    assert f'href="/admin/catalog/variant/add/?product={shirt.product_id}"' in page
    assert f'<option value="{shirt.product_id}" selected' in form


def test_who_may_only_look_at_a_product_adds_no_variant(client: Client, support: Any, shirt: Variant) -> None:
    client.force_login(support)
    page = client.get(page_of(shirt.product)).content.decode()

    assert f'href="{page_of(shirt)}"' in page
    assert "Add variant" not in page


def test_a_product_is_changed_through_the_service(desk: Client) -> None:
    product = make_product(name="Cotton Kurta")
    form = {**PRODUCT_FORM, "category": str(product.category_id), "slug": product.slug, "brand": "Suti"}

    assert desk.post(page_of(product), form).status_code == 302

    product.refresh_from_db()
    assert (product.brand, product.version) == ("Suti", 1)
    assert Event.objects.get(subject_id=product.pk).changes == {"brand": "Suti"}


def test_a_variant_is_added_and_repriced_through_the_service(desk: Client) -> None:
    product = make_product()
    form = {
        "product": str(product.pk), "sku": "KUR-M", "title": "M", "hsn": "61091000", "uqc": "NOS", "tax_class": "gst_5",
        "price": "499.00", "price_includes_tax": "on", "attributes": "{}", "metadata": "{}", "position": "0",
        "is_active": "on",
    }  # fmt: skip

    assert desk.post("/admin/catalog/variant/add/", form).status_code == 302
    variant = Variant.objects.get()
    assert desk.post(page_of(variant), {**form, "price": "399"}).status_code == 302

    product.refresh_from_db()
    assert product.lowest_price == 39_900
    assert stock_of().on_hand == 0
    refused = desk.post(page_of(variant), {**form, "tax_class": "luxury"}, follow=True)
    assert "Select a valid choice. luxury is not one of the available choices." in refused.content.decode()
    variant.refresh_from_db()
    assert variant.tax_class == "gst_5"


class TestPriceOfAVariant:
    """Staff type rupees, and confirm a price that moves by more than half."""

    @pytest.fixture
    def kurta(self) -> Variant:
        return make_variant(price=59_900, tax_class="gst_5", uqc="NOS", title="M")

    def form_of(self, variant: Variant, **typed: str) -> dict[str, str]:
        return {
            "sku": variant.sku, "title": variant.title, "hsn": variant.hsn, "uqc": variant.uqc, "tax_class": variant.tax_class,
            "price": "599.00", "price_includes_tax": "on", "attributes": "{}", "metadata": "{}", "position": "0",
            "is_active": "on", **typed,
        }  # fmt: skip

    def test_the_form_holds_rupees(self, desk: Client, kurta: Variant) -> None:
        page = desk.get(page_of(kurta)).content.decode()

        assert 'value="599.00"' in page
        assert "59900" not in page
        assert "The price of one unit. Type rupees, such as 599.00." in page

    def test_what_is_typed_is_what_it_sells_for(self, desk: Client, kurta: Variant) -> None:
        assert desk.post(page_of(kurta), self.form_of(kurta, price="649.50")).status_code == 302

        kurta.refresh_from_db()
        assert (kurta.price, kurta.version) == (64_950, 1)
        assert "₹649.50" in desk.get("/admin/catalog/variant/").content.decode()

    @pytest.mark.parametrize("typed", ["599.005", "-1", "5,99", "1e9", "100000000000.01", ""])
    def test_what_is_no_price_changes_nothing(self, desk: Client, kurta: Variant, typed: str) -> None:
        answer = desk.post(page_of(kurta), self.form_of(kurta, price=typed))

        kurta.refresh_from_db()
        assert (answer.status_code, kurta.price, kurta.version) == (200, 59_900, 0)
        assert "errornote" in answer.content.decode() or "Please correct the error" in answer.content.decode()

    @pytest.mark.parametrize(
        ("typed", "is_asked"), [("299.50", False), ("299.49", True), ("898.50", False), ("898.51", True)]
    )
    def test_more_than_half_is_asked_about(self, desk: Client, kurta: Variant, typed: str, is_asked: bool) -> None:
        answer = desk.post(page_of(kurta), self.form_of(kurta, price=typed))

        kurta.refresh_from_db()
        assert answer.status_code == (200 if is_asked else 302)
        assert (kurta.price == 59_900) is is_asked
        assert Event.objects.filter(subject_id=kurta.pk).exists() is not is_asked

    def test_the_question_says_what_will_happen(self, desk: Client, kurta: Variant) -> None:
        page = desk.post(page_of(kurta), self.form_of(kurta, price="5.99")).content.decode()

        assert f"Change the price of {kurta.sku} from ₹599.00 to ₹5.99?" in page
        assert "₹593.01 (99 %) less for each unit." in page
        assert "New orders have the new price from now on. Orders that were already placed keep their price." in page
        assert 'name="price" value="5.99"' in page

    def test_confirmed_it_is_saved(self, desk: Client, kurta: Variant) -> None:
        form = self.form_of(kurta, price="5.99")

        assert desk.post(page_of(kurta), {**form, "_confirmed": "price 59900 599"}).status_code == 302

        kurta.refresh_from_db()
        assert kurta.price == 599
        assert Event.objects.get(subject_id=kurta.pk, type="catalog.variant.updated").changes == {"price": 599}

    @pytest.mark.parametrize("confirmed", ["price 59900 600", "price 50000 599", "yes", ""])
    def test_a_confirmation_counts_for_its_own_prices_alone(self, desk: Client, kurta: Variant, confirmed: str) -> None:
        form = self.form_of(kurta, price="5.99")

        assert desk.post(page_of(kurta), {**form, "_confirmed": confirmed}).status_code == 200

        kurta.refresh_from_db()
        assert (kurta.price, kurta.version) == (59_900, 0)

    def test_a_price_that_is_refused_is_not_asked_about(self, desk: Client, reference_data: None) -> None:
        kurta = make_variant(price=59_900, tax_class="gst_5", uqc="NOS", hsn="62114290")

        page = desk.post(page_of(kurta), self.form_of(kurta, price="2999"), follow=True).content.decode()

        assert "choose the tax class gst_18" in page
        assert "Change the price" not in page
        kurta.refresh_from_db()
        assert (kurta.price, kurta.version) == (59_900, 0)

    def test_what_was_free_is_asked_about(self, desk: Client, kurta: Variant) -> None:
        Variant.objects.filter(pk=kurta.pk).update(price=0)

        page = desk.post(page_of(kurta), self.form_of(kurta, price="599")).content.decode()

        assert "₹599.00 more. It was free so far." in page

    def test_support_is_asked_nothing_and_changes_nothing(self, client: Client, support: Any, kurta: Variant) -> None:
        client.force_login(support)
        form = {**self.form_of(kurta, price="5.99"), "_confirmed": "price 59900 599"}

        assert client.post(page_of(kurta), form).status_code == 403

        kurta.refresh_from_db()
        assert kurta.price == 59_900


class TestChoices:
    def test_a_tax_class_is_chosen_by_its_rate(self, desk: Client, reference_data: None) -> None:
        page = desk.get("/admin/catalog/variant/add/").content.decode()

        assert ">gst_5: 5 %</option>" in page
        assert ">gst_18: 18 %</option>" in page
        assert ">exempt: exempt</option>" in page

    def test_a_class_without_a_rate_stays_until_another_is_chosen(self, desk: Client) -> None:
        old = make_variant(tax_class="gst_12_old")

        page = desk.get(page_of(old)).content.decode()

        assert '<option value="gst_12_old" selected' in page
        assert "gst_12_old: no rate is in force" in page

    def test_lists_and_products_show_the_rate(self, desk: Client, shirt: Variant) -> None:
        assert "gst_18: 18 %" in desk.get("/admin/catalog/variant/").content.decode()
        assert "gst_18: 18 %" in desk.get(page_of(shirt.product)).content.decode()

    def test_a_list_is_filtered_by_tax_class(self, desk: Client, shirt: Variant) -> None:
        other = make_variant(tax_class="gst_5")

        page = desk.get("/admin/catalog/variant/", {"tax_class": "gst_5"}).content.decode()

        assert other.sku in page
        assert shirt.sku not in page

    def test_units_and_categories_are_choices(self, desk: Client) -> None:
        category = Category.objects.create(name="Clothing", slug="clothing")

        assert ">KGS (Kilograms)</option>" in desk.get("/admin/catalog/variant/add/").content.decode()
        assert f'<option value="{category.pk}"' in desk.get("/admin/catalog/product/add/").content.decode()


def test_the_page_of_a_new_variant_says_that_there_is_no_stock_yet(desk: Client) -> None:
    assert "none yet" in desk.get("/admin/catalog/variant/add/").content.decode()


@pytest.mark.parametrize("typed", ["\uff11", "\u0967", "1.5", "x"])
def test_a_position_is_typed_in_the_digits_0_to_9(desk: Client, typed: str) -> None:
    category = Category.objects.create(name="Clothing", slug="clothing", position=3)

    response = desk.post(page_of(category), {"name": "Clothing", "slug": "clothing", "position": typed})

    assert (response.status_code, Category.objects.get(pk=category.pk).position) == (200, 3)


def test_a_movement_books_a_delivery(desk: Client, shirt: Variant) -> None:
    form = {"variant": str(shirt.pk), "kind": "receipt", "quantity": "7", "reason": "Delivery note 771"}

    assert desk.post("/admin/catalog/stockmovement/add/", form).status_code == 302

    assert stock_of(shirt).on_hand == 12
    refused = desk.post(
        "/admin/catalog/stockmovement/add/", {**form, "kind": "adjustment", "quantity": "-11"}, follow=True
    )
    assert "11 cannot be removed: 12 on hand, 2 of them reserved for orders." in refused.content.decode()
    assert stock_of(shirt).on_hand == 12
    assert StockMovement.objects.count() == 2


@pytest.mark.parametrize("changed", [{"kind": "dispatch"}, {"kind": "return"}, {"quantity": "\uff11\uff12"}])
def test_the_form_of_a_movement_refuses_what_the_api_refuses(
    desk: Client, shirt: Variant, changed: dict[str, str]
) -> None:
    form = {"variant": str(shirt.pk), "kind": "receipt", "quantity": "7", "reason": "Delivery note 771"}

    assert desk.post("/admin/catalog/stockmovement/add/", {**form, **changed}).status_code == 200

    assert stock_of(shirt).on_hand == 5
    assert StockMovement.objects.count() == 1


def test_stock_movements_and_reservations_are_not_edited_by_anybody(
    client: Client, administrator: Any, shirt: Variant
) -> None:
    client.force_login(administrator)
    movement = StockMovement.objects.get()

    assert client.post(page_of(movement), {"quantity": "99"}).status_code == 403
    assert client.post("/admin/catalog/reservation/add/", {}).status_code == 403
    for row in (movement, shirt, shirt.product):
        assert client.post(page_of(row).replace("change", "delete"), {"post": "yes"}).status_code == 403

    assert stock_of().on_hand == 5


def test_other_staff_change_nothing(client: Client, support: Any, shirt: Variant) -> None:
    client.force_login(support)

    assert client.post("/admin/catalog/stockmovement/add/", {}).status_code == 403
    assert client.post(page_of(shirt), {"price": "1"}).status_code == 403

    shirt.refresh_from_db()
    assert shirt.price == 49_900


def test_customers_do_not_come_in(client: Client, owner: Any) -> None:
    client.force_login(owner)

    assert client.get("/admin/catalog/product/").status_code == 302

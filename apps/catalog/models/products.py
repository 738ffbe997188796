"""Categories, products and variants, and the version of all of them."""

from typing import Any, Final

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models.functions import Upper

from apps.catalog.rules import StockCounts
from apps.core.errors import NotFound
from apps.core.models import Record, Subject
from apps.tax.rules import UQCS


class CategoryNotFound(NotFound):
    """There is no such category. List the categories."""

    message = "There is no such category."


class ProductNotFound(NotFound):
    """There is no such product, or it is not for sale. Search the products."""

    message = "There is no such product."


class VariantNotFound(NotFound):
    """There is no such variant. Read its product."""

    message = "There is no such variant."


#: Raises the catalogue version once in a transaction, when it commits: who reads the new version reads what was written.
#: It is a time, in microseconds, so that the next change after a backup was restored has a number that was never given.
_RAISE_CATALOG_VERSION = pgtrigger.Trigger(
    name="raise_catalog_version",
    when=pgtrigger.After,
    operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
    timing=pgtrigger.Deferred,
    func="""
        IF coalesce(current_setting('bahi.catalog_version_is_raised', true), '') = '' THEN
            PERFORM set_config('bahi.catalog_version_is_raised', 'true', true);
            INSERT INTO catalog_catalogversion AS present (id, number)
            VALUES (1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
            ON CONFLICT (id) DO UPDATE SET number = greatest(present.number + 1, excluded.number);
        END IF;
        RETURN NULL;
    """,
)


class CatalogVersion(models.Model):
    """
    The row whose number is raised by every transaction that changes what buyers read of the catalogue.

    What is cached of the catalogue is kept with the number that it was made at, and is used while that is the present one.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    number = models.BigIntegerField(
        help_text="The time of the last change in microseconds since 1970, or a little more."
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_catalog_version")]

    def __str__(self) -> str:
        return str(self.number)


class Category(Record):
    """A group of products, such as Clothing."""

    PREFIX = "cat"

    name = models.CharField(max_length=80, unique=True)
    slug = models.SlugField(max_length=80, unique=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name_plural = "categories"
        triggers = [_RAISE_CATALOG_VERSION]

    def __str__(self) -> str:
        return self.name


#: Which products buyers see in lists, and which of these can be ordered now.
IS_LISTED: Final = models.Q(is_published=True, active_variant_count__gt=0)
IS_IN_STOCK: Final = models.Q(levels_in_stock_count__gt=0)


class Product(Subject):
    """
    A product as a buyer knows it; what they buy is one of its variants.

    The database itself keeps the two counts, so that a list reads nothing but products, however many variants there are.
    """

    PREFIX = "prod"
    NOT_IN_EVENTS = frozenset({"active_variant_count", "levels_in_stock_count"})

    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="products")
    name = models.CharField(max_length=160)
    slug = models.SlugField(max_length=180, unique=True)
    brand = models.CharField(max_length=80, blank=True)
    description = models.TextField(blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    is_published = models.BooleanField(default=True)
    lowest_price = models.BigIntegerField(default=0, help_text="The lowest price of its active variants.")
    active_variant_count = models.IntegerField(default=0, db_default=0, editable=False)
    levels_in_stock_count = models.IntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="How many stock levels of its active variants have units that are not reserved.",
    )
    search = models.GeneratedField(
        expression=SearchVector("name", weight="A", config="english")
        + SearchVector("brand", weight="B", config="english")
        + SearchVector("description", weight="C", config="english"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    class Meta:
        indexes = [
            GinIndex(fields=["search"], name="product_search"),
            GinIndex(fields=["attributes"], name="product_attributes"),
            models.Index(fields=["category", "-created_at", "-id"], name="product_by_category"),
            models.Index(fields=["-created_at", "-id"], name="product_listed_by_time", condition=IS_LISTED),
            models.Index(fields=["lowest_price", "id"], name="product_listed_by_price", condition=IS_LISTED),
            models.Index(fields=["name", "id"], name="product_listed_by_name", condition=IS_LISTED),
            models.Index(
                fields=["-created_at", "-id"], name="product_in_stock_by_time", condition=IS_LISTED & IS_IN_STOCK
            ),
        ]
        triggers = [_RAISE_CATALOG_VERSION]

    def __str__(self) -> str:
        return self.name

    @property
    def is_in_stock(self) -> bool:
        return self.levels_in_stock_count > 0


#: The parts of a SKU between its dashes, in capitals: people search by the one part that identifies the goods.
SKU_PARTS: Final = models.Func(
    Upper("sku"),
    models.Value("-"),
    function="string_to_array",
    output_field=ArrayField(models.TextField()),
)


_COUNT_NEW_VARIANT = pgtrigger.Trigger(
    name="count_new_variant",
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    condition=pgtrigger.Q(new__is_active=True),
    func="UPDATE catalog_product SET active_variant_count = active_variant_count + 1 WHERE id = NEW.product_id; RETURN NULL;",
)
#: Counts the stock levels of a variant whose stock levels the writer has locked, so that none comes or goes meanwhile.
_COUNT_CHANGED_VARIANT = pgtrigger.Trigger(
    name="count_changed_variant",
    when=pgtrigger.After,
    operation=pgtrigger.UpdateOf("is_active"),
    condition=pgtrigger.Q(old__is_active__df=pgtrigger.F("new__is_active")),
    declare=[("change", "int := CASE WHEN NEW.is_active THEN 1 ELSE -1 END")],
    func="""
        UPDATE catalog_product
        SET active_variant_count = active_variant_count + change,
            levels_in_stock_count = levels_in_stock_count + change * (
                SELECT count(*) FROM catalog_stocklevel WHERE variant_id = NEW.id AND on_hand_milli > reserved_milli)
        WHERE id = NEW.product_id;
        RETURN NULL;
    """,
)


class Variant(Subject):
    """
    A product in one size, colour or weight: what buyers buy. It has the price in paise and the GST fields.

    `price` includes the tax if `price_includes_tax`; the rate is the tax class's on the day of the order.
    """

    PREFIX = "var"

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="variants")
    sku = models.CharField(max_length=40, unique=True)
    title = models.CharField(max_length=120, blank=True)
    hsn = models.CharField(max_length=8)
    uqc = models.CharField(
        max_length=3,
        default="NOS",
        choices=[(code, f"{code} ({name})") for code, name in UQCS.items()],
        help_text="Unit quantity code of GST; services have NA.",
    )
    tax_class = models.CharField(max_length=40)
    price = models.BigIntegerField(help_text="The price of one unit.")
    price_includes_tax = models.BooleanField(default=True)
    currency = models.CharField(max_length=3, default="INR")
    attributes = models.JSONField(default=dict, blank=True)
    position = models.PositiveSmallIntegerField(default=0)
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(price__gte=0), name="variant_price_not_negative"),
            models.CheckConstraint(
                condition=models.Q(hsn__regex=r"^([0-9]{4}|[0-9]{6}|[0-9]{8})$"), name="variant_hsn_format"
            ),
        ]
        indexes = [
            models.Index(fields=["product", "position"], name="variant_by_product"),
            models.Index(OpClass(Upper("sku"), "text_pattern_ops"), name="variant_by_sku"),
            GinIndex(SKU_PARTS, name="variant_by_sku_parts"),
        ]
        triggers = [_COUNT_NEW_VARIANT, _COUNT_CHANGED_VARIANT, _RAISE_CATALOG_VERSION]

    def __str__(self) -> str:
        return f"{self.sku} {self.title}".strip()

    @property
    def stock_counts(self) -> StockCounts:
        """Its counts over all locations, if `selectors.with_stock_totals` has read them."""
        totals: Any = self
        return StockCounts(on_hand_milli=totals.on_hand_milli, reserved_milli=totals.reserved_milli)

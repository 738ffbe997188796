"""What the shop sells, and its stock."""

from typing import Any, Final
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models.functions import Upper

from apps.catalog.rules import StockCounts
from apps.catalog.states import MovementKind, ReservationStatus
from apps.core.errors import NotFound
from apps.core.models import FROZEN, Record, Subject, UpdatedAtField, whole_units
from apps.core.quantities import to_units
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


class Category(Record):
    """A group of products, such as Clothing."""

    PREFIX = "cat"

    name = models.CharField(max_length=80, unique=True)
    slug = models.SlugField(max_length=80, unique=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name


class Product(Subject):
    """A product as a buyer knows it; what they buy is one of its variants."""

    PREFIX = "prod"

    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="products")
    name = models.CharField(max_length=160)
    slug = models.SlugField(max_length=180, unique=True)
    brand = models.CharField(max_length=80, blank=True)
    description = models.TextField(blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    is_published = models.BooleanField(default=True)
    lowest_price = models.BigIntegerField(default=0, help_text="The lowest price of its active variants.")
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
            models.Index(fields=["-created_at", "-id"], name="product_by_time", condition=models.Q(is_published=True)),
            models.Index(fields=["lowest_price", "id"], name="product_by_price", condition=models.Q(is_published=True)),
            models.Index(fields=["name", "id"], name="product_by_name", condition=models.Q(is_published=True)),
        ]

    def __str__(self) -> str:
        return self.name


#: The parts of a SKU between its dashes, in capitals: people search by the one part that identifies the goods.
SKU_PARTS: Final = models.Func(
    Upper("sku"),
    models.Value("-"),
    function="string_to_array",
    output_field=ArrayField(models.TextField()),
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

    def __str__(self) -> str:
        return f"{self.sku} {self.title}".strip()

    @property
    def stock_counts(self) -> StockCounts:
        """Its counts over all locations, if `selectors.with_stock_totals` has read them."""
        totals: Any = self
        return StockCounts(on_hand_milli=totals.on_hand_milli, reserved_milli=totals.reserved_milli)


#: The location that every installation has, whose row `services.set_up_reference_data` inserts.
MAIN_LOCATION_ID: Final = UUID("0193a5c0-0000-7000-8000-000000000001")


class Location(Record):
    """A place where goods are kept, such as a warehouse or a shop."""

    PREFIX = "loc"

    code = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)

    def __str__(self) -> str:
        return self.name


class StockLevel(models.Model):
    """
    How many units of a variant are at a location, and how many of these are reserved. available = on_hand - reserved.

    Rows are locked in the order of their key, (variant, location).
    """

    pk = models.CompositePrimaryKey("variant_id", "location_id")
    variant = models.ForeignKey(Variant, on_delete=models.PROTECT, related_name="stock_levels")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    on_hand_milli = models.BigIntegerField(default=0)
    reserved_milli = models.BigIntegerField(default=0)
    updated_at = UpdatedAtField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(on_hand_milli__gte=0), name="stock_on_hand_not_negative"),
            models.CheckConstraint(
                condition=models.Q(reserved_milli__gte=0, reserved_milli__lte=models.F("on_hand_milli")),
                name="stock_not_oversold",
            ),
            models.CheckConstraint(
                condition=whole_units("on_hand_milli", "reserved_milli"), name="stock_is_whole_units"
            ),
        ]

    def __str__(self) -> str:
        return str(self.counts)

    @property
    def counts(self) -> StockCounts:
        return StockCounts(on_hand_milli=self.on_hand_milli, reserved_milli=self.reserved_milli)


class StockMovement(Record):
    """One change of the stock at a location; the sum of all is `on_hand_milli` of the stock level."""

    PREFIX = "mov"

    variant = models.ForeignKey(Variant, on_delete=models.PROTECT, related_name="+")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=12, choices=MovementKind)
    quantity_milli = models.BigIntegerField(help_text="Thousandths of a unit, positive in, negative out.")
    reference = models.UUIDField(null=True, blank=True)
    reservation = models.ForeignKey(
        "catalog.Reservation",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The reservation that a dispatch consumes.",
    )
    reason = models.CharField(max_length=200, blank=True)
    actor = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~models.Q(quantity_milli=0), name="movement_quantity_not_zero"),
            models.CheckConstraint(condition=whole_units("quantity_milli"), name="movement_is_whole_units"),
            models.UniqueConstraint(
                fields=["variant", "location", "kind", "reference"],
                condition=models.Q(reference__isnull=False),
                name="one_movement_per_stock_level_and_reference",
            ),
        ]
        indexes = [models.Index(fields=["variant", "created_at"], name="movement_by_variant")]
        triggers = [FROZEN]

    def __str__(self) -> str:
        return f"{self.kind} {self.quantity:+d}"

    @property
    def quantity(self) -> int:
        return to_units(self.quantity_milli)


class Reservation(Record):
    """
    Units of a stock level reserved for an order line (`reference` is its id; orders are above and not a foreign key).

    Its units may leave in several parcels. `consumed_milli` of them have left; the rest is reserved while it is held or committed.
    """

    PREFIX = "resv"

    variant = models.ForeignKey(Variant, on_delete=models.PROTECT, related_name="+")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    reference = models.UUIDField()
    quantity_milli = models.BigIntegerField()
    consumed_milli = models.BigIntegerField(
        default=0, db_default=0, help_text="Thousandths of a unit that were dispatched."
    )
    status = models.CharField(max_length=10, choices=ReservationStatus, default=ReservationStatus.HELD)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["reference", "location"], name="one_reservation_per_line_and_location"),
            models.CheckConstraint(condition=models.Q(quantity_milli__gt=0), name="reservation_quantity_positive"),
            models.CheckConstraint(condition=whole_units("quantity_milli"), name="reservation_is_whole_units"),
            models.CheckConstraint(
                condition=models.Q(consumed_milli__gte=0, consumed_milli__lte=models.F("quantity_milli")),
                name="reservation_consumed_within_quantity",
            ),
        ]
        indexes = [
            models.Index(
                fields=["variant", "location"],
                name="reservation_active",
                condition=models.Q(status__in=[ReservationStatus.HELD, ReservationStatus.COMMITTED]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} {self.status}"

    @property
    def quantity(self) -> int:
        return to_units(self.quantity_milli)

    @property
    def remaining_milli(self) -> int:
        """The units that were not dispatched, in thousandths: those that it reserves while it is held or committed."""
        return self.quantity_milli - self.consumed_milli

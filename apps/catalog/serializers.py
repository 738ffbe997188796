"""Request and response shapes of the catalogue."""

from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers

from apps.catalog.models import Category, Product, StockMovement, Variant
from apps.catalog.states import MovementKind
from apps.core.api import (
    IdField,
    RequestSerializer,
    ResponseSerializer,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
)
from apps.tax.rules import UQCS

MAX_PRICE = 10**13
MAX_UNITS = 1_000_000
MAX_PAIRS = 30
_SLUG = RegexValidator(r"^[a-z0-9]+(-[a-z0-9]+)*\Z")
_SKU = RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9._/-]*\Z")


class UnitField(serializers.ChoiceField):
    """A unit quantity code of the official list."""

    default_error_messages = {
        "invalid_choice": "This is not a unit quantity code of GST, such as NOS, PCS, KGS or LTR."
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            choices=list(UQCS),
            help_text="Unit quantity code of GST. NA for services; goods without one are counted in NOS.",
            **kwargs,
        )


class PairsField(serializers.DictField):
    """A flat JSON object of texts: at most 30 pairs, names up to 40 and values up to 256 characters."""

    default_error_messages = {
        "too_many": "Ensure this has at most {limit} pairs.",
        "bad_name": "A name is one line of 1 to 40 characters.",
    }

    def __init__(self, *, limit: int = MAX_PAIRS, **kwargs: Any) -> None:
        self.limit = limit
        self.name = StrictCharField(max_length=40)
        super().__init__(child=StrictCharField(max_length=256, allow_blank=True), **kwargs)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if isinstance(data, dict):
            if len(data) > self.limit:
                self.fail("too_many", limit=self.limit)
            named = {self._name(name): value for name, value in data.items()}
            if len(named) < len(data):  # two that look alike and are written in two ways
                self.fail("bad_name")
            data = named
        return dict(super().to_internal_value(data))

    def _name(self, name: str) -> str:
        try:
            return str(self.name.run_validation(name))
        except serializers.ValidationError:
            self.fail("bad_name")


# Requests ----------------------------------------------------------------------------------------------------------------


class UpdateProductRequest(RequestSerializer):
    """What may change of a product."""

    category_id = IdField("cat", required=False)
    name = StrictCharField(max_length=160, required=False)
    slug = StrictCharField(max_length=180, validators=[_SLUG], required=False)
    brand = StrictCharField(max_length=80, allow_blank=True, required=False)
    description = StrictCharField(max_length=5_000, allow_blank=True, multiline=True, required=False)
    attributes = PairsField(required=False)
    is_published = StrictBooleanField(required=False)
    metadata = PairsField(limit=15, required=False)


class CreateProductRequest(UpdateProductRequest):
    """A new product."""

    category_id = IdField("cat")
    name = StrictCharField(max_length=160)


class UpdateVariantRequest(RequestSerializer):
    """What may change of a variant."""

    sku = StrictCharField(max_length=40, validators=[_SKU], required=False)
    title = StrictCharField(max_length=120, allow_blank=True, required=False)
    hsn = StrictCharField(max_length=8, required=False)
    uqc = UnitField(required=False)
    tax_class = StrictCharField(max_length=40, required=False)
    price = StrictIntegerField(min_value=0, max_value=MAX_PRICE, required=False, help_text="Paise for one unit.")
    price_includes_tax = StrictBooleanField(required=False)
    attributes = PairsField(required=False)
    position = StrictIntegerField(min_value=0, max_value=9_999, required=False)
    is_active = StrictBooleanField(required=False)
    metadata = PairsField(limit=15, required=False)


class CreateVariantRequest(UpdateVariantRequest):
    """A new variant of a product."""

    sku = StrictCharField(max_length=40, validators=[_SKU])
    hsn = StrictCharField(max_length=8)
    tax_class = StrictCharField(max_length=40)
    price = StrictIntegerField(min_value=0, max_value=MAX_PRICE, help_text="Paise for one unit.")


class StockAdjustmentRequest(RequestSerializer):
    """Units that come in or go out, and why."""

    variant_id = IdField("var")
    quantity = StrictIntegerField(min_value=-MAX_UNITS, max_value=MAX_UNITS, help_text="Negative takes units out.")
    kind = serializers.ChoiceField(choices=[MovementKind.RECEIPT, MovementKind.ADJUSTMENT], default="adjustment")
    reason = StrictCharField(max_length=200)


# Responses ---------------------------------------------------------------------------------------------------------------


class CategoryResponse(ResponseSerializer):
    """A category of the shop."""

    id = serializers.CharField(source="public_id")
    object = serializers.SerializerMethodField()
    name = serializers.CharField()
    slug = serializers.CharField()
    position = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_object(self, _: Category) -> str:
        return "category"


class CategoryReference(ResponseSerializer):
    """Where a product stands."""

    id = serializers.CharField(source="public_id")
    name = serializers.CharField()
    slug = serializers.CharField()


class StockResponse(ResponseSerializer):
    """The counts of a variant, for staff."""

    on_hand = serializers.IntegerField()
    reserved = serializers.IntegerField()
    available = serializers.IntegerField()


class VariantResponse(ResponseSerializer):
    """What can be bought. `stock` is there for staff who may see counts; buyers read `in_stock`."""

    id = serializers.CharField(source="public_id")
    object = serializers.SerializerMethodField()
    product_id = IdField("prod")
    sku = serializers.CharField()
    title = serializers.CharField()
    hsn = serializers.CharField()
    uqc = serializers.CharField()
    tax_class = serializers.CharField()
    price = serializers.IntegerField(help_text="Paise for one unit.")
    currency = serializers.CharField()
    price_includes_tax = serializers.BooleanField()
    attributes = serializers.DictField(child=serializers.CharField())
    position = serializers.IntegerField()
    is_active = serializers.BooleanField()
    in_stock = serializers.SerializerMethodField()
    stock = StockResponse(source="stock_counts", required=False)
    metadata = serializers.DictField(child=serializers.CharField())
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_object(self, _: Variant) -> str:
        return "variant"

    def get_in_stock(self, variant: Variant) -> bool:
        return variant.stock_counts.available > 0

    def to_representation(self, instance: Variant) -> Any:
        data = super().to_representation(instance)
        if not self.context.get("has_stock_counts"):
            data.pop("stock")
        return data


class ProductResponse(ResponseSerializer):
    """A product in a list."""

    id = serializers.CharField(source="public_id")
    object = serializers.SerializerMethodField()
    name = serializers.CharField()
    slug = serializers.CharField()
    brand = serializers.CharField()
    category = CategoryReference()
    lowest_price = serializers.IntegerField(help_text="Paise; of its cheapest active variant.")
    currency = serializers.CharField(default="INR")
    in_stock = serializers.BooleanField(source="is_in_stock")
    attributes = serializers.DictField(child=serializers.CharField())
    is_published = serializers.BooleanField()
    metadata = serializers.DictField(child=serializers.CharField())
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_object(self, _: Product) -> str:
        return "product"


class ProductDetailResponse(ProductResponse):
    """A product with all that can be bought of it."""

    description = serializers.CharField()
    variants = VariantResponse(many=True, source="visible_variants")


class StockMovementResponse(ResponseSerializer):
    """One change of stock, with the counts after it."""

    id = serializers.CharField(source="public_id")
    object = serializers.SerializerMethodField()
    variant_id = IdField("var")
    kind = serializers.ChoiceField(choices=MovementKind.choices)
    quantity = serializers.IntegerField()
    reason = serializers.CharField()
    stock = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_object(self, _: StockMovement) -> str:
        return "stock_movement"

    def get_stock(self, _: StockMovement) -> StockResponse:
        return StockResponse(self.context["stock"]).data  # type: ignore[return-value]

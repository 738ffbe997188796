"""The catalogue in the back office: staff change goods through services, look at stock, and book what comes in or goes out."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.catalog import services
from apps.catalog.models import Category, Product, Reservation, StockItem, StockMovement, Variant
from apps.core import clock
from apps.core.admin_site import ReadOnlyAdmin, ReadOnlyTabularInline, ServiceAdmin
from apps.core.money import rupees


@admin.register(Category)
class CategoryAdmin(ServiceAdmin):
    """The shelves of the shop."""

    list_display = ("name", "slug", "position")
    search_fields = ("name", "slug")
    ordering = ("position", "name")
    fields = ("name", "slug", "position")
    prepopulated_fields = {"slug": ("name",)}

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> Category:
        return services.create_category(**values, actor=self.actor_of(request), now=clock.now())

    def change_through_service(self, request: HttpRequest, obj: Any, changes: dict[str, Any]) -> Category:
        return services.update_category(
            category_id=obj.pk, changes=changes, actor=self.actor_of(request), now=clock.now()
        )


class VariantsInline(ReadOnlyTabularInline):
    """What can be bought of a product; each line leads to its own page."""

    model = Variant
    fields = ("sku", "title", "hsn", "tax_class", "price", "is_active")
    readonly_fields = fields
    ordering = ("position", "pk")
    show_change_link = True


@admin.register(Product)
class ProductAdmin(ServiceAdmin):
    """Products. The lowest price follows from the variants."""

    list_display = ("name", "brand", "category", "lowest", "is_published", "created_at")
    list_filter = ("is_published", "category")
    list_select_related = ("category",)
    search_fields = ("name", "brand", "slug", "variants__sku")
    ordering = ("-created_at", "-id")
    autocomplete_fields = ("category",)
    inlines = (VariantsInline,)
    fields = (
        "category", "name", "slug", "brand", "description", "attributes", "is_published", "metadata", "lowest", "version",
    )  # fmt: skip
    readonly_fields = ("lowest", "version")
    prepopulated_fields = {"slug": ("name",)}

    @admin.display(description="lowest price", ordering="lowest_price")
    def lowest(self, product: Product) -> str:
        return rupees(product.lowest_price)

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> Product:
        return services.create_product(**_with_keys(values), actor=self.actor_of(request), now=clock.now())

    def change_through_service(self, request: HttpRequest, obj: Any, changes: dict[str, Any]) -> Product:
        return services.update_product(
            product_id=obj.pk, changes=_with_keys(changes), actor=self.actor_of(request), now=clock.now()
        )


@admin.register(Variant)
class VariantAdmin(ServiceAdmin):
    """What is bought: SKU, price and what GST needs. Its stock is changed by a stock movement."""

    list_display = ("sku", "title", "product", "amount", "tax_class", "hsn", "in_the_house", "is_active")
    list_filter = ("is_active", "tax_class")
    list_select_related = ("product", "stock")
    search_fields = ("sku", "title", "product__name")
    ordering = ("sku",)
    autocomplete_fields = ("product",)
    fields = (
        "product", "sku", "title", "hsn", "uqc", "tax_class", "price", "price_includes_tax", "attributes", "position",
        "is_active", "metadata", "in_the_house", "version",
    )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        computed = ("in_the_house", "version")
        return computed if obj is None else ("product", *computed)

    @admin.display(description="price", ordering="price")
    def amount(self, variant: Variant) -> str:
        return rupees(variant.price)

    @admin.display(description="free of on hand")
    def in_the_house(self, variant: Variant) -> str:
        stock = getattr(variant, "stock", None)
        return str(stock) if stock else "none yet"

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> Variant:
        return services.create_variant(**_with_keys(values), actor=self.actor_of(request), now=clock.now())

    def change_through_service(self, request: HttpRequest, obj: Any, changes: dict[str, Any]) -> Variant:
        return services.update_variant(
            variant_id=obj.pk, changes=changes, actor=self.actor_of(request), now=clock.now()
        )


@admin.register(StockItem)
class StockItemAdmin(ReadOnlyAdmin):
    """How many there are of each variant, and how many of them are promised."""

    list_display = ("variant", "on_hand", "reserved", "available", "updated_at")
    list_select_related = ("variant",)
    search_fields = ("variant__sku", "variant__product__name")
    ordering = ("variant__sku",)


@admin.register(StockMovement)
class StockMovementAdmin(ServiceAdmin):
    """Everything that came in or went out. Adding a line here books a delivery or a correction; nothing here changes."""

    list_display = ("created_at", "variant", "kind", "quantity", "reason", "actor")
    list_filter = ("kind",)
    list_select_related = ("variant",)
    search_fields = ("variant__sku",)
    ordering = ("-created_at", "-id")
    sortable_by = ()
    autocomplete_fields = ("variant",)
    fields = ("variant", "kind", "quantity", "reason")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> StockMovement:
        return services.adjust_stock(**_with_keys(values), actor=self.actor_of(request), now=clock.now())


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin):
    """Units that are promised to order lines, and what became of them."""

    list_display = ("created_at", "variant", "quantity", "status", "reference", "updated_at")
    list_filter = ("status",)
    list_select_related = ("variant",)
    search_fields = ("variant__sku", "reference")
    ordering = ("-created_at", "-id")


def _with_keys(values: dict[str, Any]) -> dict[str, Any]:
    """Turn the objects that a form has looked up into the keys that services take."""
    references = ("category", "product", "variant")
    return {
        f"{name}_id" if name in references else name: value.pk if name in references else value
        for name, value in values.items()
    }

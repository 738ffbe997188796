"""The catalogue in the back office: staff change goods through services, look at stock, and book what comes in or goes out."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from apps.catalog import messages, rules, selectors
from apps.catalog.models import Category, Location, Product, Reservation, StockMovement, Variant
from apps.catalog.services import products, stock_adjustments
from apps.catalog.states import MovementKind
from apps.core import clock
from apps.core.admin_actions import staff_actor
from apps.core.admin_confirmations import Confirmation
from apps.core.admin_fields import WholeNumberField
from apps.core.admin_site import ReadOnlyAdmin, ReadOnlyTabularInline, ServiceAdmin, link
from apps.core.money import rupees
from apps.tax import rules as tax
from apps.tax import selectors as tax_selectors


def _tax_classes() -> dict[str, str]:
    """Return the tax classes in force today, each with its rate for people: `gst_5: 5 %`."""
    return {
        row.tax_class: f"{row.tax_class}: {tax.rate_label(tax.taxability_of(row.tax_class, row.rate), row.rate)}"
        for row in tax_selectors.list_rates(on=clock.ist_date(clock.now()))
    }


@admin.register(Category)
class CategoryAdmin(ServiceAdmin):
    """The categories of the shop."""

    list_display = ("name", "slug", "position")
    search_fields = ("name", "slug")
    ordering = ("position", "name")
    fields = ("name", "slug", "position")
    prepopulated_fields = {"slug": ("name",)}

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> Category:
        return products.create_category(**values, actor=staff_actor(request), now=clock.now())

    def change_through_service(self, request: HttpRequest, obj: Any, changes: dict[str, Any]) -> Category:
        return products.update_category(
            category_id=obj.pk, changes=changes, actor=staff_actor(request), now=clock.now()
        )


class VariantInline(ReadOnlyTabularInline):
    """What can be bought of a product; each line leads to its own page."""

    model = Variant
    fields = ("page", "title", "hsn", "tax", "price", "is_active")
    readonly_fields = fields
    ordering = ("position", "pk")

    @cached_property
    def tax_classes(self) -> dict[str, str]:
        """Return the names of the tax classes; Django makes an inline for each request, so that they are read once for it."""
        return _tax_classes()

    @admin.display(description="SKU")
    def page(self, variant: Variant) -> SafeString:
        return link(reverse("admin:catalog_variant_change", args=[variant.pk]), variant.sku)

    @admin.display(description="Tax class")
    def tax(self, variant: Variant) -> str:
        return self.tax_classes.get(variant.tax_class, variant.tax_class)


@admin.register(Product)
class ProductAdmin(ServiceAdmin):
    """Products. The lowest price follows from the variants."""

    list_display = ("name", "brand", "category", "lowest", "is_published", "created_at")
    list_filter = ("is_published", "category")
    list_select_related = ("category",)
    search_fields = ("name", "brand", "slug", "variants__sku")
    sortable_by = ()  # no index has all products by another column
    ordering = ("-id",)
    inlines = (VariantInline,)
    fields = (
        "category", "name", "slug", "brand", "description", "attributes", "is_published", "metadata", "lowest", "version",
    )  # fmt: skip
    readonly_fields = ("lowest", "version")
    prepopulated_fields = {"slug": ("name",)}

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "category":
            kwargs["queryset"] = Category.objects.order_by("position", "name")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def object_actions_for(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """Return the buttons of a product's page; a variant is added on a page of its own, for this product."""
        buttons = super().object_actions_for(request, obj)
        if request.user.has_perm("catalog.add_variant"):
            href = f"{reverse('admin:catalog_variant_add')}?product={obj.pk}"
            buttons.append({"title": "Add variant", "icon": "add", "is_destructive": False, "href": href})
        return buttons

    @admin.display(description="lowest price", ordering="lowest_price")
    def lowest(self, product: Product) -> str:
        return rupees(product.lowest_price)

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> Product:
        return products.create_product(**_with_ids(values), actor=staff_actor(request), now=clock.now())

    def change_through_service(self, request: HttpRequest, obj: Any, changes: dict[str, Any]) -> Product:
        return products.update_product(
            product_id=obj.pk, changes=_with_ids(changes), actor=staff_actor(request), now=clock.now()
        )


class TaxClassFilter(admin.SimpleListFilter):
    """The tax classes that are in force, with their rates; a scan of all variants would not find the rates."""

    title = "tax class"
    parameter_name = "tax_class"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(_tax_classes().items())

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Variant]") -> "QuerySet[Variant]":
        return queryset.filter(tax_class=self.value()) if self.value() else queryset


@admin.register(Variant)
class VariantAdmin(ServiceAdmin):
    """What buyers buy: SKU, price and the GST fields. Add a stock movement to change its stock."""

    list_display: tuple[Any, ...] = ("sku", "title", "product", "amount", "hsn", "stock", "is_active")
    list_filter = ("is_active", TaxClassFilter)
    list_select_related = ("product",)
    search_fields = ("sku", "title", "product__name")
    ordering = ("sku",)
    sortable_by = ("sku",)
    autocomplete_fields = ("product",)
    fields = (
        "product", "sku", "title", "hsn", "uqc", "tax_class", "price", "price_includes_tax", "attributes", "position",
        "is_active", "metadata", "stock", "version",
    )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        computed = ("stock", "version")
        return computed if obj is None else ("product", *computed)

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        *first, hsn, stock, is_active = self.list_display
        return (*first, _tax_column(), hsn, stock, is_active)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        field = form.base_fields.get("tax_class")
        if field is not None and obj is not None and obj.tax_class not in dict(field.choices):
            # A class that is no longer in force stays until another one is chosen.
            field.choices = [*field.choices, (obj.tax_class, messages.tax_class_without_rate(obj.tax_class))]
        return form

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "tax_class":
            choices = [("", "Choose a tax class"), *_tax_classes().items()]
            return forms.ChoiceField(label="Tax class", choices=choices, widget=UnfoldAdminSelectWidget())
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description="price", ordering="price")
    def amount(self, variant: Variant) -> str:
        return rupees(variant.price)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Variant]":
        return selectors.with_stock_totals(super().get_queryset(request))

    @admin.display(description="available of on hand")
    def stock(self, variant: Variant) -> str:
        return str(variant.stock_counts) if hasattr(variant, "on_hand_milli") else "none yet"

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> Variant:
        return products.create_variant(**_with_ids(values), actor=staff_actor(request), now=clock.now())

    def required_confirmation(
        self, obj: Any, before: Mapping[str, Any], changes: Mapping[str, Any]
    ) -> Confirmation | None:
        """Ask about a price that moves by more than half: rupees and paise are easily mistaken for each other."""
        old, new = before["price"], changes.get("price", before["price"])
        if not rules.is_large_price_move(old, new):
            return None
        return Confirmation(
            key=f"price {old} {new}",
            title=messages.price_question(before["sku"], old, new),
            facts=messages.price_facts(
                str(obj), old, new, price_includes_tax=changes.get("price_includes_tax", before["price_includes_tax"])
            ),
            confirm="Change the price",
        )

    def change_through_service(self, request: HttpRequest, obj: Any, changes: dict[str, Any]) -> Variant:
        return products.update_variant(variant_id=obj.pk, changes=changes, actor=staff_actor(request), now=clock.now())


@admin.register(Location)
class LocationAdmin(ReadOnlyAdmin):
    """The places where goods are kept. Stock counts are on the page of variants."""

    list_display = ("name", "code")
    search_fields = ("name", "code")
    ordering = ("name",)


class StockMovementForm(forms.ModelForm):  # type: ignore[type-arg]
    """What came in or went out, in whole units."""

    kind = forms.ChoiceField(
        choices=[(kind.value, kind.label) for kind in (MovementKind.RECEIPT, MovementKind.ADJUSTMENT)],
        widget=UnfoldAdminSelectWidget(),
    )
    quantity = WholeNumberField(
        help_text="A positive number adds units, a negative one removes them.",
        widget=UnfoldAdminIntegerFieldWidget({"inputmode": "text"}),
    )

    class Meta:
        model = StockMovement
        fields = ("variant", "kind", "reason")


@admin.register(StockMovement)
class StockMovementAdmin(ServiceAdmin):
    """Every change of stock. Add a movement to record a delivery or a correction; a movement is never changed."""

    list_display = ("created_at", "variant", "kind", "quantity", "location", "reason", "actor")
    list_filter = ("kind",)
    list_select_related = ("variant", "location")
    search_fields = ("variant__sku",)
    ordering = ("-id",)
    sortable_by = ()
    autocomplete_fields = ("variant",)
    form = StockMovementForm
    fields: tuple[str, ...] = ("variant", "kind", "quantity", "reason")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.fields if obj is None else (*self.fields, "location", "actor", "created_at")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> StockMovement:
        return stock_adjustments.adjust_stock(**_with_ids(values), actor=staff_actor(request), now=clock.now())


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin):
    """Units that are reserved for order lines, each with its status."""

    list_display = ("created_at", "variant", "quantity", "location", "status", "reference", "updated_at")
    list_filter = ("status",)
    list_select_related = ("variant", "location")
    search_fields = ("variant__sku", "reference")
    ordering = ("-id",)


def _tax_column() -> Callable[[Variant], str]:
    """Return a column of tax classes with their rates, which it reads once for a list."""
    names: dict[str, str] = {}

    @admin.display(description="tax class")
    def tax_class(variant: Variant) -> str:
        if not names:
            names.update(_tax_classes())
        return names.get(variant.tax_class, variant.tax_class)

    return tax_class


def _with_ids(values: dict[str, Any]) -> dict[str, Any]:
    """Turn the objects that a form has looked up into the keys that services take."""
    references = ("category", "product", "variant")
    return {
        f"{name}_id" if name in references else name: value.pk if name in references else value
        for name, value in values.items()
    }

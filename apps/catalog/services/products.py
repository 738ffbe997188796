"""Categories, products and variants."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import IntegrityError
from django.db.models import Min
from django.utils.text import slugify

from apps.catalog import events, locks
from apps.catalog.models import MAIN_LOCATION_ID, Category, CategoryNotFound, Product, StockLevel, Variant
from apps.catalog.services import gst_checks
from apps.core import clock
from apps.core.errors import Conflict
from apps.core.events import Actor, change, changed_values, create
from apps.core.transactions import atomic, transactional
from apps.tax import rules as tax_rules

log = structlog.get_logger(__name__)

EDITABLE_PRODUCT_FIELDS = (
    "category_id", "name", "slug", "brand", "description", "attributes", "is_published", "metadata",
)  # fmt: skip
EDITABLE_VARIANT_FIELDS = (
    "sku", "title", "hsn", "uqc", "tax_class", "price", "price_includes_tax", "attributes", "position", "is_active",
    "metadata",
)  # fmt: skip


class SlugTaken(Conflict):
    """Another category or product has this slug. Choose another one."""

    message = "The slug {0} is already in use."


class SkuTaken(Conflict):
    """Another variant has this SKU. Choose another one."""

    message = "The SKU {0} is already in use by another variant."


@transactional
def create_category(*, name: str, slug: str = "", position: int = 0, actor: Actor, now: datetime) -> Category:
    """
    Add a category; without a slug it gets one made of its name.

    :raises SlugTaken: if a category has that name or slug
    """
    slug = slug or slugify(name)[:80]
    with _raise_on_duplicate(SlugTaken(slug, param="slug")):
        category = Category.objects.create(name=name, slug=slug, position=position, created_at=now)

    log.info("category_created", category=category.public_id, actor=str(actor))

    return category


@transactional
def update_category(*, category_id: UUID, changes: Mapping[str, Any], actor: Actor, now: datetime) -> Category:
    """
    Change the name, slug or position of a category.

    :raises CategoryNotFound: if there is none
    :raises SlugTaken: if another has that name or slug
    """
    category = locks.lock_category(category_id)

    changed = _changed_fields(category, changes, ("name", "slug", "position"))
    for name, value in changed.items():
        setattr(category, name, value)
    with _raise_on_duplicate(SlugTaken(category.slug, param="slug")):
        category.save(update_fields=[*changed, "updated_at"])

    log.info("category_updated", category=category.public_id, fields=list(changed), actor=str(actor))

    return category


@transactional
def create_product(
    *,
    category_id: UUID,
    name: str,
    slug: str = "",
    brand: str = "",
    description: str = "",
    attributes: Mapping[str, str] | None = None,
    is_published: bool = True,
    metadata: Mapping[str, str] | None = None,
    actor: Actor,
    now: datetime,
) -> Product:
    """
    Add a product. Buyers see it once it is published and has an active variant.

    :raises CategoryNotFound: if there is no such category
    :raises SlugTaken: if another product has that slug; without one it gets a free one made of its name
    :raises InvalidDescription: if no invoice carries its name
    """
    if not Category.objects.filter(pk=category_id).exists():
        raise CategoryNotFound(param="category_id")
    gst_checks.check_description(name=name)

    product = Product(
        category_id=category_id,
        name=name,
        brand=brand,
        description=description,
        attributes=dict(attributes or {}),
        is_published=is_published,
        metadata=dict(metadata or {}),
    )
    product.slug = slug or _unused_slug(product)
    with _raise_on_duplicate(SlugTaken(product.slug, param="slug")):
        create(product, events.PRODUCT_CREATED, actor=actor, now=now)

    return product


@transactional
def update_product(*, product_id: UUID, changes: Mapping[str, Any], actor: Actor, now: datetime) -> Product:
    """
    Change what buyers read of a product: any of EDITABLE_PRODUCT_FIELDS. Orders that were placed keep what they say.

    :raises ProductNotFound: if there is no such product
    :raises CategoryNotFound: if it is moved to a category that is not there
    :raises SlugTaken: if another product has that slug
    :raises InvalidDescription: if no invoice carries its name
    """
    product = locks.lock_product(product_id)

    if "category_id" in changes and not Category.objects.filter(pk=changes["category_id"]).exists():
        raise CategoryNotFound(param="category_id")
    gst_checks.check_description(name=changes.get("name", ""))

    changed = _changed_fields(product, changes, EDITABLE_PRODUCT_FIELDS)
    if not changed:
        return product
    with _raise_on_duplicate(SlugTaken(changed.get("slug", product.slug), param="slug")):
        change(product, events.PRODUCT_UPDATED, changed, actor=actor, now=now)

    return product


@transactional
def create_variant(
    *,
    product_id: UUID,
    sku: str,
    hsn: str,
    tax_class: str,
    price: int,
    title: str = "",
    uqc: str = "",
    price_includes_tax: bool = True,
    attributes: Mapping[str, str] | None = None,
    position: int = 0,
    is_active: bool = True,
    metadata: Mapping[str, str] | None = None,
    actor: Actor,
    now: datetime,
) -> Variant:
    """
    Add a variant to a product, without stock; `price` is paise for one unit.

    Without a unit, goods are counted in numbers (NOS) and services in none (NA).

    :raises ProductNotFound: if there is no such product
    :raises InvalidHsn: if the HSN or SAC has not the form of one, or fewer digits than the shop must print
    :raises UnitNotAllowed: if the unit is not of the official list, or not of goods or services as the code is
    :raises UnknownTaxClass: if the tax class has no rate today
    :raises RateNotAllowedForHsn: if the class has a rate that only other goods still bear
    :raises TaxClassMismatch: if goods with a value limit bear another rate at this price
    :raises InvalidDescription: if no invoice carries its title
    :raises SkuTaken: if another variant has that SKU
    """
    product = locks.lock_product(product_id)

    uqc = uqc or tax_rules.default_uqc(hsn)
    gst_checks.check_description(title=title)
    gst_checks.check_new_variant(
        gst_checks.GstFields(hsn=hsn, uqc=uqc, tax_class=tax_class, price=price, price_includes_tax=price_includes_tax),
        day=clock.ist_date(now),
    )

    variant = Variant(
        product=product,
        sku=sku,
        title=title,
        hsn=hsn,
        uqc=uqc,
        tax_class=tax_class,
        price=price,
        price_includes_tax=price_includes_tax,
        attributes=dict(attributes or {}),
        position=position,
        is_active=is_active,
        metadata=dict(metadata or {}),
    )
    with _raise_on_duplicate(SkuTaken(sku, param="sku")):
        create(variant, events.VARIANT_CREATED, actor=actor, now=now)
    StockLevel.objects.create(variant=variant, location_id=MAIN_LOCATION_ID)
    _update_lowest_price(product, actor=actor, now=now)

    return variant


@transactional
def update_variant(*, variant_id: UUID, changes: Mapping[str, Any], actor: Actor, now: datetime) -> Variant:
    """
    Change a variant: any of EDITABLE_VARIANT_FIELDS. Orders that were placed keep their price and tax.

    :raises VariantNotFound: if there is no such variant
    :raises InvalidHsn: if the HSN or SAC has not the form of one, or fewer digits than the shop must print
    :raises UnitNotAllowed: if the unit is not of the official list, or not of goods or services as the code is
    :raises UnknownTaxClass: if the tax class has no rate today
    :raises RateNotAllowedForHsn: if the class has a rate that only other goods still bear
    :raises TaxClassMismatch: if a piece would cross a value limit (₹2,500 for clothes) and not bear the rate on its other side
    :raises InvalidDescription: if no invoice carries its title
    :raises SkuTaken: if another variant has that SKU
    """
    locks.lock_stock_of(variant_id)
    product = locks.lock_product_of(variant_id)
    variant = locks.lock_variant(variant_id)

    gst_checks.check_description(title=changes.get("title", ""))
    gst_checks.check_variant_change(
        gst_checks.gst_fields_of(variant), gst_checks.gst_fields_of(variant, changes), day=clock.ist_date(now)
    )

    changed = _changed_fields(variant, changes, EDITABLE_VARIANT_FIELDS)
    if not changed:
        return variant
    with _raise_on_duplicate(SkuTaken(changed.get("sku", variant.sku), param="sku")):
        change(variant, events.VARIANT_UPDATED, changed, actor=actor, now=now)
    _update_lowest_price(product, actor=actor, now=now)

    return variant


def _update_lowest_price(product: Product, *, actor: Actor, now: datetime) -> None:
    """Write the copy that lists filter and sort by; the audit computes it again."""
    found = product.variants.filter(is_active=True).aggregate(lowest=Min("price"))["lowest"]
    lowest = found or 0
    if lowest == product.lowest_price:
        return
    change(product, events.PRODUCT_UPDATED, {"lowest_price": lowest}, actor=actor, now=now)


def _changed_fields(
    row: Category | Product | Variant, changes: Mapping[str, Any], editable: tuple[str, ...]
) -> dict[str, Any]:
    """Return the new values of the editable fields that differ."""
    return changed_values(row, {name: changes[name] for name in editable if name in changes})


def _unused_slug(product: Product) -> str:
    plain = slugify(f"{product.brand} {product.name}" if product.brand not in product.name else product.name)[:150]
    if plain and not Product.objects.filter(slug=plain).exists():
        return plain
    # The tail of the id is random, where its head is the time.
    return f"{plain or 'product'}-{product.public_id[-8:]}"


@contextmanager
def _raise_on_duplicate(error: Conflict) -> Iterator[None]:
    """Turn the refusal of a unique constraint into a claim, and leave the transaction usable."""
    try:
        with atomic():
            yield
    except IntegrityError as refused:
        if getattr(refused.__cause__, "sqlstate", None) == "23505":
            raise error from refused
        raise

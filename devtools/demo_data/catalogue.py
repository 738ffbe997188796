"""
The products of the demo shop, made from the kinds of goods by a rule without chance.

Prices, stock and SKUs follow from a hash of the product's name, so every machine gets the same shop and a kind that is
added changes no other product. Prices include tax, as a maximum retail price does.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from devtools.demo_data.kinds import Kind, Shelf, read_shelves

_PRINTED_BOOKS = "4901"
_HUNDRED, _THOUSAND, _TEN_THOUSAND = 100, 1_000, 10_000
#: Goods whose tax depends on the value of a piece without tax, and the prices with tax at its limits, in paise.
_BY_VALUE = frozenset({"garment", "footwear"})
_HIGHEST_OF_1000_RUPEES = 1_050_00
_HIGHEST_AT_5_PERCENT, _LOWEST_AT_18_PERCENT, _LAST_TAG_AT_5_PERCENT = 2_625_00, 2_950_00, 2_599_00


@dataclass(frozen=True, slots=True)
class DemoCategory:
    """A category of the shop; `position` is its place in the list."""

    slug: str
    name: str
    description: str
    position: int


@dataclass(frozen=True, slots=True)
class DemoVariant:
    """What is sold: `price` in paise with tax, `stock` in units of `uqc`, `tax_class` a key of the tax rules."""

    sku: str
    title: str
    hsn: str
    uqc: str
    tax_class: str
    price: int
    stock: int
    attributes: dict[str, str]
    price_includes_tax: bool = True


@dataclass(frozen=True, slots=True)
class DemoProduct:
    """A product with its one to four variants."""

    slug: str
    category: str
    name: str
    brand: str
    description: str
    attributes: dict[str, str]
    variants: tuple[DemoVariant, ...]


def list_categories() -> list[DemoCategory]:
    """Return the twelve categories in the order of the shop."""
    return [
        DemoCategory(_slug(shelf.name), shelf.name, shelf.description, position)
        for position, shelf in enumerate(read_shelves(), start=1)
    ]


def make_products() -> Iterator[DemoProduct]:
    """Yield every product, shelf by shelf; slugs and SKUs are unique."""
    for shelf in read_shelves():
        for kind in shelf.kinds:
            first = _chance(kind.noun, kind.hsn)
            for column, variety in enumerate(kind.varieties):
                for maker in range(kind.makers):
                    brand = shelf.brands[(first + column + maker) % len(shelf.brands)]
                    yield _product(shelf, kind, variety, brand)


def _product(shelf: Shelf, kind: Kind, variety: str, brand: str) -> DemoProduct:
    name = " ".join(part for part in (brand, variety, kind.noun) if part)
    attributes = {"brand": brand, "variety": variety, **kind.attributes}
    if kind.hsn.startswith(_PRINTED_BOOKS):
        # A book is called by its title; the brand is its publisher.
        name = variety
        attributes = {"publisher": brand, **kind.attributes}
    return DemoProduct(
        slug=_slug(name),
        category=_slug(shelf.name),
        name=name,
        brand=brand,
        description=kind.description,
        attributes=attributes,
        variants=tuple(_variant(shelf, kind, name, label, rupees) for label, rupees in kind.options),
    )


def _variant(shelf: Shelf, kind: Kind, name: str, label: str, rupees: int) -> DemoVariant:
    # One factor for all variants of a product, so that the larger pack never costs less.
    price = _tag_price(rupees * (88 + _chance(name, "price") % 31), kind.tax_class)
    sold_out = _chance(name, label, "sold out") % 40 == 0
    suffix = re.sub(r"[^A-Z0-9]", "", label.upper())[:8]
    return DemoVariant(
        sku=f"{shelf.code}-{_chance(name) % 10**7:07d}-{suffix}",
        title=label,
        hsn=kind.hsn,
        uqc=_unit(kind, label),
        tax_class=_tax_class(kind.tax_class, price),
        price=price,
        stock=0 if sold_out else 12 + _chance(name, label, "stock") % 389,
        attributes={kind.option: label},
    )


def _tag_price(paise: int, tax_class: str) -> int:
    """Round to a price as price tags show it."""
    rupees = _round_as_on_tags(paise // 100)
    if tax_class in _BY_VALUE and _HIGHEST_AT_5_PERCENT < rupees * 100 <= _LOWEST_AT_18_PERCENT:
        # Here the price with 5 % is of a value above the limit and with 18 % of one below it: no tag stands there.
        return _LAST_TAG_AT_5_PERCENT
    return rupees * 100


def _round_as_on_tags(rupees: int) -> int:
    if rupees >= _TEN_THOUSAND:
        return rupees // 100 * 100 - 10
    if rupees >= _THOUSAND:
        return rupees // 50 * 50 - 1
    if rupees >= _HUNDRED:
        return rupees // 10 * 10 + (9 if rupees % 10 >= 10 // 2 else 0)
    return rupees


def _tax_class(tax_class: str, price: int) -> str:
    """Resolve the rules of clothes and shoes, whose class depends on the value of a piece without tax."""
    if tax_class == "garment":
        if price <= _HIGHEST_OF_1000_RUPEES:
            return "gst_5"
        return "gst_5_was_12" if price <= _HIGHEST_AT_5_PERCENT else "gst_18_was_12"
    if tax_class == "footwear":
        if price <= _HIGHEST_OF_1000_RUPEES:
            return "gst_5_was_12"
        return "gst_5_was_18" if price <= _HIGHEST_AT_5_PERCENT else "gst_18"
    return tax_class


def _unit(kind: Kind, label: str) -> str:
    """Return the unit quantity code of GST that one piece of a variant counts in."""
    if kind.attributes.get("packing") == "loose":
        return "KGS"
    if kind.tax_class == "footwear":
        return "PRS"
    if label == "1 set":
        return "SET"
    return "PAC" if kind.option == "pack" and label != "1 piece" else "NOS"


def _chance(*parts: str) -> int:
    return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:6], "big")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")

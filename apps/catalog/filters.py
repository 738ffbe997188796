"""What lists of products can be narrowed by."""

import hashlib
from collections.abc import Mapping
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet

from apps.catalog import selectors
from apps.catalog.models import Product
from apps.core.errors import Invalid

MAX_QUERY_LENGTH = 200
_BOUNDS = {"price_gte": "price[gte]", "price_lte": "price[lte]"}


class InvalidFilter(Invalid):
    message = "{0} {1}"


class UnknownCategory(Invalid):
    message = "There is no category {0}. GET /categories lists them."


class _WholeNumber(django_filters.Filter):  # type: ignore[misc]
    field_class = forms.RegexField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            regex=r"^[0-9]{1,13}$",
            error_messages={"invalid": "is a whole number of paise, such as 49900 for ₹499.00."},
            **kwargs,
        )

    def filter(self, qs: "QuerySet[Product]", value: str) -> "QuerySet[Product]":
        narrowed: QuerySet[Product] = super().filter(qs, int(value) if value else None)
        return narrowed


class ProductFilter(django_filters.FilterSet):  # type: ignore[misc]
    """
    Filters by brand, lowest price in paise, stock and attributes.

    `attributes` is a list such as `diet:veg,origin:Kerala`; a product must have all of them.
    """

    brand = django_filters.CharFilter(field_name="brand", max_length=80)
    in_stock = django_filters.ChoiceFilter(
        method="filter_in_stock",
        choices=[("true", "true"), ("false", "false")],
        error_messages={"invalid_choice": "is true or false."},
    )
    attributes = django_filters.CharFilter(method="filter_attributes", max_length=400)
    price_gte = _WholeNumber(field_name="lowest_price", lookup_expr="gte")
    price_lte = _WholeNumber(field_name="lowest_price", lookup_expr="lte")

    class Meta:
        model = Product
        fields: tuple[str, ...] = ()

    PARAMS = ("brand", "in_stock", "attributes", *_BOUNDS.values())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A class attribute cannot be called price[gte].
        for attribute, name in _BOUNDS.items():
            self.filters[name] = self.filters.pop(attribute)

    def filter_in_stock(self, products: "QuerySet[Product]", _: str, value: str) -> "QuerySet[Product]":
        return products.filter(is_in_stock=value == "true")  # type: ignore[misc]

    def filter_attributes(self, products: "QuerySet[Product]", _: str, value: str) -> "QuerySet[Product]":
        wanted = {}
        for pair in value.split(","):
            name, colon, text = pair.partition(":")
            if not (name.strip() and colon and text.strip()):
                raise InvalidFilter("attributes", "are pairs such as diet:veg,origin:Kerala.", param="attributes")
            wanted[name.strip()] = text.strip()
        return products.filter(attributes__contains=wanted)


#: What a list of products can be narrowed by, but for words.
PARAMS = ("category", *ProductFilter.PARAMS)


def filter_products(products: "QuerySet[Product]", params: Mapping[str, str]) -> "QuerySet[Product]":
    """
    Apply the filters that a client asked for.

    :raises UnknownCategory: if there is no category of that slug
    :raises InvalidFilter: if a value is not what its filter takes
    """
    if (slug := params.get("category")) is not None:
        category = selectors.find_category(slug)
        if category is None:
            raise UnknownCategory(slug[:80], param="category")
        products = products.filter(category=category)
    chosen = {name: params[name] for name in ProductFilter.PARAMS if name in params}
    for name, text in chosen.items():
        if not text:  # which the filters would take for no filter
            raise InvalidFilter(name, "is empty.", param=name)
    filters = ProductFilter(data=chosen, queryset=products)
    if not filters.is_valid():
        name, problems = next(iter(filters.errors.get_json_data().items()))
        raise InvalidFilter(name, problems[0]["message"], param=name)
    narrowed: QuerySet[Product] = filters.qs
    return narrowed


def parse_query(text: str | None) -> str:
    """
    Return the words that a client searches for, or nothing.

    :raises InvalidFilter: if they are too many
    """
    if text is None:
        return ""
    if len(text) > MAX_QUERY_LENGTH:
        raise InvalidFilter("q", f"has at most {MAX_QUERY_LENGTH} characters.", param="q")
    return text.strip()


def cursor_scope(params: Mapping[str, str], *, audience: str) -> str:
    """Return what a cursor is bound to: these filters and this audience, in a few characters."""
    named = sorted((name, value) for name, value in params.items() if name in (*PARAMS, "q"))
    return f"products:{audience}:{hashlib.sha256(repr(named).encode()).hexdigest()[:16]}"

"""What lists of products can be narrowed by."""

import re
from collections.abc import Callable, Mapping

from apps.catalog import selectors
from apps.catalog.models import Category
from apps.catalog.rules import ProductFilters
from apps.core.api import QueryFilterSet, ReadFilter
from apps.core.api.filters import BOOLEAN
from apps.core.api.requests import InvalidFilter
from apps.core.errors import Invalid

_MAX_QUERY_LENGTH = 200
_PRICE = re.compile(r"[0-9]{1,13}")


class UnknownCategory(Invalid):
    """No category has this slug. `GET /categories` lists them."""

    message = "There is no category {0}. GET /categories lists them."


def _read_category(slug: str) -> Category:
    category = selectors.find_category(slug)
    if category is None:
        raise UnknownCategory(slug[:80], param="category")
    return category


def _reader_of_text(name: str, longest: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not text:
            raise InvalidFilter(name, "is empty.", param=name)
        text = text.strip()
        if len(text) > longest:
            raise InvalidFilter(
                name, f"Ensure this value has at most {longest} characters (it has {len(text)}).", param=name
            )
        return text

    return read


def _reader_of_price(name: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text:
            raise InvalidFilter(name, "is empty.", param=name)
        if not _PRICE.fullmatch(text):
            raise InvalidFilter(name, "is a whole number of paise, such as 49900 for ₹499.00.", param=name)
        return int(text)

    return read


def _read_in_stock(text: str) -> bool:
    if text not in ("true", "false"):
        raise InvalidFilter("in_stock", "is true or false." if text else "is empty.", param="in_stock")
    return text == "true"


def _read_attributes(text: str) -> dict[str, str]:
    wanted = {}
    for pair in _reader_of_text("attributes", 400)(text).split(","):
        name, colon, value = pair.partition(":")
        if not (name.strip() and colon and value.strip()):
            raise InvalidFilter("attributes", "are pairs such as diet:veg,origin:Kerala.", param="attributes")
        wanted[name.strip()] = value.strip()
    return wanted


def _read_words(text: str) -> str:
    if len(text) > _MAX_QUERY_LENGTH:
        raise InvalidFilter("q", f"has at most {_MAX_QUERY_LENGTH} characters.", param="q")
    return text.strip()


_PAISE = {"type": "integer", "minimum": 0, "maximum": 10**13 - 1}


class ProductFilterSet(QueryFilterSet):
    """Filters by category, brand, lowest price, stock and attributes, and the words to search for."""

    category = ReadFilter(
        read=_read_category,
        schema={"type": "string", "minLength": 1, "maxLength": 80},
        description="A category's slug.",
    )
    brand = ReadFilter(read=_reader_of_text("brand", 80), schema={"type": "string", "minLength": 1, "maxLength": 80})
    price__gte = ReadFilter(read=_reader_of_price("price[gte]"), schema=_PAISE, description="Paise.")
    price__lte = ReadFilter(read=_reader_of_price("price[lte]"), schema=_PAISE, description="Paise.")
    in_stock = ReadFilter(read=_read_in_stock, schema=BOOLEAN)
    attributes = ReadFilter(
        read=_read_attributes,
        schema={"type": "string", "maxLength": 400, "pattern": r"^[^:,]+:[^,]+(,[^:,]+:[^,]+)*$"},
        description="Pairs that a product must have: `diet:veg,origin:Kerala`.",
    )
    q = ReadFilter(
        read=_read_words,
        schema={"type": "string", "maxLength": _MAX_QUERY_LENGTH},
        description='Words to search for; "a phrase", `or` and `-without` are understood.',
    )

    @classmethod
    def read_filters(cls, params: Mapping[str, str]) -> ProductFilters:
        """
        Return what the parameters of a list narrow it by.

        :raises Invalid: if one cannot be read, or no category has the slug
        """
        values = cls.read(params)
        category = values.get("category")
        return ProductFilters(
            category_id=None if category is None else category.pk,
            brand=values.get("brand"),
            lowest_price_gte=values.get("price[gte]"),
            lowest_price_lte=values.get("price[lte]"),
            is_in_stock=values.get("in_stock"),
            attributes=values.get("attributes"),
            words=values.get("q"),
        )

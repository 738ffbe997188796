"""What GST requires of goods before they are sold: a code, a unit, one of their rates, and a name that an invoice carries."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from django.conf import settings

from apps.catalog import messages
from apps.catalog.models import Variant
from apps.core.errors import Invalid
from apps.core.money import rupees
from apps.tax import messages as tax_messages
from apps.tax import rules as tax
from apps.tax import selectors as tax_selectors


class InvalidHsn(Invalid):
    """The HSN or SAC is not one that GST allows for these goods. Correct `hsn`."""

    message = "{0}"


class UnknownTaxClass(Invalid):
    """The tax class has no GST rate today. Choose one that has, or enter its rate first."""

    message = "No GST rate is in force today for the tax class {0}."


class UnitNotAllowed(Invalid):
    """Goods of this HSN are not counted in this unit. Choose a unit that fits them."""

    message = "{0}"


class RateNotAllowedForHsn(Invalid):
    """The tax class has a GST rate that goods of this HSN never bear. Correct the HSN or the tax class."""

    message = "{0}"


class TaxClassMismatch(Invalid):
    """The tax class belongs to other goods than the HSN. Correct one of the two."""

    message = "{0}"


class InvalidDescription(Invalid):
    """The name of the product or title of the variant does not fit a GST invoice. Correct it."""

    message = "{0}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GstFields:
    """The fields of a variant that GST has rules for; the price is paise for one unit."""

    hsn: str
    uqc: str
    tax_class: str
    price: int
    price_includes_tax: bool


def gst_fields_of(variant: Variant, changes: Mapping[str, Any] | None = None) -> GstFields:
    """Return the fields of a variant that GST has rules for, with requested changes."""
    requested = changes or {}
    return GstFields(
        **{field.name: requested.get(field.name, getattr(variant, field.name)) for field in fields(GstFields)}
    )


def check_new_variant(facts: GstFields, *, day: date) -> None:
    """
    Refuse goods that cannot be sold on an Indian day as they are described.

    :raises InvalidHsn, UnitNotAllowed, UnknownTaxClass, RateNotAllowedForHsn, TaxClassMismatch: by what is wrong
    """
    _check_hsn(facts)
    _check_unit(facts)
    _check_rate(facts, day=day)
    _check_value(None, facts, day=day)


def check_variant_change(before: GstFields, after: GstFields, *, day: date) -> None:
    """
    Refuse a change of a variant's GST fields after which it could not be sold; fields that stay the same are not checked.

    `day` is the Indian date whose rates apply.

    :raises InvalidHsn, UnitNotAllowed, UnknownTaxClass, RateNotAllowedForHsn, TaxClassMismatch: by what is wrong
    """
    if after.hsn != before.hsn:
        _check_hsn(after)
    if (after.hsn, after.uqc) != (before.hsn, before.uqc):
        _check_unit(after)
    if (after.hsn, after.tax_class) != (before.hsn, before.tax_class):
        _check_rate(after, day=day)
    if after != before:
        _check_value(before, after, day=day)


def check_description(*, name: str = "", title: str = "") -> None:
    """
    Refuse a name of a product, or a title of a variant, that no invoice carries; what is empty is not judged.

    :raises InvalidDescription: by its length or a character
    """
    for param, label, text, limits in (
        ("name", "name of the product", name, tax.DESCRIPTION_LIMITS),
        ("title", "title of the variant", title, tax.TextLimits(1, tax.DESCRIPTION_LIMITS.most)),
    ):
        refusal = tax.check_text(text, limits) if text else None
        if refusal is not None:
            sentence = tax_messages.text_refused(
                label, refusal, length=len(text), fewest=limits.fewest, most=limits.most
            )
            raise InvalidDescription(sentence, param=param, details=[{"param": param, "code": str(refusal)}])


def _check_hsn(facts: GstFields) -> None:
    refusal = tax.check_hsn(facts.hsn, minimum_digits=settings.HSN_MIN_DIGITS)
    if refusal is not None:
        sentence = messages.hsn_refused(facts.hsn, refusal, fewest=settings.HSN_MIN_DIGITS)
        raise InvalidHsn(sentence, param="hsn", details=[{"param": "hsn", "code": str(refusal)}])


def _check_unit(facts: GstFields) -> None:
    if not tax.is_uqc_of(facts.uqc, facts.hsn):
        sentence = messages.unit_refused(facts.uqc, is_service=tax.is_service_code(facts.hsn))
        raise UnitNotAllowed(sentence, param="uqc")


def _check_rate(facts: GstFields, *, day: date) -> None:
    if not tax_selectors.is_tax_class(facts.tax_class, on=day):
        raise UnknownTaxClass(facts.tax_class[:40], param="tax_class")
    rate = _rate(facts, day)
    codes = tax.codes_of_rate(rate, day)
    if codes is not None and not tax.is_rate_of_goods(rate, hsn=facts.hsn, day=day):
        sentence = messages.rate_refused(facts.tax_class, rate=rate, hsn=facts.hsn, codes=codes)
        raise RateNotAllowedForHsn(sentence, param="tax_class")


def _check_value(before: GstFields | None, after: GstFields, *, day: date) -> None:
    limit = tax.value_limit(after.hsn, day)
    if limit is None or not tax_selectors.is_tax_class(after.tax_class, on=day):
        return
    rate = _rate(after, day)
    value = _value(after, rate)
    is_allowed = limit.is_class_allowed(tax_class=after.tax_class, rate=rate, value=value)
    if (
        before is not None
        and _price_terms(before) != _price_terms(after)
        and tax_selectors.is_tax_class(before.tax_class, on=day)
    ):
        is_crossed = limit.is_crossed(_value(before, _rate(before, day)), value)
        is_allowed = is_allowed and not (is_crossed and rate != limit.rate_of(value))
    if not is_allowed:
        param = "tax_class" if before is not None and _price_terms(before) == _price_terms(after) else "price"
        details = [{"param": param, "code": "tax_class_mismatch", "tax_class": limit.class_of(value)}]
        raise TaxClassMismatch(_mismatch_message(limit, after, rate=rate, value=value), param=param, details=details)


def _mismatch_message(limit: tax.ValueLimit, facts: GstFields, *, rate: int, value: int) -> str:
    lowest = limit.highest_price_below(price_includes_tax=facts.price_includes_tax)
    highest = limit.highest_price_not_above(price_includes_tax=facts.price_includes_tax)
    if lowest < facts.price <= highest:
        return messages.no_class_at_price(
            price=facts.price,
            limit=limit.limit,
            hsn=facts.hsn,
            lower=limit.lower_rate,
            higher=limit.higher_rate,
            lowest=lowest,
            highest=highest,
            lower_class=limit.class_to_limit,
            higher_class=limit.class_above,
        )
    facts_in_words = {
        "price": rupees(facts.price),
        "value": rupees(value),
        "limit": rupees(limit.limit),
        "hsn": facts.hsn,
        "tax_class": facts.tax_class,
        "rate": f"{rate / 100:g}",
    }
    right, right_class = limit.rate_of(value), limit.class_of(value)
    if value > limit.limit:
        return messages.class_above_refused(right=right, right_class=right_class, highest=lowest, **facts_in_words)
    return messages.class_below_refused(right=right, right_class=right_class, highest=highest, **facts_in_words)


def _rate(facts: GstFields, day: date) -> int:
    return tax_selectors.get_rates(tax_classes=[facts.tax_class], on=day)[facts.tax_class]


def _value(facts: GstFields, rate: int) -> int:
    return tax.value_of_piece(price=facts.price, price_includes_tax=facts.price_includes_tax, rate=rate)


def _price_terms(facts: GstFields) -> tuple[int, bool]:
    return facts.price, facts.price_includes_tax

"""The sentences about goods: their stock, why GST does not allow them as described, and the question about a price."""

from apps.core.money import half_up, rupees

_HSN = {
    "not_digits": "{code} is not an HSN or SAC: these codes have digits only.",
    "wrong_length": "{code} is not an HSN or SAC: goods have 4, 6 or 8 digits, services (99...) have 6.",
    "unknown_chapter": "{code} is not an HSN or SAC: the tariff has no chapter {chapter}.",
    "too_short": "The HSN {code} has {digits} digits; at the shop's turnover, invoices must show at least {fewest}.",
}
_ABOVE = (
    "At {price} a piece is worth {value} without tax. Above {limit} goods of HSN {hsn} bear {right} %, and {tax_class} bears {rate} %:"
    " choose the tax class {right_class}, or a price of at most {highest}."
)
_BELOW = (
    "At {price} a piece is worth {value} without tax. Up to {limit} goods of HSN {hsn} bear {right} %, and {tax_class} bears {rate} %:"
    " choose the tax class {right_class}, or a price above {highest}."
)
_BETWEEN = (
    "At {price} with tax, a piece is worth more than {limit} without tax if it bears {lower} %, and not if it bears {higher} %, so that"
    " goods of HSN {hsn} have no tax class at this price. Choose a price of at most {lowest} with the tax class {lower_class}, or above"
    " {highest} with the tax class {higher_class}."
)


def units_left(available: int) -> str:
    """Return how many units of a variant a buyer can order."""
    if available <= 0:
        return "This item is out of stock."
    return "Only 1 unit of this item is left." if available == 1 else f"Only {available} units of this item are left."


def hsn_refused(code: str, refusal: str, *, fewest: int) -> str:
    """Return why an HSN or SAC is refused."""
    return _HSN[refusal].format(code=code[:20], chapter=code[:2], digits=len(code), fewest=fewest)


def unit_refused(uqc: str, *, is_service: bool) -> str:
    """Return why a unit quantity code is refused."""
    if is_service:
        return f"A service cannot have the unit {uqc[:20]}. Choose NA."
    return f"{uqc[:20]} is not a GST unit for goods. Choose one from the list, such as NOS (numbers), PCS (pieces), KGS or LTR."


def rate_refused(tax_class: str, *, rate: int, hsn: str, codes: tuple[str, ...]) -> str:
    """Return why goods cannot bear a rate (basis points) that only some goods still have."""
    return (
        f"The tax class {tax_class} bears {rate / 100:g} %, which since 22 Sep 2025 applies only to HSN {', '.join(codes)};"
        f" these goods have HSN {hsn}."
    )


def class_above_refused(*, right_class: str, right: int, highest: int, **facts: object) -> str:
    """Return why goods above a value limit cannot be sold in a tax class; amounts in paise, rates in basis points."""
    return _ABOVE.format(right_class=right_class, right=f"{right / 100:g}", highest=rupees(highest), **facts)


def class_below_refused(*, right_class: str, right: int, highest: int, **facts: object) -> str:
    """Return why goods up to a value limit cannot be sold in a tax class; amounts in paise, rates in basis points."""
    return _BELOW.format(right_class=right_class, right=f"{right / 100:g}", highest=rupees(highest), **facts)


def no_class_at_price(
    *,
    price: int,
    limit: int,
    hsn: str,
    lower: int,
    higher: int,
    lowest: int,
    highest: int,
    lower_class: str,
    higher_class: str,
) -> str:
    """Return why goods with a value limit have no tax class at a price with tax; amounts in paise, rates in basis points."""
    return _BETWEEN.format(
        price=rupees(price),
        limit=rupees(limit),
        hsn=hsn,
        lower=f"{lower / 100:g}",
        higher=f"{higher / 100:g}",
        lowest=rupees(lowest),
        highest=rupees(highest),
        lower_class=lower_class,
        higher_class=higher_class,
    )


def tax_class_without_rate(tax_class: str) -> str:
    """Return what a choice of tax classes says of one that no longer has a rate."""
    return f"{tax_class}: no rate is in force"


def price_question(sku: str, before: int, after: int) -> str:
    """Return the question that staff confirm before a price (paise) changes by more than half."""
    return f"Change the price of {sku} from {rupees(before)} to {rupees(after)}?"


def price_facts(name: str, before: int, after: int, *, price_includes_tax: bool) -> list[tuple[str, str]]:
    """Return the facts below that question: pairs of a heading and a text."""
    tax = "with GST" if price_includes_tax else "without GST"
    return [
        ("Variant", name),
        ("Price now", f"{rupees(before)} {tax}"),
        ("New price", f"{rupees(after)} {tax}"),
        ("Difference", _difference(before, after)),
        (
            "What will happen",
            "New orders have the new price from now on. Orders that were already placed keep their price.",
        ),
    ]


def _difference(before: int, after: int) -> str:
    if not before:
        return f"{rupees(after)} more. It was free so far."
    percent = half_up(abs(after - before) * 100, before)
    return f"{rupees(abs(after - before))} ({percent} %) {'more' if after > before else 'less'} for each unit."

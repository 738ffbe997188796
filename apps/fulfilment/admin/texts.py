"""What staff read about parcels: their contents, the stock, and why nothing may be sent."""

from collections.abc import Iterable
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from apps.core.errors import Conflict
from apps.core.quantities import to_units
from apps.fulfilment import selectors
from apps.fulfilment.services.checks import OrderMoneyLost, check_order_shippable

_ANY_REASON = "any"


def units_text(count: int) -> str:
    """Return a number of units, such as `1 unit`."""
    return f"{count} {'unit' if count == 1 else 'units'}"


def contents_text(lines: Iterable[Any]) -> str:
    """Return what is in a parcel, a line each, from its shipment lines with their order lines."""
    return "\n".join(f"{line.quantity} × {line.order_line.name}" for line in lines)


def left_text(lines: Iterable[Any]) -> str:
    """Return what of an order is to be packed, a line each, from order lines with `left_milli`."""
    return "\n".join(f"{to_units(line.left_milli)} × {line.name}" for line in lines)


def in_lines(text: str) -> SafeString:
    """Return a text as a cell of a table, each of its lines on one of its own."""
    return format_html("<div>{}</div>", format_html_join(mark_safe("<br>"), "{}", ((one,) for one in text.split("\n"))))


def carrier_text(shipment: Any) -> str:
    """Return who carries a parcel, with its tracking number, or nothing."""
    return " ".join(text for text in (shipment.carrier_name, shipment.tracking_number) if text)


def why_not_sent(order: Any, *, override_reason: str = _ANY_REASON) -> str:
    """Return why nothing of an order may be packed or sent, or nothing; what staff may override counts only without a reason."""
    try:
        check_order_shippable(order, override_reason=override_reason)
    except Conflict as refusal:
        return refusal.text
    return ""


def needs_override(order: Any) -> str:
    """Return why goods of an order are sent for a recorded reason alone, or nothing."""
    try:
        check_order_shippable(order, override_reason="")
    except OrderMoneyLost as refusal:
        return refusal.text
    except Conflict:
        return ""
    excess = [line for line in selectors.get_line_facts(order.pk).values() if line.excess]
    return "Units in its parcels were refunded. Give a reason if they are to be sent all the same." if excess else ""

"""The data of a packing slip for its template, `packing_slip.typ`, which has all words and the layout. There are no prices."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings

from apps.core import clock, pdf

if TYPE_CHECKING:
    from apps.fulfilment.models import Shipment, ShipmentLine
    from apps.orders.models import Order

TEMPLATE = "fulfilment/documents/packing_slip.typ"
_ADDRESS = ("name", "company", "line1", "line2", "city", "state_name", "pin", "phone")


def render_packing_slip_pdf(data: Mapping[str, Any]) -> bytes:
    """Return the PDF of what `packing_slip_data` returns; the same data always give the same bytes."""
    return pdf.render(TEMPLATE, data, logo=settings.SELLER_LOGO_PATH)


def packing_slip_data(shipment: "Shipment", *, order: "Order", lines: "Sequence[ShipmentLine]") -> dict[str, Any]:
    """Return the contents of a packing slip as JSON: days in India as ISO dates, quantities in whole units."""
    address = order.shipping_address.snapshot
    return {
        "date": shipment.created_at.astimezone(clock.IST).date().isoformat(),
        "shop_name": settings.SHOP_NAME,
        "number": shipment.number,
        "order_number": order.number,
        "placed_on": order.placed_at.astimezone(clock.IST).date().isoformat(),
        "deliver_to": [str(address[part]) for part in _ADDRESS if address.get(part)],
        "carrier": shipment.carrier_name,
        "tracking_number": shipment.tracking_number,
        "lines": [
            {"sku": line.order_line.sku, "name": line.order_line.name, "quantity": line.quantity} for line in lines
        ],
        "units": sum(line.quantity for line in lines),
    }

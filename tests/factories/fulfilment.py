"""Shipments for tests, made through the services."""

from typing import Any

from apps.core import clock
from apps.core.events import SYSTEM
from apps.fulfilment import services
from apps.fulfilment.models import Shipment
from apps.invoicing.services import issue_invoices
from apps.payments.services.refunds.amounts import RefundLineInput
from tests.factories.orders import make_order
from tests.factories.payments import apply_refund, make_refund, pay


def make_invoiced_order(customer: Any, variants: Any = None, **fields: Any) -> Any:
    """Return an order that is paid, confirmed and invoiced."""
    order = make_order(customer, variants, **fields)
    pay(order)
    issue_invoices(order_id=order.pk, actor=SYSTEM, now=clock.now())
    order.refresh_from_db()
    return order


def make_shipment(order: Any, units: dict[int, int] | None = None, **fields: Any) -> Shipment:
    """Return a pending shipment of an order: of units by the position of the line, or of all that is left."""
    lines = None
    if units is not None:
        by_position = {line.position: line.pk for line in order.lines.all()}
        lines = [services.ShipmentLineInput(by_position[position], count) for position, count in units.items()]
    return services.create_shipment(order_id=order.pk, lines=lines, actor=SYSTEM, now=clock.now(), **fields)


def make_packed_shipment(order: Any, units: dict[int, int] | None = None, **fields: Any) -> Shipment:
    """Return a shipment that is packed."""
    shipment = make_shipment(order, units, **fields)
    return services.pack_shipment(shipment_id=shipment.pk, actor=SYSTEM, now=clock.now())


def make_dispatched_shipment(order: Any, units: dict[int, int] | None = None, **fields: Any) -> Shipment:
    """Return a shipment that has left."""
    shipment = make_packed_shipment(order, units, **fields)
    return services.dispatch_shipment(shipment_id=shipment.pk, actor=SYSTEM, now=clock.now())


def deliver(shipment: Shipment) -> Shipment:
    """Deliver a shipment that has left."""
    return services.deliver_shipment(shipment_id=shipment.pk, actor=SYSTEM, now=clock.now())


def refund_units(order: Any, position: int, units: int, *, is_processed: bool = False, **fields: Any) -> Any:
    """Return a refund of units of the line at a position: requested, or processed by the gateway."""
    line = order.lines.get(position=position)
    refund = make_refund(order, lines=[RefundLineInput(line.pk, units)], is_approved=is_processed, **fields)
    return apply_refund(refund) if is_processed else refund

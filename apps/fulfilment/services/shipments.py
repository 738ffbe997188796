"""Creation of shipments, and their carrier and tracking number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from apps.catalog import selectors as catalog
from apps.core.clock import ist_date
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.events import Actor, change, changed_values, create
from apps.core.quantities import to_milli, to_units
from apps.core.states import InvalidTransition
from apps.core.transactions import transactional
from apps.fulfilment import events, locks, rules, selectors, sql
from apps.fulfilment.models import Shipment, ShipmentLine
from apps.fulfilment.services.checks import UnitsRefunded, check_order_shippable
from apps.fulfilment.states import OPEN, ShipmentStatus
from apps.orders import selectors as orders
from apps.orders.locks import lock_order

if TYPE_CHECKING:
    from apps.orders.models import OrderLine


@dataclass(frozen=True, slots=True)
class ShipmentLineInput:
    """Units of an order line to send."""

    order_line_id: UUID
    quantity: int


class EmptyShipment(Invalid):
    """The shipment has no units, or all units of the order are in shipments already. Choose what is to be sent."""

    message = "A shipment must have at least one unit; nothing of order {0} is left to be sent."


class UnknownOrderLine(NotFound):
    """A line of the shipment is no line of the order. Read the order."""

    message = "This line is not one of order {0}."


class UnitsNotAvailable(Conflict):
    """More units are requested than are left of the order's line: the others are in shipments already, or were cancelled. Send fewer."""

    message = "{0} units of {1} cannot be sent: only {2} are left to send."


@transactional
def create_shipment(
    *,
    order_id: UUID,
    lines: Sequence[ShipmentLineInput] | None = None,
    refund_override_reason: str = "",
    actor: Actor,
    now: datetime,
) -> Shipment:
    """
    Create a shipment of units of a paid order: of `lines`, or of all that is left to be sent.

    Each unit is in one shipment at most. Refunded units are left out, or refused where a line names them, unless a reason is given.

    :raises OrderNotFound: if there is no such order
    :raises OrderNotShippable, OrderDisputed, OrderRefunded, OrderMoneyLost: if nothing of it may be sent
    :raises UnknownOrderLine: if a line is of another order
    :raises UnitsNotAvailable: if fewer units of a line are left
    :raises UnitsRefunded: if units of a line were refunded and no reason says why they are sent
    :raises EmptyShipment: if nothing is left, or a quantity is less than 1
    """
    order = lock_order(order_id)

    check_order_shippable(order, override_reason=refund_override_reason)
    facts = selectors.get_line_facts(order_id)
    by_id = {line.pk: line for line in orders.list_lines(order_id)}
    units = _choose_units(lines, facts, has_override=bool(refund_override_reason))
    if not units or min(units.values()) < 1:
        raise EmptyShipment(order.number, param="lines")
    for position, (line_id, quantity) in enumerate(units.items()):
        if line_id not in by_id:
            raise UnknownOrderLine(order.number, param=f"lines[{position}].order_line_id")
        _check_line(
            by_id[line_id],
            quantity,
            facts[line_id],
            has_override=bool(refund_override_reason),
            param=f"lines[{position}].quantity",
        )

    shipment = Shipment(
        number=rules.shipment_number(sql.next_shipment_sequence(), ist_date(now)),
        order_id=order_id,
        location_id=catalog.get_main_location_id(),
        refund_override_reason=refund_override_reason,
        created_at=now,
    )
    create(shipment, events.SHIPMENT_CREATED, root=order_id, actor=actor, event_reason=refund_override_reason, now=now)
    ShipmentLine.objects.bulk_create(
        ShipmentLine(shipment=shipment, order_line_id=line_id, quantity_milli=to_milli(quantity), created_at=now)
        for line_id, quantity in units.items()
    )

    return shipment


@transactional
def update_tracking(
    *, shipment_id: UUID, carrier_name: str, tracking_number: str, actor: Actor, now: datetime
) -> Shipment:
    """
    Change the carrier and tracking number of a shipment that was not delivered yet.

    :raises ShipmentNotFound: if there is none
    :raises InvalidTransition: if it is delivered, lost, damaged or cancelled
    """
    lock_order(selectors.get_shipment(shipment_id).order_id)
    shipment = locks.lock_shipment(shipment_id)

    if shipment.status not in OPEN:
        raise InvalidTransition(
            ShipmentStatus(shipment.status), ShipmentStatus(shipment.status), details=[{"allowed": sorted(OPEN)}]
        )

    changed = changed_values(shipment, {"carrier_name": carrier_name, "tracking_number": tracking_number})
    if changed:
        change(shipment, events.SHIPMENT_TRACKING_UPDATED, changed, root=shipment.order_id, actor=actor, now=now)

    return shipment


def _choose_units(
    lines: Sequence[ShipmentLineInput] | None, facts: dict[UUID, rules.LineFacts], *, has_override: bool
) -> dict[UUID, int]:
    if lines is None:
        left = {pk: line.left if has_override else line.left - line.refunded_unsent for pk, line in facts.items()}
        return {pk: to_units(milli) for pk, milli in left.items() if milli > 0}
    units: dict[UUID, int] = {}
    for line in lines:
        units[line.order_line_id] = units.get(line.order_line_id, 0) + line.quantity
    return units


def _check_line(line: "OrderLine", quantity: int, facts: rules.LineFacts, *, has_override: bool, param: str) -> None:
    wanted = to_milli(quantity)
    if wanted > facts.left:
        raise UnitsNotAvailable(quantity, line.name, to_units(facts.left), param=param)
    refunded = wanted - max(0, facts.left - facts.refunded_unsent)
    if refunded > 0 and not has_override:
        raise UnitsRefunded(to_units(refunded), line.name, param=param)

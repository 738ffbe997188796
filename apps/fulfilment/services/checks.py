"""Whether goods of an order may leave, checked when a shipment is created, packed and dispatched."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from apps.core.errors import Conflict
from apps.core.money import rupees
from apps.core.quantities import to_units
from apps.fulfilment import rules, selectors
from apps.fulfilment.models import ShipmentLine
from apps.fulfilment.rules import ShipmentRefusal

if TYPE_CHECKING:
    from apps.orders.models import Order


class OrderNotShippable(Conflict):
    """Nothing of the order may be packed or sent because of its status. Read the order."""

    message = "Nothing of order {0} can be packed or sent: it is {1}."


class OrderNotPaid(OrderNotShippable):
    """Less than the order's total is paid. Goods are sent once all of it is."""

    message = "Nothing of order {0} can be packed or sent: {1} of {2} is paid."
    code = OrderNotShippable.code


class RecipientErased(OrderNotShippable):
    """The customer of the order was erased, so that nothing can be sent. Cancel the order."""

    message = "Nothing of order {0} can be packed or sent: its customer was erased, and their address with them."
    code = OrderNotShippable.code


class OrderDisputed(Conflict):
    """A dispute of the order is undecided, so that its goods stay. Wait until the bank has decided."""

    message = "A dispute of order {0} is undecided. Its goods stay until the bank has decided."


class OrderRefunded(Conflict):
    """All of the order's money is refunded or on its way back. Cancel the order, which releases its stock."""

    message = "Nothing of order {0} can be packed or sent: all of its money is refunded. Cancel the order."


class OrderMoneyLost(Conflict):
    """A part of the order's money was lost in a dispute. Send `refund_override_reason` if the goods are to be sent all the same."""

    message = "{1} of order {0} was lost in a dispute. Give a reason if the goods are to be sent all the same."


class UnitsRefunded(Conflict):
    """Units in the shipment were refunded. Leave them out, or send `refund_override_reason` if they are to be sent all the same."""

    message = "{0} of the units of {1} in this parcel were refunded. Give a reason if they are to be sent all the same."


def check_order_shippable(order: "Order", *, override_reason: str) -> None:
    """
    Make sure that goods of an order, which the caller has locked, may leave.

    :raises OrderNotShippable: if it is not confirmed or in fulfilment, not paid in full, or its customer was erased
    :raises OrderDisputed: while a dispute of it is undecided
    :raises OrderRefunded: if all of its money is refunded, or a refund of all of it has been requested
    :raises OrderMoneyLost: if money of it was lost in a dispute, and no reason says why it is sent
    """
    match rules.shipment_refusal(selectors.get_order_facts(order), has_override=bool(override_reason)):
        case ShipmentRefusal.WRONG_STATUS:
            raise OrderNotShippable(order.number, order.get_status_display().lower())
        case ShipmentRefusal.ADDRESS_ERASED:
            raise RecipientErased(order.number)
        case ShipmentRefusal.UNPAID:
            raise OrderNotPaid(order.number, rupees(order.paid_amount), rupees(order.total_amount))
        case ShipmentRefusal.DISPUTED:
            raise OrderDisputed(order.number)
        case ShipmentRefusal.REFUNDED:
            raise OrderRefunded(order.number)
        case ShipmentRefusal.MONEY_LOST:
            raise OrderMoneyLost(order.number, rupees(order.lost_amount))
        case None:
            return


def check_units_not_refunded(lines: Iterable[ShipmentLine], *, order: "Order", override_reason: str) -> None:
    """
    Make sure that the units in a shipment were not refunded or cancelled since it was created, unless a reason says why they are sent.

    :raises UnitsRefunded: if they were
    """
    if override_reason:
        return
    facts = selectors.get_line_facts(order.pk)
    for line in lines:
        excess = facts[line.order_line_id].excess
        if excess:
            raise UnitsRefunded(to_units(min(excess, line.quantity_milli)), line.order_line.name)

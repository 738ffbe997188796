"""Limits of the unpaid orders of a customer, and of the stock that they reserve."""

from collections.abc import Mapping
from uuid import UUID

from django.conf import settings

from apps.accounts import selectors as accounts
from apps.core.errors import Conflict
from apps.orders import selectors
from apps.orders.rules import Quote, find_excess_units


class TooManyUnpaidOrders(Conflict):
    """The customer has as many unpaid orders as are allowed at a time. Pay or cancel one first."""

    message = "You have {0} unpaid orders, the most that are allowed at a time. Pay or cancel one first."


class TooManyUnpaidUnits(TooManyUnpaidOrders):
    """
    The customer's unpaid orders would hold too many units of a variant.

    Order fewer, or pay or cancel an unpaid order first.
    """

    message = (
        "At most {0} units of {1} can wait for payment at a time; with this order it would be {2}."
        " Order fewer units, or pay or cancel an unpaid order first."
    )
    code = TooManyUnpaidOrders.code


def check_unpaid_orders(*, customer_id: UUID, quote: Quote, positions: Mapping[UUID, int]) -> None:
    """
    Refuse an order that would let its customer hold too much stock unpaid. The caller has locked the customer.

    `positions` has the first line that asks for a variant, by its id. A customer with a GSTIN buys in larger quantities.

    :raises TooManyUnpaidOrders: if as many orders of the customer are unpaid as may be at a time
    :raises TooManyUnpaidUnits: if more units of a variant would be in unpaid orders than may be; `param` names the line
    """
    variant_ids = [line.item.variant_id for line in quote.lines]
    orders, held = selectors.count_unpaid_orders(customer_id=customer_id, variant_ids=variant_ids)
    check_unpaid(orders, held, customer_id=customer_id, quote=quote, positions=positions)


def check_unpaid(
    orders: int, held: Mapping[UUID, int], *, customer_id: UUID, quote: Quote, positions: Mapping[UUID, int]
) -> None:
    """
    Refuse what `check_unpaid_orders` does; the caller has counted the customer's unpaid orders, and the units in them by variant.

    :raises TooManyUnpaidOrders: if as many orders of the customer are unpaid as may be at a time
    :raises TooManyUnpaidUnits: if more units of a variant would be in unpaid orders than may be; `param` names the line
    """
    requested = {line.item.variant_id: line.item.quantity for line in quote.lines}
    if orders >= settings.MAX_UNPAID_ORDERS_PER_CUSTOMER:
        raise TooManyUnpaidOrders(orders)

    limit: int = settings.MAX_UNPAID_UNITS_PER_VARIANT
    excess = find_excess_units(requested, held=held, limit=limit)
    if excess is not None and accounts.has_gstin(customer_id):
        limit = settings.MAX_UNPAID_UNITS_PER_VARIANT_WITH_GSTIN
        excess = find_excess_units(requested, held=held, limit=limit)
    if excess is None:
        return
    variant_id, units = excess
    name = next(line.item.name for line in quote.lines if line.item.variant_id == variant_id)
    raise TooManyUnpaidUnits(limit, name, units, param=f"lines[{positions[variant_id]}].quantity")

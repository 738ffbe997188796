"""Dispatch: the parcel leaves the shop, and its units the stock."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings

from apps.catalog import services as stock
from apps.core.errors import Conflict
from apps.core.events import Actor, change
from apps.core.transactions import transactional
from apps.fulfilment import events, locks, selectors, states
from apps.fulfilment.models import Shipment, ShipmentLine
from apps.fulfilment.services.checks import check_order_shippable, check_units_not_refunded
from apps.fulfilment.services.packing import step_changes
from apps.fulfilment.services.totals import sync_fulfilment_totals
from apps.fulfilment.states import ShipmentStatus
from apps.invoicing import selectors as invoicing
from apps.invoicing.services import issue_invoices
from apps.orders.locks import lock_order


class ShipmentNotInvoiced(Conflict):
    """No invoice covers the units of the shipment yet: it is being issued. Repeat the request in a moment."""

    message = "The invoice of order {0} is being issued. Its goods leave once it is; try again in a moment."


@transactional
def dispatch_shipment(
    *,
    shipment_id: UUID,
    carrier_name: str | None = None,
    tracking_number: str | None = None,
    refund_override_reason: str = "",
    actor: Actor,
    now: datetime,
) -> Shipment:
    """
    Dispatch a packed shipment: its reservations are consumed and its units leave the stock, in one transaction.

    The goods need an invoice before they leave (CGST Act, section 31(1)). Where no invoice covers them, as with INVOICE_AT=dispatch,
    the invoice of the whole order is issued in this transaction, as CGST Rules, rule 55(5), requires for goods sent in lots. Its
    number is taken last.

    :raises ShipmentNotFound: if there is none
    :raises InvalidTransition: if it is not packed
    :raises OrderNotShippable, OrderDisputed, OrderRefunded, OrderMoneyLost: if nothing of its order may be sent
    :raises UnitsRefunded: if units of it were refunded and no reason says why they are sent
    :raises ShipmentNotInvoiced: if INVOICE_AT is payment and a worker is still to issue the invoice
    :raises OrderTotalsMismatch, NumberSeriesUnavailable: if no invoice can be issued
    """
    order = lock_order(selectors.get_shipment(shipment_id).order_id)
    shipment = locks.lock_shipment(shipment_id)

    reason = refund_override_reason or shipment.refund_override_reason
    dispatched = states.transition(ShipmentStatus(shipment.status), to=ShipmentStatus.DISPATCHED)
    lines = selectors.list_lines(shipment_id)
    check_order_shippable(order, override_reason=reason)
    check_units_not_refunded(lines, order=order, override_reason=reason)
    is_invoiced = _is_invoiced(order.pk, lines)
    if not is_invoiced and settings.INVOICE_AT == "payment" and invoicing.is_invoice_pending(order.pk):
        raise ShipmentNotInvoiced(order.number, retry_after=2)

    change(
        shipment,
        events.SHIPMENT_DISPATCHED,
        {"status": dispatched, "dispatched_at": now, **step_changes(shipment, carrier_name, tracking_number, reason)},
        root=order.pk,
        actor=actor,
        event_reason=refund_override_reason,
        now=now,
    )
    sync_fulfilment_totals(order=order, actor=actor, now=now)
    # Last of the changes, so that the stock rows of popular variants are locked for a short time.
    stock.consume_reservations(
        inputs=[stock.ConsumptionInput(line.order_line_id, line.pk, line.quantity) for line in lines],
        actor=actor,
        now=now,
    )
    if not is_invoiced:
        issue_invoices(order_id=order.pk, actor=actor, now=now)

    return shipment


def _is_invoiced(order_id: UUID, lines: Sequence[ShipmentLine]) -> bool:
    """Test if an order's invoices cover the units of a shipment and those that were dispatched before."""
    invoiced = invoicing.sum_invoiced_units(order_id)
    dispatched = selectors.sum_dispatched_and_delivered(order_id)
    return all(
        dispatched.get(line.order_line_id, (0, 0))[0] + line.quantity_milli <= invoiced.get(line.order_line_id, 0)
        for line in lines
    )

"""
The packing slip of a shipment as a PDF.

A worker renders it when the shipment is created or its carrier changes, and when staff request it. It is a copy: no row
records it, and it is deleted when the buyer is erased.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from apps.core.events import Actor, change, find_recent_event
from apps.core.pdf import copies
from apps.core.transactions import transactional
from apps.fulfilment import documents, events, locks, selectors
from apps.fulfilment.models import Shipment
from apps.invoicing.selectors import DocumentNotReady
from apps.orders import selectors as orders
from apps.orders.locks import lock_order

#: A worker has this long before the same slip is requested again.
RENDER_TIMEOUT = timedelta(seconds=60)
_FOLDER = "packing-slips"


class PackingSlipNotRendered(DocumentNotReady):
    """
    The packing slip is missing or older than the shipment.

    Request it, and repeat this request in a moment.
    """

    message = (
        "There is no packing slip of {0} as it stands now. Request it with POST /api/v1/shipments/{1}/packing-slip,"
        " and repeat this request in a moment."
    )
    code = DocumentNotReady.code


def get_packing_slip(*, shipment_id: UUID, now: datetime) -> tuple[str, bytes]:
    """
    Return the name and the PDF of a shipment's packing slip as it stands now. Writes nothing, and requests nothing.

    :raises ShipmentNotFound: if there is no such shipment
    :raises PackingSlipNotRendered: if there is none, and it was not requested
    :raises DocumentNotReady: while the PDF is being rendered
    """
    shipment = selectors.get_shipment(shipment_id)
    content = _read(shipment)
    if content is None and _is_requested(shipment, now=now):
        raise DocumentNotReady(f"the packing slip of {shipment.number}", retry_after=2)
    if content is None:
        raise PackingSlipNotRendered(shipment.number, shipment.public_id, retry_after=2)
    return f"packing-slip-{shipment.number}.pdf", content


@transactional
def request_packing_slip(*, shipment_id: UUID, actor: Actor, now: datetime) -> bool:
    """
    Request a packing slip, which a worker renders, unless it was requested a moment ago; return True if there is one already.

    :raises ShipmentNotFound: if there is no such shipment
    """
    order = lock_order(selectors.get_shipment(shipment_id).order_id)
    shipment = locks.lock_shipment(shipment_id)

    if _read(shipment) is not None:
        return True
    if _is_requested(shipment, now=now):
        return False

    change(shipment, events.SHIPMENT_PACKING_SLIP_REQUESTED, {}, root=order.pk, actor=actor, now=now)

    return False


def render_packing_slip(*, shipment_id: UUID) -> None:
    """
    Render and keep the packing slip of a shipment as it stands now; outside a transaction, as it writes a file.

    :raises ShipmentNotFound: if there is no such shipment
    :raises CopyNotStored: if the disk refuses it
    """
    shipment = selectors.get_shipment(shipment_id)
    data = _data(shipment)
    copies.store_copy(_FOLDER, shipment.public_id, copies.fingerprint(data), documents.render_packing_slip_pdf(data))
    # The buyer may have been erased meanwhile, and no slip may name them after that.
    if _data(selectors.get_shipment(shipment_id)) != data:
        copies.delete_copies(_FOLDER, shipment.public_id)


def delete_packing_slips(*, customer_id: UUID) -> None:
    """
    Delete the packing slips of an erased customer, which have their address.

    :raises CopyNotStored: if the disk refuses it
    """
    for shipment in selectors.list_shipments_of_customer(customer_id):
        copies.delete_copies(_FOLDER, shipment.public_id)


def _data(shipment: Shipment) -> dict[str, Any]:
    order = orders.get_order(shipment.order_id)
    return documents.packing_slip_data(shipment, order=order, lines=selectors.list_lines(shipment.pk))


def _read(shipment: Shipment) -> bytes | None:
    return copies.read_copy(_FOLDER, shipment.public_id, copies.fingerprint(_data(shipment)))


def _is_requested(shipment: Shipment, *, now: datetime) -> bool:
    recent = find_recent_event(events.SHIPMENT_PACKING_SLIP_REQUESTED, subject=shipment, since=now - RENDER_TIMEOUT)
    return recent is not None

"""How the description of the API presents shipments: summaries, errors and examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_view

from apps.core.api.pdf import PDF_RESPONSES
from apps.core.api.schema import IF_MATCH, operation, page_example
from apps.core.states import InvalidTransition
from apps.fulfilment.serializers import PackingSlipResponse, ShipmentResponse
from apps.fulfilment.services import checks, dispatch, shipments
from apps.fulfilment.states import ShipmentStatus
from apps.invoicing.selectors import DocumentNotReady

_LINE_ID = "line_01jf3z8k4qe7tv2w9x0y1z2a3b"
_ORDER_ID = "ord_01jf3z8k4qe7tv2w9x0y1z2a3b"
_NUMBER = "ORD-2627-000123"
_CARRIER = {"carrier_name": "India Post", "tracking_number": "EK123456789IN"}
SHIPMENT_EXAMPLE: dict[str, Any] = {
    "id": "shp_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "object": "shipment",
    "number": "SHP-2627-000045",
    "order_id": _ORDER_ID,
    "order_number": _NUMBER,
    "status": "pending",
    "carrier_name": "",
    "tracking_number": "",
    "refund_override_reason": "",
    "lines": [
        {
            "id": "shpl_01jf3z8k4qe7tv2w9x0y1z2a3b",
            "object": "shipment_line",
            "order_line_id": _LINE_ID,
            "sku": "KUR-IND-M",
            "name": "Cotton kurta, indigo, M",
            "quantity": 2,
        }
    ],
    "packed_at": None,
    "dispatched_at": None,
    "delivered_at": None,
    "lost_at": None,
    "damaged_at": None,
    "cancelled_at": None,
    "created_at": "2026-11-21T06:00:00.000Z",
    "updated_at": "2026-11-21T06:00:00.000Z",
    "version": 1,
    "metadata": {},
}


def _later(version: int, at: str, **values: Any) -> dict[str, Any]:
    return {**SHIPMENT_EXAMPLE, **values, "updated_at": at, "version": version}


_PACKED = _later(2, "2026-11-21T06:30:00.000Z", status="packed", packed_at="2026-11-21T06:30:00.000Z")
_DISPATCHED = _later(
    3, "2026-11-21T09:00:00.000Z", **_CARRIER,
    status="dispatched", packed_at="2026-11-21T06:30:00.000Z", dispatched_at="2026-11-21T09:00:00.000Z",
)  # fmt: skip


def _ended(status: str) -> dict[str, Any]:
    at = "2026-11-24T07:15:00.000Z"
    return {**_DISPATCHED, "status": status, f"{status}_at": at, "updated_at": at, "version": 4}


DELIVERED_EXAMPLE = _ended("delivered")
_NOT_SHIPPABLE = (
    checks.OrderNotShippable(_NUMBER, "on hold"),
    checks.OrderDisputed(_NUMBER),
    checks.OrderRefunded(_NUMBER),
    checks.OrderMoneyLost(_NUMBER, "₹499.00"),
)
_UNITS_REFUNDED = checks.UnitsRefunded(1, "Cotton kurta, indigo, M", param="lines[0].quantity")
_WRONG_STATE = InvalidTransition(ShipmentStatus.DELIVERED, ShipmentStatus.PACKED)
_NOTHING = OpenApiExample("Empty body", request_only=True, value={})


def _reason(text: str) -> OpenApiExample:
    return OpenApiExample("A reason", request_only=True, value={"reason": text})


describe_shipments = extend_schema_view(
    list=operation(
        "list_shipments",
        "List shipments",
        description="Newest first. Customers see those of their own orders, staff who may view shipments all.",
        examples=[page_example(DELIVERED_EXAMPLE)],
    ),
    retrieve=operation(
        "get_shipment",
        "Read a shipment",
        examples=[OpenApiExample("Delivered", response_only=True, value=DELIVERED_EXAMPLE)],
    ),
    create=operation(
        "create_shipment",
        "Create a shipment",
        description="For staff. A parcel of units of a paid order: of `lines`, or of all that is in no other parcel. Refunded units"
        " are left out, and refused where `lines` name them; with `refund_override_reason` they are sent all the same.",
        responses={201: ShipmentResponse},
        examples=[
            OpenApiExample(
                "Two of a line",
                request_only=True,
                value={"order_id": _ORDER_ID, "lines": [{"order_line_id": _LINE_ID, "quantity": 2}]},
            ),
            OpenApiExample("Created", response_only=True, status_codes=["201"], value=SHIPMENT_EXAMPLE),
        ],
        raises=[
            *_NOT_SHIPPABLE,
            shipments.EmptyShipment(_NUMBER, param="lines"),
            shipments.UnknownOrderLine(_NUMBER, param="lines[0].order_line_id"),
            shipments.UnitsNotAvailable(2, "Cotton kurta, indigo, M", 1, param="lines[0].quantity"),
            _UNITS_REFUNDED,
        ],
    ),
    partial_update=operation(
        "update_shipment",
        "Change carrier and tracking number",
        description="For staff, until the parcel has arrived, is lost, damaged or cancelled. Send only the fields that change, and"
        " If-Match with the ETag that you last read.",
        parameters=[IF_MATCH],
        examples=[
            OpenApiExample("The carrier", request_only=True, value=_CARRIER),
            OpenApiExample("Changed", response_only=True, value={**_PACKED, **_CARRIER, "version": 3}),
        ],
        raises=[_WRONG_STATE],
    ),
    pack=operation(
        "pack_shipment",
        "Pack a shipment",
        description="For staff. With its first packed parcel an order is `in_fulfilment`. Refused while the order is on hold or"
        " disputed, and once all of its money is refunded.",
        examples=[_NOTHING, OpenApiExample("Packed", response_only=True, value=_PACKED)],
        raises=[*_NOT_SHIPPABLE, _UNITS_REFUNDED, _WRONG_STATE],
    ),
    send=operation(
        "dispatch_shipment",
        "Dispatch a shipment",
        description="For staff. The units leave the stock. Carrier and tracking number are optional, as for goods that the shop delivers"
        " itself; they can be added until the parcel is delivered. 409 `shipment_not_invoiced` with Retry-After while no invoice"
        " covers the units.",
        examples=[
            OpenApiExample("The carrier", request_only=True, value=_CARRIER),
            OpenApiExample("Dispatched", response_only=True, value=_DISPATCHED),
        ],
        raises=[
            *_NOT_SHIPPABLE,
            _UNITS_REFUNDED,
            dispatch.ShipmentNotInvoiced(_NUMBER, retry_after=2),
            InvalidTransition(ShipmentStatus.PENDING, ShipmentStatus.DISPATCHED),
        ],
    ),
    deliver=operation(
        "deliver_shipment",
        "Record the delivery of a shipment",
        description="For staff. The order is `completed` if nothing of it is left to be delivered, refunded or decided.",
        examples=[_NOTHING, OpenApiExample("Delivered", response_only=True, value=DELIVERED_EXAMPLE)],
        raises=[InvalidTransition(ShipmentStatus.PACKED, ShipmentStatus.DELIVERED)],
    ),
    mark_lost=operation(
        "mark_shipment_lost",
        "Record the loss of a shipment",
        description="For staff. The units stay out of the stock. Refund them; what is sent instead is another order. A reason is optional.",
        examples=[
            _reason("The carrier cannot find it"),
            OpenApiExample("Lost", response_only=True, value=_ended("lost")),
        ],
        raises=[InvalidTransition(ShipmentStatus.PACKED, ShipmentStatus.LOST)],
    ),
    mark_damaged=operation(
        "mark_shipment_damaged",
        "Record damage of a shipment",
        description="For staff. The units stay out of the stock. Refund them; what is sent instead is another order. A reason is optional.",
        examples=[
            _reason("It fell into water"),
            OpenApiExample("Damaged", response_only=True, value=_ended("damaged")),
        ],
        raises=[InvalidTransition(ShipmentStatus.PACKED, ShipmentStatus.DAMAGED)],
    ),
    cancel=operation(
        "cancel_shipment",
        "Cancel a shipment",
        description="For staff, until it is dispatched. Its units stay reserved and can be sent in another parcel.",
        examples=[
            _reason("Two parcels become one"),
            OpenApiExample(
                "Cancelled",
                response_only=True,
                value=_later(
                    2, "2026-11-21T06:10:00.000Z", status="cancelled", cancelled_at="2026-11-21T06:10:00.000Z"
                ),
            ),
        ],
        raises=[InvalidTransition(ShipmentStatus.DISPATCHED, ShipmentStatus.CANCELLED)],
    ),
)


_SLIP = {"object": "packing_slip", "shipment_id": SHIPMENT_EXAMPLE["id"]}
describe_packing_slip = extend_schema_view(
    retrieve=operation(
        "get_packing_slip",
        "Download the packing slip of a shipment",
        description="For staff. What is in the parcel and where it goes, without prices. A worker renders it when the shipment is"
        " created, packed or gets another carrier, and when it is requested by POST. Without it 409 `document_not_ready` with"
        " Retry-After. A download by staff who see contacts masked is recorded.",
        responses=PDF_RESPONSES,
        raises=[DocumentNotReady("the packing slip of SHP-2627-000045", retry_after=2)],
    ),
    create=operation(
        "request_packing_slip",
        "Request the packing slip of a shipment",
        description="For staff. A worker renders the PDF of the shipment as it stands now: 202, and GET of the Location gives it in a"
        " moment. 200 if there is one already. Requesting it again before the worker has rendered it changes nothing.",
        responses={200: PackingSlipResponse, 202: PackingSlipResponse},
        examples=[
            OpenApiExample(name, response_only=True, status_codes=[code], value={**_SLIP, "status": status})
            for name, code, status in (("Already available", "200", "ready"), ("Requested", "202", "pending"))
        ],
    ),
)

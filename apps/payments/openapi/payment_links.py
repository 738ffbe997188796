"""How the description of the API presents payment links and QR codes: summaries, errors and examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_view

from apps.core.api.schema import operation, page_example
from apps.payments.openapi.payments import STARTED_EXAMPLE
from apps.payments.serializers.payments import PaymentResponse

LINK_STARTED_EXAMPLE: dict[str, Any] = {
    **STARTED_EXAMPLE,
    "channel": "payment_link",
    "live_until": "2026-11-22T05:30:00.000Z",
}
LINK_READY_EXAMPLE: dict[str, Any] = {
    **LINK_STARTED_EXAMPLE,
    "gateway_link_id": "plink_NQxm5Tz9KcV2Lh",
    "next_action": {
        "type": "payment_link",
        "url": "https://rzp.io/i/nxrHnLJ",
        "expires_at": "2026-11-22T05:30:00.000Z",
    },
    "version": 2,
}
QR_STARTED_EXAMPLE: dict[str, Any] = {**STARTED_EXAMPLE, "channel": "qr_code", "live_until": "2026-11-21T07:30:00.000Z"}
QR_READY_EXAMPLE: dict[str, Any] = {
    **QR_STARTED_EXAMPLE,
    "gateway_link_id": "qr_NQxn8Wd3HfYk5p",
    "next_action": {
        "type": "qr_code",
        "image_url": "https://rzp.io/i/BWcUVrLp",
        "expires_at": "2026-11-21T07:30:00.000Z",
    },
    "version": 2,
}

_ORDER = OpenApiExample("An order", request_only=True, value={"order_id": LINK_STARTED_EXAMPLE["order_id"]})

describe_payment_links = extend_schema_view(
    create=operation(
        "start_payment_link",
        "Send a payment link",
        description="For staff. Begins to collect what is due of an order by a link, which the buyer is sent by SMS and "
        "e-mail, as far as they have them, as soon as it is there; the order holds its"
        " goods until then. Follow `Location` until `next_action` has its `url`. A link "
        "of the order that is under way already is returned; any other payment must be cancelled first.",
        responses={202: PaymentResponse},
        examples=[
            _ORDER,
            OpenApiExample("Begun", response_only=True, status_codes=["202"], value=LINK_STARTED_EXAMPLE),
        ],
    ),
    list=operation(
        "list_payment_links",
        "List payment links",
        description="The payments by link, newest first. Customers see their own, staff all.",
        examples=[page_example(LINK_READY_EXAMPLE)],
    ),
)

describe_qr_codes = extend_schema_view(
    create=operation(
        "start_qr_code",
        "Create a QR code",
        description="For staff, at a counter or a door. Begins to collect what is due of an order by a UPI QR code that can be paid "
        "once, for at most two hours. Follow `Location` until `next_action` has its `image_url`. A code of the order that "
        "is under way already is returned; any other payment must be cancelled first.",
        responses={202: PaymentResponse},
        examples=[
            _ORDER,
            OpenApiExample("Begun", response_only=True, status_codes=["202"], value=QR_STARTED_EXAMPLE),
        ],
    ),
    list=operation(
        "list_qr_codes",
        "List QR codes",
        description="The payments by QR code, newest first. Customers see their own, staff all.",
        examples=[page_example(QR_READY_EXAMPLE)],
    ),
)

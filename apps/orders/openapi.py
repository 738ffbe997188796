"""How the description of the API presents orders: summaries, errors and examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_view

from apps.accounts import selectors as accounts
from apps.catalog.services import InsufficientStock
from apps.core.api.requests import InvalidInstant
from apps.core.api.schema import operation, page_example
from apps.core.search import MAX_CHARACTERS, MIN_QUERY, QueryLengthOutOfRange
from apps.orders import filters
from apps.orders.models import OrderNotFound
from apps.orders.serializers import OrderResponse
from apps.orders.services import drafts, holds, unpaid_orders
from apps.orders.states import OrderStatus

ADDRESS_EXAMPLE: dict[str, Any] = {
    "name": "Asha Rao",
    "company": "",
    "phone": "+919876543210",
    "line1": "12 MG Road",
    "line2": "",
    "city": "Bengaluru",
    "state": "29",
    "state_name": "Karnataka",
    "pin": "560001",
    "gstin": "",
    "country": "IN",
}
PLACE_EXAMPLE: dict[str, Any] = {
    "state": "29",
    "state_name": "Karnataka",
    "reason": "consumer_delivery_address",
    "section": "IGST Act 2017, section 10(1)(ca)",
    "explanation": "The buyer is not registered and the delivery address is in Karnataka.",
}
_LINE_AMOUNTS: dict[str, Any] = {
    "discount_amount": 0,
    "shipping_amount": 0,
    "taxable_amount": 95048,
    "cgst_amount": 0,
    "sgst_amount": 0,
    "utgst_amount": 0,
    "igst_amount": 4752,
}
_ITEM: dict[str, Any] = {
    "position": 1,
    "variant_id": "var_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "sku": "KUR-IND-M",
    "name": "Cotton kurta, indigo, M",
    "hsn": "62114290",
    "quantity": 2,
    "unit_price": 49900,
    "price_includes_tax": True,
    "tax_rate": 500,
    "taxability": "taxable",
    "gross_amount": 95048,
    "total_amount": 99800,
    **_LINE_AMOUNTS,
}
QUOTE_EXAMPLE: dict[str, Any] = {
    "object": "quote",
    "currency": "INR",
    "place_of_supply": PLACE_EXAMPLE,
    **_LINE_AMOUNTS,
    "round_off_amount": 0,
    "total_amount": 99800,
    "lines": [{"object": "quote_line", "is_available": True, **_ITEM}],
}
SUMMARY_EXAMPLE: dict[str, Any] = {
    "id": "ord_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "object": "order",
    "number": "ORD-2627-000123",
    "status": "pending_payment",
    "payment_status": "unpaid",
    "fulfilment_status": "unfulfilled",
    "customer_id": "cus_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "currency": "INR",
    "total_amount": 99800,
    "paid_amount": 0,
    "refunded_amount": 0,
    "disputed_amount": 0,
    "lost_amount": 0,
    "under_review_amount": 0,
    "placed_at": "2026-11-21T05:30:00.000Z",
    "expires_at": "2026-11-21T06:00:00.000Z",
    "confirmed_at": None,
    "cancelled_at": None,
    "expired_at": None,
    "completed_at": None,
    "closed_at": None,
    "created_at": "2026-11-21T05:30:00.000Z",
    "updated_at": "2026-11-21T05:30:00.000Z",
    "version": 1,
    "metadata": {},
}
ORDER_EXAMPLE: dict[str, Any] = {
    **SUMMARY_EXAMPLE,
    **_LINE_AMOUNTS,
    "place_of_supply": PLACE_EXAMPLE,
    "round_off_amount": 0,
    "lines": [{"id": "line_01jf3z8k4qe7tv2w9x0y1z2a3b", "object": "order_line", "uqc": "NOS", **_ITEM}],
    "shipping_address": ADDRESS_EXAMPLE,
    "billing_address": ADDRESS_EXAMPLE,
    "buyer_gstin": "",
    "note": "",
    "cancel_reason": "",
}
_PAID = {
    **ORDER_EXAMPLE,
    "payment_status": "paid",
    "paid_amount": 99800,
    "confirmed_at": "2026-11-21T05:31:00.000Z",
    "updated_at": "2026-11-21T05:45:00.000Z",
}
_ORDER_REQUEST_EXAMPLE: dict[str, Any] = {
    "lines": [{"variant_id": "var_01jf3z8k4qe7tv2w9x0y1z2a3b", "quantity": 2}],
    "shipping_address_id": "addr_01jf3z8k4qe7tv2w9x0y1z2a3b",
}

describe_orders = extend_schema_view(
    quote=operation(
        "quote_order",
        "Quote an order",
        description="With taxable value, rate and tax per line, and the place of supply with its reason. No stock is reserved.",
        examples=[
            OpenApiExample("Two kurtas", request_only=True, value=_ORDER_REQUEST_EXAMPLE),
            OpenApiExample("To another state", response_only=True, value=QUOTE_EXAMPLE),
        ],
        raises=[drafts.VariantNotForSale(param="lines[0].variant_id")],
    ),
    create=operation(
        "place_order",
        "Place an order",
        description=(
            "The order keeps its prices, tax and addresses. Stock is reserved until the order is paid or expires. 409"
            " `too_many_unpaid_orders` while too many orders of the customer are unpaid, or if too many units of a variant would be."
        ),
        responses={201: OrderResponse},
        examples=[
            OpenApiExample(
                "Two kurtas", request_only=True, value={**_ORDER_REQUEST_EXAMPLE, "note": "Please ring twice."}
            ),
            OpenApiExample("Placed", response_only=True, status_codes=["201"], value=ORDER_EXAMPLE),
        ],
        raises=[
            drafts.VariantNotForSale(param="lines[0].variant_id"),
            InsufficientStock("Only 2 units of this item are left.", param="lines[0].quantity"),
            unpaid_orders.TooManyUnpaidOrders(5),
            unpaid_orders.TooManyUnpaidUnits(50, "Cotton kurta, M", 52, param="lines[0].quantity"),
        ],
    ),
    list=operation(
        "list_orders",
        "List orders",
        description="Newest first. Customers see their own, staff all.",
        examples=[page_example(SUMMARY_EXAMPLE)],
        raises=[
            filters.InvalidOrderStatus(", ".join(OrderStatus.values), param="status"),
            filters.InvalidOrderNumber(param="number"),
            filters.InvalidCustomerId(param="customer_id"),
            accounts.InvalidPhone(param="phone"),
            QueryLengthOutOfRange(MIN_QUERY, MAX_CHARACTERS, param="q"),
            InvalidInstant("created_at[gte]", param="created_at[gte]"),
        ],
    ),
    retrieve=operation(
        "get_order",
        "Read an order",
        description=(
            "With `as_of`, the order as it stood at that instant, rebuilt from its events: `version` and `updated_at` are those of"
            " that instant. 404 before the order was placed. An instant in the future gives the order as it is now."
        ),
        examples=[OpenApiExample("Waiting for its payment", response_only=True, value=ORDER_EXAMPLE)],
        raises=[InvalidInstant("as_of", param="as_of")],
    ),
    hold=operation(
        "hold_order",
        "Hold an order",
        description="For staff. A confirmed order of which nothing is packed; until it is released nothing of it is packed or sent.",
        examples=[
            OpenApiExample("A reason", request_only=True, value={"reason": "The buyer asked us to wait"}),
            OpenApiExample("Held", response_only=True, value={**_PAID, "status": "on_hold", "version": 4}),
        ],
        raises=[holds.OrderNotHoldable("ORD-2627-000123", "in fulfilment"), OrderNotFound()],
    ),
    release=operation(
        "release_order",
        "Release an order",
        description="For staff. An order on hold is confirmed again, and can be packed.",
        examples=[
            OpenApiExample("A reason", request_only=True, value={"reason": "The buyer is at home again"}),
            OpenApiExample("Released", response_only=True, value={**_PAID, "status": "confirmed", "version": 5}),
        ],
        raises=[holds.OrderNotOnHold("ORD-2627-000123", "confirmed"), OrderNotFound()],
    ),
)

"""Orders over HTTP."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import selectors as accounts
from apps.catalog.services import InsufficientStock
from apps.core import clock
from apps.core.api import ApiView, KeysetPagination, get_actor, get_etag, idempotent, with_etag
from apps.core.api.schema import (
    choices_parameter,
    id_parameter,
    instant_parameter,
    page_example,
    page_parameters,
    query_parameter,
)
from apps.core.models import public_pk
from apps.core.search import MAX_CHARACTERS, MIN_QUERY, QueryLengthOutOfRange
from apps.orders import filters, selectors, services
from apps.orders.models import Order
from apps.orders.serializers import (
    ORDER_EXAMPLE,
    QUOTE_EXAMPLE,
    SUMMARY_EXAMPLE,
    OrderListResponse,
    OrderResponse,
    OrderSummaryResponse,
    PlaceOrderRequest,
    QuoteOrderRequest,
    QuoteResponse,
)
from apps.orders.states import OrderStatus

_NUMBER = {"type": "string", "pattern": filters.NUMBER_PATTERN}
_PHONE = {"type": "string", "minLength": 8, "maxLength": 24}
_ORDER_REQUEST_EXAMPLE: dict[str, Any] = {
    "lines": [{"variant_id": "var_01jf3z8k4qe7tv2w9x0y1z2a3b", "quantity": 2}],
    "shipping_address_id": "addr_01jf3z8k4qe7tv2w9x0y1z2a3b",
}


class OrderView(ApiView):
    """Orders: the customer's own; all of them for staff who may view orders."""

    raises = {
        "quote": (services.VariantNotForSale(param="lines[0].variant_id"),),
        "create": (
            services.VariantNotForSale(param="lines[0].variant_id"),
            InsufficientStock(2, param="lines[0].quantity"),
            services.TooManyUnpaidOrders(5),
            services.TooManyUnpaidUnits(50, "Cotton kurta, M", 52, param="lines[0].quantity"),
        ),
        "list": (
            filters.InvalidStatus(", ".join(OrderStatus.values), param="status"),
            filters.InvalidOrderNumber(param="number"),
            filters.InvalidCustomerId(param="customer_id"),
            accounts.InvalidPhone(param="phone"),
            QueryLengthOutOfRange(MIN_QUERY, MAX_CHARACTERS, param="q"),
            filters.InvalidInstant("created_at[gte]", param="created_at[gte]"),
        ),
        "retrieve": (filters.InvalidInstant("as_of", param="as_of"),),
    }

    params = {
        "list": (
            *KeysetPagination.PARAMS,
            "status",
            "number",
            "customer_id",
            "phone",
            "q",
            "created_at[gte]",
            "created_at[lt]",
        ),
        "retrieve": ("as_of",),
    }

    @extend_schema(
        operation_id="quote_order",
        summary="Ask what an order would come to",
        description="Explained: per line the taxable value, rate and tax by head; the place of supply and why. Nothing is held.",
        request=QuoteOrderRequest,
        responses={200: QuoteResponse},
        examples=[
            OpenApiExample("Two kurtas", request_only=True, value=_ORDER_REQUEST_EXAMPLE),
            OpenApiExample("To another state", response_only=True, value=QUOTE_EXAMPLE),
        ],
    )
    def quote(self, request: Request) -> Response:
        requested = self._parse_order(QuoteOrderRequest, request)
        requested.pop("note", None)
        quote = services.quote_order(**requested, now=clock.now())
        return Response(QuoteResponse(quote).data)

    @extend_schema(
        operation_id="place_order",
        summary="Place an order",
        description=(
            "Prices, tax and addresses become the order's own; stock is held until it is paid or expires. 409"
            " `too_many_unpaid_orders` while too many orders of the customer are unpaid, or if too many units of a variant would be."
        ),
        request=PlaceOrderRequest,
        responses={201: OrderResponse},
        examples=[
            OpenApiExample(
                "Two kurtas", request_only=True, value={**_ORDER_REQUEST_EXAMPLE, "note": "Please ring twice."}
            ),
            OpenApiExample("Placed", response_only=True, status_codes=["201"], value=ORDER_EXAMPLE),
        ],
    )
    @idempotent(required=True)
    def create(self, request: Request) -> Response:
        requested = self._parse_order(PlaceOrderRequest, request)
        order = services.place_order(**requested, actor=get_actor(request), now=clock.now())
        headers = {"Location": f"/api/v1/orders/{order.public_id}", "ETag": get_etag(order)}
        return Response(_body(order), status=201, headers=headers)

    @extend_schema(
        operation_id="list_orders",
        summary="List orders",
        description="Newest first. Customers see their own, staff all.",
        parameters=[
            choices_parameter("status", OrderStatus.values, "One or more states, separated by commas."),
            OpenApiParameter("number", _NUMBER, description="The one with this number."),
            id_parameter("customer_id", "cus", "Those of one customer."),
            OpenApiParameter(
                "phone", _PHONE, description="Those of the customer with this phone number, in any writing."
            ),
            query_parameter(
                "The number, its beginning or its last digits (one digit is enough), a phone number, an e-mail address,"
                " or a part of the recipient's name.",
                fewest=1,
            ),
            instant_parameter("created_at[gte]", "Created at or after this instant."),
            instant_parameter("created_at[lt]", "Created before this instant."),
            *page_parameters("-created_at", "created_at"),
        ],
        responses={200: OrderListResponse},
        examples=[page_example(SUMMARY_EXAMPLE)],
    )
    def list(self, request: Request) -> Response:
        wanted: dict[str, Any] = {
            "statuses": filters.parse_statuses(self.query.get("status")),
            "created_from": filters.parse_instant_filter("created_at[gte]", self.query.get("created_at[gte]")),
            "number": filters.parse_number(self.query.get("number")),
            "customer_id": filters.parse_customer_id(self.query.get("customer_id")),
            "phone": filters.parse_phone(self.query.get("phone")),
            "search": filters.parse_query(self.query.get("q")),
            "created_before": filters.parse_instant_filter("created_at[lt]", self.query.get("created_at[lt]")),
        }
        orders = selectors.list_visible_orders(user=request.user, **wanted)
        scope = f"orders:{request.user.pk}:{sorted({**wanted, 'search': self.query.get('q')}.items())}"
        pagination = KeysetPagination(sorts={"created_at": "created_at"}, default="-created_at", scope=scope)
        page = pagination.page(orders, self.query)
        data = OrderSummaryResponse(page.rows, many=True).data
        return with_etag(request, page.envelope(list(data)))

    @extend_schema(
        operation_id="get_order",
        summary="Read an order",
        description=(
            "With `as_of`, the order as it stood at that instant, folded from its events: `version` and `updated_at` are those of"
            " then. Before it was placed there is no such order. An instant to come gives it as it stands."
        ),
        parameters=[instant_parameter("as_of", "An instant, such as 2026-11-21T05:30:00Z.")],
        responses={200: OrderResponse},
        examples=[OpenApiExample("Waiting for its payment", response_only=True, value=ORDER_EXAMPLE)],
    )
    def retrieve(self, request: Request, order_id: str) -> Response:
        at = filters.parse_instant_filter("as_of", self.query.get("as_of"))
        order = selectors.get_visible_order(user=request.user, order_id=public_pk(Order, order_id))
        if at is None:
            return with_etag(request, _body(order), etag=get_etag(order))
        return with_etag(request, _body(selectors.get_order_as_of(order, min(at, clock.now()))))

    def _parse_order(self, shape: type[QuoteOrderRequest], request: Request) -> dict[str, Any]:
        requested = self.read(shape, request)
        lines = [services.OrderLineInput(**line) for line in requested.pop("lines")]
        return {**requested, "lines": lines, "customer_id": request.user.pk}


def _body(order: Order) -> Any:
    return OrderResponse(selectors.prefetch_lines(order)).data

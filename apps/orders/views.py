"""Orders over HTTP."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiViewSet, get_actor, get_etag, idempotent
from apps.core.models import public_pk
from apps.orders import openapi, rules, selectors
from apps.orders.filters import OrderFilterSet
from apps.orders.models import Order
from apps.orders.serializers import (
    OrderQuery,
    OrderResponse,
    OrderSummaryResponse,
    PlaceOrderRequest,
    QuoteOrderRequest,
    QuoteResponse,
)
from apps.orders.services import placement


@openapi.describe_orders
class OrderViewSet(ListModelMixin, ApiViewSet):
    """Orders: the customer's own; all of them for staff who may view orders."""

    serializer_class = OrderResponse
    serializer_classes = {"list": OrderSummaryResponse, "quote": QuoteResponse}
    request_serializer_classes = {"create": PlaceOrderRequest, "quote": QuoteOrderRequest}
    query_serializer_classes = {"retrieve": OrderQuery}
    filterset_class = OrderFilterSet
    lookup_url_kwarg = "order_id"

    def get_queryset(self) -> "QuerySet[Order]":
        return selectors.list_visible_orders(user=self.request.user)

    @action(detail=False, methods=["post"])
    def quote(self, request: Request) -> Response:
        requested = self._read_order()
        requested.pop("note", None)
        quote = placement.quote_order(**requested, now=clock.now())
        return Response(self.get_serializer(quote).data)

    @idempotent(required=True)
    def create(self, request: Request) -> Response:
        order = placement.place_order(**self._read_order(), actor=get_actor(request), now=clock.now())
        headers = {"Location": f"/api/v1/orders/{order.public_id}", "ETag": get_etag(order)}
        return Response(self._shown(order), status=201, headers=headers)

    def retrieve(self, request: Request, order_id: str) -> Response:
        at = self.read_query().get("as_of")
        order = selectors.get_visible_order(user=request.user, order_id=public_pk(Order, order_id))
        if at is None:
            return self.answer(self._shown(order), etag=get_etag(order))
        return self.answer(self._shown(selectors.get_order_as_of(order, min(at, clock.now()))))

    def _read_order(self) -> dict[str, Any]:
        requested = self.read_body()
        lines = [rules.OrderLineInput(**line) for line in requested.pop("lines")]
        return {**requested, "lines": lines, "customer_id": self.request.user.pk}

    def _shown(self, order: Order) -> Any:
        return self.get_serializer(selectors.prefetch_lines(order)).data

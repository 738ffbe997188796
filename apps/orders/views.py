"""Orders over HTTP."""

from collections.abc import Callable
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
    OrderHoldRequest,
    OrderQuery,
    OrderResponse,
    OrderSummaryResponse,
    PlaceOrderRequest,
    QuoteOrderRequest,
    QuoteResponse,
)
from apps.orders.services import holds, placement


@openapi.describe_orders
class OrderViewSet(ListModelMixin, ApiViewSet):
    """Orders: the customer's own; all of them for staff who may view orders."""

    serializer_class = OrderResponse
    serializer_classes = {"list": OrderSummaryResponse, "quote": QuoteResponse}
    request_serializer_classes = {
        "create": PlaceOrderRequest,
        "quote": QuoteOrderRequest,
        "hold": OrderHoldRequest,
        "release": OrderHoldRequest,
    }
    admission_actions = ("create",)
    staff_permissions = {"hold": "orders.change_order", "release": "orders.change_order"}
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
        order_pk = public_pk(Order, order_id)
        if at is None:
            shown = selectors.get_shown_order(user=request.user, order_id=order_pk)
            return self.answer(self.get_serializer(shown).data, etag=get_etag(shown))
        order = selectors.get_visible_order(user=request.user, order_id=order_pk)
        return self.answer(self._shown(selectors.get_order_as_of(order, min(at, clock.now()))))

    @action(detail=True, methods=["post"])
    @idempotent(required=False)
    def hold(self, request: Request, order_id: str) -> Response:
        return self._move(holds.hold_order, order_id)

    @action(detail=True, methods=["post"])
    @idempotent(required=False)
    def release(self, request: Request, order_id: str) -> Response:
        return self._move(holds.release_order, order_id)

    def _move(self, service: Callable[..., Order], order_id: str) -> Response:
        reason = self.read_body()["reason"]
        order = service(
            order_id=public_pk(Order, order_id), reason=reason, actor=get_actor(self.request), now=clock.now()
        )
        return Response(self._shown(order), headers={"ETag": get_etag(order)})

    def _read_order(self) -> dict[str, Any]:
        requested = self.read_body()
        lines = [rules.OrderLineInput(**line) for line in requested.pop("lines")]
        return {**requested, "lines": lines, "customer_id": self.request.user.pk}

    def _shown(self, order: Order) -> Any:
        return self.get_serializer(selectors.prefetch_lines(order)).data

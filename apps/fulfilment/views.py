"""Shipments over HTTP: customers read those of their own orders, staff create them and say what became of them."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse
from django.http.response import HttpResponseBase
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import services as accounts
from apps.core import clock
from apps.core.api import ApiViewSet, check_if_match, get_actor, get_etag, idempotent
from apps.core.api.contacts import sees_contacts_masked
from apps.core.api.pdf import PdfMixin
from apps.core.api.permissions import requires
from apps.core.models import public_pk
from apps.core.transactions import atomic
from apps.fulfilment import locks, openapi, selectors
from apps.fulfilment.filters import ShipmentFilterSet
from apps.fulfilment.models import Shipment
from apps.fulfilment.serializers import (
    CreateShipmentRequest,
    EmptyShipmentRequest,
    PackingSlipResponse,
    ShipmentReasonRequest,
    ShipmentResponse,
    ShipmentStepRequest,
    UpdateShipmentRequest,
)
from apps.fulfilment.services import cancellation, delivery, dispatch, packing, packing_slips, shipments
from apps.orders.locks import lock_order

_CHANGE = "fulfilment.change_shipment"


@openapi.describe_shipments
class ShipmentViewSet(ListModelMixin, ApiViewSet):
    """Shipments: of the customer's own orders; all of them for staff who may view shipments."""

    serializer_class = ShipmentResponse
    request_serializer_classes = {
        "create": CreateShipmentRequest,
        "partial_update": UpdateShipmentRequest,
        "pack": ShipmentStepRequest,
        "send": ShipmentStepRequest,
        "deliver": EmptyShipmentRequest,
        "mark_lost": ShipmentReasonRequest,
        "mark_damaged": ShipmentReasonRequest,
        "cancel": ShipmentReasonRequest,
    }
    staff_permissions = {
        "create": "fulfilment.add_shipment",
        "partial_update": _CHANGE,
        "pack": _CHANGE,
        "send": _CHANGE,
        "deliver": _CHANGE,
        "mark_lost": _CHANGE,
        "mark_damaged": _CHANGE,
        "cancel": _CHANGE,
    }
    filterset_class = ShipmentFilterSet
    lookup_url_kwarg = "shipment_id"

    def get_queryset(self) -> "QuerySet[Shipment]":
        return selectors.list_visible_shipments(user=self.request.user)

    def get_serializer_context(self) -> dict[str, Any]:
        return {
            **super().get_serializer_context(),
            "shows_staff_fields": selectors.can_view_all_shipments(self.request.user),
        }

    def retrieve(self, request: Request, shipment_id: str) -> Response:
        shipment = selectors.get_visible_shipment(user=request.user, shipment_id=public_pk(Shipment, shipment_id))
        return self.answer(self.get_serializer(shipment).data, etag=get_etag(shipment))

    @idempotent(required=True)
    def create(self, request: Request) -> Response:
        body = self.read_body()
        lines = body.pop("lines", None)
        inputs = None if lines is None else [shipments.ShipmentLineInput(**line) for line in lines]
        shipment = shipments.create_shipment(**body, lines=inputs, actor=get_actor(request), now=clock.now())
        return self._shown(shipment, status=201, headers={"Location": f"/api/v1/shipments/{shipment.public_id}"})

    @idempotent(required=False)
    def partial_update(self, request: Request, shipment_id: str) -> Response:
        changes = self.read_body()
        shipment_pk = public_pk(Shipment, shipment_id)
        with atomic():
            lock_order(selectors.get_shipment(shipment_pk).order_id)
            shipment = locks.lock_shipment(shipment_pk)
            check_if_match(request, shipment)
            seen = {"carrier_name": shipment.carrier_name, "tracking_number": shipment.tracking_number}
            shipment = shipments.update_tracking(
                shipment_id=shipment_pk, **{**seen, **changes}, actor=get_actor(request), now=clock.now()
            )
        return self._shown(shipment)

    @action(detail=True, methods=["post"])
    @idempotent(required=False)
    def pack(self, request: Request, shipment_id: str) -> Response:
        return self._take_step(packing.pack_shipment, shipment_id)

    # DRF has a `dispatch` of its own.
    @action(detail=True, methods=["post"], url_path="dispatch")
    @idempotent(required=True)
    def send(self, request: Request, shipment_id: str) -> Response:
        return self._take_step(dispatch.dispatch_shipment, shipment_id)

    @action(detail=True, methods=["post"])
    @idempotent(required=False)
    def deliver(self, request: Request, shipment_id: str) -> Response:
        return self._take_step(delivery.deliver_shipment, shipment_id)

    @action(detail=True, methods=["post"], url_path="mark-lost")
    @idempotent(required=False)
    def mark_lost(self, request: Request, shipment_id: str) -> Response:
        return self._take_step(delivery.mark_shipment_lost, shipment_id)

    @action(detail=True, methods=["post"], url_path="mark-damaged")
    @idempotent(required=False)
    def mark_damaged(self, request: Request, shipment_id: str) -> Response:
        return self._take_step(delivery.mark_shipment_damaged, shipment_id)

    @action(detail=True, methods=["post"])
    @idempotent(required=False)
    def cancel(self, request: Request, shipment_id: str) -> Response:
        return self._take_step(cancellation.cancel_shipment, shipment_id)

    def _take_step(self, service: Callable[..., Shipment], shipment_id: str) -> Response:
        """Run the service of a step with the fields of the body."""
        body = self.read_body()
        shipment = service(
            shipment_id=public_pk(Shipment, shipment_id), **body, actor=get_actor(self.request), now=clock.now()
        )
        return self._shown(shipment)

    def _shown(self, shipment: Shipment, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        shown = selectors.get_shipment_with_lines(shipment.pk)
        return Response(
            self.get_serializer(shown).data, status=status, headers={"ETag": get_etag(shown), **(headers or {})}
        )


@openapi.describe_packing_slip
class PackingSlipViewSet(PdfMixin, ApiViewSet):
    """The packing slip of a shipment as a PDF, for staff who may change shipments: it has the buyer's address and phone number."""

    permission_classes = [requires(_CHANGE)]
    serializer_class = PackingSlipResponse
    pdf_actions = ("retrieve", "create")

    def retrieve(self, request: Request, shipment_id: str) -> HttpResponseBase:
        shipment_pk = public_pk(Shipment, shipment_id)
        name, content = packing_slips.get_packing_slip(shipment_id=shipment_pk, now=clock.now())
        user: Any = request.user
        if sees_contacts_masked(user):
            accounts.record_contact_details_view(
                user_id=user.pk,
                page=request.path,
                public_ids=[shipment_id],
                actor=get_actor(request),
                now=clock.now(),
            )
        return FileResponse(
            BytesIO(content),
            as_attachment=True,
            filename=name,
            content_type="application/pdf",
            headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"},
        )

    @idempotent(required=False)
    def create(self, request: Request, shipment_id: str) -> Response:
        is_ready = packing_slips.request_packing_slip(
            shipment_id=public_pk(Shipment, shipment_id), actor=get_actor(request), now=clock.now()
        )
        body = {"object": "packing_slip", "shipment_id": shipment_id, "status": "ready" if is_ready else "pending"}
        headers = {"Location": request.path} if is_ready else {"Location": request.path, "Retry-After": "2"}
        return Response(self.get_serializer(body).data, status=200 if is_ready else 202, headers=headers)

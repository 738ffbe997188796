"""Reads of shipments. Customers see those of their own orders, staff with `fulfilment.view_shipment` all."""

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from apps.core.models import Subject, is_staff_with
from apps.core.search import SearchTerm, any_of
from apps.fulfilment import rules
from apps.fulfilment.models import Shipment, ShipmentLine, ShipmentNotFound
from apps.fulfilment.states import LEFT_STOCK, LIVE, NOT_DISPATCHED, OPEN, ShipmentStatus
from apps.orders import selectors as orders
from apps.orders.states import ErasureBlocker
from apps.payments import selectors as payments

_NUMBER: Final = re.compile(r"SHP(-[0-9-]*)?", re.ASCII)


def get_shipment(shipment_id: UUID) -> Shipment:
    """
    Return a shipment, without a check of the caller's permissions.

    :raises ShipmentNotFound: if there is none
    """
    shipment = Shipment.objects.filter(pk=shipment_id).first()
    if shipment is None:
        raise ShipmentNotFound
    return shipment


def get_visible_shipment(*, user: Any, shipment_id: UUID) -> Shipment:
    """
    Return a shipment that a user may see, with its lines.

    :raises ShipmentNotFound: if there is none, or it is somebody else's
    """
    shipment = list_visible_shipments(user=user).filter(pk=shipment_id).first()
    if shipment is None:
        raise ShipmentNotFound
    return shipment


def list_visible_shipments(*, user: Any) -> "QuerySet[Shipment]":
    """Return the shipments that a user may see, newest first, with their lines."""
    shipments = _with_lines(Shipment.objects.order_by("-created_at", "-pk"))
    return shipments if can_view_all_shipments(user) else shipments.filter(order__customer_id=user.pk)


def can_view_all_shipments(user: Any) -> bool:
    """Test if a user is staff who may look at everybody's shipments."""
    return is_staff_with(user, "fulfilment.view_shipment")


def get_shipment_with_lines(shipment_id: UUID) -> Shipment:
    """
    Return a shipment with its lines and its order, without a check of the caller's permissions.

    :raises ShipmentNotFound: if there is none
    """
    shipment = _with_lines(Shipment.objects.filter(pk=shipment_id)).first()
    if shipment is None:
        raise ShipmentNotFound
    return shipment


def list_shipments_of_order(order_id: UUID) -> "QuerySet[Shipment]":
    """Return the shipments of an order, oldest first, with their lines."""
    return Shipment.objects.filter(order_id=order_id).order_by("pk").prefetch_related("lines__order_line")


def list_rows_of_orders(order_ids: Collection[UUID]) -> "dict[str, list[tuple[UUID | None, Subject]]]":
    """Return the shipments of some orders, each with its order's id."""
    return {"shipments": [(one.order_id, one) for one in Shipment.objects.filter(order_id__in=order_ids)]}


def list_shipments_of_customer(customer_id: UUID) -> "QuerySet[Shipment]":
    """Return the shipments of a customer's orders."""
    return Shipment.objects.filter(order__customer_id=customer_id).order_by("pk")


def list_shipments_to_dispatch() -> "QuerySet[Shipment]":
    """Return the shipments that wait to be packed or dispatched, oldest first, with their lines."""
    return _with_lines(Shipment.objects.filter(status__in=NOT_DISPATCHED).order_by("created_at", "pk"))


def list_orders_to_pack() -> "QuerySet[Any]":
    """Return the paid orders with units that are in no shipment and neither cancelled nor refunded; the longest confirmed first."""
    return orders.list_orders_to_send().filter(Exists(list_lines_to_pack().filter(order_id=OuterRef("pk"))))


def list_lines_to_pack() -> "QuerySet[Any]":
    """Return the order lines with units in no shipment and neither cancelled nor refunded: `left_milli`, in thousandths."""
    shipped = ShipmentLine.objects.filter(shipment__status__in=LIVE)
    unsent = _units_of_line(payments.list_refunded_lines(), F("quantity_milli") - F("sent_milli"))
    lines = orders.list_lines_of_all_orders()
    left = F("quantity_milli") - F("cancelled_milli") - _units_of_line(shipped, F("quantity_milli")) - unsent
    return lines.annotate(left_milli=left).filter(left_milli__gt=0)


def search_shipments(term: SearchTerm) -> "QuerySet[Shipment]":
    """Return the shipments that a search means, newest first: by a public id, the beginning of their number, or a tracking number."""
    pk = term.pk_of(Shipment)
    if pk is not None:
        return Shipment.objects.filter(pk=pk)
    found = []
    if _NUMBER.fullmatch(term.code):
        found.append(Shipment.objects.filter(number__startswith=term.code))
    if term.reference:
        found.append(Shipment.objects.filter(tracking_number__in=term.case_variants))
    if not found:
        return Shipment.objects.none()
    keys = any_of(*(shipments.values_list("pk") for shipments in found))
    return Shipment.objects.filter(pk__in=keys).order_by("-created_at", "-pk")


def list_lines(shipment_id: UUID) -> list[ShipmentLine]:
    """Return what is in a shipment, by the position of the order's lines."""
    lines = ShipmentLine.objects.filter(shipment_id=shipment_id).select_related("order_line")
    return list(lines.order_by("order_line__position"))


def get_order_facts(order: Any) -> rules.OrderFacts:
    """Return the facts of an order that decide whether its goods may leave; the caller has locked it."""
    return rules.OrderFacts(
        status=order.status,
        total=order.total_amount,
        paid=order.paid_amount,
        lost=order.lost_amount,
        is_fully_refunded=payments.is_fully_refunded(order),
        is_disputed=payments.is_order_disputed(order.pk),
        is_address_erased=orders.is_customer_erased(order),
    )


def get_line_facts(order_id: UUID) -> dict[UUID, rules.LineFacts]:
    """Return the units of each line of an order, as ordered, sent and refunded, by the line's id."""
    refunded, shipped = payments.sum_refunded_units(order_id), _sum_units(order_id, LIVE)
    return {
        line.pk: rules.LineFacts(
            ordered=line.quantity_milli,
            cancelled=line.cancelled_milli,
            shipped=shipped.get(line.pk, 0),
            refunded_unsent=refunded[line.pk].unsent if line.pk in refunded else 0,
        )
        for line in orders.list_lines(order_id)
    }


def sum_dispatched_and_delivered(order_id: UUID) -> dict[UUID, tuple[int, int]]:
    """Return the dispatched units of each line of an order, and the delivered ones of them, in thousandths, by the line's id."""
    delivered = _sum_units(order_id, (ShipmentStatus.DELIVERED,))
    return {line_id: (sent, delivered.get(line_id, 0)) for line_id, sent in _sum_units(order_id, LEFT_STOCK).items()}


def is_order_done(order: Any) -> bool:
    """Test if no shipment of an order is open, and each unit of it is delivered, cancelled or refunded; the caller has locked it."""
    if Shipment.objects.filter(order_id=order.pk, status__in=OPEN).exists():
        return False
    if payments.is_fully_refunded(order):
        return True
    refunded = payments.sum_refunded_units(order.pk, is_processed=True)
    progress = [
        rules.LineProgress(
            ordered=line.quantity_milli,
            cancelled=line.cancelled_milli,
            dispatched=line.dispatched_milli,
            delivered=line.delivered_milli,
            refunded_unsent=refunded[line.pk].unsent if line.pk in refunded else 0,
            refunded_undelivered=refunded[line.pk].undelivered if line.pk in refunded else 0,
        )
        for line in orders.list_lines(order.pk)
    ]
    return all(rules.is_line_done(line) for line in progress)


def find_erasure_blockers(order_ids: Collection[UUID], _now: datetime) -> dict[UUID, ErasureBlocker]:
    """Return the orders with an open shipment, which blocks the erasure of their customer, each with that reason."""
    open_shipments = Shipment.objects.filter(order_id__in=order_ids, status__in=OPEN)
    return dict.fromkeys(open_shipments.values_list("order_id", flat=True), ErasureBlocker.NOT_DELIVERED)


def _sum_units(order_id: UUID, statuses: Collection[ShipmentStatus]) -> dict[UUID, int]:
    lines = ShipmentLine.objects.filter(Q(shipment__order_id=order_id), shipment__status__in=statuses)
    return dict(lines.order_by().values_list(F("order_line_id")).annotate(Sum("quantity_milli")))


def _with_lines(shipments: "QuerySet[Shipment]") -> "QuerySet[Shipment]":
    lines = ShipmentLine.objects.select_related("order_line").order_by("order_line__position")
    return shipments.select_related("order").prefetch_related(Prefetch("lines", queryset=lines))


def _units_of_line(lines: "QuerySet[Any]", units: Any) -> Coalesce:
    """Return the sum of the units that rows have of the order line of the outer query, in thousandths."""
    of_line = lines.filter(order_line_id=OuterRef("pk")).order_by().values("order_line_id")
    return Coalesce(Subquery(of_line.annotate(total=Sum(units)).values("total")), 0)

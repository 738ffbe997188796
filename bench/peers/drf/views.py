"""The catalogue and a customer's orders."""

import hashlib
from collections import Counter

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Prefetch
from django.http import JsonResponse
from rest_framework import mixins, viewsets
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

from bench.peers.drf import serializers
from bench.peers.drf.models import IdempotencyKey, Order, OrderLine, OutboxEvent, Product, Stock, Variant


class SoldOut(APIException):
    status_code = 409
    default_detail = "There are not enough units."
    default_code = "sold_out"


def empty(request):
    return JsonResponse({"ok": True})


class ProductViewSet(viewsets.ReadOnlyModelViewSet):
    authentication_classes = ()
    queryset = (
        Product.objects.filter(is_published=True)
        .select_related("category")
        .annotate(in_stock=Exists(Stock.objects.filter(variant__product=OuterRef("pk"), on_hand__gt=F("reserved"))))
        .order_by("-created_at", "-id")
    )

    def get_queryset(self):
        if self.action == "list":
            return super().get_queryset()
        variants = Variant.objects.filter(is_active=True).select_related("stock").order_by("position")
        return super().get_queryset().prefetch_related(Prefetch("variants", queryset=variants))

    def get_serializer_class(self):
        return serializers.ProductSerializer if self.action == "list" else serializers.ProductDetailSerializer


class OrderViewSet(mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    permission_classes = (IsAuthenticated,)
    serializer_class = serializers.OrderSerializer

    def get_queryset(self):
        lines = OrderLine.objects.order_by("position")
        return (
            Order.objects.filter(user=self.request.user)
            .select_related("shipping_address")
            .prefetch_related(Prefetch("lines", queryset=lines))
        )

    @transaction.atomic
    def create(self, request):
        if not (key := request.headers.get("Idempotency-Key")):
            raise ValidationError({"Idempotency-Key": "Send one that is unique to this request."})
        fingerprint = hashlib.sha256(repr(request.data).encode()).hexdigest()
        # Of two requests with one key, the second waits here until the first has committed.
        claim, is_new = IdempotencyKey.objects.get_or_create(
            user=request.user, key=key, defaults={"fingerprint": fingerprint}
        )
        if claim.fingerprint != fingerprint:
            return Response({"detail": "The key was used for another request."}, status=422)
        if not is_new:
            return Response(claim.body, status=claim.status)

        serializer = serializers.PlaceOrderSerializer(data=request.data, context={"request": request})
        serializer.is_valid(raise_exception=True)
        try:
            order = place_order(user=request.user, **serializer.validated_data)
            claim.status, claim.body = 201, self.get_serializer(order).data
        except SoldOut as error:
            claim.status, claim.body = error.status_code, {"detail": str(error.detail)}
        claim.save(update_fields=["status", "body"])
        return Response(claim.body, status=claim.status)


@transaction.atomic
def place_order(*, user, lines, shipping_address):
    """
    Place an order and reserve its units.

    :raises SoldOut: if a variant has fewer units than requested; nothing is stored then
    """
    wanted = Counter()
    for line in lines:
        wanted[line["variant"]] += line["quantity"]
    # In the order of their keys, so that two orders of the same variants cannot wait for each other.
    levels = Stock.objects.select_for_update().filter(variant__in=wanted).order_by("variant_id")
    stock = {level.variant_id: level for level in levels}
    for variant, quantity in wanted.items():
        level = stock.get(variant.pk)
        if level is None or level.on_hand - level.reserved < quantity:
            raise SoldOut
        level.reserved += quantity
    Stock.objects.bulk_update(stock.values(), ["reserved"])

    order = Order.objects.create(
        user=user,
        shipping_address=shipping_address,
        total_amount=sum(variant.price * quantity for variant, quantity in wanted.items()),
    )
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            position=position,
            variant=variant,
            sku=variant.sku,
            name=f"{variant.product.name}, {variant.title}",
            quantity=quantity,
            unit_price=variant.price,
            total_amount=variant.price * quantity,
        )
        for position, (variant, quantity) in enumerate(wanted.items(), start=1)
    )
    OutboxEvent.objects.create(
        type="orders.order.placed", order=order, payload={"order_id": order.pk, "total_amount": order.total_amount}
    )
    return order

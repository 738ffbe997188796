"""Request and response shapes of orders."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api import (
    IdField,
    RequestSerializer,
    ResponseSerializer,
    StrictCharField,
    StrictIntegerField,
    list_response,
)
from apps.orders import rules, selectors
from apps.orders.models import Order, OrderLine
from apps.orders.states import OrderStatus, PaymentStatus
from apps.tax import rules as gst

TAXABILITY = [one.value for one in gst.Taxability]
_TAXABILITY_HELP = "Whether the line bears tax, and if not, why: the rate is nil, the goods are exempt, or outside GST."

# Requests -----------------------------------------------------------------------------------------------------------


class OrderLineRequest(RequestSerializer):
    """A variant and its quantity. The price is the server's."""

    variant_id = IdField("var")
    quantity = StrictIntegerField(min_value=1, max_value=rules.MAX_QUANTITY)


class QuoteOrderRequest(RequestSerializer):
    """What would be ordered, and where to. Lines of one variant are summed."""

    lines = OrderLineRequest(many=True, allow_empty=False, max_length=rules.MAX_LINES)  # type: ignore[call-arg]
    shipping_address_id = IdField("addr")
    billing_address_id = IdField("addr", required=False, help_text="The shipping address, if not given.")
    note = StrictCharField(
        max_length=500,
        multiline=True,
        required=False,
        allow_blank=True,
        help_text="Read so that the body of an order can be quoted; it changes nothing.",
    )


class PlaceOrderRequest(QuoteOrderRequest):
    """What is ordered, and where to."""

    note = StrictCharField(max_length=500, multiline=True, required=False, allow_blank=True, help_text="For the shop.")


# Responses ----------------------------------------------------------------------------------------------------------


class PlaceOfSupplyResponse(ResponseSerializer):
    """Where the supply is made in the eyes of GST, and why."""

    state = serializers.CharField(help_text="Two-digit GST state code.")
    state_name = serializers.CharField()
    reason = serializers.CharField()
    section = serializers.CharField(help_text="The section of the law.")
    explanation = serializers.CharField()


class AddressSnapshotResponse(ResponseSerializer):
    """An address as it was when the order was placed."""

    name = serializers.CharField()
    company = serializers.CharField()
    phone = serializers.CharField()
    line1 = serializers.CharField()
    line2 = serializers.CharField()
    city = serializers.CharField()
    state = serializers.CharField()
    state_name = serializers.CharField()
    pin = serializers.CharField()
    gstin = serializers.CharField()
    country = serializers.CharField()


class TaxedResponse(ResponseSerializer):
    """Amounts in paise: taxable value and tax by head."""

    discount_amount = serializers.IntegerField(help_text="Paise, without tax.")
    shipping_amount = serializers.IntegerField(help_text="Paise, without tax; part of the taxable value.")
    taxable_amount = serializers.IntegerField()
    cgst_amount = serializers.IntegerField()
    sgst_amount = serializers.IntegerField()
    utgst_amount = serializers.IntegerField()
    igst_amount = serializers.IntegerField()


class QuotedLineResponse(TaxedResponse):
    """One line of a quote."""

    object = serializers.CharField(default="quote_line")
    position = serializers.IntegerField()
    variant_id = IdField("var", source="item.variant_id")
    sku = serializers.CharField(source="item.sku")
    name = serializers.CharField(source="item.name")
    hsn = serializers.CharField(source="item.hsn")
    quantity = serializers.IntegerField(source="item.quantity")
    is_available = serializers.BooleanField(help_text="Whether the stock of the moment is enough; nothing is held.")
    unit_price = serializers.IntegerField(source="item.unit_price")
    price_includes_tax = serializers.BooleanField(source="item.price_includes_tax")
    tax_rate = serializers.IntegerField(source="item.tax_rate", help_text="Basis points: 1800 is 18 %.")
    taxability = serializers.ChoiceField(choices=TAXABILITY, source="item.taxability", help_text=_TAXABILITY_HELP)
    gross_amount = serializers.IntegerField(help_text="Paise, without tax, discount and shipping.")
    total_amount = serializers.IntegerField()


class _TotalsResponse(TaxedResponse):
    """What a quote and an order share."""

    currency = serializers.CharField()
    place_of_supply = serializers.SerializerMethodField()
    round_off_amount = serializers.IntegerField(help_text="Paise, up or down to the whole rupee.")
    total_amount = serializers.IntegerField(help_text="taxable + taxes + round-off.")

    @extend_schema_field(PlaceOfSupplyResponse)
    def get_place_of_supply(self, priced: Any) -> Any:
        place = rules.describe_place(priced.place_of_supply, priced.place_of_supply_reason)
        return PlaceOfSupplyResponse(place).data


class QuoteResponse(_TotalsResponse):
    """What an order would come to."""

    object = serializers.CharField(default="quote")
    lines = QuotedLineResponse(many=True)


class OrderLineResponse(TaxedResponse):
    """One line of an order, as it was agreed."""

    id = IdField("line")
    object = serializers.CharField(default="order_line")
    position = serializers.IntegerField()
    variant_id = IdField("var")
    sku = serializers.CharField()
    name = serializers.CharField()
    hsn = serializers.CharField()
    uqc = serializers.CharField(help_text="Unit quantity code of GST.")
    quantity = serializers.IntegerField()
    unit_price = serializers.IntegerField()
    price_includes_tax = serializers.BooleanField()
    tax_rate = serializers.IntegerField(help_text="Basis points: 1800 is 18 %.")
    taxability = serializers.SerializerMethodField(help_text=_TAXABILITY_HELP)
    gross_amount = serializers.IntegerField(help_text="Paise, without tax, discount and shipping.")
    total_amount = serializers.IntegerField()

    @extend_schema_field(serializers.ChoiceField(choices=TAXABILITY))
    def get_taxability(self, line: OrderLine) -> str:
        return gst.known_taxability(line.taxability, line.tax_rate)


class OrderSummaryResponse(ResponseSerializer):
    """An order in a list."""

    id = IdField("ord")
    object = serializers.CharField(default="order")
    number = serializers.CharField()
    status = serializers.ChoiceField(choices=OrderStatus.choices)
    payment_status = serializers.SerializerMethodField()
    customer_id = IdField("cus")
    currency = serializers.CharField()
    total_amount = serializers.IntegerField()
    paid_amount = serializers.IntegerField()
    refunded_amount = serializers.IntegerField(help_text="How much of what was paid has been refunded.")
    disputed_amount = serializers.IntegerField(help_text="What payers' banks want back and have not decided about.")
    lost_amount = serializers.IntegerField(help_text="What payers' banks have taken back for good.")
    under_review_amount = serializers.IntegerField(
        help_text="What has arrived and is not the amount requested: staff accept or refund it, and the order waits."
    )
    placed_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(help_text="Unpaid by then, and with no open payment, it expires.")
    confirmed_at = serializers.DateTimeField(allow_null=True)
    cancelled_at = serializers.DateTimeField(allow_null=True)
    expired_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()

    @extend_schema_field(serializers.ChoiceField(choices=PaymentStatus.choices))
    def get_payment_status(self, order: Order) -> str:
        return str(selectors.derive_payment_status(order))


OrderListResponse = list_response(OrderSummaryResponse)


class OrderResponse(OrderSummaryResponse, _TotalsResponse):
    """An order with all that was agreed."""

    lines = OrderLineResponse(many=True)
    shipping_address = AddressSnapshotResponse()
    billing_address = AddressSnapshotResponse()
    buyer_gstin = serializers.CharField()
    note = serializers.CharField()
    cancel_reason = serializers.CharField()


# Examples of the API's documentation ----------------------------------------------------------------------------------

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

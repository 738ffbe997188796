"""Request and response shapes of orders."""

from functools import cache
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api import (
    IdField,
    QueryField,
    RequestSerializer,
    ResponseSerializer,
    StrictCharField,
    StrictIntegerField,
)
from apps.core.api.filters import INSTANT
from apps.core.api.requests import instant_reader
from apps.orders import rules, selectors
from apps.orders.models import Order, OrderLine
from apps.orders.states import FulfilmentStatus, OrderPaymentStatus, OrderStatus
from apps.tax import rules as gst

TAXABILITY = [one.value for one in gst.Taxability]
_TAXABILITY_HELP = "Whether the line bears tax, and if not, why: the rate is nil, the goods are exempt, or outside GST."

# Requests -----------------------------------------------------------------------------------------------------------


class OrderLineRequest(RequestSerializer):
    """A variant and its quantity. The server sets the price."""

    variant_id = IdField("var")
    quantity = StrictIntegerField(min_value=1, max_value=rules.MAX_QUANTITY)


class QuoteOrderRequest(RequestSerializer):
    """The lines and addresses to quote. Lines of the same variant are summed."""

    lines = OrderLineRequest(many=True, allow_empty=False, max_length=rules.MAX_LINES)  # type: ignore[call-arg]
    shipping_address_id = IdField("addr")
    billing_address_id = IdField("addr", required=False, help_text="The shipping address, if not given.")
    note = StrictCharField(
        max_length=500,
        multiline=True,
        required=False,
        allow_blank=True,
        help_text="Accepted so that the body of an order can be quoted; it has no effect.",
    )


class PlaceOrderRequest(QuoteOrderRequest):
    """The lines and addresses of a new order."""

    note = StrictCharField(
        max_length=500, multiline=True, required=False, allow_blank=True, help_text="A note for the shop."
    )


class OrderHoldRequest(RequestSerializer):
    """Why the order is held or released; it is kept in the order's events."""

    reason = StrictCharField(max_length=200)


class OrderQuery(RequestSerializer):
    """How an order is read."""

    as_of = QueryField(
        read=instant_reader("as_of"),
        schema=INSTANT,
        required=False,
        help_text="An instant, such as 2026-11-21T05:30:00Z. RFC 3339 with its time zone.",
    )


# Responses ----------------------------------------------------------------------------------------------------------


class PlaceOfSupplyResponse(ResponseSerializer):
    """The place of supply under GST, with the reason."""

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
    is_available = serializers.BooleanField(help_text="Whether the current stock is enough; nothing is reserved.")
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
        return _show_place(priced.place_of_supply, priced.place_of_supply_reason)


@cache
def _show_place(state: str, reason: str) -> Any:
    return PlaceOfSupplyResponse(rules.describe_place(state, reason)).data


class QuoteResponse(_TotalsResponse):
    """The total of a quote, with its explanation."""

    object = serializers.CharField(default="quote")
    lines = QuotedLineResponse(many=True)


class OrderLineResponse(TaxedResponse):
    """One line of an order."""

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
    fulfilment_status = serializers.ChoiceField(
        choices=FulfilmentStatus.choices, help_text="How far its units are dispatched and delivered."
    )
    customer_id = IdField("cus")
    currency = serializers.CharField()
    total_amount = serializers.IntegerField()
    paid_amount = serializers.IntegerField()
    refunded_amount = serializers.IntegerField(help_text="The amount of the payments that has been refunded.")
    disputed_amount = serializers.IntegerField(help_text="The amount of disputes that are not decided.")
    lost_amount = serializers.IntegerField(help_text="The amount that was lost in disputes.")
    under_review_amount = serializers.IntegerField(
        help_text="What has arrived and is not the amount requested: staff accept or refund it, and the order waits."
    )
    placed_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(
        help_text="The order expires if it is not paid by then and no payment is open."
    )
    confirmed_at = serializers.DateTimeField(allow_null=True)
    cancelled_at = serializers.DateTimeField(allow_null=True)
    expired_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(
        allow_null=True, help_text="When each unit was delivered, cancelled or refunded, and the balance was zero."
    )
    closed_at = serializers.DateTimeField(allow_null=True, help_text="When its return window was over.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()

    @extend_schema_field(serializers.ChoiceField(choices=OrderPaymentStatus.choices))
    def get_payment_status(self, order: Order) -> str:
        return str(selectors.derive_order_payment_status(order))


class OrderResponse(OrderSummaryResponse, _TotalsResponse):
    """An order with its lines and addresses."""

    lines = OrderLineResponse(many=True)
    shipping_address = AddressSnapshotResponse()
    billing_address = AddressSnapshotResponse()
    buyer_gstin = serializers.CharField()
    note = serializers.CharField()
    cancel_reason = serializers.CharField()

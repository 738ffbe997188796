"""Request and response schemas of an order's timeline and ledger, of the evidence for a dispute, and of sales."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.backoffice.selectors.timeline import TimelineEntry
from apps.backoffice.states import Period
from apps.core.api import IdField, RequestSerializer, ResponseSerializer, StrictCharField
from apps.core.quantities import to_units
from apps.fulfilment.states import ShipmentStatus
from apps.notifications.states import Channel, NotificationStatus
from apps.payments.states import EvidenceKind


class LedgerEntryResponse(ResponseSerializer):
    """One side of a ledger transaction."""

    object = serializers.CharField(default="ledger_entry")
    transaction_id = IdField("ltx")
    kind = serializers.CharField(source="transaction.kind")
    account = serializers.CharField(source="account_id")
    amount = serializers.IntegerField(help_text="Paise; debits positive, credits negative.")
    currency = serializers.CharField()
    description = serializers.CharField(source="transaction.description")
    occurred_at = serializers.DateTimeField(source="transaction.occurred_at")


class TimelineMoneyResponse(ResponseSerializer):
    """The payment, attempt, refund or dispute that an entry is about."""

    id = serializers.CharField(source="public_id")
    object = serializers.SerializerMethodField()
    amount = serializers.IntegerField(help_text="Paise.")
    currency = serializers.CharField()

    @extend_schema_field(serializers.ChoiceField(choices=["payment", "payment_attempt", "refund", "dispute"]))
    def get_object(self, row: Any) -> str:
        return _MONEY[row.PREFIX]


class TimelineDocumentResponse(ResponseSerializer):
    """The document that an entry is about."""

    id = serializers.CharField(source="public_id")
    type = serializers.CharField(
        help_text="`tax_invoice`, `bill_of_supply`, `invoice_cum_bill_of_supply` or `credit_note`."
    )
    number = serializers.CharField()
    total_amount = serializers.IntegerField(help_text="Paise.")
    currency = serializers.CharField()


class TimelineMessageResponse(ResponseSerializer):
    """The message that an entry is about."""

    id = serializers.CharField(source="public_id")
    channel = serializers.ChoiceField(choices=Channel.choices)
    type = serializers.CharField(source="template", help_text="What it is about, such as `order_confirmed`.")
    title = serializers.CharField()


class TimelineEntryResponse(ResponseSerializer):
    """One thing that happened to an order or to what belongs to it."""

    id = IdField("evt", source="event.pk")
    object = serializers.CharField(default="timeline_entry")
    type = serializers.SerializerMethodField()
    at = serializers.DateTimeField(source="event.created_at")
    text = serializers.CharField()
    actor = serializers.ChoiceField(choices=["customer", "staff", "system", "gateway"])
    money = TimelineMoneyResponse(allow_null=True, help_text="As it stands now.")
    document = TimelineDocumentResponse(allow_null=True)
    message = TimelineMessageResponse(allow_null=True)

    def get_type(self, entry: TimelineEntry) -> str:
        return ".".join(entry.event.type.split(".")[-2:])


class AddDisputeEvidenceRequest(RequestSerializer):
    """What staff know of a disputed sale, for the bank to read; shipping may name who carried it."""

    kind = serializers.ChoiceField(choices=EvidenceKind.choices)
    text = StrictCharField(max_length=2000, multiline=True)
    carrier = StrictCharField(max_length=60, required=False, default="", allow_blank=True)
    tracking_number = StrictCharField(max_length=60, required=False, default="", allow_blank=True)


class DisputeEvidenceResponse(ResponseSerializer):
    """Evidence that staff have added to a dispute."""

    id = serializers.CharField(source="public_id")
    object = serializers.CharField(default="dispute_evidence")
    kind = serializers.ChoiceField(choices=EvidenceKind.choices)
    text = serializers.CharField()
    carrier = serializers.CharField()
    tracking_number = serializers.CharField()
    created_at = serializers.DateTimeField()


class EvidencePdfResponse(ResponseSerializer):
    """The state of the PDF of a dispute's evidence."""

    object = serializers.CharField(default="dispute_evidence_pdf")
    dispute_id = serializers.CharField()
    status = serializers.ChoiceField(choices=("pending", "ready"))


class EvidenceLogInResponse(ResponseSerializer):
    """A log-in of the buyer's."""

    at = serializers.DateTimeField(source="created_at")
    ip = serializers.CharField(allow_null=True)
    user_agent = serializers.CharField()


class EvidenceBuyerResponse(ResponseSerializer):
    """Who bought it; of phone number and e-mail address no more than others may see."""

    customer_id = IdField("cus", source="customer.pk")
    name = serializers.CharField(source="customer.name")
    phone = serializers.CharField()
    phone_confirmed_at = serializers.DateTimeField(allow_null=True)
    email = serializers.CharField()
    email_confirmed_at = serializers.DateTimeField(source="customer.email_confirmed_at", allow_null=True)
    signed_up_at = serializers.DateTimeField(allow_null=True)
    log_ins = EvidenceLogInResponse(many=True)


class EvidencePaymentResponse(ResponseSerializer):
    """How it was paid."""

    payment_id = IdField("pay", source="payment.pk")
    gateway_payment_id = serializers.CharField(source="attempt.gateway_payment_id")
    amount = serializers.IntegerField(source="attempt.amount", help_text="Paise.")
    refunded_amount = serializers.IntegerField(help_text="How much of it has been refunded, in paise.")
    method = serializers.CharField(source="attempt.method")
    payer = serializers.CharField(source="attempt.payer", help_text="Masked.")
    rrn = serializers.CharField(source="attempt.rrn", help_text="The bank's reference.")
    captured_at = serializers.DateTimeField(source="attempt.captured_at")
    payer_ip = serializers.CharField(source="payment.payer_ip", allow_null=True)
    payer_user_agent = serializers.CharField(source="payment.payer_user_agent")


class EvidenceShipmentLineResponse(ResponseSerializer):
    """Units in a parcel."""

    name = serializers.CharField(source="order_line.name")
    sku = serializers.CharField(source="order_line.sku")
    quantity = serializers.IntegerField()


class EvidenceShipmentResponse(ResponseSerializer):
    """A parcel that has left."""

    id = serializers.CharField(source="public_id")
    number = serializers.CharField()
    status = serializers.ChoiceField(choices=ShipmentStatus.choices)
    carrier_name = serializers.CharField()
    tracking_number = serializers.CharField()
    dispatched_at = serializers.DateTimeField()
    delivered_at = serializers.DateTimeField(allow_null=True)
    lines = EvidenceShipmentLineResponse(many=True, source="lines.all")


class EvidenceDeliveryResponse(ResponseSerializer):
    """Where it was to go, and the parcels that have left."""

    address = serializers.DictField(source="order.shipping_address.snapshot")
    order_status = serializers.CharField(source="order.status")
    shipments = EvidenceShipmentResponse(many=True)


class EvidenceMessageResponse(ResponseSerializer):
    """A message to the buyer, without its text."""

    at = serializers.DateTimeField(source="message.created_at")
    channel = serializers.ChoiceField(source="message.channel", choices=Channel.choices)
    recipient = serializers.CharField(help_text="Masked; empty for a message in the app.")
    title = serializers.CharField(source="message.title")
    status = serializers.ChoiceField(source="message.status", choices=NotificationStatus.choices)
    sent_at = serializers.DateTimeField(source="message.sent_at", allow_null=True)


class EvidenceEventResponse(ResponseSerializer):
    """One thing that happened to the order."""

    at = serializers.DateTimeField()
    text = serializers.CharField()
    actor = serializers.ChoiceField(choices=["customer", "staff", "system", "gateway"])


class EvidenceResponse(ResponseSerializer):
    """All that proves a disputed sale, as the bank is shown it with a contest."""

    object = serializers.CharField(default="dispute_evidence")
    dispute_id = IdField("disp", source="dispute.pk")
    order_id = IdField("ord", source="order.pk")
    order_number = serializers.CharField(source="order.number")
    payment = EvidencePaymentResponse(source="*")
    buyer = EvidenceBuyerResponse(source="*")
    delivery = EvidenceDeliveryResponse(source="*")
    documents = TimelineDocumentResponse(many=True)
    messages = EvidenceMessageResponse(many=True)
    timeline = EvidenceEventResponse(many=True)
    statements = DisputeEvidenceResponse(many=True)


_MONEY = {"pay": "payment", "att": "payment_attempt", "rfnd": "refund", "disp": "dispute"}


class SalesFiguresResponse(ResponseSerializer):
    """What happened in some days: each order, capture and refund counts on the day in India on which it happened."""

    orders_placed = serializers.IntegerField(source="figures.placed")
    orders_confirmed = serializers.IntegerField(source="figures.confirmed")
    orders_cancelled = serializers.IntegerField(source="figures.cancelled")
    orders_expired = serializers.IntegerField(source="figures.expired")
    sales_amount = serializers.IntegerField(
        source="figures.sales_amount", help_text="Paise: the totals of the orders that were confirmed."
    )
    average_order_amount = serializers.IntegerField(
        source="figures.average_order_amount", help_text="Paise: sales by confirmed orders; 0 without one."
    )
    captured_amount = serializers.IntegerField(
        source="figures.captured_amount", help_text="Paise: the money that was taken, for orders of any day."
    )
    refunded_amount = serializers.IntegerField(source="figures.refunded_amount", help_text="Paise: processed refunds.")
    currency = serializers.CharField(default="INR")


class DailySalesResponse(SalesFiguresResponse):
    """The sales of one day in India."""

    object = serializers.CharField(default="daily_sales")
    day = serializers.DateField()


class PeriodSalesResponse(SalesFiguresResponse):
    """The sales of a period that ends today."""

    period = serializers.ChoiceField(choices=Period.values)
    first_day = serializers.DateField(source="days.first")
    last_day = serializers.DateField(source="days.last")


class AttentionResponse(ResponseSerializer):
    """How much waits for a decision of staff, counted up to 1,001."""

    open_exceptions = serializers.IntegerField(help_text="Reports and books that do not agree.")
    payment_reviews = serializers.IntegerField(help_text="Captured payments that staff must accept or refund.")
    failed_refunds = serializers.IntegerField(help_text="Refunds to retry or to pay by bank transfer.")


class SalesDashboardResponse(ResponseSerializer):
    """The sales of the shop at a glance."""

    object = serializers.CharField(default="sales_dashboard")
    as_of = serializers.DateTimeField(help_text="All that happened up to this instant is counted.")
    periods = PeriodSalesResponse(many=True)
    days = DailySalesResponse(many=True, help_text="The last 30 days, oldest first.")
    attention = AttentionResponse()


class BestSellerResponse(ResponseSerializer):
    """A variant and what was sold of it, in orders that were confirmed in the period and not cancelled since."""

    object = serializers.CharField(default="best_seller")
    variant_id = IdField("var")
    product_id = IdField("prod", source="variant.product_id")
    sku = serializers.CharField(source="variant.sku")
    name = serializers.CharField(source="variant.product.name")
    title = serializers.CharField(
        source="variant.title", help_text="What distinguishes it from other variants, or empty."
    )
    quantity = serializers.SerializerMethodField()
    sales_amount = serializers.IntegerField(help_text="Paise, with tax.")
    currency = serializers.CharField(default="INR")

    def get_quantity(self, row: Any) -> int:
        return to_units(int(row.quantity_milli))


class TopCustomerResponse(ResponseSerializer):
    """A customer and what they bought, in orders that were confirmed in the period and not cancelled since."""

    object = serializers.CharField(default="top_customer")
    customer_id = IdField("cus")
    name = serializers.CharField(source="customer.name")
    orders = serializers.IntegerField()
    sales_amount = serializers.IntegerField(help_text="Paise.")
    currency = serializers.CharField(default="INR")

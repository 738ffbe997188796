"""Orders, news and messages for the tests of notifications, made without the services that other tests are about."""

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import transaction

from apps.core import ids
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.invoicing.models import Invoice, NumberSeries
from apps.invoicing.states import DocumentType
from apps.notifications.models import Notification
from apps.notifications.states import Channel, NotificationStatus
from apps.orders.models import Order, OrderLine
from apps.payments.models import Payment, PaymentAttempt, Refund
from apps.payments.states import AttemptStatus, PaymentStatus, RefundReason, RefundStatus
from tests.factories.catalog import make_registration, make_variant
from tests.factories.orders import make_order_address
from tests.support.events import record_event

_numbers = itertools.count(1)

#: 21 November 2026, 11:05 in India.
NOON = datetime(2026, 11, 21, 5, 35, tzinfo=UTC)


def make_order_of(user: Any, **fields: Any) -> Order:
    """Return an order of one line over 1,179 rupees, placed at NOON."""
    address = make_order_address(name="Asha <Owner>")
    values: dict[str, Any] = {
        "number": f"ORD-2627-9{next(_numbers):05d}", "billing_address": address, "shipping_address": address,
        "place_of_supply": "29", "place_of_supply_reason": "goods_delivered", "taxable_amount": 99_915,
        "igst_amount": 17_985, "total_amount": 117_900, "placed_at": NOON, "expires_at": NOON + timedelta(minutes=30),
    }  # fmt: skip
    order = Order.objects.create(customer=user, registration=make_registration(), **{**values, **fields})
    OrderLine.objects.create(
        order=order, position=1, variant=make_variant(), sku="SKU", name="Cotton <b>kurta</b>", hsn="61091000", uqc="NOS",
        registration=order.registration, quantity_milli=2_000,
        unit_price=58_950, price_includes_tax=True, tax_class="gst_18", tax_rate=1800, gross_amount=99_915,
        taxable_amount=99_915, igst_amount=17_985, total_amount=117_900,
    )  # fmt: skip
    return order


def make_invoice_of(order: Order, **fields: Any) -> Invoice:
    """Return the issued invoice of an order."""
    series, _ = NumberSeries.objects.get_or_create(
        registration=order.registration, document_type=DocumentType.TAX_INVOICE, financial_year="2026-27", prefix="INV"
    )
    # Beyond what the services issue in one test, so that documents of both kinds can stand side by side.
    number = 900_000 + next(_numbers)
    values: dict[str, Any] = {
        "number": f"INV26{number:07d}", "financial_year": "2026-27", "issued_at": NOON, "invoice_date": date(2026, 11, 21),
        "order_number": order.number, "seller": {}, "buyer": {}, "shipping_address": {}, "place_of_supply": "29",
        "taxable_amount": order.taxable_amount, "igst_amount": order.igst_amount, "total_amount": order.total_amount,
    }  # fmt: skip
    return Invoice.objects.create(
        order=order,
        customer=order.customer,
        registration=order.registration,
        series=series,
        sequence=number,
        **{**values, **fields},
    )


def make_attempt_of(order: Order, **fields: Any) -> PaymentAttempt:
    """Return a captured attempt of a payment of an order, with its whole amount."""
    sequence = Payment.objects.filter(order=order).count() + 1
    payment = Payment.objects.create(
        order=order, customer=order.customer, sequence=sequence, amount=order.total_amount, status=PaymentStatus.SUCCEEDED,
        live_until=NOON,
    )  # fmt: skip
    values: dict[str, Any] = {
        "gateway_payment_id": f"pay_{next(_numbers):014d}", "status": AttemptStatus.CAPTURED, "amount": order.total_amount,
        "currency": "INR", "captured_at": NOON,
    }  # fmt: skip
    return PaymentAttempt.objects.create(payment=payment, **{**values, **fields})


def make_refund_of(order: Order, **fields: Any) -> Refund:
    """Return a refund of 500 rupees of an order, pending or as the fields say."""
    attempt = make_attempt_of(order)
    number = next(_numbers)
    values: dict[str, Any] = {
        "number": f"{order.number}-R{number}", "sequence": number, "amount": 50_000, "status": RefundStatus.PENDING,
        "reason": RefundReason.CUSTOMER_REQUEST, "idempotency_key": f"refund-key-{number:06d}", "requested_by": "user:x",
    }  # fmt: skip
    return Refund.objects.create(order=order, payment=attempt.payment, attempt=attempt, **{**values, **fields})


def make_credit_note_of(invoice: Invoice, **fields: Any) -> Invoice:
    """Return an issued credit note over 531 rupees that belongs to an invoice."""
    series, _ = NumberSeries.objects.get_or_create(
        registration=invoice.registration,
        document_type=DocumentType.CREDIT_NOTE,
        financial_year="2026-27",
        prefix="CRN",
    )
    number = next(_numbers)
    values: dict[str, Any] = {"seller": {}, "buyer": {}, "shipping_address": {}}
    return Invoice.objects.create(
        type=DocumentType.CREDIT_NOTE, refers_to=invoice, refund_id=ids.new(), order=invoice.order, customer=invoice.customer,
        registration=invoice.registration, series=series, sequence=number, number=f"CRN27{number:07d}",
        financial_year="2026-27", issued_at=NOON, invoice_date=date(2026, 11, 21), order_number=invoice.order_number,
        place_of_supply="29", taxable_amount=45_000, igst_amount=8_100,
        total_amount=53_100, **{**values, **fields},
    )  # fmt: skip


def make_event(event_type: str, subject: Any, *, root_id: Any = None, changes: dict[str, Any] | None = None) -> Event:
    """Return news of a subject, as its service would have recorded it."""
    with transaction.atomic():
        return record_event(event_type, subject=subject, actor=SYSTEM, changes=changes or {}, root_id=root_id, now=NOON)


def make_notification(user: Any, *, event: Event | None = None, **fields: Any) -> Notification:
    """Return an in-app message to a person, or another as the fields say."""
    event = event or make_event("orders.order.placed", make_order_of(user))
    values: dict[str, Any] = {
        "channel": Channel.IN_APP, "recipient": user.public_id, "template": "order_placed", "title": "We have your order",
        "body": "Pay soon.", "status": NotificationStatus.SENT, "sent_at": NOON, "root_id": event.root_id,
    }  # fmt: skip
    return Notification.objects.create(event=event, user=user, **{**values, **fields})


def make_queued_sms(user: Any, **fields: Any) -> Notification:
    """Return an SMS that waits for its sender, about an order that is cancelled."""
    if "event" not in fields:
        fields["event"] = make_event("orders.order.cancelled", make_order_of(user, status="cancelled"))
    values: dict[str, Any] = {
        "channel": Channel.SMS, "recipient": user.phone, "template": "order_cancelled", "status": NotificationStatus.QUEUED,
        "context": {"NUMBER": "ORD-2627-000001", "SHOP": "Bahi"}, "body": "Order ORD-2627-000001 is cancelled.",
        "sent_at": None, "next_attempt_at": NOON + timedelta(minutes=1),
    }  # fmt: skip
    return make_notification(user, **{**values, **fields})


def make_queued_email(user: Any, **fields: Any) -> Notification:
    """Return an e-mail that waits for its sender, about the person's address, which is confirmed."""
    if "event" not in fields and "template" not in fields:
        type(user).objects.filter(pk=user.pk).update(email="asha@example.com", email_confirmed_at=NOON)
        fields["event"] = make_event("accounts.user.email_confirmed", type(user).objects.get(pk=user.pk))
    values: dict[str, Any] = {
        "channel": Channel.EMAIL, "recipient": "asha@example.com", "template": "email_confirmed", "sent_at": None,
        "context": {"shop": "Bahi", "name": "Asha", "email": "asha@example.com"}, "title": "Confirmed", "body": "It is.",
        "status": NotificationStatus.QUEUED, "next_attempt_at": NOON + timedelta(minutes=1),
        "message_id": f"<ntf_test_{next(_numbers)}@bahi.example>",
    }  # fmt: skip
    return make_notification(user, **{**values, **fields})

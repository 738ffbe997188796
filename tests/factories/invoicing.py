"""Orders that are paid and wait for their invoice, and invoices."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction

from apps.core.events import SYSTEM, Actor, current_values
from apps.core.money import half_up
from apps.core.quantities import to_milli
from apps.invoicing import services
from apps.invoicing.models import Invoice
from apps.orders import events as order_events
from apps.orders.models import Order, OrderAddress, OrderLine
from apps.orders.states import OrderStatus
from apps.payments import events as payment_events
from apps.payments.models import Payment, PaymentAttempt, Refund, RefundLine
from apps.payments.states import RefundReason, RefundStatus
from apps.tax.rules import Line, compute, state_name, supply_type
from tests.factories.accounts import make_user, pin_of_state
from tests.factories.catalog import make_registration, make_variant
from tests.factories.orders import make_order_address
from tests.support.events import record_event

_numbers = itertools.count(1)

#: An afternoon in India.
NOON = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)


def issue_invoice(*, order_id: UUID, actor: Actor, now: datetime) -> Invoice:
    """Issue the documents of an order and return the first."""
    return services.issue_invoices(order_id=order_id, actor=actor, now=now)[0]


def issue_credit_note(*, refund_id: UUID, actor: Actor, now: datetime) -> Invoice | None:
    """Issue the credit notes of a refund and return the first, or None if there is none."""
    return next(iter(services.issue_credit_notes(refund_id=refund_id, actor=actor, now=now)), None)


class Goods(NamedTuple):
    """A line to be: its price (paise, without tax), rate (basis points) and quantity; without taxability as before it was kept."""

    price: int
    rate: int
    quantity: int = 1
    name: str = "Handloom cotton kurta"
    hsn: str = "61091000"
    taxability: str = ""


#: ₹999.00 at 18 %: taxable 999.00, tax 179.82, total 1179.00 with +0.18 of round-off.
KURTAS = (Goods(price=49_950, rate=1800, quantity=2),)


def make_paid_order(
    customer: Any = None,
    *,
    goods: tuple[Goods, ...] = KURTAS,
    state: str = "29",
    status: OrderStatus = OrderStatus.CONFIRMED,
    confirmed_at: datetime | None = NOON,
    discount: int = 0,
    shipping: int = 0,
    registration: Any = None,
    **fields: Any,
) -> Order:
    """Return an order whose money is there; its tax is that of a supply to `state` from the shop's own."""
    registration = registration or make_registration()
    customer = customer or make_user()
    computed = compute(
        [
            Line(id=str(index), quantity=item.quantity, unit_price=item.price, rate=item.rate)
            for index, item in enumerate(goods)
        ],
        supply=supply_type(registration.state, state),
        order_discount=discount,
        shipping=shipping,
    )
    snapshot = make_snapshot(state)
    address = make_order_address(**{name: snapshot[name] for name in snapshot if name in OrderAddress.FIELDS})
    values = {
        "number": f"ORD-2627-8{next(_numbers):05d}", "billing_address": address, "shipping_address": address,
        "place_of_supply": state, "place_of_supply_reason": "consumer_delivery_address",
        "discount_amount": discount, "shipping_amount": shipping, "taxable_amount": computed.taxable,
        "cgst_amount": computed.cgst, "sgst_amount": computed.sgst, "utgst_amount": computed.utgst, "igst_amount": computed.igst,
        "round_off_amount": computed.round_off, "total_amount": computed.total, "paid_amount": computed.total,
        "placed_at": NOON, "expires_at": NOON, "confirmed_at": confirmed_at,
    }  # fmt: skip
    with transaction.atomic():
        order = Order.objects.create(
            customer=customer, registration=registration, status=status, **{**values, **fields}
        )
        for position, (item, line) in enumerate(zip(goods, computed.lines, strict=True), start=1):
            OrderLine.objects.create(
                order=order, position=position, variant=make_variant(price=item.price), sku=f"SKU-{position}", name=item.name,
                hsn=item.hsn, uqc="PCS", registration=registration, quantity_milli=to_milli(item.quantity),
                unit_price=item.price, price_includes_tax=False,
                tax_class="gst", tax_rate=item.rate, taxability=item.taxability,
                gross_amount=line.gross, discount_amount=line.discount + line.order_discount,
                shipping_amount=line.shipping, taxable_amount=line.taxable, cgst_amount=line.cgst, sgst_amount=line.sgst,
                utgst_amount=line.utgst, igst_amount=line.igst, total_amount=line.total,
            )  # fmt: skip
        record_event(
            order_events.ORDER_PLACED,
            subject=order,
            root_id=order.pk,
            actor=SYSTEM,
            changes=current_values(order),
            now=NOON,
        )
    return order


def make_invoice(customer: Any = None, *, now: datetime = NOON, **order: Any) -> Invoice:
    """Return the invoice of a new paid order."""
    return issue_invoice(order_id=make_paid_order(customer, **order).pk, actor=SYSTEM, now=now)


def make_rendered_invoice(customer: Any = None, *, now: datetime = NOON, **order: Any) -> Invoice:
    """Return an invoice that has its PDF."""
    invoice = make_invoice(customer, now=now, **order)
    services.render_document(invoice_id=invoice.pk, now=now)
    return Invoice.objects.select_related("file").get(pk=invoice.pk)


def make_snapshot(state: str, **fields: str) -> dict[str, str]:
    """Return an address as documents keep it."""
    return {
        "name": "Asha Owner", "company": "", "phone": "+919876543210", "line1": "12 MG Road", "line2": "Ashok Nagar",
        "city": "Bengaluru", "state": state, "state_name": state_name(state), "pin": pin_of_state(state), "gstin": "", "country": "IN",
        **fields,
    }  # fmt: skip


def make_refund(
    order: Order,
    *,
    amount: int,
    lines: Sequence[tuple[int, int]] = (),
    status: RefundStatus = RefundStatus.PROCESSED,
    processed_at: datetime = NOON,
    review_reason: str = "",
    **fields: Any,
) -> Refund:
    """
    Return a refund (paise) whose money has gone back; `lines` are (position, quantity) of the order's lines.

    Its payment is there and its postings are not: who tests invoicing looks at the documents' own.
    """
    sequence = Refund.objects.filter(order=order).count() + 1
    payment = Payment.objects.filter(order=order).first() or Payment.objects.create(
        order=order, customer_id=order.customer_id, sequence=1, amount=order.total_amount, status="succeeded",
        gateway_call="succeeded", gateway_order_id=f"order_{order.number}", live_until=NOON, succeeded_at=NOON,
    )  # fmt: skip
    attempt = PaymentAttempt.objects.create(
        payment=payment, gateway_payment_id=f"pay_{order.number}_{sequence}", status="captured", amount=payment.amount,
        currency="INR", method="upi", source="poll", captured_at=NOON, review_reason=review_reason,
    )  # fmt: skip
    values: dict[str, Any] = {
        "reason": RefundReason.GOODS_RETURNED,
        "gateway_refund_id": f"rfnd_{order.number}_{sequence}",
    }
    refund = Refund.objects.create(
        number=f"{order.number}-R{sequence}", order=order, payment=payment, attempt=attempt, sequence=sequence, amount=amount,
        status=status, idempotency_key=f"{order.number}-R{sequence}", requested_by="user:finance",
        processed_at=processed_at if status == RefundStatus.PROCESSED else None, **{**values, **fields},
    )  # fmt: skip
    for position, quantity in lines:
        line = OrderLine.objects.get(order=order, position=position)
        RefundLine.objects.create(
            refund=refund,
            order_line=line,
            quantity_milli=to_milli(quantity),
            amount=half_up(line.total_amount * quantity, line.quantity),
        )
    with transaction.atomic():
        record_event(
            payment_events.REFUND_PROCESSED, subject=refund, root_id=order.pk, actor=SYSTEM, changes=current_values(refund), now=NOON
        )  # fmt: skip
    return refund


def make_credit_note(
    invoice: Invoice | None = None, *, amount: int = 58_941, now: datetime = NOON, **fields: Any
) -> Invoice:
    """Return the credit note of a new refund of an invoice: of half of it, if nothing is said."""
    invoice = invoice or make_invoice()
    refund = make_refund(Order.objects.get(pk=invoice.order_id), amount=amount, **fields)
    note = issue_credit_note(refund_id=refund.pk, actor=SYSTEM, now=now)
    assert note is not None
    return note


def make_rendered_credit_note(customer: Any = None, **fields: Any) -> Invoice:
    """Return a credit note that has its PDF."""
    note = make_credit_note(make_invoice(customer), **fields)
    services.render_document(invoice_id=note.pk, now=NOON)
    return Invoice.objects.select_related("file", "refers_to").get(pk=note.pk)

"""How the documents of a sale are issued: everything is checked, computed and booked before a number is taken."""

import time
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from apps.core.errors import Conflict
from apps.core.events import Actor
from apps.core.money import rupees
from apps.core.row_writes import insert_rows
from apps.core.transactions import atomic, transactional
from apps.invoicing import events, rules, selectors
from apps.invoicing.models import Invoice, InvoiceLine
from apps.invoicing.services.ledger_accounts import ROUND_OFF, account_codes_for
from apps.invoicing.services.number_series import assign_number, create_document
from apps.invoicing.states import DocumentType
from apps.ledger.services import post_to_ledger
from apps.orders import locks as order_locks
from apps.orders import selectors as orders
from apps.orders.states import OrderStatus
from apps.payments import selectors as payments
from apps.payments import services as payment_services
from apps.tax import selectors as tax
from apps.tax.rules import state_name

#: An order that was confirmed and still stands.
INVOICEABLE_STATUSES = (OrderStatus.CONFIRMED, OrderStatus.ON_HOLD, OrderStatus.IN_FULFILMENT, OrderStatus.COMPLETED)


class OrderNotInvoiceable(Conflict):
    """The order's state or unpaid balance does not allow an invoice. Read the order."""

    message = "Order {0} cannot be invoiced: it is {1}, and {2} of {3} is paid."


class BuyerErased(OrderNotInvoiceable):
    """The buyer's name and address were erased before the order was invoiced. No invoice can be issued."""

    message = "Order {0} cannot be invoiced: its buyer's name and address were erased."
    code = OrderNotInvoiceable.code


class OrderTotalsMismatch(Conflict):
    """The order's amounts do not add up to an invoice. Staff check the order with `bin/bahi audit`."""

    message = "Order {0} cannot be invoiced: {1}."


@transactional
def issue_invoices(*, order_id: UUID, actor: Actor, now: datetime) -> list[Invoice]:
    """
    Issue the documents that say what a paid order sold, with the next number of their series, and book them; once.

    A tax invoice, a bill of supply for goods without tax, or one document for both; a registered buyer of both gets the two. The date is
    that of the moment after the number was locked, in India.

    :raises OrderNotInvoiceable: if the order is not confirmed and paid, or its buyer was erased
    :raises OrderTotalsMismatch: if its figures make no valid invoice
    :raises NumberSeriesUnavailable: if a series is used up, or another one of that year has its prefix
    """
    started = time.monotonic()
    order = order_locks.lock_order(order_id)

    issued = selectors.list_invoices_of_order(order_id)
    return issued or _issue(order, actor=actor, now=now, started=started)


def _issue(order: Any, *, actor: Actor, now: datetime, started: float) -> list[Invoice]:
    """Do what `issue_invoices` does for an order that is locked and has no documents."""
    if order.status not in INVOICEABLE_STATUSES or order.paid_amount < order.total_amount:
        raise OrderNotInvoiceable(order.number, order.status, rupees(order.paid_amount), rupees(order.total_amount))
    if orders.read_addresses(order).billing_address.erased_at is not None:
        raise BuyerErased(order.number)
    registration = tax.get_registration(order.registration_id)
    draft = rules.draft_of(order, orders.list_lines(order.pk), supplier_state=registration.state)
    refusal = rules.check_draft(draft)
    if refusal is not None:
        raise OrderTotalsMismatch(order.number, refusal.replace("_", " "))

    parts = rules.split_by_document(draft, is_buyer_registered=rules.is_registered_buyer(order.buyer_gstin))
    invoices = [_build_document(order, registration, kind, part) for kind, part in parts]
    for invoice, (_, part) in zip(invoices, parts, strict=True):
        _post_to_ledger(invoice, registration, now=now)
        # Postgres checks foreign keys at commit, so the lines are inserted first, without waiting for the number.
        insert_rows([InvoiceLine(invoice=invoice, created_at=now, **asdict(line)) for line in part.lines])
    facts = {"is_refunded": payments.is_any_refund_processed(order.pk)}
    for invoice in invoices:
        prefix = rules.prefix_of(DocumentType(invoice.type), invoice_prefix=registration.invoice_prefix)
        assign_number(invoice, prefix=prefix, now=now, started=started)
        create_document(invoice, events.INVOICE_ISSUED, event_values=facts, actor=actor, now=now)

    return invoices


def invoice_confirmed_order(*, order_id: UUID, actor: Actor, now: datetime) -> list[Invoice]:
    """
    Issue the documents of an order that was confirmed; none if it was cancelled before they were made, or INVOICE_AT is dispatch.

    :raises OrderNotInvoiceable, OrderTotalsMismatch, NumberSeriesUnavailable: as `issue_invoices` does
    """
    if settings.INVOICE_AT == "dispatch":
        return []
    started = time.monotonic()
    with atomic(savepoint=False):
        order = order_locks.lock_order(order_id)
        issued = selectors.list_invoices_of_order(order_id)
        if issued or order.status == OrderStatus.CANCELLED:
            return issued
        return _issue(order, actor=actor, now=now, started=started)


def _build_document(order: Any, registration: Any, document_type: DocumentType, draft: rules.Draft) -> Invoice:
    return Invoice(
        order_id=order.pk,
        customer_id=order.customer_id,
        registration_id=registration.pk,
        order_number=order.number,
        seller=_seller(registration),
        buyer={**order.billing_address.snapshot, "gstin": order.buyer_gstin},
        shipping_address=order.shipping_address.snapshot,
        type=document_type,
        currency=order.currency,
        payment_reference=_payment_reference(order.pk),
        place_of_supply=draft.place_of_supply,
        taxable_amount=draft.taxable_amount,
        cgst_amount=draft.cgst_amount,
        sgst_amount=draft.sgst_amount,
        utgst_amount=draft.utgst_amount,
        igst_amount=draft.igst_amount,
        round_off_amount=draft.round_off_amount,
        total_amount=draft.total_amount,
    )


def _seller(registration: Any) -> dict[str, str]:
    return {
        "gstin": registration.gstin,
        "legal_name": registration.legal_name,
        "trade_name": registration.trade_name,
        "line1": registration.address_line1,
        "line2": registration.address_line2,
        "city": registration.city,
        "pin": registration.pin,
        "state": registration.state,
        "state_name": state_name(registration.state),
        "phone": registration.phone,
        "email": registration.email,
    }


def _payment_reference(order_id: UUID) -> str:
    attempt = payments.find_captured_attempt(order_id)
    if attempt is None:
        return ""
    return f"{attempt.method.upper()} {attempt.gateway_payment_id}".strip()


def _post_to_ledger(invoice: Invoice, registration: Any, *, now: datetime) -> None:
    codes = account_codes_for(registration)
    entries = {
        payment_services.CUSTOMER_ADVANCES: invoice.total_amount,
        codes.sales: -invoice.taxable_amount,
        codes.output_cgst: -invoice.cgst_amount,
        codes.output_sgst: -invoice.sgst_amount,
        codes.output_utgst: -invoice.utgst_amount,
        codes.output_igst: -invoice.igst_amount,
        ROUND_OFF: -invoice.round_off_amount,
    }
    if not any(entries.values()):
        return  # a gift moves no money
    post_to_ledger(
        source_type="invoicing.invoice",
        source_id=invoice.pk,
        kind="invoice",
        order_id=invoice.order_id,
        entries=entries,
        description=f"{invoice.get_type_display()} of order {invoice.order_number}",
        occurred_at=now,
    )

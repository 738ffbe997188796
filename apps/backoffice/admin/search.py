"""The search box of the back office: which rows it finds, by what, and what it says of each."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from apps.accounts import selectors as accounts
from apps.accounts.models import User
from apps.catalog import selectors as catalog
from apps.catalog.models import Product, Variant
from apps.core import clock
from apps.core.admin_contacts import can_read_contacts
from apps.core.admin_search import SHOWN, Finder, add_finder
from apps.core.dates import format_day
from apps.core.masking import mask
from apps.core.money import amount_text, rupees
from apps.core.search import SearchTerm
from apps.fulfilment import selectors as fulfilment
from apps.fulfilment.models import Shipment
from apps.invoicing import selectors as invoicing
from apps.invoicing.models import Invoice
from apps.ledger import selectors as ledger
from apps.ledger.models import ReconciliationException
from apps.orders import selectors as orders
from apps.orders.models import Order
from apps.payments import selectors as payments
from apps.payments.models import Dispute, Payment, PaymentAttempt, Refund
from apps.settlements import selectors as settlements
from apps.settlements.models import Settlement


def _find_orders(term: SearchTerm, request: HttpRequest) -> "QuerySet[Order]":
    people = accounts.search_visible_people(term, user=request.user).values_list("pk", flat=True)
    return orders.search_orders(term, customers=list(people[:SHOWN])).select_related("customer")


def _describe_order(order: Order, request: HttpRequest) -> tuple[str, str]:
    is_masked = not can_read_contacts(request)
    customer = accounts.display_name(order.customer, is_masked=is_masked)
    placed = format_day(clock.ist_date(order.placed_at))
    return order.number, " · ".join([order.get_status_display(), customer, rupees(order.total_amount), placed])


def _find_people(term: SearchTerm, request: HttpRequest) -> "QuerySet[User]":
    return accounts.search_visible_people(term, user=request.user)


def _describe_person(person: User, request: HttpRequest) -> tuple[str, str]:
    is_masked = not can_read_contacts(request)
    contacts = [contact for contact in (person.phone, person.email) if contact]
    shown = [mask(contact) if is_masked else contact for contact in contacts]
    kind = "Staff" if person.is_staff else "Customer"
    return accounts.display_name(person, is_masked=is_masked), " · ".join([kind, *shown])


def _describe_document(invoice: Invoice, request: HttpRequest) -> tuple[str, str]:
    parts = [invoice.get_type_display(), f"order {invoice.order_number}", rupees(invoice.total_amount)]
    return invoice.number, " · ".join([*parts, format_day(invoice.invoice_date)])


def _join_parts(*parts: Any) -> str:
    return " · ".join(str(part) for part in parts if part)


def _describe_shipment(shipment: Shipment, request: HttpRequest) -> tuple[str, str]:
    order = f"order {shipment.order.number}"
    return shipment.number, _join_parts(
        shipment.get_status_display(), order, shipment.carrier_name, shipment.tracking_number
    )


def _describe_payment(payment: Payment, request: HttpRequest) -> tuple[str, str]:
    amount = amount_text(payment.amount, payment.currency)
    order = f"order {payment.order.number}"
    return payment.public_id, _join_parts(payment.get_status_display(), amount, order, payment.gateway_reference)


def _describe_attempt(attempt: PaymentAttempt, request: HttpRequest) -> tuple[str, str]:
    amount = amount_text(attempt.amount, attempt.currency)
    order = f"order {attempt.payment.order.number}"
    return attempt.gateway_payment_id, _join_parts(attempt.get_status_display(), amount, order, attempt.rrn)


def _describe_refund(refund: Refund, request: HttpRequest) -> tuple[str, str]:
    reference = refund.gateway_refund_id or refund.transfer_reference
    return refund.number, _join_parts(refund.get_status_display(), rupees(refund.amount), reference, refund.arn)


def _describe_dispute(dispute: Dispute, request: HttpRequest) -> tuple[str, str]:
    order = f"order {dispute.order.number}"
    return dispute.gateway_dispute_id, _join_parts(dispute.get_status_display(), rupees(dispute.amount), order)


def _describe_settlement(settlement: Settlement, request: HttpRequest) -> tuple[str, str]:
    amount = rupees(settlement.amount) if settlement.amount is not None else ""
    utr = f"UTR {settlement.utr}" if settlement.utr else ""
    settled = format_day(clock.ist_date(settlement.settled_at))
    return settlement.gateway_settlement_id, _join_parts(amount, utr, settled)


def _describe_exception(exception: ReconciliationException, request: HttpRequest) -> tuple[str, str]:
    state = exception.get_resolution_display() or "Open"
    return exception.entity_id, _join_parts(exception.get_reason_display(), state)


def _describe_variant(variant: Variant, request: HttpRequest) -> tuple[str, str]:
    name = f"{variant.product.name} {variant.title}".strip()
    return variant.sku, " · ".join([name, rupees(variant.price), "Active" if variant.is_active else "Not active"])


def _describe_product(product: Product, request: HttpRequest) -> tuple[str, str]:
    state = "Published" if product.is_published else "Not published"
    return product.name, " · ".join([product.category.name, f"from {rupees(product.lowest_price)}", state])


for _finder in (
    Finder(
        "orders.order", title="Orders", position=10, describe=_describe_order, find=_find_orders,
        hint="An order number, its beginning or its last digits; or who ordered: name, GSTIN, whole phone number or e-mail address",
    ),
    Finder(
        "accounts.user", title="People", position=20, describe=_describe_person, find=_find_people,
        hint="A person's name, whole phone number, whole e-mail address or GSTIN",
    ),
    Finder(
        "invoicing.invoice", title="Invoices and credit notes", position=30, describe=_describe_document,
        find=lambda term, request: invoicing.search_documents(term),
        hint="The number of an invoice or credit note, its beginning or its last digits",
    ),
    Finder(
        "fulfilment.shipment", title="Parcels", position=35, describe=_describe_shipment,
        find=lambda term, request: fulfilment.search_shipments(term).select_related("order"),
        hint="The number of a parcel or its beginning, such as SHP-2627-000045, or its whole tracking number",
    ),
    Finder(
        "payments.payment", title="Payments", position=40, describe=_describe_payment,
        find=lambda term, request: payments.search_payments(term).select_related("order"),
        hint="The gateway's id of a payment, order, link, refund, dispute or settlement, such as pay_29QQoUBi66xm2f",
    ),
    Finder(
        "payments.paymentattempt", title="Payment attempts", position=41, describe=_describe_attempt,
        find=lambda term, request: payments.search_attempts(term).select_related("payment__order"),
        hint="The bank's reference of a UPI payment (RRN)",
    ),
    Finder(
        "payments.refund", title="Refunds", position=50, describe=_describe_refund,
        find=lambda term, request: payments.search_refunds(term),
        hint="The number of a refund, or the bank's reference of it (ARN, or the UTR of a bank transfer)",
    ),
    Finder(
        "payments.dispute", title="Disputes", position=60, describe=_describe_dispute,
        find=lambda term, request: payments.search_disputes(term).select_related("order"),
        hint="The gateway's id of a dispute, such as disp_…",
    ),
    Finder(
        "settlements.settlement", title="Settlements", position=70, describe=_describe_settlement,
        find=lambda term, request: settlements.search_settlements(term),
        hint="The UTR of a settlement, as the bank statement shows it",
    ),
    Finder(
        "ledger.reconciliationexception", title="Exceptions", position=71, describe=_describe_exception,
        find=lambda term, request: ledger.search_exceptions(term),
        hint="The gateway's id of what an exception is about",
    ),
    Finder(
        "catalog.variant", title="Variants", position=90, describe=_describe_variant,
        find=lambda term, request: catalog.search_variants(term).select_related("product"),
        hint="A SKU, its beginning or a part of it between dashes",
    ),
    Finder(
        "catalog.product", title="Products", position=91, describe=_describe_product,
        find=lambda term, request: catalog.search_all_products(term).select_related("category"),
        hint="Words of a product's name, brand or description",
    ),
):  # fmt: skip
    add_finder(_finder)

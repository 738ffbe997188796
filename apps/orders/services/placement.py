"""Quotes of orders, and their placement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction

from apps.accounts import locks as account_locks
from apps.accounts import selectors as accounts
from apps.accounts import services as account_services
from apps.catalog import selectors as catalog
from apps.catalog import services as stock
from apps.core import ids
from apps.core.clock import ist_date
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.events import Actor, create
from apps.core.hot_path import hot_path
from apps.core.money import rupees
from apps.core.quantities import to_milli
from apps.orders import events, rules, sql
from apps.orders.models import Order, OrderAddress, OrderLine
from apps.orders.rules import OrderLineInput, Quote
from apps.orders.services.unpaid_orders import check_unpaid_orders
from apps.tax import selectors as tax

if TYPE_CHECKING:
    from apps.accounts.models import Address
    from apps.catalog.models import Variant
    from apps.tax.models import Registration

log = structlog.get_logger(__name__)


class EmptyOrder(Invalid):
    """The order has no lines. Send at least one."""

    message = "An order must have at least one line."


class TooManyLines(Invalid):
    """The order has more lines than one order may have. Place several orders."""

    message = "An order can have at most {0} lines."


class QuantityOutOfRange(Invalid):
    """The quantity of a variant is below 1 or above what one order may have. Send a quantity in that range."""

    message = "The quantity of a variant must be from 1 to {0}."


class VariantNotForSale(NotFound):
    """The variant does not exist or is not for sale. Read its product again."""

    message = "This item is not for sale."


class TaxClassPriceMismatch(Conflict):
    """The price of a variant is outside the range of its GST rate. Staff correct the price or the tax class."""

    message = (
        "{0} cannot be ordered now: its GST rate does not match its price of {1}. Our staff must correct it first."
    )


class OrderAmountTooSmall(Invalid):
    """The order's total is less than ₹1.00, which no gateway collects. Order more."""

    message = "An order must be at least ₹1.00."


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """An order that is not placed: its quote, registration and addresses."""

    quote: Quote
    registration: "Registration"
    shipping_address: "Address"
    billing_address: "Address"


def quote_order(
    *,
    customer_id: UUID,
    lines: Sequence[OrderLineInput],
    shipping_address_id: UUID,
    billing_address_id: UUID | None = None,
    now: datetime,
) -> Quote:
    """
    Compute the total of an order today, with its explanation; no stock is reserved.

    :raises EmptyOrder, TooManyLines, QuantityOutOfRange: if the lines are none, too many or out of bounds
    :raises VariantNotForSale: if a variant is absent, inactive or of an unpublished product
    :raises TaxClassPriceMismatch: if clothes or shoes would be sold at the rate of the other side of their value limit
    :raises NotFound: if an address is not the customer's
    :raises InvalidAddress, PinStateMismatch, GstinBelongsToSeller: if an address is not valid on an invoice
    """
    return _draft_order(
        customer_id=customer_id,
        lines=lines,
        shipping_address_id=shipping_address_id,
        billing_address_id=billing_address_id,
        now=now,
    ).quote


@hot_path("orders.place_order")
@transaction.atomic
def place_order(
    *,
    customer_id: UUID,
    lines: Sequence[OrderLineInput],
    shipping_address_id: UUID,
    billing_address_id: UUID | None = None,
    note: str = "",
    actor: Actor,
    now: datetime,
) -> Order:
    """
    Place an order: it keeps prices, tax and addresses, and its stock is reserved until it is paid or expires.

    :raises EmptyOrder, TooManyLines, QuantityOutOfRange: if the lines are none, too many or out of bounds
    :raises VariantNotForSale: if a variant is absent, inactive or of an unpublished product
    :raises TaxClassPriceMismatch: if clothes or shoes would be sold at the rate of the other side of their value limit
    :raises NotFound: if an address is not the customer's
    :raises InvalidAddress, PinStateMismatch, GstinBelongsToSeller: if an address is not valid on an invoice
    :raises OrderAmountTooSmall: if the total is under a rupee, which no gateway collects
    :raises TooManyUnpaidOrders, TooManyUnpaidUnits: if the customer would hold too much stock without having paid
    :raises InsufficientStock: if a variant has too few available units; then nothing is reserved
    :raises AccessEnded, UserErased: if the customer's account was deactivated or erased
    """
    # Unpaid orders of the customer are counted below, so the second of two concurrent orders waits here for the first.
    account_locks.lock_user_to_change(customer_id, actor=actor)

    draft = _draft_order(
        customer_id=customer_id,
        lines=lines,
        shipping_address_id=shipping_address_id,
        billing_address_id=billing_address_id,
        now=now,
    )
    if draft.quote.total_amount < rules.MIN_TOTAL_AMOUNT:
        raise OrderAmountTooSmall
    check_unpaid_orders(customer_id=customer_id, quote=draft.quote, positions=_first_positions(lines))

    order = _insert_order(draft, customer_id=customer_id, note=note, actor=actor, now=now)
    order_lines = OrderLine.objects.bulk_create(_order_line(order, line) for line in draft.quote.lines)
    # Last of the changes, so that the stock rows of popular variants are locked for a short time.
    _reserve_stock(order_lines, requested=lines, actor=actor, now=now)

    return order


def _draft_order(
    *,
    customer_id: UUID,
    lines: Sequence[OrderLineInput],
    shipping_address_id: UUID,
    billing_address_id: UUID | None,
    now: datetime,
) -> _Draft:
    merged = _merge_lines(lines)
    shipping = _get_address(customer_id, shipping_address_id, param="shipping_address_id")
    billing = shipping
    if billing_address_id is not None and billing_address_id != shipping_address_id:
        billing = _get_address(customer_id, billing_address_id, param="billing_address_id")
    registration = tax.get_default_registration()
    quote = rules.price_order(
        _list_items(merged, requested=lines, now=now),
        supplier_state=registration.state,
        shipping_state=shipping.state,
        billing_state=billing.state,
        buyer_gstin=billing.gstin,
        shipping_charge=settings.SHIPPING_FLAT_RATE_PAISE,
    )
    _check_tax_classes(quote, requested=lines, now=now)
    return _Draft(
        quote=quote,
        registration=registration,
        shipping_address=shipping,
        billing_address=billing,
    )


def _first_positions(lines: Sequence[OrderLineInput]) -> dict[UUID, int]:
    return {line.variant_id: position for position, line in reversed(list(enumerate(lines)))}


def _merge_lines(lines: Sequence[OrderLineInput]) -> Sequence[OrderLineInput]:
    if not lines:
        raise EmptyOrder(param="lines")
    if len(lines) > rules.MAX_LINES:
        raise TooManyLines(rules.MAX_LINES, param="lines")
    merged = rules.merge_lines(lines)
    too_many = {line.variant_id for line in merged if line.quantity > rules.MAX_QUANTITY}
    for position, line in enumerate(lines):
        if line.quantity < 1 or line.variant_id in too_many:
            raise QuantityOutOfRange(rules.MAX_QUANTITY, param=f"lines[{position}].quantity")
    return merged


def _check_tax_classes(quote: Quote, *, requested: Sequence[OrderLineInput], now: datetime) -> None:
    line = rules.find_tax_class_mismatch(quote.lines, day=ist_date(now))
    if line is None:
        return
    item = line.item
    log.error("variant_tax_class_mismatch", sku=item.sku, tax_class=item.tax_class, price=item.unit_price)
    position = next(at for at, one in enumerate(requested) if one.variant_id == item.variant_id)
    raise TaxClassPriceMismatch(item.name, rupees(item.unit_price), param=f"lines[{position}].variant_id")


def _get_address(customer_id: UUID, address_id: UUID, *, param: str) -> "Address":
    try:
        address = accounts.get_address(user_id=customer_id, address_id=address_id)
        account_services.check_address(address)
    except (NotFound, Invalid) as error:
        error.param = param
        raise
    return address


def _list_items(
    merged: Sequence[OrderLineInput], *, requested: Sequence[OrderLineInput], now: datetime
) -> list[rules.PricedItem]:
    variants = catalog.list_saleable_variants([line.variant_id for line in merged])
    missing = [position for position, line in enumerate(requested) if line.variant_id not in variants]
    if missing:
        params = [f"lines[{position}].variant_id" for position in missing]
        raise VariantNotForSale(param=params[0], details=[{"param": param} for param in params])

    rates = tax.get_rates(tax_classes={variant.tax_class for variant in variants.values()}, on=ist_date(now))
    return [_priced_item(variants[line.variant_id], line.quantity, rates) for line in merged]


def _priced_item(variant: "Variant", quantity: int, rates: Mapping[str, int]) -> rules.PricedItem:
    return rules.PricedItem(
        variant_id=variant.pk,
        sku=variant.sku,
        name=f"{variant.product.name}, {variant.title}" if variant.title else variant.product.name,
        hsn=variant.hsn,
        uqc=variant.uqc,
        quantity=quantity,
        unit_price=variant.price,
        price_includes_tax=variant.price_includes_tax,
        tax_class=variant.tax_class,
        tax_rate=rates[variant.tax_class],
        available=variant.stock_counts.available,
    )


def _insert_order(draft: _Draft, *, customer_id: UUID, note: str, actor: Actor, now: datetime) -> Order:
    quote = draft.quote
    shipping = OrderAddress(**accounts.snapshot_address(draft.shipping_address), created_at=now)
    is_one_address = draft.billing_address.pk == draft.shipping_address.pk
    billing = shipping
    if not is_one_address:
        billing = OrderAddress(**accounts.snapshot_address(draft.billing_address), created_at=now)
    OrderAddress.objects.bulk_create([shipping] if is_one_address else [shipping, billing])
    order = Order(
        number=rules.order_number(sql.next_order_sequence(), ist_date(now)),
        customer_id=customer_id,
        registration_id=draft.registration.pk,
        currency=quote.currency,
        billing_address=billing,
        shipping_address=shipping,
        buyer_gstin=billing.gstin,
        place_of_supply=quote.place_of_supply,
        place_of_supply_reason=quote.place_of_supply_reason,
        discount_amount=quote.discount_amount,
        shipping_amount=quote.shipping_amount,
        taxable_amount=quote.taxable_amount,
        cgst_amount=quote.cgst_amount,
        sgst_amount=quote.sgst_amount,
        utgst_amount=quote.utgst_amount,
        igst_amount=quote.igst_amount,
        round_off_amount=quote.round_off_amount,
        total_amount=quote.total_amount,
        note=note,
        placed_at=now,
        created_at=now,
        expires_at=now + settings.ORDER_TTL,
    )
    create(order, events.ORDER_PLACED, root=order.pk, actor=actor, now=now)
    return order


def _order_line(order: Order, line: rules.QuotedLine) -> OrderLine:
    item = line.item
    return OrderLine(
        order=order,
        created_at=order.created_at,
        position=line.position,
        variant_id=item.variant_id,
        sku=item.sku,
        name=item.name,
        hsn=item.hsn,
        uqc=item.uqc,
        registration_id=order.registration_id,
        quantity_milli=to_milli(item.quantity),
        unit_price=item.unit_price,
        price_includes_tax=item.price_includes_tax,
        tax_class=item.tax_class,
        tax_rate=item.tax_rate,
        taxability=item.taxability,
        gross_amount=line.gross_amount,
        discount_amount=line.discount_amount,
        shipping_amount=line.shipping_amount,
        taxable_amount=line.taxable_amount,
        cgst_amount=line.cgst_amount,
        sgst_amount=line.sgst_amount,
        utgst_amount=line.utgst_amount,
        igst_amount=line.igst_amount,
        total_amount=line.total_amount,
    )


def _reserve_stock(
    order_lines: Sequence[OrderLine], *, requested: Sequence[OrderLineInput], actor: Actor, now: datetime
) -> None:
    inputs = [
        stock.ReservationInput(variant_id=line.variant_id, reference=line.pk, quantity=line.quantity)
        for line in order_lines
    ]
    try:
        stock.reserve_stock(inputs=inputs, actor=actor, now=now)
    except stock.InsufficientStock as error:
        # It counts reservations; the buyer counts lines, several of which may have become one reservation.
        short = {detail["variant_id"] for detail in error.details}
        positions = (at for at, line in enumerate(requested) if ids.encode("var", line.variant_id) in short)
        error.param = f"lines[{next(positions)}].quantity"
        raise

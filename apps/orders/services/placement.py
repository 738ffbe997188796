"""Quotes of orders, and their placement."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from apps.accounts import locks as account_locks
from apps.accounts import selectors as accounts
from apps.catalog import selectors as catalog
from apps.catalog import services as stock
from apps.core.clock import ist_date
from apps.core.errors import NotFound
from apps.core.events import Actor, create
from apps.core.hot_path import hot_path
from apps.core.transactions import transactional
from apps.orders import events, rules, sql
from apps.orders.models import Order, OrderAddress, OrderLine
from apps.orders.rules import OrderLineInput, Quote
from apps.orders.services import drafts
from apps.orders.services.unpaid_orders import check_unpaid_orders
from apps.tax import selectors as tax

if TYPE_CHECKING:
    from apps.accounts.models import Address
    from apps.catalog.models import Variant


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
@transactional
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
    drafts.require_collectable(draft)
    check_unpaid_orders(customer_id=customer_id, quote=draft.quote, positions=drafts.first_positions(lines))

    sequence = sql.next_order_sequence()
    order = drafts.build_order(draft, sequence=sequence, customer_id=customer_id, note=note, now=now)
    OrderAddress.objects.bulk_create(drafts.list_addresses(order))
    create(order, events.ORDER_PLACED, root=order.pk, actor=actor, now=now)
    order_lines = OrderLine.objects.bulk_create(drafts.build_lines(order, draft))
    order.keep_lines(order_lines)
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
) -> drafts.Draft:
    merged = drafts.merge_lines(lines)
    shipping = _get_address(customer_id, shipping_address_id, param="shipping_address_id")
    billing = shipping
    if billing_address_id is not None and billing_address_id != shipping_address_id:
        billing = _get_address(customer_id, billing_address_id, param="billing_address_id")
    registration = tax.get_default_registration()
    items = _list_items(merged, requested=lines, now=now)
    return drafts.make_draft(
        items, registration=registration, shipping=shipping, billing=billing, requested=lines, now=now
    )


def _get_address(customer_id: UUID, address_id: UUID, *, param: str) -> "Address":
    try:
        address = accounts.get_address(user_id=customer_id, address_id=address_id)
    except NotFound as error:
        error.param = param
        raise
    drafts.check_address(address, param=param)
    return address


def _list_items(
    merged: Sequence[OrderLineInput], *, requested: Sequence[OrderLineInput], now: datetime
) -> list[rules.PricedItem]:
    variants = catalog.list_saleable_variants([line.variant_id for line in merged])
    drafts.require_saleable(variants, requested=requested)

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
        drafts.name_short_line(error, requested=requested)
        raise

"""The placement of an order by two prepared statements: what it is made of is read by one, and all of it written by the other."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.accounts import locks as account_locks
from apps.catalog import services as stock
from apps.core import ids
from apps.core.clock import ist_date
from apps.core.events import Actor, prepare_creation
from apps.core.quantities import to_units
from apps.core.transactions import transactional
from apps.orders import events, rules, sql
from apps.orders.models import Order
from apps.orders.rules import OrderLineInput
from apps.orders.services import drafts
from apps.orders.services.unpaid_orders import check_unpaid
from apps.tax import selectors as tax


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
    """Place an order as `placement.place_order` does, and refuse what it refuses."""
    # Unpaid orders of the customer are counted below, so the second of two concurrent orders waits here for the first.
    account_locks.lock_user_to_change(customer_id, actor=actor)

    merged = drafts.merge_lines(lines)
    terms = sql.read_terms(
        customer_id=customer_id,
        shipping_id=shipping_address_id,
        billing_id=billing_address_id or shipping_address_id,
        variant_ids=[line.variant_id for line in merged],
        day=ist_date(now),
    )
    draft = _draft_order(terms, merged, requested=lines, now=now)
    drafts.require_collectable(draft)
    check_unpaid(
        terms.unpaid_orders,
        {item.variant_id: to_units(item.unpaid_milli) for item in terms.items.values()},
        customer_id=customer_id,
        quote=draft.quote,
        positions=drafts.first_positions(lines),
    )

    order = drafts.build_order(draft, sequence=terms.sequence, customer_id=customer_id, note=note, now=now)
    _store(order, draft, requested=lines, actor=actor, now=now)

    return order


def _draft_order(
    terms: sql.Terms, merged: Sequence[OrderLineInput], *, requested: Sequence[OrderLineInput], now: datetime
) -> drafts.Draft:
    shipping = _require_address(terms.shipping, param="shipping_address_id")
    billing = shipping
    if terms.billing is None or terms.billing.pk != shipping.pk:
        billing = _require_address(terms.billing, param="billing_address_id")
    if terms.registration is None:
        raise tax.NoDefaultRegistration
    drafts.require_saleable(terms.items, requested=requested)
    tax.require_rates({item.tax_class: item.tax_rate for item in terms.items.values()}, on=ist_date(now))
    items = [_priced_item(terms.items[line.variant_id], line.quantity) for line in merged]
    return drafts.make_draft(
        items, registration=terms.registration, shipping=shipping, billing=billing, requested=requested, now=now
    )


def _require_address(address: Any, *, param: str) -> Any:
    if address is None:
        raise account_locks.AddressNotFound(param=param)
    drafts.check_address(address, param=param)
    return address


def _priced_item(item: sql.ItemTerms, quantity: int) -> rules.PricedItem:
    assert item.tax_rate is not None  # noqa: S101 - a class without a rate was refused
    return rules.PricedItem(
        variant_id=item.variant_id,
        sku=item.sku,
        name=f"{item.name}, {item.title}" if item.title else item.name,
        hsn=item.hsn,
        uqc=item.uqc,
        quantity=quantity,
        unit_price=item.price,
        price_includes_tax=item.price_includes_tax,
        tax_class=item.tax_class,
        tax_rate=item.tax_rate,
        available=to_units(item.on_hand_milli) - to_units(item.reserved_milli),
    )


def _store(
    order: Order, draft: drafts.Draft, *, requested: Sequence[OrderLineInput], actor: Actor, now: datetime
) -> None:
    """
    Store an order with all that belongs to it.

    :raises InsufficientStock: if a variant has too few available units; then nothing is stored
    """
    order_lines = drafts.build_lines(order, draft)
    inputs = [
        stock.ReservationInput(variant_id=line.variant_id, reference=line.pk, quantity=line.quantity)
        for line in order_lines
    ]
    free = sql.write_order(
        prepare_creation(order, events.ORDER_PLACED, root=order.pk, actor=actor, now=now),
        addresses=drafts.list_addresses(order),
        lines=order_lines,
        reservations=[
            {
                "id": ids.new(), "reference": item.reference, "variant_id": item.variant_id,
                "location_id": item.location_id, "quantity_milli": item.quantity_milli,
            }
            for item in inputs
        ],
    )  # fmt: skip
    if free is None:
        order.keep_lines(order_lines)
        return
    available = {(item.variant_id, item.location_id): to_units(free.get(item.variant_id, 0)) for item in inputs}
    try:
        stock.check_units(inputs, available=available)
    except stock.InsufficientStock as error:
        drafts.name_short_line(error, requested=requested)
        raise
    raise AssertionError("units were refused that are available")

"""Orders that are not placed yet: what was requested, checked, priced and taxed."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from django.conf import settings

from apps.accounts import selectors as accounts
from apps.accounts import services as account_services
from apps.catalog.services import InsufficientStock
from apps.core import ids
from apps.core.clock import ist_date
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.money import rupees
from apps.core.quantities import to_milli
from apps.orders import rules
from apps.orders.models import Order, OrderAddress, OrderLine
from apps.orders.rules import OrderLineInput, Quote

if TYPE_CHECKING:
    from apps.accounts.models import Address

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
class Draft:
    """An order that is not placed: its quote, registration and addresses, as they were read."""

    quote: Quote
    registration: Any
    shipping_address: Any
    billing_address: Any


def merge_lines(lines: Sequence[OrderLineInput]) -> Sequence[OrderLineInput]:
    """
    Return the lines with those of one variant summed.

    :raises EmptyOrder, TooManyLines, QuantityOutOfRange: if the lines are none, too many or out of bounds
    """
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


def check_address(address: "Address", *, param: str) -> None:
    """
    Refuse an address that is not valid on an invoice.

    :raises InvalidAddress, PinStateMismatch, GstinBelongsToSeller: with the parameter that names it
    """
    try:
        account_services.check_address(address)
    except (NotFound, Invalid) as error:
        error.param = param
        raise


def require_saleable(found: Container[UUID], *, requested: Sequence[OrderLineInput]) -> None:
    """
    Refuse an order that requests a variant which is not for sale.

    :param found: the ids of those that are
    :raises VariantNotForSale: if one is absent; `details` names every line of them
    """
    missing = [position for position, line in enumerate(requested) if line.variant_id not in found]
    if missing:
        params = [f"lines[{position}].variant_id" for position in missing]
        raise VariantNotForSale(param=params[0], details=[{"param": param} for param in params])


def make_draft(
    items: Sequence[rules.PricedItem],
    *,
    registration: Any,
    shipping: Any,
    billing: Any,
    requested: Sequence[OrderLineInput],
    now: datetime,
) -> Draft:
    """
    Return the draft of an order.

    :raises TaxClassPriceMismatch: if clothes or shoes would be sold at the rate of the other side of their value limit
    """
    quote = rules.price_order(
        items,
        supplier_state=registration.state,
        shipping_state=shipping.state,
        billing_state=billing.state,
        buyer_gstin=billing.gstin,
        shipping_charge=settings.SHIPPING_FLAT_RATE_PAISE,
    )
    _check_tax_classes(quote, requested=requested, now=now)
    return Draft(quote=quote, registration=registration, shipping_address=shipping, billing_address=billing)


def _check_tax_classes(quote: Quote, *, requested: Sequence[OrderLineInput], now: datetime) -> None:
    line = rules.find_tax_class_mismatch(quote.lines, day=ist_date(now))
    if line is None:
        return
    item = line.item
    log.error("variant_tax_class_mismatch", sku=item.sku, tax_class=item.tax_class, price=item.unit_price)
    position = next(at for at, one in enumerate(requested) if one.variant_id == item.variant_id)
    raise TaxClassPriceMismatch(item.name, rupees(item.unit_price), param=f"lines[{position}].variant_id")


def require_collectable(draft: Draft) -> None:
    """
    Refuse an order that no gateway would collect.

    :raises OrderAmountTooSmall: if its total is under a rupee
    """
    if draft.quote.total_amount < rules.MIN_TOTAL_AMOUNT:
        raise OrderAmountTooSmall


def first_positions(lines: Sequence[OrderLineInput]) -> dict[UUID, int]:
    """Return the position of the first line that requests each variant, by the variant's id."""
    return {line.variant_id: position for position, line in reversed(list(enumerate(lines)))}


def name_short_line(error: InsufficientStock, *, requested: Sequence[OrderLineInput]) -> None:
    """
    Have the refusal of a reservation name the first line that it concerns.

    It counts reservations; the buyer counts lines, several of which may have become one reservation.
    """
    short = {detail["variant_id"] for detail in error.details}
    positions = (at for at, line in enumerate(requested) if ids.encode("var", line.variant_id) in short)
    error.param = f"lines[{next(positions)}].quantity"


def build_order(draft: Draft, *, sequence: int, customer_id: UUID, note: str, now: datetime) -> Order:
    """Return the order of a draft with its addresses, one if both are the same; nothing is stored."""
    quote = draft.quote
    shipping = OrderAddress(**accounts.snapshot_address(draft.shipping_address), created_at=now)
    is_one_address = draft.billing_address.pk == draft.shipping_address.pk
    billing = shipping
    if not is_one_address:
        billing = OrderAddress(**accounts.snapshot_address(draft.billing_address), created_at=now)
    return Order(
        number=rules.order_number(sequence, ist_date(now)),
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


def list_addresses(order: Order) -> list[OrderAddress]:
    """Return the addresses of an order that was built from a draft, each once."""
    is_one = order.billing_address is order.shipping_address
    return [order.shipping_address] if is_one else [order.shipping_address, order.billing_address]


def build_lines(order: Order, draft: Draft) -> list[OrderLine]:
    """Return the lines of an order that was built from a draft; nothing is stored."""
    return [_order_line(order, line) for line in draft.quote.lines]


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

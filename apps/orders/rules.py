"""Totals, permitted actions and payment status. Integer paise, basis points; no database, no clock."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from apps.core.money import BASIS_POINTS, half_up
from apps.orders.states import (
    CANCELLED_OR_EXPIRED,
    HOLDS_STOCK,
    ErasureBlocker,
    FulfilmentStatus,
    OrderPaymentStatus,
    OrderStatus,
)
from apps.tax import rules as gst

#: The year in which the first financial year with orders began.

MAX_LINES = 100
MAX_QUANTITY = 1000
#: A gateway collects no less than a rupee.
MIN_TOTAL_AMOUNT = 100
#: A payment whose time is over is closed when the gateway has been asked a last time, which may find that it was made; with a
#: gateway that does not answer, an order waits no longer than this.
FINAL_POLL_GRACE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class OrderLineInput:
    """What a buyer orders: a variant and its quantity."""

    variant_id: UUID
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedItem:
    """A variant with its price and rate of the day, in the wanted quantity; `available` is what could be reserved now."""

    variant_id: UUID
    sku: str
    name: str
    hsn: str
    uqc: str
    quantity: int
    unit_price: int
    price_includes_tax: bool
    tax_class: str
    tax_rate: int
    available: int

    @property
    def taxability(self) -> gst.Taxability:
        """Whether it bears tax, and if not, why."""
        return gst.taxability_of(self.tax_class, self.tax_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedLine:
    """One line of a quote; the amounts are those of an order line: without tax but for `unit_price` and `total_amount`."""

    item: PricedItem
    position: int
    gross_amount: int
    discount_amount: int
    shipping_amount: int
    taxable_amount: int
    cgst_amount: int
    sgst_amount: int
    utgst_amount: int
    igst_amount: int
    total_amount: int

    @property
    def is_available(self) -> bool:
        """Test if enough units are available now."""
        return self.item.available >= self.item.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The price and tax of an order that is not placed; no stock is reserved."""

    lines: tuple[QuotedLine, ...]
    currency: str
    place_of_supply: str
    place_of_supply_reason: str
    discount_amount: int
    shipping_amount: int
    taxable_amount: int
    cgst_amount: int
    sgst_amount: int
    utgst_amount: int
    igst_amount: int
    round_off_amount: int
    total_amount: int


@dataclass(frozen=True, slots=True)
class Place:
    """A place of supply as people read it, with the section of the law."""

    state: str
    state_name: str
    reason: str
    section: str
    explanation: str


def merge_lines(lines: Iterable[OrderLineInput]) -> tuple[OrderLineInput, ...]:
    """Sum the lines of one variant, keeping the order of first mention."""
    quantities: dict[UUID, int] = {}
    for line in lines:
        quantities[line.variant_id] = quantities.get(line.variant_id, 0) + line.quantity
    return tuple(OrderLineInput(variant_id, quantity) for variant_id, quantity in quantities.items())


def find_excess_units(
    requested: Mapping[UUID, int], *, held: Mapping[UUID, int], limit: int
) -> tuple[UUID, int] | None:
    """
    Return the first variant of which a customer would hold more units than `limit` without having paid, and how many; or None.

    `requested` has the units of a new order and `held` those of the customer's unpaid orders, by variant.
    """
    for variant_id, units in requested.items():
        total = units + held.get(variant_id, 0)
        if total > limit:
            return variant_id, total
    return None


def price_order(
    items: Sequence[PricedItem],
    *,
    supplier_state: str,
    shipping_state: str,
    billing_state: str,
    buyer_gstin: str,
    shipping_charge: int,
    currency: str = "INR",
) -> Quote:
    """
    Work out an order: place of supply, tax heads line by line, and the total rounded to the rupee.

    The shipping charge (paise) is in the terms of the prices that it is spread over, as `apps.tax.rules.compute` has it.
    """
    place = gst.place_of_supply(
        supplier_state=supplier_state,
        is_goods=not all(gst.is_service_code(item.hsn) for item in items),
        buyer_gstin=buyer_gstin or None,
        bill_to_state=billing_state,
        ship_to_state=shipping_state,
    )
    computation = gst.compute([_tax_line(item) for item in items], supply=place.supply, shipping=shipping_charge)
    lines = tuple(
        _quoted_line(item, computed, position)
        for position, (item, computed) in enumerate(zip(items, computation.lines, strict=True), start=1)
    )
    return Quote(
        lines=lines,
        currency=currency,
        place_of_supply=place.state,
        place_of_supply_reason=place.reason.value,
        discount_amount=sum(line.discount_amount for line in lines),
        shipping_amount=sum(line.shipping_amount for line in lines),
        taxable_amount=computation.taxable,
        cgst_amount=computation.cgst,
        sgst_amount=computation.sgst,
        utgst_amount=computation.utgst,
        igst_amount=computation.igst,
        round_off_amount=computation.round_off,
        total_amount=computation.total,
    )


def find_tax_class_mismatch(lines: Iterable[QuotedLine], *, day: date) -> QuotedLine | None:
    """
    Return the first line of goods with a value limit whose tax class is not that of its value on an Indian date, or None.

    The value is that of a piece without tax and after discount; its share of the shipping charge does not count.
    """
    return next((line for line in lines if not _is_tax_class_correct(line, day)), None)


def _is_tax_class_correct(line: QuotedLine, day: date) -> bool:
    item = line.item
    limit = gst.value_limit(item.hsn, day)
    if limit is None:
        return True
    value = gst.value_of_piece(
        price=item.unit_price, price_includes_tax=item.price_includes_tax, rate=item.tax_rate
    ) - half_up(line.discount_amount, item.quantity)
    return limit.is_class_allowed(tax_class=item.tax_class, rate=item.tax_rate, value=value)


def _tax_line(item: PricedItem) -> gst.Line:
    return gst.Line(
        id=str(item.variant_id),
        quantity=item.quantity,
        unit_price=item.unit_price,
        rate=item.tax_rate,
        price_includes_tax=item.price_includes_tax,
    )


def _quoted_line(item: PricedItem, computed: gst.ComputedLine, position: int) -> QuotedLine:
    # Rounded apart, goods and shipping may not sum to the taxable value, which is rounded once, and the goods take the rest.
    shipping = _without_tax(computed.shipping, item)
    return QuotedLine(
        item=item,
        position=position,
        gross_amount=computed.taxable - shipping,
        discount_amount=0,
        shipping_amount=shipping,
        taxable_amount=computed.taxable,
        cgst_amount=computed.cgst,
        sgst_amount=computed.sgst,
        utgst_amount=computed.utgst,
        igst_amount=computed.igst,
        total_amount=computed.total,
    )


def _without_tax(amount: int, item: PricedItem) -> int:
    return half_up(amount * BASIS_POINTS, BASIS_POINTS + item.tax_rate) if item.price_includes_tax else amount


def describe_place(state: str, reason: str) -> Place:
    """Return the place of supply of a stored order in words."""
    place = gst.PlaceOfSupply(state, gst.PlaceReason(reason), gst.SupplyType.INTER_STATE)
    return Place(state, gst.state_name(state), reason, place.section, place.explanation)


def order_number(sequence: int, day: date) -> str:
    """Return an order's number, such as `ORD-2627-000123`; the day is India's."""
    return f"ORD-{gst.fy_short(day)}-{sequence:06d}"


def is_payment_live(*, live_until: datetime | None, now: datetime) -> bool:
    """Test if a payment is open, so that somebody may be paying."""
    return live_until is not None and live_until > now


def can_cancel(*, status: str, paid: int, live_until: datetime | None, now: datetime, under_review: int = 0) -> bool:
    """Test if an order can be cancelled: it waits for money, none has moved or arrived, and none is on its way."""
    has_no_money = paid == 0 and under_review == 0
    return (
        status == OrderStatus.PENDING_PAYMENT and has_no_money and not is_payment_live(live_until=live_until, now=now)
    )


def can_cancel_paid(*, status: str, is_dispatched: bool) -> bool:
    """Test if a paid order can be cancelled: it is not closed, and nothing of it was dispatched."""
    return status in HOLDS_STOCK and not is_dispatched


def can_expire(
    *, status: str, expires_at: datetime, live_until: datetime | None, now: datetime, under_review: int = 0
) -> bool:
    """
    Test if an order has waited for its money long enough.

    Then no payment is under way or waits for its last question, and no money has arrived that staff must decide about
    (`under_review`, paise).
    """
    polled_until = live_until and live_until + FINAL_POLL_GRACE
    return (
        status == OrderStatus.PENDING_PAYMENT
        and expires_at <= now
        and under_review == 0
        and not is_payment_live(live_until=polled_until, now=now)
    )


def can_confirm(*, status: str, paid: int, total: int) -> bool:
    """Test if what was paid confirms an order."""
    return status == OrderStatus.PENDING_PAYMENT and paid >= total


def payment_status(
    *,
    paid: int,
    total: int,
    is_processing: bool = False,
    refunded: int = 0,
    disputed: int = 0,
    lost: int = 0,
    under_review: int = 0,
) -> OrderPaymentStatus:
    """
    Derive the payment status of an order; the refund of a surplus is no refund of the order.

    An undecided dispute takes precedence over everything else. A lost dispute (`lost`) counts as refunded, because the
    bank has returned the money to the payer. Captured money under review by staff (`under_review`) is processing, as
    is a pending or authorised attempt (`is_processing`); a payment that is merely open is not.
    """
    if disputed:
        return OrderPaymentStatus.DISPUTED
    refunded += lost
    if refunded and paid - refunded < total:
        return OrderPaymentStatus.REFUNDED if refunded >= paid else OrderPaymentStatus.PARTIALLY_REFUNDED
    paid -= refunded
    if paid > total:
        return OrderPaymentStatus.OVERPAID
    if paid == total:
        return OrderPaymentStatus.PAID
    if paid > 0:
        return OrderPaymentStatus.PARTIALLY_PAID
    return OrderPaymentStatus.PROCESSING if under_review > 0 or is_processing else OrderPaymentStatus.UNPAID


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCounts:
    """The counters of an order line, in thousandths of a unit: dispatched includes delivered, and delivered includes returned."""

    ordered: int
    dispatched: int = 0
    delivered: int = 0
    returned: int = 0
    cancelled: int = 0


def fulfilment_status(lines: Iterable[LineCounts]) -> FulfilmentStatus:
    """
    Derive how far an order's units have gone from the counters of its lines.

    Cancelled units are no longer expected. An order is returned once all that was dispatched of it came back; a lost parcel keeps it
    shipped.
    """
    counts = list(lines)
    dispatched = sum(line.dispatched for line in counts)
    if not dispatched:
        return FulfilmentStatus.UNFULFILLED
    if sum(line.returned for line in counts) == dispatched:
        return FulfilmentStatus.RETURNED
    if dispatched < sum(line.ordered - line.cancelled for line in counts):
        return FulfilmentStatus.PARTIAL
    is_delivered = sum(line.delivered for line in counts) == dispatched
    return FulfilmentStatus.DELIVERED if is_delivered else FulfilmentStatus.SHIPPED


def can_close(*, status: str, completed_at: datetime | None, window: timedelta, now: datetime) -> bool:
    """Test if a completed order is past its return window."""
    return status == OrderStatus.COMPLETED and completed_at is not None and completed_at + window <= now


def erasure_blocker(
    *,
    status: str,
    confirmed_at: datetime | None,
    unresolved_amount: int,
    unrefunded_amount: int,
    wait: timedelta,
    now: datetime,
) -> ErasureBlocker | None:
    """
    Return what of an order speaks against erasing its customer, or None.

    `unresolved_amount` (paise) is disputed or under review, `unrefunded_amount` was paid and has not been refunded: an order that is
    closed without a sale owes it, from the least amount that a gateway refunds. `wait` is how long after its confirmation an order
    may still be delivered, returned or claimed for. A completed order can be returned until it is closed.
    """
    if status == OrderStatus.PENDING_PAYMENT:
        return ErasureBlocker.AWAITING_PAYMENT
    if unresolved_amount or (status in CANCELLED_OR_EXPIRED and unrefunded_amount >= MIN_TOTAL_AMOUNT):
        return ErasureBlocker.MONEY_UNRESOLVED
    if status in (OrderStatus.IN_FULFILMENT, OrderStatus.ON_HOLD):
        return ErasureBlocker.NOT_DELIVERED
    if status == OrderStatus.COMPLETED:
        return ErasureBlocker.RETURNABLE
    if status == OrderStatus.CONFIRMED and confirmed_at is not None and now < confirmed_at + wait:
        return ErasureBlocker.CONFIRMED_RECENTLY
    return None

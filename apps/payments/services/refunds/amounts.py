"""
How much can be refunded: of which payments, and of which order lines.

A refund of returned units draws on their lines first. What a line can give is its total less what earlier refunds took of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from apps.core.errors import Conflict, Invalid
from apps.core.money import rupees
from apps.core.quantities import to_milli
from apps.payments import rules
from apps.payments.models import PaymentAttempt, Refund, RefundLine
from apps.payments.selectors import disputes, order_money, refund_sums, refunds
from apps.payments.states import RefundReason

if TYPE_CHECKING:
    from apps.orders.models import Order

MINIMUM_PAISE = rules.MINIMUM_REFUND_PAISE


class NothingToRefund(Conflict):
    """All money of the order is refunded or being refunded. No action is needed."""

    message = "Order {0} has nothing left to refund."


class RefundExceedsPayment(Conflict):
    """The refund is larger than what is left of the payment. Refund at most the amount that the message names."""

    message = "{1} of order {0} can be refunded; you entered {2}."


class RefundNoLongerAvailable(RefundExceedsPayment):
    """Since the refund was requested, other refunds took some of its money. Cancel it and request what is left."""

    message = "Only {1} of order {0} can still be refunded; this refund is of {2}."
    code = RefundExceedsPayment.code


class RefundLeavesRemainder(Conflict):
    """The refund would leave less of the payment than a gateway can refund. Refund all, or less."""

    message = (
        "A refund of {1} would leave less than {4} of a payment of order {0}, which no gateway can refund."
        " Refund at most {2}, or all {3}."
    )


class RefundOnlyPossibleInFull(RefundLeavesRemainder):
    """Any part of the payment would leave less than a gateway can refund. Refund all of it."""

    message = (
        "A refund of {1} would leave less than {4} of a payment of order {0}, which no gateway can refund."
        " Refund all {3}."
    )
    code = RefundLeavesRemainder.code


class PaymentDisputed(Conflict):
    """The payer's bank disputes the payment, so a refund could return it twice. Wait until the dispute is decided."""

    message = "The payer's bank disputes a payment of order {0}. Disputed money cannot be refunded as well."


class RefundTooSmall(Invalid):
    """The refund is less than ₹1.00, which no gateway refunds. Refund more."""

    message = "A refund must be at least ₹1.00."


class RefundBelowCurrencyUnit(RefundTooSmall):
    """
    The payer was charged in another currency, of which the refund would be less than the smallest amount.

    Refund more.
    """

    message = "A refund of this payment must be at least {0}, because its payer was charged in {1}."
    code = RefundTooSmall.code


class LineNotInOrder(Invalid):
    """A line of the refund is not of this order. Send lines of the order."""

    message = "The order does not have this line."


class RefundQuantityExceedsLine(Conflict):
    """The refund has more units of a line than are left of it. Send at most as many as the message says."""

    message = "{1} units of line {0} can be refunded; you entered {2}."


class LinesSpanPayments(Conflict):
    """The lines were paid by several payments, and a refund can only be of one. Request the refund by amount."""

    message = "No single payment of order {0} covers these lines. Request the refund by amount."


@dataclass(frozen=True)
class RefundLineInput:
    """A number of units of an order line to refund."""

    order_line_id: UUID
    quantity: int


def value_lines(order: "Order", wanted: Sequence[RefundLineInput]) -> list[RefundLine]:
    """
    Return what units of a locked order's lines are worth now, as unsaved rows.

    :raises LineNotInOrder: if the order has no such line
    :raises RefundQuantityExceedsLine: if fewer units are left
    """
    lines = {line.id: (position, line) for position, line in enumerate(refunds.list_refundable_lines(order.pk), 1)}
    units: dict[UUID, int] = {}
    for position, one in enumerate(wanted):
        if one.order_line_id not in lines:
            raise LineNotInOrder(param=f"lines[{position}].order_line_id")
        units[one.order_line_id] = units.get(one.order_line_id, 0) + one.quantity
    valued = []
    for line_id, quantity in units.items():
        position, line = lines[line_id]
        if not 1 <= quantity <= line.left_quantity:
            raise RefundQuantityExceedsLine(position, line.left_quantity, quantity, param="lines")
        valued.append(
            RefundLine(order_line_id=line_id, quantity_milli=to_milli(quantity), amount=line.value_of(quantity))
        )
    return valued


def value_remaining_lines(order: "Order", refund: Refund) -> list[RefundLine]:
    """Return what those units of a cancelled refund are worth that no other refund has taken, as unsaved rows."""
    left = {line.id: line.left_quantity for line in refunds.list_refundable_lines(order.pk)}
    units = {one.order_line_id: min(one.quantity, left[one.order_line_id]) for one in refund_line_inputs(refund)}
    return value_lines(order, [RefundLineInput(line_id, quantity) for line_id, quantity in units.items() if quantity])


def refund_line_inputs(refund: Refund) -> list[RefundLineInput]:
    """Return the units that a refund is for."""
    return [RefundLineInput(line.order_line_id, line.quantity) for line in refund.lines.order_by("pk")]


def amount_of_lines(order: "Order", lines: Sequence[RefundLine], *, left: int) -> int:
    """
    Return what returned lines come to (paise); with the order's last unit goes what is left of its round-off.

    The last units come to no more than is `left` of the money, where less was paid than they are worth or a dispute took some.
    """
    asked = {line.order_line_id: line.quantity for line in lines}
    is_last = all(line.left_quantity == asked.get(line.id, 0) for line in refunds.list_refundable_lines(order.pk))
    value = sum(line.amount for line in lines)
    return min(value + _round_off_left(order), left) if is_last else value


def split_over_attempts(
    order: "Order", attempts: Sequence[PaymentAttempt], amount: int, *, is_by_lines: bool
) -> list[tuple[PaymentAttempt, int]]:
    """
    Return which locked attempts a refund (paise) is taken of, and how much of each.

    :raises NothingToRefund: if nothing is left
    :raises RefundExceedsPayment: if less is left
    :raises PaymentDisputed: if what is missing is wanted back by a payer's bank
    :raises RefundTooSmall: if it is under a rupee, or under one unit of its payer's own currency
    :raises RefundLeavesRemainder: if it would leave less of an attempt than can ever be refunded
    :raises LinesSpanPayments: if it is for returned lines, and no attempt covers them by itself
    """
    left = [refund_sums.attempt_refundable_amount(attempt) for attempt in attempts]
    check_amount(order, amount, left=sum(left))
    smallest = minimum_refund_amount(attempts, amount)
    if is_by_lines:
        # The units of a line belong to one refund, or its credit note could not say what came back.
        fitting = [(attempt, rest) for attempt, rest in zip(attempts, left, strict=True) if rest >= amount]
        if not fitting:
            raise LinesSpanPayments(order.number, param="lines")
        whole = [attempt for attempt, rest in fitting if rules.refund_parts(amount, [rest], smallest=smallest)]
        if not whole:
            raise _remainder(order, amount, [fitting[0][1]], smallest=smallest)
        return [(whole[0], amount)]
    parts = rules.refund_parts(amount, left, smallest=smallest)
    if not parts:
        raise _remainder(order, amount, left, smallest=smallest)
    return [(attempt, part) for attempt, part in zip(attempts, parts, strict=True) if part]


def check_amount(order: "Order", amount: int, *, left: int) -> None:
    """
    Make sure that an amount can be refunded of what is left of an order, both in paise.

    :raises NothingToRefund, RefundExceedsPayment, PaymentDisputed, RefundTooSmall: as `split_over_attempts` does
    """
    if (left <= 0 or amount > left) and disputes.is_order_disputed(order.pk):
        raise PaymentDisputed(order.number)
    if left <= 0:
        raise NothingToRefund(order.number)
    if amount > left:
        raise RefundExceedsPayment(order.number, rupees(left), rupees(amount), param="amount")
    if amount < MINIMUM_PAISE:
        raise RefundTooSmall(param="amount")


def minimum_refund_amount(attempts: Sequence[PaymentAttempt], amount: int) -> int:
    """
    Return the least amount (paise) that can be refunded: one unit of the currency that the payer was charged in.

    :raises RefundBelowCurrencyUnit: if `amount` is less, which no gateway could refund
    """
    least = {attempt: attempt.min_refund_amount for attempt in attempts}
    if not least:
        return MINIMUM_PAISE
    strongest = max(least, key=least.__getitem__)
    if least[strongest] > MINIMUM_PAISE and amount < least[strongest]:
        raise RefundBelowCurrencyUnit(rupees(least[strongest]), strongest.payer_currency, param="amount")
    return least[strongest]


def check_refundable(order: "Order", attempt: PaymentAttempt, amount: int) -> None:
    """
    Make sure that an amount (paise) of a locked attempt can be refunded.

    :raises RefundExceedsPayment: if it cannot
    :raises PaymentDisputed: if a dispute keeps it
    :raises RefundBelowCurrencyUnit: if it is less than one unit of its payer's own currency
    :raises RefundLeavesRemainder: if less would be left than can ever be refunded
    """
    left = refund_sums.attempt_refundable_amount(attempt)
    if amount > left and disputes.sum_disputed_of_attempt(attempt.pk):
        raise PaymentDisputed(order.number)
    if amount > left:
        raise RefundNoLongerAvailable(order.number, rupees(left), rupees(amount))
    smallest = minimum_refund_amount([attempt], amount)
    if not rules.refund_parts(amount, [left], smallest=smallest):
        raise _remainder(order, amount, [left], smallest=smallest)


def check_still_refundable(order: "Order", refund: Refund) -> None:
    """
    Make sure that neither a dispute nor a refund made at the gateway has come to take what a refund holds.

    :raises PaymentDisputed: if refunds and disputes together keep more than was captured
    :raises RefundExceedsPayment: if refunds alone do
    """
    disputed = disputes.sum_disputed_of_attempt(refund.attempt_id)
    held = refund_sums.attempt_reserved_amount(refund.attempt_id)
    left = refund.attempt.amount - disputed - (held - refund.amount)
    if left < refund.amount and disputed:
        raise PaymentDisputed(order.number)
    if left < refund.amount:
        raise RefundNoLongerAvailable(order.number, rupees(max(0, left)), rupees(refund.amount))


def allocate_to_lines(
    order: "Order",
    attempt: PaymentAttempt,
    amount: int,
    *,
    lines: Sequence[RefundLine],
    excluding: UUID | None = None,
    now: datetime,
) -> dict[str, int]:
    """
    Return what a refund of a locked order takes of its lines, as the refund keeps it: paise by the line's id.

    Nothing if the money belongs to no sale: it came twice, late or in another amount, or the order is not confirmed.
    `excluding` names the refund itself if it has taken something before.
    """
    if not refunds.has_paid_confirmed_order(order, attempt, at=now):
        return {}
    values: Mapping[UUID, int] = {line.order_line_id: line.amount for line in lines}
    taken = rules.line_amounts(
        refunds.list_refundable_lines(order.pk, excluding=excluding),
        amount,
        values=values,
        round_off=_round_off_left(order, excluding=excluding),
    )
    return {str(line_id): part for line_id, part in taken.items()}


def preview_line_amounts(
    order: "Order", parts: Sequence[tuple[PaymentAttempt, int]], *, lines: Sequence[RefundLine], now: datetime
) -> dict[UUID, int]:
    """Return what a planned refund, given by its attempts and the part of each, would take of the order's lines; in paise."""
    units: Mapping[UUID, int] = {line.order_line_id: line.quantity for line in lines}
    values: Mapping[UUID, int] = {line.order_line_id: line.amount for line in lines}
    left, beyond = refunds.list_refundable_lines(order.pk), refunds.sum_refunded_outside_lines(order.pk)
    taken: dict[UUID, int] = {}
    for attempt, part in parts:
        if not refunds.has_paid_confirmed_order(order, attempt, at=now):
            continue
        round_off = rules.round_off_left(order.round_off_amount, beyond)
        amounts = rules.line_amounts(left, part, values=values, round_off=round_off)
        beyond += part - sum(amounts.values())
        left = [line.after(units=units, values=values, amounts=amounts) for line in left]
        taken = {key: taken.get(key, 0) + amounts.get(key, 0) for key in {**taken, **amounts}}
    return taken


def reallocate_lines(order: "Order", refund: Refund, *, now: datetime) -> None:
    """Compute again what a refund takes of its order's lines after it released them. Saves which units, and not `line_amounts`."""
    attempt, lines = refund.attempt, list(refund.lines.order_by("pk"))
    refund.line_amounts = allocate_to_lines(order, attempt, refund.amount, lines=lines, excluding=refund.pk, now=now)
    choose_units(order, lines, reason=refund.reason, excluding=refund.pk)
    RefundLine.objects.bulk_update(lines, ["sent_milli", "delivered_milli"])


def choose_units(order: "Order", lines: Sequence[RefundLine], *, reason: str, excluding: UUID | None = None) -> None:
    """Note on the lines of a refund of a locked order how many of their units had been sent, and had arrived. Saves nothing."""
    if not lines:
        return
    units = order_money.list_line_units(order.pk, excluding=excluding)
    for line in lines:
        chosen = rules.choose_refunded_units(
            line.quantity_milli, reason=RefundReason(reason), line=units[line.order_line_id]
        )
        line.sent_milli, line.delivered_milli = chosen.sent, chosen.delivered


def _round_off_left(order: "Order", *, excluding: UUID | None = None) -> int:
    """Return what refunds have left of an order's round-off (paise), which is of either sign."""
    taken = refunds.sum_refunded_outside_lines(order.pk, excluding=excluding)
    return rules.round_off_left(order.round_off_amount, taken)


def _remainder(order: "Order", amount: int, left: Sequence[int], *, smallest: int) -> RefundLeavesRemainder:
    largest = rules.largest_refund(amount, left, smallest=smallest)
    every = rules.largest_refund(sum(left), left, smallest=smallest)
    error = RefundLeavesRemainder if largest else RefundOnlyPossibleInFull
    details = [{"largest_amount": largest, "max_refund_amount": every}]
    words = [rupees(paise) for paise in (amount, largest, every, smallest)]
    return error(order.number, *words, param="amount", details=details)

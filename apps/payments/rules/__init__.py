"""Pure decisions about payments: which state follows, when to look again, what the buyer reads."""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from apps.payments.rules.refund_amounts import MINIMUM_REFUND_PAISE as MINIMUM_REFUND_PAISE
from apps.payments.rules.refund_amounts import RefundableLine as RefundableLine
from apps.payments.rules.refund_amounts import difference_to_reverse as difference_to_reverse
from apps.payments.rules.refund_amounts import largest_refund as largest_refund
from apps.payments.rules.refund_amounts import line_amounts as line_amounts
from apps.payments.rules.refund_amounts import possible_refunds as possible_refunds
from apps.payments.rules.refund_amounts import refund_parts as refund_parts
from apps.payments.rules.refund_amounts import round_off_left as round_off_left
from apps.payments.states import (
    ATTEMPT_RANK,
    IMMEDIATE_OPERATIONS,
    LIVE,
    SUCCESSFUL,
    UNLIMITED_OPERATIONS,
    AttemptStatus,
    Decision,
    DecisionRole,
    DifferenceReason,
    ExceptionReason,
    LinkStatus,
    MoneyOperation,
    PaymentChannel,
    PaymentStatus,
    RefundStatus,
    ReviewReason,
)

#: Waits between two looks of the poller at a live payment, growing; the last one repeats.
_LIVE_WAITS = (15, 15, 30, 60, 120, 300)
#: The same for a payment link or QR code, which may wait for a day: its payer's news come by webhook.
_LINK_WAITS = (30, 60, 300, 900, 1_800)
#: Waits for a payment that was given up while its link is still open at the gateway: the last one repeats until it is closed.
_CLOSING_WAITS = (20, 60, 300, 600)
#: Waits for a closed payment: a bank may still answer, and a webhook be lost. Then nobody asks any more.
_CLOSED_WAITS = (600, 3_600, 6 * 3_600, 24 * 3_600, 24 * 3_600, 24 * 3_600)
#: Waits between two looks at a refund whose end only the gateway knows; the last one repeats, for a bank takes days.
_REFUND_WAITS = (15, 30, 60, 300, 900, 3_600)
#: Waits before the gateway is asked whether it made a refund after all whose call it rejected.
_REJECTED_WAITS = (600, 3_600, 24 * 3_600)
#: Waits before a webhook that could not be processed is attempted again; after the last one it is parked.
_WEBHOOK_WAITS = (60, 300, 900, 3_600, 6 * 3_600)
MAX_WEBHOOK_ATTEMPTS = len(_WEBHOOK_WAITS) + 1
#: Of two pieces of news about one refund the higher one counts: money that has gone has gone.
_REFUND_RANK: dict[str, int] = {
    RefundStatus.PENDING: 1,
    RefundStatus.FAILED: 2,
    RefundStatus.PROCESSED: 3,
}
#: A try that the payer has begun keeps its payment alive for so long; Razorpay gives up a silent one after ten minutes.
PENDING_ATTEMPT_TTL = timedelta(minutes=12)
MAX_QR_CODE_TTL = timedelta(hours=2)
#: What a gateway calls the payer where the payer bears its fee.
CUSTOMER_FEE_BEARER = "customer"
#: What becomes of a payment whose link was closed unpaid at the gateway.
_ENDS: dict[str, PaymentStatus] = {
    LinkStatus.CANCELLED: PaymentStatus.CANCELLED,
    LinkStatus.EXPIRED: PaymentStatus.EXPIRED,
}

_BUYER_TEXTS = {
    "insufficient_funds": "The account does not have enough money. Try another account or another way to pay.",
    "insufficient_fund": "The account does not have enough money. Try another account or another way to pay.",
    "incorrect_pin": "The UPI PIN was incorrect. Try again.",
    "payment_cancelled": "The payment was cancelled. You can try again. If money has left your account, it will be refunded.",
    "payment_declined": "The bank declined the payment. Try another way to pay, or ask your bank.",
    "card_declined": "The bank declined the card. Try another card, or ask your bank.",
    "payment_timed_out": "The payment was not completed in time. If money has left your account, it will be confirmed or refunded.",
    "payment_collect_request_expired": "The request expired before it was approved. Try again.",
    "invalid_vpa": "This UPI ID does not exist. Check it and try again.",
    "authentication_failed": "The bank could not make sure that it was you. Try again.",
}
_BUYER_DEFAULT = "The payment did not go through. If money has left your account, it will be confirmed or refunded."


def derive_payment_status(
    current: str, attempts: Collection[tuple[str, str]], *, is_order_closed: bool, is_under_review: bool = False
) -> str:
    """
    Return the status that a payment has by its attempts, given as (status, review reason).

    Money of another amount than requested counts for nothing until it is accepted; until staff have decided about it
    (`is_under_review`) the payment is processing. Money for a closed order is late, whatever the payment was.
    """
    counted = {status for status, reason in attempts if reason != ReviewReason.AMOUNT_MISMATCH}
    if current in SUCCESSFUL:
        return current
    if AttemptStatus.CAPTURED in counted:
        is_late = is_order_closed or current not in LIVE
        return PaymentStatus.SUCCEEDED_LATE if is_late else PaymentStatus.SUCCEEDED
    if current not in LIVE:
        return current
    if is_under_review:
        return PaymentStatus.PROCESSING
    if AttemptStatus.AUTHORIZED in counted:
        return PaymentStatus.REQUIRES_CAPTURE
    if AttemptStatus.CREATED in counted:
        return PaymentStatus.PROCESSING
    return PaymentStatus.REQUIRES_PAYMENT


def is_untouched(status: str, *, is_opened_by_us: bool, has_failed: bool) -> bool:
    """
    Test if a UPI attempt that we opened together with the gateway's order counts as not begun.

    Its payer has attempted to pay in another way and failed (`has_failed`), and may do so again. Nobody can see whether its link
    was opened; money that comes by it is taken in all the same.
    """
    return is_opened_by_us and has_failed and status == AttemptStatus.CREATED


def advances(current: str, to: str) -> bool:
    """Test if an attempt's news is ahead of what we know: its rank only rises."""
    return ATTEMPT_RANK[to] > ATTEMPT_RANK[current]


def review_reason(
    *, amount: int, currency: str, asked: int, asked_currency: str, is_order_closed: bool, paid_before: int, total: int
) -> str:
    """Return why staff must decide about captured money, or nothing. Amounts in paise."""
    if (amount, currency) != (asked, asked_currency):
        return ReviewReason.AMOUNT_MISMATCH
    if is_order_closed:
        return ReviewReason.ORDER_CLOSED
    if paid_before >= total:
        return ReviewReason.PAID_TWICE
    return ""


def next_webhook_attempt(*, attempts: int, now: datetime) -> datetime | None:
    """Return when a webhook is attempted again after a count of failed attempts, or None after the last one."""
    if attempts >= MAX_WEBHOOK_ATTEMPTS:
        return None
    return now + timedelta(seconds=_WEBHOOK_WAITS[max(0, attempts - 1)])


def next_payment_check(
    *,
    status: str,
    checks: int,
    live_until: datetime,
    is_known_to_gateway: bool,
    now: datetime,
    is_by_link: bool = False,
    is_link_closed: bool = False,
) -> datetime | None:
    """Return when the poller looks at a payment again, or None if it need not: at the latest when its time is over."""
    if status in SUCCESSFUL:
        return None
    if status in LIVE:
        waits = _LINK_WAITS if is_by_link else _LIVE_WAITS
        wait = timedelta(seconds=waits[min(checks, len(waits) - 1)])
        return min(now + wait, live_until) if live_until > now else now + wait
    if is_known_to_gateway and is_by_link and not is_link_closed:
        return now + timedelta(seconds=_CLOSING_WAITS[min(checks, len(_CLOSING_WAITS) - 1)])
    if not is_known_to_gateway or checks >= len(_CLOSED_WAITS):
        return None
    return now + timedelta(seconds=_CLOSED_WAITS[checks])


def extend_live_until(live_until: datetime, *, status: str, now: datetime) -> datetime:
    """Return until when a payment lives after a try was seen: one that its payer has just begun may still finish."""
    if status in (AttemptStatus.CREATED, AttemptStatus.AUTHORIZED):
        return max(live_until, now + PENDING_ATTEMPT_TTL)
    return live_until


def link_ttl(channel: str, setting: timedelta) -> timedelta:
    """Return how long a payment link or QR code lasts. The gateway closes a code after two hours, whatever it is told."""
    return min(setting, MAX_QR_CODE_TTL) if channel == PaymentChannel.QR_CODE else setting


def find_contradiction(
    *,
    status: str,
    amount: int,
    currency: str,
    is_captured: bool | None,
    account_id: str,
    is_our_account: bool,
    our_currency: str,
) -> tuple[ExceptionReason, str] | None:
    """
    Return why what a gateway says of a payment cannot be booked as money of ours, with a sentence for staff, or None.

    It is of another account, of another currency or none, or contradicts itself. Another amount is no contradiction.
    """
    if not is_our_account:
        return ExceptionReason.ACCOUNT_MISMATCH, f"The payment is reported for account {account_id}, which is not ours."
    if status not in (AttemptStatus.AUTHORIZED, AttemptStatus.AUTO_REFUNDED, AttemptStatus.CAPTURED):
        return None
    if currency != our_currency:
        if not currency:
            return ExceptionReason.CURRENCY_MISMATCH, f"The payment has no currency; {our_currency} was requested."
        return ExceptionReason.CURRENCY_MISMATCH, f"The payment is in {currency}; {our_currency} was requested."
    if amount <= 0:
        return ExceptionReason.CONTRADICTORY_FACTS, f"The payment is reported as {status} with an amount of ₹0.00."
    if status == AttemptStatus.CAPTURED and is_captured is False:
        return ExceptionReason.CONTRADICTORY_FACTS, "The payment is reported as both captured and not captured."
    return None


def is_payer_borne_fee(*, amount: int, asked: int, fee: int | None, tax: int | None, fee_bearer: str) -> bool:
    """
    Test if the gateway's fee, which the payer bore, is exactly what the payer was charged beyond the amount requested (paise).

    Razorpay's `fee` includes its `tax`; where it is reported without, both together explain the difference.
    """
    if fee is None or fee_bearer not in ("", CUSTOMER_FEE_BEARER):
        return False
    difference = amount - asked
    return difference > 0 and difference in (fee, fee + (tax or 0))


def in_payer_currency(amount: int, *, of: int, payer_amount: int | None) -> int:
    """
    Return what an amount (paise) of a payment is in the currency that its payer was charged in, in its smallest unit.

    All of it is all that was charged; a part is rounded down, so that parts never come to more.
    """
    if payer_amount is None:
        return amount
    return payer_amount if amount == of else amount * payer_amount // of


def from_payer_currency(charged: int, *, of: int, payer_amount: int) -> int:
    """
    Return what an amount in the currency that a payer was charged in is of a payment, in paise.

    A part is rounded up, so that `in_payer_currency` leads back to it.
    """
    return -(-charged * of // payer_amount)


def minimum_refund(*, of: int, payer_amount: int | None) -> int:
    """
    Return the least (paise) that can be refunded of a payment: what a gateway refunds at least, and in the payer's own currency no
    less than its smallest unit.
    """
    unit = 0 if not payer_amount else -(-of // payer_amount)
    return max(MINIMUM_REFUND_PAISE, unit)


def rounding_tolerance(*, of: int, payer_amount: int) -> int:
    """
    Return by how much a part may differ after its way to paise and back, in the smallest unit of the payer's currency.

    That is nothing, unless this unit is worth less than a paisa.
    """
    return (payer_amount - 1) // of


def explains_difference(reason: str, *, difference: int) -> bool:
    """Test if a reason can explain a difference (paise) that the payer was charged beyond, or if negative below, the amount requested."""
    if reason in (DifferenceReason.PAYER_FEE, DifferenceReason.SURCHARGE):
        return difference > 0
    return difference < 0 if reason == DifferenceReason.OFFER else difference != 0


def derive_unpaid_end(
    *,
    status: str,
    live_until: datetime,
    is_order_open: bool,
    link_status: str,
    now: datetime,
    is_under_review: bool = False,
) -> PaymentStatus | None:
    """
    Return how a live payment has ended unpaid, or None: its time is up, or its link was closed and nobody is paying by it.

    One whose money has arrived and is under review has not ended.
    """
    if is_under_review:
        return None
    if has_expired(status=status, live_until=live_until, is_order_open=is_order_open, now=now):
        return PaymentStatus.EXPIRED
    if status != PaymentStatus.REQUIRES_PAYMENT:
        return None
    return _ENDS.get(link_status)


def has_expired(*, status: str, live_until: datetime, is_order_open: bool, now: datetime) -> bool:
    """Test if a live payment has ended unpaid: its time is up, and no authorised money waits that the order wants."""
    if status not in LIVE or now < live_until:
        return False
    return not (status == PaymentStatus.REQUIRES_CAPTURE and is_order_open)


def buyer_message(error: Mapping[str, Any]) -> str:
    """Return what a buyer may read of a failure: a sentence of ours, never the gateway's."""
    if not error:
        return ""
    return _BUYER_TEXTS.get(str(error.get("reason", "")), _BUYER_DEFAULT)


# Refunds -------------------------------------------------------------------------------------------------------------


def assess(
    *,
    role: str,
    operation: str,
    is_own_order: bool,
    is_requester: bool = False,
    has_second_person: bool = False,
    amount: int,
    decided_alone: int,
    limit: int,
) -> Decision:
    """
    Return whether one person decides alone about money of an order (paise), or why a second person is needed.

    `decided_alone` is what single persons have decided about this order before. `is_requester` and `has_second_person` describe
    the refund that is approved or transferred: whether the actor requested it, and whether another approver has agreed to it.
    """
    if role == DecisionRole.SYSTEM:
        return Decision.ALONE
    # Until something is sent, a customer may cancel and gets the money back: the shop's terms decide that, not a person.
    is_customer_cancelling = role == DecisionRole.CUSTOMER and is_own_order and operation == MoneyOperation.CANCEL_ORDER
    if is_own_order and not is_customer_cancelling:
        return Decision.OWN_ORDER
    if operation == MoneyOperation.RESPOND_TO_DISPUTE:
        # It has a permission of its own.
        return Decision.ALONE
    if role != DecisionRole.APPROVER and not is_customer_cancelling:
        return Decision.NOT_APPROVER
    if is_requester and operation in IMMEDIATE_OPERATIONS:
        return Decision.OWN_REQUEST
    if has_second_person or operation in UNLIMITED_OPERATIONS or decided_alone + amount <= limit:
        return Decision.ALONE
    return Decision.OVER_LIMIT


def refund_advances(current: str, to: str, *, is_known_to_gateway: bool) -> bool:
    """
    Test if what a gateway reports changes the status of a refund. Processed stays; pending only ends not knowing.

    One that failed without an id of the gateway's was a call that it rejected: whatever it reports of the refund is new.
    """
    if current == to or current == RefundStatus.PROCESSED:
        return False
    if to == RefundStatus.PROCESSED:
        return True
    if current == RefundStatus.FAILED and not is_known_to_gateway:
        return True
    if current == RefundStatus.UNKNOWN:
        return True
    return current == RefundStatus.PENDING and _REFUND_RANK[to] > _REFUND_RANK[current]


def next_rejected_refund_check(*, checks: int, now: datetime) -> datetime | None:
    """Return when the gateway is asked again for a refund whose call it rejected, or None after the last time."""
    return now + timedelta(seconds=_REJECTED_WAITS[checks]) if checks < len(_REJECTED_WAITS) else None


def next_refund_check(*, checks: int, now: datetime) -> datetime:
    """Return when the poller looks at an open refund again."""
    return now + timedelta(seconds=_REFUND_WAITS[min(checks, len(_REFUND_WAITS) - 1)])


# Settlements ---------------------------------------------------------------------------------------------------------

#: At most this many sums are compared to find out what a difference is made of.
_MAX_SUMS = 200_000


def find_subset_sum(difference: int, amounts: Sequence[int], *, must_be_whole: bool = True) -> tuple[int, ...]:
    """
    Return the places of the fewest amounts (paise) that make up a difference, or nothing.

    If it need not be whole, the ones that come closest to it, where they bring it closer to zero at all.
    """
    best: tuple[int, ...] = ()
    left = abs(difference)
    budget = _MAX_SUMS
    for size in range(1, len(amounts) + 1):
        budget -= math.comb(len(amounts), size)
        if budget < 0 or left == 0:
            break
        for places in itertools.combinations(range(len(amounts)), size):
            rest = abs(difference - sum(amounts[place] for place in places))
            if rest < left:
                best, left = places, rest
    return best if left == 0 or not must_be_whole else ()

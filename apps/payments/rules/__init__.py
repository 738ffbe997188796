"""Pure rules of payments: which status follows, when the poller checks again, which message the buyer sees."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from apps.ledger.states import ExceptionReason
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
    LinkStatus,
    MoneyOperation,
    PaymentChannel,
    PaymentStatus,
    RefundStatus,
    ReviewReason,
)

#: Seconds between two checks of a live payment by the poller; the last one repeats.
_LIVE_WAITS = (15, 15, 30, 60, 120, 300)
#: The same for a payment link or QR code, which may stay open for a day: webhooks report its payments.
_LINK_WAITS = (30, 60, 300, 900, 1_800)
#: The same for a closed payment whose link is still open at the gateway; the last one repeats until the link is closed.
_CLOSING_WAITS = (20, 60, 300, 600)
#: The same for a closed payment: a bank may still respond, and a webhook may be lost. After the last one polling ends.
_CLOSED_WAITS = (600, 3_600, 6 * 3_600, 24 * 3_600, 24 * 3_600, 24 * 3_600)
#: Seconds between two checks of a refund in progress at the gateway; the last one repeats, because a bank takes days.
_REFUND_WAITS = (15, 30, 60, 300, 900, 3_600)
#: Seconds between two checks of a refund whose call the gateway rejected: it may have made the refund all the same.
_REJECTED_WAITS = (600, 3_600, 24 * 3_600)
#: Seconds before another attempt to process a webhook; after the last one it is parked.
_WEBHOOK_WAITS = (60, 300, 900, 3_600, 6 * 3_600)
MAX_WEBHOOK_ATTEMPTS = len(_WEBHOOK_WAITS) + 1
#: Of two statuses that the gateway reports for one refund the higher one counts: a processed refund is final.
_REFUND_RANK: dict[str, int] = {
    RefundStatus.PENDING: 1,
    RefundStatus.FAILED: 2,
    RefundStatus.PROCESSED: 3,
}
#: An attempt in progress keeps its payment live for this time; Razorpay times an attempt out after ten minutes.
PENDING_ATTEMPT_TTL = timedelta(minutes=12)
MAX_QR_CODE_TTL = timedelta(hours=2)
#: The `fee_bearer` of a payment whose payer bears the gateway's fee.
CUSTOMER_FEE_BEARER = "customer"
#: The status of a payment whose link was closed unpaid at the gateway, by the status of the link.
_ENDS: dict[str, PaymentStatus] = {
    LinkStatus.CANCELLED: PaymentStatus.CANCELLED,
    LinkStatus.EXPIRED: PaymentStatus.EXPIRED,
}

_BUYER_TEXTS = {
    "insufficient_funds": "The account does not have enough money. Try another account or another payment method.",
    "insufficient_fund": "The account does not have enough money. Try another account or another payment method.",
    "incorrect_pin": "The UPI PIN was incorrect. Try again.",
    "payment_cancelled": "The payment was cancelled. You can try again. If money has left your account, it will be refunded.",
    "payment_declined": "The bank declined the payment. Try another payment method, or contact your bank.",
    "card_declined": "The bank declined the card. Try another card, or contact your bank.",
    "payment_timed_out": "The payment was not completed in time. If money has left your account, it will be confirmed or refunded.",
    "payment_collect_request_expired": "The request expired before it was approved. Try again.",
    "invalid_vpa": "This UPI ID does not exist. Check it and try again.",
    "authentication_failed": "The bank could not verify your identity. Try again.",
}
_BUYER_DEFAULT = "The payment did not go through. If money has left your account, it will be confirmed or refunded."


def derive_payment_status(
    current: str, attempts: Collection[tuple[str, str]], *, is_order_closed: bool, is_under_review: bool = False
) -> str:
    """
    Return the status of a payment, derived from its attempts, given as (status, review reason).

    A payment of another amount than requested is not counted until it is accepted. Until staff have decided about it
    (`is_under_review`) the payment is processing. A payment of a closed order is late.
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
    Test if a UPI attempt that we opened together with the gateway's order counts as not started.

    Its payer attempted to pay in another way, failed (`has_failed`), and may attempt it again. We cannot see whether
    the UPI link was opened. A payment by it is still applied.
    """
    return is_opened_by_us and has_failed and status == AttemptStatus.CREATED


def advances(current: str, to: str) -> bool:
    """Test if the reported status of an attempt has a higher rank than the current one; its rank only rises."""
    return ATTEMPT_RANK[to] > ATTEMPT_RANK[current]


def review_reason(
    *, amount: int, currency: str, asked: int, asked_currency: str, is_order_closed: bool, paid_before: int, total: int
) -> str:
    """Return why staff must review a captured attempt, or an empty text. Amounts in paise."""
    if (amount, currency) != (asked, asked_currency):
        return ReviewReason.AMOUNT_MISMATCH
    if is_order_closed:
        return ReviewReason.ORDER_CLOSED
    if paid_before >= total:
        return ReviewReason.PAID_TWICE
    return ""


def next_webhook_attempt(*, attempts: int, now: datetime) -> datetime | None:
    """Return when a webhook is processed again after `attempts` failed attempts, or None after the last one."""
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
    """Return when the poller next checks a payment, or None if it need not; a live one by `live_until`."""
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
    """Return until when a payment is live after an attempt was reported: one in progress may still finish."""
    if status in (AttemptStatus.CREATED, AttemptStatus.AUTHORIZED):
        return max(live_until, now + PENDING_ATTEMPT_TTL)
    return live_until


def link_ttl(channel: str, setting: timedelta) -> timedelta:
    """Return how long a payment link or QR code is open. The gateway closes a QR code after two hours at the latest."""
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
    Return why a gateway's payment cannot be booked as ours, with a sentence for staff, or None.

    It is of another account, has another currency or none, or contradicts itself. Another amount is not a
    contradiction.
    """
    if not is_our_account:
        return (
            ExceptionReason.ACCOUNT_MISMATCH,
            f"The payment is reported for account {account_id}, which is not this shop's account.",
        )
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
    Test if the payer bore the gateway's fee and was charged exactly the requested amount plus this fee (paise).

    Razorpay's `fee` includes its `tax`; where it is reported without tax, the sum of both may be the difference.
    """
    if fee is None or fee_bearer not in ("", CUSTOMER_FEE_BEARER):
        return False
    difference = amount - asked
    return difference > 0 and difference in (fee, fee + (tax or 0))


def in_payer_currency(amount: int, *, of: int, payer_amount: int | None) -> int:
    """
    Convert an amount (paise) of a payment to the currency that its payer was charged in, in its smallest unit.

    The whole payment is the whole charge. A part is rounded down, so that the parts never exceed the charge.
    """
    if payer_amount is None:
        return amount
    return payer_amount if amount == of else amount * payer_amount // of


def from_payer_currency(charged: int, *, of: int, payer_amount: int) -> int:
    """
    Convert an amount in the currency that the payer was charged in to paise.

    A part is rounded up, so that `in_payer_currency` converts it back.
    """
    return -(-charged * of // payer_amount)


def minimum_refund(*, of: int, payer_amount: int | None) -> int:
    """
    Return the smallest refund (paise) of a payment.

    It is the gateway's minimum, and at least one smallest unit of the payer's own currency.
    """
    unit = 0 if not payer_amount else -(-of // payer_amount)
    return max(MINIMUM_REFUND_PAISE, unit)


def rounding_tolerance(*, of: int, payer_amount: int) -> int:
    """
    Return by how much an amount may differ after conversion to paise and back.

    The tolerance is in the smallest unit of the payer's currency. It is zero, unless this unit is worth less than a
    paisa.
    """
    return (payer_amount - 1) // of


def explains_difference(reason: str, *, difference: int) -> bool:
    """Test if a reason can explain the difference (paise) between the charge and the requested amount."""
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
    Return how a live payment has ended unpaid, or None if it has not.

    It ends when its time is up, or when its link was closed and no attempt is in progress. A payment under review has
    not ended.
    """
    if is_under_review:
        return None
    if has_expired(status=status, live_until=live_until, is_order_open=is_order_open, now=now):
        return PaymentStatus.EXPIRED
    if status != PaymentStatus.REQUIRES_PAYMENT:
        return None
    return _ENDS.get(link_status)


def has_expired(*, status: str, live_until: datetime, is_order_open: bool, now: datetime) -> bool:
    """Test if a live payment has expired: its time is up, and no authorised attempt of an open order awaits capture."""
    if status not in LIVE or now < live_until:
        return False
    return not (status == PaymentStatus.REQUIRES_CAPTURE and is_order_open)


def buyer_message(error: Mapping[str, object]) -> str:
    """Return the buyer's message for an error: one of Bahi's sentences, never the gateway's."""
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
    Return whether one person may decide alone about an amount (paise) of an order, or why a second person is needed.

    `decided_alone` is the amount of this order that single persons have decided about before. `is_requester` and
    `has_second_person` describe the refund that is approved or transferred: whether the actor requested it, and whether
    another approver has approved it.
    """
    if role == DecisionRole.SYSTEM:
        return Decision.ALONE
    # Until something is sent, a customer may cancel and is refunded: the shop's terms decide that, not a person.
    is_customer_cancelling = role == DecisionRole.CUSTOMER and is_own_order and operation == MoneyOperation.CANCEL_ORDER
    if is_own_order and not is_customer_cancelling:
        return Decision.OWN_ORDER
    if operation == MoneyOperation.RESPOND_TO_DISPUTE:
        # This has a permission of its own.
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
    Test if a status that the gateway reports replaces the current status of a refund.

    Processed is final. Pending replaces only unknown, or failed without a gateway id: then the call was rejected, and
    any reported status is new.
    """
    if current in (to, RefundStatus.PROCESSED):
        return False
    if to == RefundStatus.PROCESSED:
        return True
    if current == RefundStatus.FAILED and not is_known_to_gateway:
        return True
    if current == RefundStatus.UNKNOWN:
        return True
    return current == RefundStatus.PENDING and _REFUND_RANK[to] > _REFUND_RANK[current]


def next_rejected_refund_check(*, checks: int, now: datetime) -> datetime | None:
    """Return when the poller checks a refund again whose call the gateway rejected, or None after the last time."""
    return now + timedelta(seconds=_REJECTED_WAITS[checks]) if checks < len(_REJECTED_WAITS) else None


def next_refund_check(*, checks: int, now: datetime) -> datetime:
    """Return when the poller checks an open refund again."""
    return now + timedelta(seconds=_REFUND_WAITS[min(checks, len(_REFUND_WAITS) - 1)])

"""Facts of a gateway that contradict what we know, and captured amounts that staff must review."""

from apps.ledger.states import ExceptionReason
from apps.payments.states import (
    AttemptStatus,
    DifferenceReason,
    ReviewReason,
)

#: The `fee_bearer` of a payment whose payer bears the gateway's fee.
CUSTOMER_FEE_BEARER = "customer"


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


def find_contradiction(
    *,
    status: str,
    amount: int,
    currency: str,
    is_captured: bool | None,
    account_id: str,
    may_be_our_account: bool,
    our_currency: str,
) -> tuple[ExceptionReason, str] | None:
    """
    Return why a gateway's payment cannot be booked as ours, with a sentence for staff, or None.

    It is of another account, has another currency or none, or contradicts itself. Another amount is not a
    contradiction.
    """
    if not may_be_our_account:
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


def explains_difference(reason: str, *, difference: int) -> bool:
    """Test if a reason can explain the difference (paise) between the charge and the requested amount."""
    if reason in (DifferenceReason.PAYER_FEE, DifferenceReason.SURCHARGE):
        return difference > 0
    return difference < 0 if reason == DifferenceReason.OFFER else difference != 0

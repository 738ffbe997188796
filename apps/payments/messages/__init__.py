"""
The sentences that staff read about what a gateway says: why something failed, and facts that conflict with our books.

Amounts are in paise, shown in their currency.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from apps.core.dates import format_instant
from apps.core.money import amount_text, rupees

_METHODS = {
    "upi": "UPI",
    "card": "card",
    "netbanking": "net banking",
    "wallet": "wallet",
    "emi": "EMI",
    "paylater": "pay later",
}
NO_ACTION = "No action is needed."
#: Razorpay's reasons of a failed payment or refund, for staff: what happened. https://razorpay.com/docs/errors/
_FAILURES = {
    "account_closed": "The account that the money should go to is closed.",
    "amount_less_than_minimum_amount": "The amount is less than the gateway allows.",
    "authentication_failed": "The payer did not pass the bank's check, such as a PIN or an OTP.",
    "bank_technical_error": "The payer's bank had a technical problem.",
    "card_declined": "The bank declined the card.",
    "card_expired": "The card has expired.",
    "debit_instrument_blocked": "The payer's card or account is blocked.",
    "debit_instrument_inactive": "The payer's card or account is not active.",
    "gateway_technical_error": "The gateway had a technical problem.",
    "incorrect_card_details": "The payer entered wrong card details.",
    "incorrect_cvv": "The payer entered a wrong CVV.",
    "incorrect_otp": "The payer entered a wrong OTP.",
    "incorrect_pin": "The payer entered a wrong PIN.",
    "insufficient_account_balance": "The gateway account does not hold enough money for this refund.",
    "insufficient_funds": "The payer's account did not have enough money.",
    "invalid_vpa": "The UPI address of the payer does not exist.",
    "limit_exceeded": "The payment was above a limit of the payer's bank.",
    "payment_cancelled": "The payer cancelled the payment.",
    "payment_collect_request_expired": "The payer did not approve the UPI request in time.",
    "payment_declined": "The payer's bank declined the payment.",
    "payment_failed": "The payment did not succeed.",
    "payment_pending": "The bank has not decided about the payment yet.",
    "payment_timed_out": "The payer did not complete the payment in time.",
    "server_error": "The gateway had a technical problem.",
    "transaction_limit_exceeded": "The payment was above a limit of the payer's bank.",
    "transaction_timed_out": "The payer's bank did not answer in time.",
    "user_not_eligible": "The payer may not pay in this way.",
}


def refund_not_positive(entity_id: str, reported: str) -> str:
    """Return the message that a refund is reported with no positive amount."""
    return f"The gateway reports refund {entity_id} of {reported}. A refund must be of more than zero."


def refund_of_another_payment(entity_id: str, number: str, payment_id: str) -> str:
    """Return the message that a refund made by Bahi is reported for another payment."""
    return (
        f"The gateway reports refund {entity_id}, our {number}, for payment {payment_id}, which it does not belong to."
    )


def refund_amount_differs(entity_id: str, number: str, *, ours: str, reported: str) -> str:
    """Return the message that a refund made by Bahi is reported with another amount; both are amounts in words."""
    return f"The gateway reports {reported} for refund {entity_id}; our refund {number} is of {ours}."


def refund_in_another_currency(entity_id: str, payment_id: str, *, reported: str, currency: str) -> str:
    """Return the message that a refund is not in the currency of its payment; `reported` is an amount in words."""
    return f"The gateway reports refund {entity_id} of {reported}; payment {payment_id} is in {currency}."


def refund_exceeds_payment(entity_id: str, payment_id: str, *, amount: int, left: int, currency: str) -> str:
    """Return the message that a refund is of more than is left of its payment."""
    return (
        f"The gateway reports refund {entity_id} of {amount_text(amount, currency)}; only {amount_text(left, currency)} of"
        f" payment {payment_id} is left. Ask the gateway what it refunded."
    )


def refund_transferred_and_refunded(entity_id: str, number: str, *, reported: str, reference: str) -> str:
    """Return the message that the gateway made a refund that we had transferred ourselves."""
    return (
        f"The gateway has made refund {entity_id} of {reported}, our {number}, which we had already transferred as {reference}."
        " Ask the customer to return one of the two."
    )


def unexpected_refund(entity_id: str, number: str, *, reported: str, status: str) -> str:
    """Return the message that the gateway makes a refund that it should not make; `status` is its status here in words."""
    return (
        f"The gateway reports refund {entity_id} of {reported}, our {number}, which it should not make: its status here is"
        f" “{status}”. Make no bank transfer for it. Check at the gateway whether a person or an earlier call of Bahi made it."
    )


def refund_made_twice(entity_id: str, number: str, *, reported: str, other: str) -> str:
    """Return the message that the gateway makes a refund in addition to another one that was decided with it."""
    return (
        f"The gateway reports refund {entity_id} of {reported}, our {number}, in addition to {other}. Only one of them was decided: the"
        " customer may receive the money twice. Ask the customer to return one of them if both are processed."
    )


def refund_during_transfer(entity_id: str, numbers: str, *, reported: str) -> str:
    """Return the message that somebody made a refund at the gateway of money that is held for a bank transfer."""
    return (
        f"The gateway has made refund {entity_id} of {reported}, whose money is held for the bank transfer {numbers}."
        " Cancel the transfer if it has not been made; otherwise ask the customer to return one of the two."
    )


def dispute_not_positive(entity_id: str, reported: str) -> str:
    """Return the message that a dispute is reported with no positive amount."""
    return f"The gateway reports dispute {entity_id} about {reported}. A dispute must be about more than zero."


def dispute_deducts_too_much(entity_id: str, *, deducted: str, reported: str) -> str:
    """Return the message that more was deducted for a dispute than it is about."""
    return f"The gateway reports that it deducted {deducted} for dispute {entity_id}, which is about {reported}."


def dispute_of_another_payment(entity_id: str, payment_id: str) -> str:
    """Return the message that a known dispute is reported for another payment."""
    return f"The gateway reports dispute {entity_id} for payment {payment_id}; it was about another payment before."


def dispute_amount_differs(entity_id: str, *, before: str, reported: str) -> str:
    """Return the message that a dispute is reported with another amount than before."""
    return f"The gateway reports {reported} for dispute {entity_id}; it reported {before} before."


def dispute_in_another_currency(entity_id: str, payment_id: str, *, reported: str, currency: str) -> str:
    """Return the message that a dispute is not in the currency of its payment; `reported` is an amount in words."""
    return f"The gateway reports dispute {entity_id} about {reported}; payment {payment_id} is in {currency}."


def dispute_decided_otherwise(entity_id: str, *, before: str, status: str) -> str:
    """Return the message that a decided dispute is reported with another outcome."""
    return f"The gateway reports dispute {entity_id} as {status}; it reported it as {before} before, which is final."


def dispute_exceeds_payment(entity_id: str, payment_id: str, *, amount: int, left: int, currency: str) -> str:
    """Return the message that a dispute is about more than is left of its payment."""
    return (
        f"The gateway reports dispute {entity_id} about {amount_text(amount, currency)}; only {amount_text(left, currency)}"
        f" of payment {payment_id} is left after refunds and other disputes. Nothing was posted beyond that."
    )


def unknown_gateway_order_paid(gateway_payment_id: str, order_number: str, gateway_order_id: str) -> str:
    """Return the message that captured money names one of our orders, but belongs to no gateway order that Bahi knows."""
    advice = "It was not posted. Check it at the gateway, and refund it there if it is not for this order."
    if not gateway_order_id:
        return (
            f"The captured payment {gateway_payment_id} names order {order_number}, but has no gateway order. {advice}"
        )
    return (
        f"The captured payment {gateway_payment_id} names order {order_number}, but its gateway order {gateway_order_id} is unknown to"
        f" Bahi. {advice}"
    )


def webhook_of_another_account(event_type: str, account_id: str) -> str:
    """Return the message that a webhook is about another account at the gateway."""
    return (
        f"The webhook {event_type or '(no type)'} is about account {account_id}, which is not this shop's account. Its signature is"
        " valid: another account may use the same webhook secret."
    )


def webhook_unreadable(event_type: str, why: str) -> str:
    """Return the message that a webhook about something in Bahi cannot be read."""
    return f"The webhook {event_type} cannot be read ({why}). Check what happened in the gateway's dashboard."


def webhooks_missing(count: int, entity_id: str) -> str:
    """Return the message that the gateway was found to have done what no webhook reported."""
    if count == 1:
        return (
            f"Polling found {entity_id}, which no webhook reported. Check in the gateway's dashboard that webhooks are enabled"
            " for all events."
        )
    return (
        f"Polling found {count} payments, refunds or disputes that no webhook reported, the latest being {entity_id}. Check in"
        " the gateway's dashboard that webhooks are enabled for all events."
    )


def webhook_parked(event_type: str, attempts: int, why: str) -> str:
    """Return the message that a webhook was not processed in any of its attempts."""
    return (
        f"The webhook {event_type or '(no type)'} could not be processed in {attempts} attempts ({why}). Fix the"
        " cause, then process it again from its page."
    )


def event_contradicts_state(event_type: str, entity_id: str, status: str) -> str:
    """Return the message that a webhook's type and the state in it do not agree."""
    return f"The webhook {event_type} reports {entity_id} as {status}."


def payments_contradict(entity_id: str, *, named: str, enclosed: str) -> str:
    """Return the message that a webhook names one payment and encloses another."""
    return f"A webhook reports {entity_id} for payment {named}, but contains payment {enclosed}."


def method_text(method: str, payer: str) -> str:
    """Return how somebody paid, as staff read it: `UPI, ga***@upi`."""
    named = _METHODS.get(method, method.replace("_", " "))
    return ", ".join(part for part in (named, payer) if part) or "method not reported"


def failure_text(error: Mapping[str, Any]) -> str:
    """
    Return why a payment or a refund failed, as a sentence for staff; empty if there is no error.

    What the gateway calls a failure comes first if we know it, then its own description, then its code as words.
    """
    reason, description = str(error.get("reason") or ""), str(error.get("description") or "").strip()
    if reason in _FAILURES:
        return _FAILURES[reason]
    if description:
        return description if description.endswith((".", "!", "?")) else f"{description}."
    word = reason or str(error.get("code") or "")
    return f"The gateway gave the reason “{word.replace('_', ' ').lower()}”." if word else ""


def attempt_failed(error: Mapping[str, Any], *, until: datetime) -> str:
    """Return the message that the last attempt to pay an order failed, why, and until when it can be paid."""
    why = failure_text(error) or "The gateway gave no reason."
    return f"The last attempt to pay failed (“{why}”), and the buyer can try again until {format_instant(until)}."


def payment_under_way(amount: int) -> str:
    """Return the message that the buyer is paying."""
    return f"The buyer is paying {rupees(amount)} now. No action is needed until the payment has ended."


def link_sent(amount: int, *, until: datetime) -> str:
    """Return the message that the buyer has a payment link, and until when."""
    return f"A payment link for {rupees(amount)} was sent; it is open until {format_instant(until)}."


def link_in_the_making(amount: int) -> str:
    """Return the message that the gateway has not made a payment link or QR code yet."""
    return f"The gateway has not created the payment link or QR code for {rupees(amount)} yet; it is checked again automatically."


def qr_code_made(amount: int, *, until: datetime) -> str:
    """Return the message that there is a QR code to pay by, and until when."""
    return f"A QR code for {rupees(amount)} is on the payment's page; it can be paid until {format_instant(until)}."


def checkout_open(amount: int, *, until: datetime) -> str:
    """Return the message that the buyer has begun to check out and pays nothing at the moment."""
    return f"The buyer has begun to pay {rupees(amount)}, and can go on until {format_instant(until)}."


def dispute_to_answer(amount: int, *, respond_by: datetime | None) -> str:
    """Return the message that a dispute must be answered, and until when if the gateway has said so."""
    if respond_by is None:
        return f"The payer's bank disputes {rupees(amount)} of this order: finance must accept or contest it, or it is lost."
    until = format_instant(respond_by)
    return f"The payer's bank disputes {rupees(amount)} of this order: finance must accept or contest it by {until}, or it is lost."


def dispute_under_review(amount: int) -> str:
    """Return the message that a dispute has been answered and is not decided yet."""
    return f"The bank has our response about the disputed {rupees(amount)} and will decide. This money cannot be refunded meanwhile."


def dispute_lost(amount: int) -> str:
    """Return the message that a dispute was lost, so that nobody refunds the money a second time."""
    return f"The bank has returned {rupees(amount)} to the payer after a dispute, so do not refund it again."


def refund_awaits_transfer(number: str, amount: int) -> str:
    """Return the message that a refund waits for a bank transfer."""
    return f"Refund {number} of {rupees(amount)} waits for our bank transfer: make it, then enter its reference."


def refund_awaits_approval(number: str, amount: int, *, goods: str = "") -> str:
    """Return the message that a refund waits for a second person, and with `goods` that the goods can be sent meanwhile."""
    said = f"Refund {number} of {rupees(amount)} waits for approval by somebody other than the requester."
    return f"{said} {goods}" if goods else said


def refund_unanswered(number: str, amount: int) -> str:
    """Return the message that the outcome of a refund at the gateway is unknown."""
    return f"The gateway has not confirmed refund {number} of {rupees(amount)} yet; it is checked again automatically."


def refund_on_its_way(number: str, amount: int, *, goods: str = "") -> str:
    """Return the message that the gateway is paying a refund, and with `goods` that the goods can be sent."""
    said = f"Refund {number} of {rupees(amount)} is on its way to the buyer."
    return f"{said} {goods or NO_ACTION}"


def refund_failed(number: str, amount: int, error: Mapping[str, Any]) -> str:
    """Return the message that a refund failed and what staff can do."""
    why = failure_text(error) or "The gateway gave no reason."
    return f"Refund {number} of {rupees(amount)} failed (“{why}”). Retry it, or pay it by bank transfer."


def refunds_await_transfer(count: int, amount: int) -> str:
    """Return the message that several refunds wait for bank transfers."""
    return f"{count} refunds of {rupees(amount)} in total wait for our bank transfers: make them, then enter their references."


def refunds_await_approval(count: int, amount: int, *, goods: str = "") -> str:
    """Return the message that several refunds wait for a second person; `goods` is a further sentence about the goods."""
    said = f"{count} refunds of {rupees(amount)} in total wait for approval by somebody other than the requester."
    return f"{said} {goods}" if goods else said


def refunds_unanswered(count: int, amount: int) -> str:
    """Return the message that the outcome of several refunds at the gateway is unknown."""
    return f"The gateway has not confirmed {count} refunds of {rupees(amount)} in total yet; it is checked again automatically."


def refunds_on_their_way(count: int, amount: int, *, goods: str = "") -> str:
    """Return the message that the gateway is paying several refunds, and with `goods` that the goods can be sent."""
    said = f"{count} refunds of {rupees(amount)} in total are on their way to the buyer."
    return f"{said} {goods or NO_ACTION}"


def refunds_failed(count: int, amount: int) -> str:
    """Return the message that several refunds failed and what staff can do."""
    return f"{count} refunds of {rupees(amount)} in total failed. Retry each on its page, or pay it by bank transfer."


def goods_to_send(*, are_units_refunded: bool) -> str:
    """Return the message that an order with refunds still has goods to send; the sentence follows the one about its refunds."""
    return "The other goods of the order can be sent." if are_units_refunded else "The goods of the order can be sent."


def refunded(gone: int, paid: int, *, is_closed: bool, keeps_goods: bool, goods: str) -> str:
    """Return how much of an order's money has been refunded, and for an order that keeps goods that these `goods` can be sent."""
    if keeps_goods and gone >= paid:
        return (
            f"All of the {rupees(paid)} paid has been refunded, but the order is still open and its goods are reserved. Cancel"
            " the order, unless the goods are still to be sent."
        )
    if keeps_goods:
        return f"{rupees(gone)} of the {rupees(paid)} paid has been refunded. {goods}"
    if is_closed and gone >= paid:
        return f"The order is cancelled and its {rupees(paid)} has been fully refunded. No action is needed."
    if is_closed:
        return f"The order is cancelled, and {rupees(gone)} of the {rupees(paid)} paid has been refunded."
    if gone >= paid:
        return f"All of the {rupees(paid)} paid has been refunded. No action is needed."
    return f"{rupees(gone)} of the {rupees(paid)} paid has been refunded. No action is needed."


def money_to_decide(arrived: int, requested: int) -> str:
    """Return the message that money arrived that somebody must decide about."""
    if arrived == requested:
        return f"{rupees(arrived)} arrived that this order does not need. Refund it on the page of its payment attempt."
    return f"{rupees(arrived)} arrived where {rupees(requested)} was requested: accept it or refund it on the page of its payment attempt."

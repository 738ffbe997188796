"""The customer in Razorpay Checkout, played by the control API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.razorpay import payments
from sandbox.razorpay.errors import FAILURES
from sandbox.razorpay.fees import fee_and_tax
from sandbox.razorpay.signatures import sign_checkout
from sandbox.razorpay.state import Order, Payment
from sandbox.razorpay.webhooks import PendingEvent
from sandbox.state import World

METHODS = ("upi", "card", "netbanking", "wallet")


def pay(
    world: World,
    order: Order,
    *,
    outcome: str,
    method: str,
    reason: str,
    email: str,
    contact: str,
    amount: int | None = None,
    currency: str | None = None,
    fee_bearer: str | None = None,
    offer_discount: int = 0,
    payer_currency: str | None = None,
    payer_amount: int | None = None,
    also: Callable[[Payment], list[PendingEvent]] | None = None,
) -> dict[str, Any]:
    """
    Pay what is due of an order and return what Checkout hands to the page: three signed fields, or an error.

    Another `amount` or `currency` is a gateway gone wrong, which a merchant should notice. Razorpay by itself charges another
    amount and calls its order paid where the customer bears the fee (`fee_bearer`), has an offer (`offer_discount` in paise),
    or pays in `payer_currency`, in which `payer_amount` is charged. `also` is as in `payments.authorize`.

    :raises NotPayable: if the order is already paid, or the discount leaves nothing to pay
    """
    if order.status == "paid":
        raise payments.NotPayable(f"{order.id} is already paid")
    due = order.amount - order.amount_paid if amount is None else amount
    if offer_discount >= due:
        raise payments.NotPayable(f"an offer of {offer_discount} leaves nothing of {due} to pay")
    charged = due - offer_discount + (sum_of_fee(due) if fee_bearer == "customer" else 0)
    payment = payments.open_payment(
        world,
        order,
        amount=charged,
        settles=None if charged == due else due,
        fee_bearer=fee_bearer,
        offer_id=world.ids.razorpay("offer") if offer_discount else None,
        payer_currency=payer_currency,
        payer_amount=payer_amount,
        currency=currency or order.currency,
        method=method,
        flow="checkout",
        email=email,
        contact=contact,
        **_instrument(world, method),
    )
    if outcome == "failure":
        failure = FAILURES[reason]
        payments.fail(world, payment, failure)
        return {"error": failure.error(order_id=order.id, payment_id=payment.id)}

    payments.authorize(world, payment, also)
    return {
        "razorpay_payment_id": payment.id,
        "razorpay_order_id": order.id,
        "razorpay_signature": sign_checkout(
            order_id=order.id, payment_id=payment.id, key_secret=world.settings.key_secret
        ),
    }


def sum_of_fee(amount: int) -> int:
    """Return what a customer who bears the fee pays for an amount (paise) beyond it: the fee with its tax."""
    fee, _ = fee_and_tax(amount)
    return fee


def _instrument(world: World, method: str) -> dict[str, Any]:
    """Return what the customer pays with, as fields of a payment."""
    if method == "card":
        card = {
            "id": world.ids.razorpay("card"),
            "entity": "card",
            "name": "Gaurav Kumar",
            "last4": "1007",
            "network": "Visa",
            "type": "credit",
            "issuer": "HDFC",
            "international": False,
            "emi": False,
            "sub_type": "consumer",
            "token_iin": None,
        }
        return {"card": card, "acquirer_data": {"auth_code": world.ids.digits("auth", 6)}}
    if method == "netbanking":
        return {"bank": "HDFC", "acquirer_data": {"bank_transaction_id": world.ids.digits("bank", 7)}}
    if method == "wallet":
        return {"wallet": "mobikwik", "acquirer_data": {"transaction_id": world.ids.digits("wallet", 10)}}
    return {"vpa": "success@razorpay"}

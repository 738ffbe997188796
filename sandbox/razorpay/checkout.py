"""The customer in Razorpay Checkout, played by the control API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.razorpay import payments
from sandbox.razorpay.errors import FAILURES
from sandbox.razorpay.signatures import sign_checkout
from sandbox.razorpay.state import Order, Payment
from sandbox.razorpay.webhooks import News
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
    also: Callable[[Payment], list[News]] | None = None,
) -> dict[str, Any]:
    """
    Pay what is due of an order and return what Checkout hands to the page: three signed fields, or an error.

    Another `amount` or `currency` is a gateway gone wrong, which a merchant should notice. `also` is as in
    `payments.authorize`.

    :raises NotPayable: if the order is already paid
    """
    if order.status == "paid":
        raise payments.NotPayable(f"{order.id} is already paid")
    payment = payments.open_payment(
        world,
        order,
        amount=order.amount - order.amount_paid if amount is None else amount,
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

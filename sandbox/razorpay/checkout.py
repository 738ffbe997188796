"""The customer in Razorpay Checkout, played by the control API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.json_types import JsonObject
from sandbox.razorpay import payments
from sandbox.razorpay.entities import Order, Payment
from sandbox.razorpay.failures import FAILURES
from sandbox.razorpay.fees import compute_fee_and_tax
from sandbox.razorpay.payments import PaymentDetails
from sandbox.razorpay.signatures import sign_checkout
from sandbox.razorpay.webhooks import PendingEvent
from sandbox.state import World

METHODS = ("upi", "card", "netbanking", "wallet")


@dataclass(frozen=True, kw_only=True)
class Payer:
    """Who pays, by which method, and how that ends; `reason` says why a payment fails."""

    outcome: str
    method: str
    reason: str
    email: str
    contact: str


@dataclass(frozen=True, kw_only=True)
class Charge:
    """
    What the payer is charged, where that is not simply what is due of the order.

    Another `amount` or `currency` is a gateway gone wrong, which a merchant should notice. Razorpay by itself charges another
    amount and calls its order paid where the customer bears the fee (`fee_bearer`), has an offer (`offer_discount` in paise),
    or pays in `payer_currency`, in which `payer_amount` is charged.
    """

    amount: int | None = None
    currency: str | None = None
    fee_bearer: str | None = None
    offer_discount: int = 0
    payer_currency: str | None = None
    payer_amount: int | None = None

    def apply_to(self, due: int) -> int:
        """Return what is charged in paise for an amount that is due."""
        fee = compute_fee(due) if self.fee_bearer == "customer" else 0
        return due - self.offer_discount + fee


WHAT_IS_DUE = Charge()


def pay_order(
    world: World,
    order: Order,
    payer: Payer,
    charge: Charge = WHAT_IS_DUE,
    *,
    also: Callable[[Payment], list[PendingEvent]] | None = None,
) -> JsonObject:
    """
    Pay what is due of an order and return what Checkout hands to the page: three signed fields, or an error.

    `also` is as in `payments.authorize_payment`.

    :raises NotPayable: if the order is already paid, or the discount leaves nothing to pay
    """
    payment = _open_payment(world, order, payer, charge)
    if payer.outcome == "failure":
        failure = FAILURES[payer.reason]
        payments.fail_payment(world, payment, failure)
        return {"error": failure.error(order_id=order.id, payment_id=payment.id)}

    payments.authorize_payment(world, payment, also)
    return {
        "razorpay_payment_id": payment.id,
        "razorpay_order_id": order.id,
        "razorpay_signature": sign_checkout(
            order_id=order.id, payment_id=payment.id, key_secret=world.settings.key_secret
        ),
    }


def _open_payment(world: World, order: Order, payer: Payer, charge: Charge) -> Payment:
    if order.status == "paid":
        raise payments.NotPayable(f"The order {order.id} is already paid.")
    due = order.amount - order.amount_paid if charge.amount is None else charge.amount
    if charge.offer_discount >= due:
        raise payments.NotPayable(f"An offer of {charge.offer_discount} paise leaves nothing of {due} to pay.")

    charged = charge.apply_to(due)
    details: PaymentDetails = {
        "currency": charge.currency or order.currency,
        "settles": None if charged == due else due,
        "fee_bearer": charge.fee_bearer,
        "offer_id": world.ids.razorpay("offer") if charge.offer_discount else None,
        "payer_currency": charge.payer_currency,
        "payer_amount": charge.payer_amount,
        "flow": "checkout",
        "email": payer.email,
        "contact": payer.contact,
    }
    _add_instrument(world, details, payer.method)
    return payments.open_payment(world, order, amount=charged, method=payer.method, **details)


def compute_fee(amount: int) -> int:
    """Return what a customer who bears the fee pays for an amount (paise) beyond it: the fee with its tax."""
    fee, _ = compute_fee_and_tax(amount)
    return fee


def _add_instrument(world: World, details: PaymentDetails, method: str) -> None:
    """Add what the customer pays with."""
    if method == "card":
        details["card"] = {
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
        details["acquirer_data"] = {"auth_code": world.ids.digits("auth", 6)}
    elif method == "netbanking":
        details["bank"] = "HDFC"
        details["acquirer_data"] = {"bank_transaction_id": world.ids.digits("bank", 7)}
    elif method == "wallet":
        details["wallet"] = "mobikwik"
        details["acquirer_data"] = {"transaction_id": world.ids.digits("wallet", 10)}
    else:
        details["vpa"] = "success@razorpay"

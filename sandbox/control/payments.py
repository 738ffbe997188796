"""Control calls that play the customer: in the UPI app, in Checkout, on the page of a link, before a QR code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from werkzeug.wrappers import Request

from sandbox.control.lookups import find
from sandbox.control.request_body import CallRefused, RequestBody
from sandbox.json_types import JsonObject
from sandbox.razorpay import checkout, due_actions, payment_links, payments, qr_codes, refunds
from sandbox.razorpay.checkout import Charge, Payer
from sandbox.razorpay.failures import FAILURES
from sandbox.state import World

_PAYER_FIELDS = ("outcome", "method", "reason", "email", "contact")
_CHARGE_FIELDS = ("amount", "currency", "fee_bearer", "offer_discount", "payer_amount", "payer_currency")
_OUTCOMES = ("success", "failure")


def approve_payment(world: World, request: Request, payment_id: str) -> JsonObject:
    """Approve a payment now, or after `after_seconds` of the sandbox's clock."""
    after = RequestBody(request, "after_seconds").integer("after_seconds", 0)
    if not after:
        return _answer_payment(world, payment_id, approve=True)
    with world.lock:
        payment = find(world.razorpay.payments, payment_id, "payment")
        world.razorpay.timers.set(world.clock.unix() + after, "approve", payment_id)
        world.notify_change()
        return payment.to_wire()


def decline_payment(world: World, request: Request, payment_id: str) -> JsonObject:
    reason = RequestBody(request, "reason").choice("reason", FAILURES, "payment_declined")
    return _answer_payment(world, payment_id, approve=False, reason=reason)


def _answer_payment(world: World, payment_id: str, *, approve: bool, reason: str = "payment_declined") -> JsonObject:
    with world.lock:
        due_actions.run_due(world)
        payment = find(world.razorpay.payments, payment_id, "payment")
        with _refuse_unpayable():
            payments.answer_payment(world, payment, approve=approve, reason=reason)
        return payment.to_wire()


def pay_order(world: World, request: Request, order_id: str) -> JsonObject:
    body = RequestBody(request, *_PAYER_FIELDS, *_CHARGE_FIELDS)
    payer = _read_payer(body)
    charge = Charge(
        amount=body.integer("amount", None, lowest=1),
        currency=body.text("currency", None),
        fee_bearer=body.choice("fee_bearer", ("customer", "platform"), None),
        offer_discount=body.integer("offer_discount", 0),
        payer_amount=body.integer("payer_amount", None, lowest=1),
        payer_currency=body.text("payer_currency", None),
    )
    if (charge.payer_amount is None) != (charge.payer_currency is None):
        raise CallRefused("payer_amount and payer_currency must be given together.")
    with world.lock, _refuse_unpayable():
        return checkout.pay_order(world, find(world.razorpay.orders, order_id, "order"), payer, charge)


def pay_link(world: World, request: Request, link_id: str) -> JsonObject:
    body = RequestBody(request, *_PAYER_FIELDS, "amount")
    amount = body.integer("amount", None, lowest=1)
    payer = _read_payer(body)
    with world.lock:
        due_actions.run_due(world)
        link = find(world.razorpay.payment_links, link_id, "payment link")
        with _refuse_unpayable():
            return payment_links.pay_link(world, link, payer, amount=amount)


def pay_qr_code(world: World, request: Request, qr_id: str) -> JsonObject:
    body = RequestBody(request, "amount", "outcome", "reason")
    amount = body.integer("amount", None, lowest=1)
    outcome = body.choice("outcome", _OUTCOMES, "success")
    reason = body.choice("reason", FAILURES, "payment_declined")
    with world.lock:
        due_actions.run_due(world)
        qr = find(world.razorpay.qr_codes, qr_id, "QR code")
        with _refuse_unpayable():
            return qr_codes.pay_qr_code(world, qr, amount=amount, outcome=outcome, reason=reason).to_wire()


def refund_uncaptured(world: World, request: Request, payment_id: str) -> JsonObject:
    RequestBody(request)
    with world.lock:
        payment = find(world.razorpay.payments, payment_id, "payment")
        if payment.status != "authorized":
            raise CallRefused(f"The payment {payment_id} is {payment.status}.", 409)
        refunds.auto_refund_uncaptured(world, payment_id)
        return payment.to_wire()


def _read_payer(body: RequestBody) -> Payer:
    return Payer(
        outcome=body.choice("outcome", _OUTCOMES, "success"),
        method=body.choice("method", checkout.METHODS, "upi"),
        reason=body.choice("reason", FAILURES, "payment_declined"),
        email=body.text("email", "gaurav.kumar@example.com"),
        contact=body.text("contact", "+919876543210"),
    )


@contextmanager
def _refuse_unpayable() -> Iterator[None]:
    try:
        yield
    except payments.NotPayable as refusal:
        raise CallRefused(str(refusal), 409) from refusal

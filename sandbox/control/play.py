"""Playing the people and the time: a payer, a customer in Checkout, the clock."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Request

from sandbox.control.reading import Body, Refused
from sandbox.razorpay import checkout as razorpay_checkout
from sandbox.razorpay import payments
from sandbox.razorpay.errors import FAILURES
from sandbox.razorpay.state import Order, Payment
from sandbox.state import World


def approve(world: World, request: Request, payment_id: str) -> dict[str, Any]:
    Body(request)
    return _answer(world, payment_id, approve=True)


def decline(world: World, request: Request, payment_id: str) -> dict[str, Any]:
    reason = Body(request, "reason").choice("reason", FAILURES, "payment_declined")
    return _answer(world, payment_id, approve=False, reason=reason)


def _answer(world: World, payment_id: str, **how: Any) -> dict[str, Any]:
    with world.lock:
        payments.expire_open(world)
        payment = _find_payment(world, payment_id)
        try:
            payments.answer(world, payment, **how)
        except payments.NotPayable as refusal:
            raise Refused(str(refusal), 409) from refusal
        return payment.wire()


def checkout(world: World, request: Request, order_id: str) -> dict[str, Any]:
    body = Body(request, "outcome", "method", "reason", "email", "contact")
    how = {
        "outcome": body.choice("outcome", ("success", "failure"), "success"),
        "method": body.choice("method", razorpay_checkout.METHODS, "upi"),
        "reason": body.choice("reason", FAILURES, "payment_declined"),
        "email": body.text("email", "gaurav.kumar@example.com"),
        "contact": body.text("contact", "+919876543210"),
    }
    with world.lock:
        try:
            return razorpay_checkout.pay(world, _find_order(world, order_id), **how)
        except payments.NotPayable as refusal:
            raise Refused(str(refusal), 409) from refusal


def advance_clock(world: World, request: Request) -> dict[str, Any]:
    seconds = Body(request, "advance_seconds").number("advance_seconds")
    with world.lock:
        try:
            world.clock.advance(seconds)
        except ValueError as refusal:
            raise Refused(str(refusal)) from refusal
        payments.expire_open(world)
        world.changed()
        return {"now": world.clock.now(), "offset_seconds": world.clock.offset}


def reset(world: World, request: Request) -> dict[str, Any]:
    keep_ids = Body(request, "keep_ids").flag("keep_ids", False)
    with world.lock:
        world.reset(keep_ids=keep_ids)
    return {"ok": True}


def _find_payment(world: World, payment_id: str) -> Payment:
    try:
        return world.razorpay.payments[payment_id]
    except KeyError:
        raise Refused(f"there is no payment {payment_id}", 404) from None


def _find_order(world: World, order_id: str) -> Order:
    try:
        return world.razorpay.orders[order_id]
    except KeyError:
        raise Refused(f"there is no order {order_id}", 404) from None

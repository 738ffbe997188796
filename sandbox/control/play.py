"""Playing the people and the time: a payer, a customer in Checkout, the clock."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Request

from sandbox.control.money import find, read_payer
from sandbox.control.reading import Body, Refused
from sandbox.razorpay import checkout as razorpay_checkout
from sandbox.razorpay import payments, timers
from sandbox.razorpay.errors import FAILURES
from sandbox.state import World

#: How Razorpay comes to charge another amount than its order's, or in another currency.
_CHARGED_OTHERWISE = ("fee_bearer", "offer_discount", "payer_amount", "payer_currency")


def approve(world: World, request: Request, payment_id: str) -> dict[str, Any]:
    """Approve a payment now, or after `after_seconds` of the sandbox's clock."""
    after = Body(request, "after_seconds").integer("after_seconds", 0)
    if after:
        with world.lock:
            payment = find(world.razorpay.payments, payment_id, "payment")
            world.razorpay.agenda.schedule(world.clock.unix() + after, "approve", payment_id)
            world.changed()
            return payment.wire()
    return _answer(world, payment_id, approve=True)


def decline(world: World, request: Request, payment_id: str) -> dict[str, Any]:
    reason = Body(request, "reason").choice("reason", FAILURES, "payment_declined")
    return _answer(world, payment_id, approve=False, reason=reason)


def _answer(world: World, payment_id: str, **how: Any) -> dict[str, Any]:
    with world.lock:
        timers.catch_up(world)
        payment = find(world.razorpay.payments, payment_id, "payment")
        try:
            payments.answer(world, payment, **how)
        except payments.NotPayable as refusal:
            raise Refused(str(refusal), 409) from refusal
        return payment.wire()


def checkout(world: World, request: Request, order_id: str) -> dict[str, Any]:
    body = Body(request, "outcome", "method", "reason", "email", "contact", "amount", "currency", *_CHARGED_OTHERWISE)
    how = read_payer(body)
    how["amount"] = body.integer("amount", None, lowest=1)
    how["currency"] = body.text("currency", None)
    how["fee_bearer"] = body.choice("fee_bearer", ("customer", "platform"), None)
    how["offer_discount"] = body.integer("offer_discount", 0)
    how["payer_amount"] = body.integer("payer_amount", None, lowest=1)
    how["payer_currency"] = body.text("payer_currency", None)
    if (how["payer_amount"] is None) != (how["payer_currency"] is None):
        raise Refused("payer_amount and payer_currency go together")
    with world.lock:
        try:
            return razorpay_checkout.pay(world, find(world.razorpay.orders, order_id, "order"), **how)
        except payments.NotPayable as refusal:
            raise Refused(str(refusal), 409) from refusal


def advance_clock(world: World, request: Request) -> dict[str, Any]:
    seconds = Body(request, "advance_seconds").number("advance_seconds")
    try:
        timers.advance(world, seconds)
    except ValueError as refusal:
        raise Refused(str(refusal)) from refusal
    with world.lock:
        return {"now": world.clock.now(), "offset_seconds": world.clock.offset}


def reset(world: World, request: Request) -> dict[str, Any]:
    keep_ids = Body(request, "keep_ids").flag("keep_ids", False)
    with world.lock:
        world.reset(keep_ids=keep_ids)
    return {"ok": True}

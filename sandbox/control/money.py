"""Playing the banks and the customers around a payment: refunds decided, disputes, links and QR codes paid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from werkzeug.wrappers import Request

from sandbox.control.reading import Body, Refused
from sandbox.razorpay import checkout, disputes, links, payments, qr_codes, refunds, timers
from sandbox.razorpay.errors import FAILURES
from sandbox.state import World

_RESPOND_WITHIN = 7 * 24 * 3600

T = TypeVar("T")


def find(table: Mapping[str, T], entity_id: str, what: str) -> T:
    """:raises Refused: if there is no such thing"""
    if entity_id not in table:
        raise Refused(f"there is no {what} {entity_id}", 404)
    return table[entity_id]


def conclude_refund(world: World, request: Request, refund_id: str) -> dict[str, Any]:
    outcome = Body(request, "outcome").choice("outcome", ("processed", "failed"), "processed")
    with world.lock:
        timers.catch_up(world)
        refund = find(world.razorpay.refunds, refund_id, "refund")
        try:
            refunds.conclude(world, refund, outcome=outcome)
        except refunds.NotPending as refusal:
            raise Refused(str(refusal), 409) from refusal
        return refund.wire()


def auto_refund(world: World, request: Request, payment_id: str) -> dict[str, Any]:
    Body(request)
    with world.lock:
        payment = find(world.razorpay.payments, payment_id, "payment")
        if payment.status != "authorized":
            raise Refused(f"{payment_id} is {payment.status}", 409)
        refunds.auto_refund_uncaptured(world, payment_id)
        return payment.wire()


def raise_dispute(world: World, request: Request) -> dict[str, Any]:
    body = Body(
        request, "payment_id", "amount", "phase", "reason_code", "respond_by", "respond_in_seconds", "deduct_at_onset"
    )
    payment_id = body.text("payment_id")
    phase = body.choice("phase", disputes.PHASES, "chargeback")
    reason_code = body.text("reason_code", "goods_or_services_not_received_or_partially_received")
    within = body.integer("respond_in_seconds", _RESPOND_WITHIN, lowest=1)
    with world.lock:
        payment = find(world.razorpay.payments, payment_id, "payment")
        amount = body.integer("amount", payment.amount, lowest=1)
        if payment.captured_at is None or amount > payment.amount:
            raise Refused(f"{payment_id} has no {amount} paise to dispute", 409)
        dispute = disputes.raise_dispute(
            world,
            payment,
            amount=amount,
            phase=phase,
            reason_code=reason_code,
            respond_by=body.integer("respond_by", world.clock.unix() + within, lowest=1),
            deduct=body.flag("deduct_at_onset", False),
        )
        return dispute.wire()


def decide_dispute(world: World, request: Request, dispute_id: str) -> dict[str, Any]:
    body = Body(request, "outcome", "respond_by")
    outcome = body.choice("outcome", disputes.OUTCOMES)
    respond_by = body.integer("respond_by", None, lowest=1)
    with world.lock:
        dispute = find(world.razorpay.disputes, dispute_id, "dispute")
        try:
            disputes.decide(world, dispute, outcome=outcome, respond_by=respond_by)
        except disputes.DisputeDecided as refusal:
            raise Refused(str(refusal), 409) from refusal
        return dispute.wire()


def pay_link(world: World, request: Request, link_id: str) -> dict[str, Any]:
    body = Body(request, "outcome", "method", "reason", "email", "contact", "amount")
    amount = body.integer("amount", None, lowest=1)
    how = read_payer(body)
    with world.lock:
        timers.catch_up(world)
        link = find(world.razorpay.payment_links, link_id, "payment link")
        try:
            return links.pay(world, link, amount=amount, **how)
        except payments.NotPayable as refusal:
            raise Refused(str(refusal), 409) from refusal


def pay_qr(world: World, request: Request, qr_id: str) -> dict[str, Any]:
    body = Body(request, "amount", "outcome", "reason")
    amount = body.integer("amount", None, lowest=1)
    outcome = body.choice("outcome", ("success", "failure"), "success")
    reason = body.choice("reason", FAILURES, "payment_declined")
    with world.lock:
        timers.catch_up(world)
        qr = find(world.razorpay.qr_codes, qr_id, "QR code")
        try:
            return qr_codes.pay(world, qr, amount=amount, outcome=outcome, reason=reason).wire()
        except payments.NotPayable as refusal:
            raise Refused(str(refusal), 409) from refusal


def read_payer(body: Body) -> dict[str, Any]:
    """Read how somebody pays in Checkout, or fails to."""
    return {
        "outcome": body.choice("outcome", ("success", "failure"), "success"),
        "method": body.choice("method", checkout.METHODS, "upi"),
        "reason": body.choice("reason", FAILURES, "payment_declined"),
        "email": body.text("email", "gaurav.kumar@example.com"),
        "contact": body.text("contact", "+919876543210"),
    }

"""Control calls that play the bank of a customer who disputes a payment."""

from __future__ import annotations

from werkzeug.wrappers import Request

from sandbox.control.lookups import find
from sandbox.control.request_body import CallRefused, RequestBody
from sandbox.json_types import JsonObject
from sandbox.razorpay import disputes
from sandbox.state import World

_RESPOND_WITHIN_SECONDS = 7 * 24 * 3600
_REASON = "goods_or_services_not_received_or_partially_received"


def raise_dispute(world: World, request: Request) -> JsonObject:
    body = RequestBody(
        request, "payment_id", "amount", "phase", "reason_code", "respond_by", "respond_in_seconds", "deduct_at_onset"
    )
    payment_id = body.text("payment_id")
    phase = body.choice("phase", disputes.PHASES, "chargeback")
    reason_code = body.text("reason_code", _REASON)
    within = body.integer("respond_in_seconds", _RESPOND_WITHIN_SECONDS, lowest=1)
    with world.lock:
        payment = find(world.razorpay.payments, payment_id, "payment")
        amount = body.integer("amount", payment.amount, lowest=1)
        if payment.captured_at is None or amount > payment.amount:
            raise CallRefused(f"The payment {payment_id} has no {amount} paise to dispute.", 409)
        dispute = disputes.raise_dispute(
            world,
            payment,
            amount=amount,
            phase=phase,
            reason_code=reason_code,
            respond_by=body.integer("respond_by", world.clock.unix() + within, lowest=1),
            deduct=body.flag("deduct_at_onset", default=False),
        )
        return dispute.to_wire()


def decide_dispute(world: World, request: Request, dispute_id: str) -> JsonObject:
    body = RequestBody(request, "outcome", "respond_by")
    outcome = body.choice("outcome", disputes.OUTCOMES)
    respond_by = body.integer("respond_by", None, lowest=1)
    with world.lock:
        dispute = find(world.razorpay.disputes, dispute_id, "dispute")
        try:
            disputes.decide_dispute(world, dispute, outcome=outcome, respond_by=respond_by)
        except disputes.DisputeDecided as refusal:
            raise CallRefused(str(refusal), 409) from refusal
        return dispute.to_wire()

"""/v1/refunds and the refunds of a payment: creation, outcome, and the automatic refund of uncaptured payments."""

from __future__ import annotations

import json
import re
import time
from typing import Literal, Required, TypedDict, Unpack

from werkzeug.wrappers import Request

from sandbox.json_types import JsonObject
from sandbox.razorpay import validation, webhooks
from sandbox.razorpay.bank_calendar import add_months
from sandbox.razorpay.entities import Adjustment, Payment, Refund
from sandbox.razorpay.errors import KeyConflict, Refused
from sandbox.razorpay.state import RefundKey
from sandbox.state import World

# The documented amount, in paise, at which an instant refund falls back to a normal one in test mode.
INSTANT_FALLBACK_AMOUNT = 2_468
_STEP = "payment_initiation"
_LOWEST = 100
_LONGEST_AGE_MONTHS = 6
_FIELDS = {"amount", "speed", "notes", "receipt"}
_SHORTEST_KEY = 10
_ADJUSTMENT_PREFIXES = {"transfer": "trf", "reversal": "rvrsl"}


class NotPending(Exception):
    """The refund is past the point at which its outcome is decided; the text says where it is."""


def refund_payment(world: World, request: Request, payment_id: str) -> JsonObject:
    return _create(world, request, payment_id, _FIELDS)


def create_refund(world: World, request: Request) -> JsonObject:
    payment_id = validation.require_text(validation.read_json(request), "payment_id", longest=40)
    return _create(world, request, payment_id, {*_FIELDS, "payment_id"})


def _create(world: World, request: Request, payment_id: str, allowed: set[str]) -> JsonObject:
    """Make a refund, or return the one that the same key and body made before."""
    body = validation.read_json(request)
    validation.refuse_extra_fields(body, allowed)
    body.pop("payment_id", None)
    key = _read_key(request)
    if key is None:
        _simulate_processing(world)
        return _make_refund(world, payment_id, body).to_wire()

    gateway = world.razorpay
    fingerprint = json.dumps([payment_id, body], sort_keys=True)
    earlier = gateway.refund_keys.get(key)
    if earlier is not None:
        return gateway.refunds[_find_earlier_refund(earlier, fingerprint)].to_wire()
    gateway.refund_keys[key] = RefundKey(fingerprint=fingerprint)
    try:
        _simulate_processing(world)
        refund = _make_refund(world, payment_id, body)
    except Refused:
        del gateway.refund_keys[key]
        raise
    gateway.refund_keys[key].refund_id = refund.id
    return refund.to_wire()


def _read_key(request: Request) -> str | None:
    key = request.headers.get("X-Refund-Idempotency")
    if key is None:
        return None
    if len(key) < _SHORTEST_KEY:
        raise Refused(f"The idempotency key must be at least {_SHORTEST_KEY} characters long", step=_STEP)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", key):
        raise Refused(
            "The idempotency key must contain only alphanumeric characters, underscores, and hyphens", step=_STEP
        )
    return key


def _find_earlier_refund(earlier: RefundKey, fingerprint: str) -> str:
    if earlier.fingerprint != fingerprint:
        raise KeyConflict("Different request with the same idempotency key has already been processed.")
    if earlier.refund_id is None:
        raise KeyConflict("Another request with the same idempotency key is still in progress.")
    return earlier.refund_id


def _simulate_processing(world: World) -> None:
    """Let the request be under way as long as the knob says, while others are served."""
    deadline = time.monotonic() + world.razorpay.knobs.refund_busy_ms / 1000
    while (left := deadline - time.monotonic()) > 0:
        world.lock.wait(left)


def _make_refund(world: World, payment_id: str, body: JsonObject) -> Refund:
    """Refund as much of a payment as the request wants, and send the events of that."""
    payment = validation.find_entity(world.razorpay.payments, payment_id, "pay")
    speed = _read_speed(body)
    notes, receipt = validation.read_notes(body), validation.read_receipt(body)
    amount = _read_amount(world, payment, body)

    refund = Refund(
        id=world.ids.razorpay("rfnd"),
        payment_id=payment.id,
        amount=amount,
        currency=payment.currency,
        created_at=world.clock.unix(),
        notes=notes,
        receipt=receipt,
        speed_requested=speed,
        speed_processed="normal" if speed == "normal" else "instant",
        payer_amount=None if payment.payer_amount is None else payment.to_payer_amount(amount),
        payer_currency=payment.payer_currency,
    )
    _change_balance(world, -amount)
    _book_refund(world, payment, refund)
    pending_events = [_pending_event("refund.created", refund, payment)]
    if refund.speed_processed == "instant" and amount == INSTANT_FALLBACK_AMOUNT:
        refund.speed_processed = "normal"
        pending_events.append(_pending_event("refund.speed_changed", refund, payment))
    pending_events += _decide_outcome(world, refund, payment)
    webhooks.emit_events(world, pending_events)
    return refund


def _read_speed(body: JsonObject) -> Literal["normal", "optimum"]:
    speed = body.get("speed", "normal")
    if speed == "normal":
        return "normal"
    if speed == "optimum":
        return "optimum"
    raise Refused("The speed must be normal or optimum.", field="speed", step=_STEP)


def _read_amount(world: World, payment: Payment, body: JsonObject) -> int:
    """
    Return what is to be refunded, in the merchant's paise: all that is left, if the request names no amount.

    :raises Refused: if that amount of the payment cannot be refunded, now or at all
    """
    requested = _read_requested_amount(body)
    _require_refundable(payment)
    left = payment.amount - payment.amount_refunded
    amount = left if requested is None else payment.to_merchant_amount(requested)
    if amount > left:
        raise Refused("The refund amount provided is greater than amount captured.", field="amount", step=_STEP)
    if world.clock.unix() > add_months(payment.created_at, _LONGEST_AGE_MONTHS):
        raise Refused("The payment is more than six months old and cannot be refunded.", step=_STEP)
    _require_balance(world, amount)
    return amount


def _read_requested_amount(body: JsonObject) -> int | None:
    """Return the amount that a request names, in the payer's currency, or None."""
    amount = body.get("amount")
    if amount is None:
        return None
    if isinstance(amount, bool) or not isinstance(amount, int):
        raise Refused("The amount must be an integer.", field="amount", step=_STEP)
    if amount < _LOWEST:
        raise Refused("The amount must be at least INR 1.00", field="amount", step=_STEP)
    return amount


def _require_refundable(payment: Payment) -> None:
    if payment.status == "refunded":
        raise Refused("The payment has been fully refunded already.", step=_STEP)
    if payment.captured_at is None:
        raise Refused("The payment status should be captured for action to be taken", step=_STEP)


def _require_balance(world: World, amount: int) -> None:
    balance = world.razorpay.knobs.refund_balance
    if balance is not None and amount > balance:
        raise Refused(
            "Your account does not have enough balance to carry out the refund operation.",
            reason="insufficient_account_balance",
            step=_STEP,
        )


def _change_balance(world: World, amount: int) -> None:
    """Change what is left for refunds, if that is bounded."""
    knobs = world.razorpay.knobs
    if knobs.refund_balance is not None:
        knobs.refund_balance += amount


def _book_refund(world: World, payment: Payment, refund: Refund) -> None:
    world.razorpay.add_refund(refund)
    _change_refunded(payment, refund.amount)
    world.notify_change()


def _change_refunded(payment: Payment, amount: int) -> None:
    payment.amount_refunded += amount
    if payment.amount_refunded == payment.amount:
        payment.status, payment.refund_status = "refunded", "full"
    else:
        payment.status = "captured" if payment.captured_at is not None else "authorized"
        payment.refund_status = "partial" if payment.amount_refunded else None


def _decide_outcome(world: World, refund: Refund, payment: Payment) -> list[webhooks.PendingEvent]:
    """Process at once what the knobs let pass at once; else make an appointment, or leave it to the control API."""
    knobs = world.razorpay.knobs
    if knobs.refund_outcome == "manual":
        return []
    seconds = 0 if refund.speed_processed == "instant" else knobs.refund_seconds
    if knobs.refund_outcome == "processed" and seconds == 0:
        return [_process_refund(world, refund, payment)]
    world.razorpay.timers.set(world.clock.unix() + seconds, f"refund_{knobs.refund_outcome}", refund.id)
    return []


def _process_refund(world: World, refund: Refund, payment: Payment) -> webhooks.PendingEvent:
    refund.status = "processed"
    refund.arn = world.ids.digits("arn", 23)
    return _pending_event("refund.processed", refund, payment)


def _pending_event(event: str, refund: Refund, payment: Payment) -> webhooks.PendingEvent:
    return webhooks.PendingEvent(
        event,
        {"refund": refund.to_wire(), "payment": payment.to_wire()},
        payment_id=payment.id,
        order_id=payment.order_id,
    )


def conclude_refund(world: World, refund: Refund, *, outcome: Literal["processed", "failed"]) -> None:
    """
    Decide a pending refund. The amount of a failed one is the merchant's again, and can be refunded again.

    :raises NotPending: if it is decided already
    """
    if refund.status != "pending":
        raise NotPending(f"The refund {refund.id} is {refund.status}.")
    payment = world.razorpay.payments[refund.payment_id]
    if outcome == "processed":
        webhooks.emit_events(world, [_process_refund(world, refund, payment)])
        return
    refund.status = "failed"
    _change_refunded(payment, -refund.amount)
    _change_balance(world, refund.amount)
    if refund.settlement_id is not None:
        adjust_balance(world, payment, refund.amount, f"Reversal of refund {refund.id}")
    webhooks.emit_events(world, [_pending_event("refund.failed", refund, payment)])


def conclude_due_refund(world: World, refund_id: str, outcome: Literal["processed", "failed"]) -> None:
    refund = world.razorpay.refunds[refund_id]
    if refund.status == "pending":
        conclude_refund(world, refund, outcome=outcome)


def adjust_balance(
    world: World, payment: Payment, amount: int, description: str, dispute_id: str | None = None
) -> None:
    """Correct the merchant's balance by `amount` paise in the next settlement."""
    add_adjustment(world, amount=amount, description=description, payment_id=payment.id, dispute_id=dispute_id)


class AdjustmentDetails(TypedDict, total=False):
    """What an adjustment is about: further fields of its line."""

    description: Required[str]
    payment_id: str | None
    dispute_id: str | None
    credit_type: str
    fee: int
    tax: int


def add_adjustment(
    world: World, *, amount: int, kind: str = "adjustment", **details: Unpack[AdjustmentDetails]
) -> Adjustment:
    """Add a line of any kind to the next settlement that debits or credits an amount in paise."""
    row = Adjustment(
        id=world.ids.razorpay(_ADJUSTMENT_PREFIXES.get(kind, "adj")),
        amount=amount,
        currency="INR",
        created_at=world.clock.unix(),
        kind=kind,
        **details,
    )
    world.razorpay.adjustments[row.id] = row
    return row


def auto_refund_uncaptured(world: World, payment_id: str) -> None:
    """Refund an authorised payment that nobody captured; its `captured` stays false, and no fee was taken."""
    payment = world.razorpay.payments[payment_id]
    if payment.status != "authorized":
        return
    refund = Refund(
        id=world.ids.razorpay("rfnd"),
        payment_id=payment.id,
        amount=payment.amount,
        currency=payment.currency,
        created_at=world.clock.unix(),
        automatic=True,
        payer_amount=payment.payer_amount,
        payer_currency=payment.payer_currency,
    )
    _book_refund(world, payment, refund)
    webhooks.emit_events(
        world, [_pending_event("refund.created", refund, payment), _process_refund(world, refund, payment)]
    )


def fetch_refund(world: World, _request: Request, refund_id: str) -> JsonObject:
    return validation.find_entity(world.razorpay.refunds, refund_id, "rfnd").to_wire()


def list_refunds(world: World, request: Request) -> JsonObject:
    found = validation.cut_page(request, reversed(world.razorpay.refunds.values()))
    return validation.as_collection([refund.to_wire() for refund in found])


def list_refunds_of_payment(world: World, request: Request, payment_id: str) -> JsonObject:
    payment = validation.find_entity(world.razorpay.payments, payment_id, "pay")
    found = validation.cut_page(request, world.razorpay.list_refunds_of(payment.id))
    return validation.as_collection([refund.to_wire() for refund in found])


def fetch_refund_of_payment(world: World, _request: Request, payment_id: str, refund_id: str) -> JsonObject:
    payment = validation.find_entity(world.razorpay.payments, payment_id, "pay")
    return validation.find_entity(
        {row.id: row for row in world.razorpay.list_refunds_of(payment.id)}, refund_id, "rfnd"
    ).to_wire()


def edit_refund(world: World, request: Request, refund_id: str) -> JsonObject:
    refund = validation.find_entity(world.razorpay.refunds, refund_id, "rfnd")
    body = validation.read_json(request)
    validation.refuse_extra_fields(body, {"notes"})
    if "notes" not in body:
        raise Refused("The notes field is required.", field="notes")

    refund.notes = validation.read_notes(body)
    world.notify_change()
    return refund.to_wire()

"""/v1/payments/qr_codes, and the customer who scans one."""

from __future__ import annotations

from typing import Literal

from werkzeug.wrappers import Request

from sandbox.json_types import JsonObject
from sandbox.razorpay import payments, validation, webhooks
from sandbox.razorpay.entities import Payment, QrCode
from sandbox.razorpay.errors import Refused
from sandbox.razorpay.failures import FAILURES
from sandbox.state import World

_FIELDS = {
    "type",
    "name",
    "usage",
    "fixed_amount",
    "payment_amount",
    "description",
    "customer_id",
    "close_by",
    "notes",
    "tax_invoice",
}
_SHORTEST_LIFE, _LONGEST_LIFE = 2 * 60, 2 * 3600
_STEP = "qr_code"


def create_qr_code(world: World, request: Request) -> JsonObject:
    body = validation.read_json(request)
    validation.refuse_extra_fields(body, _FIELDS)
    kind = body.get("type")
    if kind not in {"upi_qr", "bharat_qr"}:
        raise Refused("The type must be upi_qr or bharat_qr.", field="type", step=_STEP)
    usage = body.get("usage")
    if usage not in {"single_use", "multiple_use"}:
        raise Refused("The usage must be single_use or multiple_use.", field="usage", step=_STEP)
    fixed = validation.read_flag(body, "fixed_amount")
    if usage == "single_use" and not fixed:
        raise Refused("The fixed amount must be true for single use.", field="fixed_amount", step=_STEP)
    amount = validation.read_amount({"amount": body.get("payment_amount")}, step=_STEP) if fixed else None
    tax_invoice = body.get("tax_invoice")
    if tax_invoice is not None and not isinstance(tax_invoice, dict):
        raise Refused("The tax invoice must be an object.", field="tax_invoice", step=_STEP)

    qr_id = world.ids.razorpay("qr")
    qr = QrCode(
        id=qr_id,
        name=validation.read_text(body, "name", longest=255),
        usage=usage,
        type=str(kind),
        created_at=world.clock.unix(),
        image_url=f"https://rzp.example/i/{qr_id.removeprefix('qr_')[:8]}",
        fixed_amount=fixed,
        payment_amount=amount,
        description=validation.read_text(body, "description", longest=255),
        customer_id=validation.read_text(body, "customer_id", longest=40),
        notes=validation.read_notes(body),
        close_by=_read_close_by(world, body, usage),
        tax_invoice=tax_invoice,
    )
    world.razorpay.qr_codes[qr.id] = qr
    if qr.close_by is not None:
        world.razorpay.timers.set(qr.close_by, "qr_close", qr.id)
    webhooks.emit_events(world, [_pending_event("created", qr)])
    return qr.to_wire()


def _read_close_by(world: World, body: JsonObject, usage: str) -> int | None:
    """Return when a single-use code expires: after two hours, if no time or a later one is given."""
    close_by, now = body.get("close_by"), world.clock.unix()
    if usage == "multiple_use":
        if close_by is not None:
            raise Refused("The close by is allowed for single use only.", field="close_by", step=_STEP)
        return None
    latest = now + _LONGEST_LIFE
    if close_by is None:
        return latest
    if isinstance(close_by, bool) or not isinstance(close_by, int) or close_by < now + _SHORTEST_LIFE:
        raise Refused("The close by should be at least 2 minutes after now.", field="close_by", step=_STEP)
    return min(close_by, latest)


def _pending_event(what: str, qr: QrCode, payment: Payment | None = None) -> webhooks.PendingEvent:
    if payment is not None:
        return webhooks.payment_event(f"qr_code.{what}", payment, qr_code=qr.to_wire())
    return webhooks.PendingEvent(f"qr_code.{what}", {"qr_code": qr.to_wire()})


def fetch_qr_code(world: World, _request: Request, qr_id: str) -> JsonObject:
    return validation.find_entity(world.razorpay.qr_codes, qr_id, "qr").to_wire()


def list_qr_codes(world: World, request: Request) -> JsonObject:
    customer_id, payment_id = request.args.get("customer_id"), request.args.get("payment_id")
    rows = [
        qr
        for qr in reversed(world.razorpay.qr_codes.values())
        if customer_id in {None, qr.customer_id} and (payment_id is None or payment_id in qr.payment_ids)
    ]
    found = validation.cut_page(request, rows, extra={"customer_id", "payment_id"})
    return validation.as_collection([qr.to_wire() for qr in found])


def list_payments_of_qr_code(world: World, request: Request, qr_id: str) -> JsonObject:
    qr = validation.find_entity(world.razorpay.qr_codes, qr_id, "qr")
    rows = [world.razorpay.payments[payment_id] for payment_id in reversed(qr.payment_ids)]
    return validation.as_collection([payment.to_wire() for payment in validation.cut_page(request, rows)])


def close_qr_code(world: World, _request: Request, qr_id: str) -> JsonObject:
    qr = validation.find_entity(world.razorpay.qr_codes, qr_id, "qr")
    if qr.status == "closed":
        raise Refused("The QR code is closed already.", step=_STEP)

    webhooks.emit_events(world, [_mark_closed(world, qr, "on_demand")])
    return qr.to_wire()


def _mark_closed(world: World, qr: QrCode, reason: Literal["on_demand", "paid"] | None) -> webhooks.PendingEvent:
    qr.status, qr.close_reason, qr.closed_at = "closed", reason, world.clock.unix()
    return _pending_event("closed", qr)


def expire_qr_code(world: World, qr_id: str) -> None:
    """Close a code that has reached its time."""
    qr = world.razorpay.qr_codes[qr_id]
    if qr.status == "active":
        webhooks.emit_events(world, [_mark_closed(world, qr, None)])


def pay_qr_code(world: World, qr: QrCode, *, amount: int | None, outcome: str, reason: str) -> Payment:
    """
    Scan a code and pay; the payment belongs to no order and is captured by itself.

    :raises NotPayable: if the code takes no such money now
    """
    amount = qr.payment_amount if amount is None else amount
    if qr.status != "active":
        raise payments.NotPayable(f"The QR code {qr.id} is {qr.status}.")
    if amount is None or (qr.fixed_amount and amount != qr.payment_amount):
        raise payments.NotPayable(
            f"The QR code {qr.id} takes {qr.payment_amount or 'an amount of your choice'} in paise."
        )
    payment = payments.open_payment(
        world,
        None,
        amount=amount,
        method="upi",
        flow="intent",
        email="gaurav.kumar@example.com",
        contact="+919876543210",
        description="QRv2 Payment",
        notes=dict(qr.notes),
    )
    payment.link = None
    if outcome == "failure":
        payments.fail_payment(world, payment, FAILURES[reason])
        return payment

    payments.authorize_payment(world, payment, lambda _: _book_payment(world, qr, payment))
    return payment


def _book_payment(world: World, qr: QrCode, payment: Payment) -> list[webhooks.PendingEvent]:
    qr.payment_ids.append(payment.id)
    qr.payments_amount_received += payment.amount
    pending_events = [_pending_event("credited", qr, payment)]
    if qr.usage == "single_use":
        pending_events.append(_mark_closed(world, qr, "paid"))
    return pending_events

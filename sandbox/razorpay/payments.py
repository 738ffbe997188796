"""/v1/payments, and what happens to a payment: opened, authorised, captured, failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Required, TypedDict, Unpack
from urllib.parse import quote

from werkzeug.wrappers import Request

from sandbox.json_types import JsonObject
from sandbox.razorpay import validation, webhooks
from sandbox.razorpay.bank_calendar import compute_settlement_time
from sandbox.razorpay.entities import Card, Notes, Order, Payment
from sandbox.razorpay.errors import Refused, UrlNotFound
from sandbox.razorpay.failures import FAILURES, Failure
from sandbox.razorpay.fees import compute_fee_and_tax
from sandbox.state import World

# The documented amounts, in paise, that decide the outcome of a server-to-server UPI payment in test mode.
TRIGGER_AMOUNTS = {
    201: "insufficient_funds",
    204: "incorrect_pin",
    302: "payment_cancelled",
    402: "payment_declined",
}
_TRIGGER_VPAS = {"success@razorpay", "failure@razorpay"}
_S2S_FIELDS = {
    "amount",
    "currency",
    "order_id",
    "email",
    "contact",
    "method",
    "ip",
    "referer",
    "user_agent",
    "description",
    "notes",
    "upi",
    "customer_id",
    "save",
    "callback_url",
}
_MERCHANT_VPA = "bahi.sandbox@sandbox"


class NotPayable(Exception):
    """The state of the payment or order does not allow the request; the text names it."""


def fetch_payment(world: World, _request: Request, payment_id: str) -> JsonObject:
    return validation.find_entity(world.razorpay.payments, payment_id, "pay").to_wire()


def list_payments(world: World, request: Request) -> JsonObject:
    found = validation.cut_page(request, reversed(world.razorpay.payments.values()), extra={"expand[]"})
    return validation.as_collection([payment.to_wire() for payment in found])


def edit_payment(world: World, request: Request, payment_id: str) -> JsonObject:
    payment = validation.find_entity(world.razorpay.payments, payment_id, "pay")
    body = validation.read_json(request)
    validation.refuse_extra_fields(body, {"notes"})
    if "notes" not in body:
        raise Refused("The notes field is required.", field="notes")

    payment.notes = validation.read_notes(body)
    world.notify_change()
    return payment.to_wire()


def capture_payment(world: World, request: Request, payment_id: str) -> JsonObject:
    payment = validation.find_entity(world.razorpay.payments, payment_id, "pay")
    body = validation.read_json(request)
    validation.refuse_extra_fields(body, {"amount", "currency"})
    amount = validation.read_amount(body)
    currency = validation.read_currency(body)

    if payment.status in {"captured", "refunded"}:
        raise Refused(
            "Your payment has been declined as the order is already paid. Please initiate the payment with a new order.",
            step="payment_capture",
        )
    if payment.status != "authorized":
        raise Refused(
            "Only payments which have been authorized and not yet captured can be captured", step="payment_capture"
        )
    if (amount, currency) != (payment.to_payer_amount(payment.amount), payment.payer_currency or payment.currency):
        raise Refused("Capture amount must be equal to the amount authorized", field="amount", step="payment_capture")
    order = world.razorpay.find_order_of(payment)
    if order is None or order.status == "paid":
        raise Refused("Payment cannot be captured because the order is already paid.", step="payment_capture")

    webhooks.emit_events(world, complete_capture(world, payment))
    return payment.to_wire()


def create_upi_payment(world: World, request: Request) -> JsonObject:
    """Open a server-to-server UPI payment, for accounts that may."""
    payment = _create_s2s(world, request)
    if payment.flow == "collect":
        return {"razorpay_payment_id": payment.id}
    return {"razorpay_payment_id": payment.id, "link": payment.link}


def create_json_payment(world: World, request: Request) -> JsonObject:
    """Do the same by the newer path, whose answer also lists the next steps."""
    payment = _create_s2s(world, request)
    poll = {"action": "poll", "url": f"{request.host_url}razorpay/v1/payments/{payment.id}"}
    if payment.flow == "collect":
        return {"razorpay_payment_id": payment.id, "next": [poll]}
    return {
        "razorpay_payment_id": payment.id,
        "link": payment.link,
        "next": [{"action": "intent", "url": payment.link}, poll],
    }


def _create_s2s(world: World, request: Request) -> Payment:
    """Open the payment that a server-to-server request describes, and let the simulated payer see it."""
    if not world.razorpay.knobs.s2s_upi:
        raise UrlNotFound
    body = validation.read_json(request)
    validation.refuse_extra_fields(body, _S2S_FIELDS)
    amount = validation.read_amount(body)
    validation.read_currency(body)
    order = validation.find_entity(
        world.razorpay.orders, validation.require_text(body, "order_id", longest=40), "order"
    )
    details = _read_s2s_details(body)
    if order.status == "paid":
        raise Refused("Payment already done for this order.")
    _refuse_other_amount(order, amount)

    details["notes"] = validation.read_notes(body)
    details["description"] = validation.read_text(body, "description", longest=255)
    payment = open_payment(world, order, amount=amount, method="upi", **details)
    _simulate_payer(world, payment)
    return payment


def _read_s2s_details(body: JsonObject) -> PaymentDetails:
    """Return who pays and how: by a link that a UPI app opens, or by a request to a UPI id."""
    email = validation.require_text(body, "email", longest=255)
    contact = validation.read_contact(body)
    if body.get("method") != "upi":
        raise Refused("The method must be upi.", field="method")
    upi = body.get("upi")
    if not isinstance(upi, dict) or upi.get("flow") not in {"intent", "collect"}:
        raise Refused("The upi.flow must be intent or collect.", field="upi.flow")
    if upi["flow"] == "intent":
        return {
            "email": email,
            "contact": contact,
            "flow": "intent",
            "vpa": validation.read_text(upi, "vpa", longest=100),
        }
    return {
        "email": email,
        "contact": contact,
        "flow": "collect",
        "vpa": validation.require_text(upi, "vpa", longest=100),
    }


def _refuse_other_amount(order: Order, amount: int) -> None:
    due = order.amount - order.amount_paid
    lowest = due
    if order.partial_payment:
        lowest = min(due, order.first_payment_min_amount or 100) if order.amount_paid == 0 else 100
    if not lowest <= amount <= due:
        raise Refused("Your payment amount is different from your order amount.", field="amount")


class PaymentDetails(TypedDict, total=False):
    """Who pays and how: further fields of a payment that is opened."""

    email: Required[str]
    contact: Required[str]
    flow: Required[Literal["intent", "collect", "checkout"]]
    currency: str
    notes: Notes
    description: str | None
    vpa: str | None
    bank: str | None
    wallet: str | None
    card: Card | None
    acquirer_data: JsonObject
    settles: int | None
    fee_bearer: str | None
    offer_id: str | None
    payer_currency: str | None
    payer_amount: int | None


def open_payment(
    world: World, order: Order | None, *, amount: int, method: str, **details: Unpack[PaymentDetails]
) -> Payment:
    """Record that a customer began to pay."""
    now = world.clock.unix()
    details.setdefault("currency", order.currency if order is not None else "INR")
    payment = Payment(
        id=world.ids.razorpay("pay"),
        order_id=order.id if order is not None else None,
        amount=amount,
        method=method,
        created_at=now,
        expires_at=now + world.razorpay.knobs.upi_timeout_seconds,
        **details,
    )
    world.razorpay.timers.set(now + world.razorpay.knobs.upi_timeout_seconds, "payment_expiry", payment.id)
    if payment.flow == "intent" and method == "upi":
        payment.link = _intent_link(payment)
    if order is not None:
        order.attempts += 1
        if order.status == "created":
            order.status = "attempted"
    world.razorpay.add_payment(payment)
    world.notify_change()
    return payment


def _intent_link(payment: Payment) -> str:
    """Return the link that a UPI app opens. Its address belongs to nobody, so that no real rupee can follow it."""
    values = {
        "pa": _MERCHANT_VPA,
        "pn": "Bahi Sandbox",
        "tr": payment.id.replace("pay_", "RZP"),
        "tn": (payment.description or "Sandbox payment")[:50],
        "am": f"{payment.amount // 100}.{payment.amount % 100:02d}",
        "cu": payment.currency,
        "mc": "5411",
    }
    return "upi://pay?" + "&".join(f"{name}={quote(value, safe='@')}" for name, value in values.items())


def _simulate_payer(world: World, payment: Payment) -> None:
    """Decide at once what test mode decides by amount or address; else leave it to the payer, who may be a knob."""
    if payment.amount in TRIGGER_AMOUNTS:
        fail_payment(world, payment, FAILURES[TRIGGER_AMOUNTS[payment.amount]])
    elif payment.vpa in _TRIGGER_VPAS:
        answer_payment(world, payment, approve=payment.vpa == "success@razorpay")
    elif world.razorpay.knobs.payer != "manual":
        approve = world.razorpay.knobs.payer == "approve"
        world.scheduler.after(
            world.razorpay.knobs.payer_delay_ms / 1000, lambda: _answer_if_open(world, payment, approve=approve)
        )


def _answer_if_open(world: World, payment: Payment, *, approve: bool) -> None:
    with world.lock:
        if payment.status == "created":
            answer_payment(world, payment, approve=approve)


def answer_payment(world: World, payment: Payment, *, approve: bool, reason: str = "payment_declined") -> None:
    """
    Let the payer approve or decline. Approving a failed payment is a late authorisation, which is allowed.

    :raises NotPayable: if the payment can no longer be approved or declined
    """
    if payment.status not in ({"created", "failed"} if approve else {"created"}):
        raise NotPayable(f"The payment {payment.id} is {payment.status}.")
    if approve:
        authorize_payment(world, payment)
    else:
        fail_payment(world, payment, FAILURES[reason])


def approve_scheduled(world: World, payment_id: str) -> None:
    """Approve a payment whose scheduled approval is due, if it can still be approved."""
    payment = world.razorpay.payments[payment_id]
    if payment.status in {"created", "failed"}:
        authorize_payment(world, payment)


def authorize_payment(
    world: World, payment: Payment, also: Callable[[Payment], list[webhooks.PendingEvent]] | None = None
) -> None:
    """
    Authorise the payment, and capture it where the order says so.

    `also` is called after that and returns further events of the same moment.
    """
    order = world.razorpay.find_order_of(payment)
    payment.late_authorized = payment.status == "failed"
    payment.status = "authorized"
    payment.error = None
    if payment.method == "upi":
        payment.vpa = payment.vpa or "gaurav.kumar@upi"
        payment.acquirer_data = {
            "rrn": world.ids.digits("rrn", 12),
            "upi_transaction_id": world.ids.hex("upi", 32).upper(),
        }
    world.razorpay.open_payments.discard(payment.id)
    pending_events = [webhooks.payment_event("payment.authorized", payment)]

    if order is None or _captures_by_itself(world, order, payment):
        pending_events += complete_capture(world, payment)
    else:
        world.razorpay.timers.set(payment.created_at + order.manual_minutes * 60, "auto_refund", payment.id)
    if also is not None:
        pending_events += also(payment)

    webhooks.emit_events(world, pending_events)


def _captures_by_itself(world: World, order: Order, payment: Payment) -> bool:
    in_time = world.clock.unix() - payment.created_at <= order.automatic_minutes * 60
    return order.capture == "automatic" and in_time and order.status != "paid"


def complete_capture(world: World, payment: Payment) -> list[webhooks.PendingEvent]:
    """Capture a payment and return the events to send."""
    gateway = world.razorpay
    order = gateway.find_order_of(payment)
    payment.status = "captured"
    payment.captured_at = world.clock.unix()
    settled = payment.amount if payment.settles is None else payment.settles
    payment.fee, payment.tax = compute_fee_and_tax(settled if payment.fee_bearer == "customer" else payment.amount)
    pending_events = [webhooks.payment_event("payment.captured", payment)]
    if order is not None:
        order.amount_paid += settled
        if order.amount_paid >= order.amount:
            order.status = "paid"
            pending_events.append(webhooks.payment_event("order.paid", payment, order=order.to_wire()))

    knobs = gateway.knobs
    due = compute_settlement_time(payment.captured_at, working_days=knobs.settlement_days, holidays=knobs.holidays)
    gateway.timers.set(due, "settlement")
    return pending_events


def fail_payment(world: World, payment: Payment, failure: Failure) -> None:
    """Record that the payment failed."""
    payment.status = "failed"
    payment.error = {
        "code": failure.code,
        "description": failure.description,
        "source": failure.source,
        "step": failure.step,
        "reason": failure.reason,
    }
    world.razorpay.open_payments.discard(payment.id)
    webhooks.emit_events(world, [webhooks.payment_event("payment.failed", payment)])


def expire_payment(world: World, payment_id: str) -> None:
    """Fail a payment that no bank has answered in time."""
    payment = world.razorpay.payments[payment_id]
    if payment.status == "created":
        fail_payment(world, payment, FAILURES["payment_timed_out"])

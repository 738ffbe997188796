"""/v1/payment_links, and the customer who opens one and pays."""

from __future__ import annotations

from urllib.parse import urlencode

from werkzeug.wrappers import Request

from sandbox.json_types import JsonObject
from sandbox.razorpay import checkout, payments, validation, webhooks
from sandbox.razorpay.bank_calendar import add_months
from sandbox.razorpay.checkout import Charge, Payer
from sandbox.razorpay.entities import Order, Payment, PaymentLink
from sandbox.razorpay.errors import InvalidInput, Refused
from sandbox.razorpay.signatures import sign_payment_link
from sandbox.state import World

_FIELDS = {
    "amount",
    "currency",
    "accept_partial",
    "first_min_partial_amount",
    "expire_by",
    "reference_id",
    "description",
    "customer",
    "notify",
    "reminder_enable",
    "notes",
    "callback_url",
    "callback_method",
    "upi_link",
    "options",
}
_EDITABLE = {"reference_id", "expire_by", "notes", "reminder_enable", "accept_partial"}
_SHORTEST_LIFE, _LONGEST_LIFE_MONTHS = 15 * 60, 6
_LOWEST_PART = 100
_LONGEST_REFERENCE, _LONGEST_DESCRIPTION = 40, 2_048
_PAYABLE = {"created", "partially_paid"}
_STEP = "payment_link"
_UPI_LINK_IN_TEST_MODE = "UPI Payment Links is not supported in Test Mode. Please experience the product in Live Mode."
#: By status, why a link cannot be cancelled.
_NOT_CANCELLABLE = {
    "paid": "cannot cancel or expire an already paid/partially paid link",
    "expired": "cannot cancel or expire an expired link",
}


def create_link(world: World, request: Request) -> JsonObject:
    body = validation.read_json(request)
    validation.refuse_extra_fields(body, _FIELDS)
    if validation.read_flag(body, "upi_link"):
        raise Refused(
            "UPI Payment Links is not supported in Test Mode. Please experience the product in Live Mode.",
            field="upi_link",
            step=_STEP,
        )
    amount = validation.read_amount(body, step=_STEP)
    currency = validation.read_currency({"currency": body.get("currency", "INR")})
    partial = validation.read_flag(body, "accept_partial")
    callback_url = validation.read_text(body, "callback_url", longest=2_048) or ""
    if callback_url and body.get("callback_method") != "get":
        raise Refused("The callback method must be get.", field="callback_method", step=_STEP)

    link_id = world.ids.razorpay("plink")
    link = PaymentLink(
        id=link_id,
        amount=amount,
        currency=currency,
        created_at=world.clock.unix(),
        short_url=f"https://rzp.example/i/{link_id.removeprefix('plink_')[:8]}",
        accept_partial=partial,
        first_min_partial_amount=_read_first(body, amount) if partial else 0,
        reference_id=_read_reference(world, body),
        description=validation.read_text(body, "description", longest=_LONGEST_DESCRIPTION) or "",
        customer=_read_object(body, "customer"),
        notify=_read_object(body, "notify"),
        reminder_enable=validation.read_flag(body, "reminder_enable"),
        notes=validation.read_notes(body),
        callback_url=callback_url,
        callback_method="get" if callback_url else "",
        expire_by=_read_expiry(world, body),
        updated_at=world.clock.unix(),
    )
    link.notified = [medium for medium, wanted in link.notify.items() if wanted]
    world.razorpay.payment_links[link.id] = link
    _watch_expiry(world, link)
    world.notify_change()
    return link.to_wire()


def _read_first(body: JsonObject, amount: int) -> int:
    first = body.get("first_min_partial_amount", _LOWEST_PART)
    if isinstance(first, bool) or not isinstance(first, int) or not _LOWEST_PART <= first <= amount:
        raise Refused("The first min partial amount is not valid.", field="first_min_partial_amount", step=_STEP)
    return first


def _read_reference(world: World, body: JsonObject) -> str:
    reference = validation.read_text(body, "reference_id", longest=_LONGEST_REFERENCE) or ""
    if reference and any(link.reference_id == reference for link in world.razorpay.payment_links.values()):
        raise Refused(
            f"payment link creation with reference ID already attempted ({reference})",
            field="reference_id",
            step=_STEP,
        )
    return reference


def _read_object(body: JsonObject, name: str) -> JsonObject:
    value = body.get(name) or {}
    if not isinstance(value, dict):
        raise Refused(f"The {name} must be an object.", field=name, step=_STEP)
    return dict(value)


def _read_expiry(world: World, body: JsonObject) -> int:
    expire_by = body.get("expire_by") or 0
    now = world.clock.unix()
    if not isinstance(expire_by, int) or (expire_by and expire_by < now + _SHORTEST_LIFE):
        raise Refused("timestamp must be atleast 15 minutes in future", field="expire_by", step=_STEP)
    if expire_by > add_months(now, _LONGEST_LIFE_MONTHS):
        raise Refused("The expire_by should be at most 6 months after now.", field="expire_by", step=_STEP)
    return expire_by


def _watch_expiry(world: World, link: PaymentLink) -> None:
    if link.expire_by:
        world.razorpay.timers.set(link.expire_by, "link_expiry", link.id)


def fetch_link(world: World, _request: Request, link_id: str) -> JsonObject:
    return _find_link(world, link_id).to_wire()


def list_links(world: World, request: Request) -> JsonObject:
    reference, payment_id = request.args.get("reference_id"), request.args.get("payment_id")
    rows = [
        link
        for link in reversed(world.razorpay.payment_links.values())
        if reference in {None, link.reference_id}
        and (payment_id is None or any(row["payment_id"] == payment_id for row in link.payments))
    ]
    found = validation.cut_page(request, rows, extra={"reference_id", "payment_id"})
    return {"payment_links": [link.to_wire() for link in found]}


def edit_link(world: World, request: Request, link_id: str) -> JsonObject:
    link = _find_link(world, link_id)
    body = validation.read_json(request)
    validation.refuse_extra_fields(body, _EDITABLE)
    if link.status not in _PAYABLE:
        raise Refused(f"Payment link cannot be edited because it is {link.status}.", step=_STEP)
    changes: JsonObject = {}
    if body.get("reference_id", link.reference_id) != link.reference_id:
        changes["reference_id"] = _read_reference(world, body)
    if "expire_by" in body:
        changes["expire_by"] = _read_expiry(world, body)
    if "notes" in body:
        changes["notes"] = validation.read_notes(body)
    for name in ("reminder_enable", "accept_partial"):
        if name in body:
            changes[name] = validation.read_flag(body, name)

    for name, value in changes.items():
        setattr(link, name, value)
    link.updated_at = world.clock.unix()
    _watch_expiry(world, link)
    world.notify_change()
    return link.to_wire()


def cancel_link(world: World, _request: Request, link_id: str) -> JsonObject:
    link = _find_link(world, link_id)
    if link.status not in _PAYABLE:
        raise Refused(_NOT_CANCELLABLE.get(link.status, f"cannot cancel or expire a {link.status} link"), step=_STEP)

    link.status = "cancelled"
    link.cancelled_at = link.updated_at = world.clock.unix()
    webhooks.emit_events(world, [webhooks.PendingEvent("payment_link.cancelled", {"payment_link": link.to_wire()})])
    return link.to_wire()


def notify_customer(world: World, _request: Request, link_id: str, medium: str) -> JsonObject:
    if not link_id.startswith("plink_"):
        raise InvalidInput("id", link_id)
    link = _find_link(world, link_id)
    if medium not in {"sms", "email"}:
        raise Refused("not a valid notification medium", field="medium", step=_STEP)
    if link.status not in _PAYABLE:
        raise Refused(f"Notification cannot be sent because the payment link is {link.status}.", step=_STEP)

    link.notified.append(medium)
    world.notify_change()
    return {"success": True}


def expire_link(world: World, link_id: str) -> None:
    """Close a link that has reached its time, unless it was paid or given more time meanwhile."""
    link = world.razorpay.payment_links[link_id]
    if link.status not in _PAYABLE or not link.expire_by or link.expire_by > world.clock.now():
        return
    link.status = "expired"
    link.expired_at = link.updated_at = world.clock.unix()
    webhooks.emit_events(world, [webhooks.PendingEvent("payment_link.expired", {"payment_link": link.to_wire()})])


def pay_link(world: World, link: PaymentLink, payer: Payer, *, amount: int | None) -> JsonObject:
    """
    Pay on the page of a link; return the fields that its callback gets, with the address, or Checkout's error.

    Without an amount, pay what is due.

    :raises NotPayable: if the link takes no such money now
    """
    amount = _choose_amount(link, amount)
    order = _ensure_order(world, link)
    charge = Charge(amount=amount)
    answer = checkout.pay_order(
        world, order, payer, charge, also=lambda payment: [_book_payment(world, link, order, payment)]
    )
    if "error" in answer:
        return answer
    return _sign_callback(world, link, str(answer["razorpay_payment_id"]))


def _choose_amount(link: PaymentLink, amount: int | None) -> int:
    """Return what is paid in paise: the amount, or all that is due."""
    due = link.amount - link.amount_paid
    lowest = due
    if link.accept_partial:
        lowest = min(due, link.first_min_partial_amount if not link.amount_paid else _LOWEST_PART)
    amount = due if amount is None else amount
    if link.status not in _PAYABLE:
        raise payments.NotPayable(f"The payment link {link.id} is {link.status}.")
    if not lowest <= amount <= due:
        raise payments.NotPayable(f"The payment link {link.id} takes from {lowest} to {due} paise.")
    return amount


def _sign_callback(world: World, link: PaymentLink, payment_id: str) -> JsonObject:
    """Return the signed fields that the page hands to the callback, with the address that it opens."""
    fields = {
        "razorpay_payment_id": payment_id,
        "razorpay_payment_link_id": link.id,
        "razorpay_payment_link_reference_id": link.reference_id,
        "razorpay_payment_link_status": link.status,
        "razorpay_signature": sign_payment_link(
            link_id=link.id,
            reference_id=link.reference_id,
            status=link.status,
            payment_id=payment_id,
            key_secret=world.settings.key_secret,
        ),
    }
    mark = "&" if "?" in link.callback_url else "?"
    return {**fields, "callback": f"{link.callback_url}{mark}{urlencode(fields)}" if link.callback_url else None}


def _ensure_order(world: World, link: PaymentLink) -> Order:
    """Return the order behind a link; it is made when somebody first pays."""
    if link.order_id is not None:
        return world.razorpay.orders[link.order_id]
    order = Order(
        id=world.ids.razorpay("order"),
        amount=link.amount,
        currency=link.currency,
        receipt=link.reference_id or None,
        notes=dict(link.notes),
        created_at=world.clock.unix(),
        partial_payment=link.accept_partial,
        first_payment_min_amount=link.first_min_partial_amount or None,
    )
    world.razorpay.add_order(order)
    link.order_id = order.id
    return order


def _book_payment(world: World, link: PaymentLink, order: Order, payment: Payment) -> webhooks.PendingEvent:
    now = world.clock.unix()
    link.amount_paid += payment.amount
    link.status = "paid" if link.amount_paid >= link.amount else "partially_paid"
    link.updated_at = now
    link.payments.append(
        {
            "amount": payment.amount,
            "created_at": payment.created_at,
            "method": payment.method,
            "payment_id": payment.id,
            "plink_id": link.id,
            "status": payment.status,
            "updated_at": now,
        }
    )
    # In these webhooks alone the order goes by its id without the prefix.
    bare = {**order.to_wire(), "id": order.id.removeprefix("order_")}
    entities = {"payment_link": link.to_wire(), "order": bare, "payment": payment.to_wire()}
    event = f"payment_link.{link.status}"
    return webhooks.PendingEvent(event, entities, payment_id=payment.id, order_id=order.id)


def _find_link(world: World, link_id: str) -> PaymentLink:
    return validation.find_entity(world.razorpay.payment_links, link_id, "plink")

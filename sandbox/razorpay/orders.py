"""/v1/orders: create, fetch, list, the payments of one, notes."""

from __future__ import annotations

from typing import Literal

from werkzeug.wrappers import Request

from sandbox.json_types import JsonObject
from sandbox.razorpay import validation
from sandbox.razorpay.entities import AUTOMATIC_CAPTURE_MINUTES, MANUAL_CAPTURE_MINUTES, Order
from sandbox.razorpay.errors import Refused
from sandbox.state import World

_CREATE_FIELDS = {
    "amount",
    "currency",
    "receipt",
    "notes",
    "partial_payment",
    "first_payment_min_amount",
    "payment",
    "payment_capture",
    "unique_receipt",
}
_CAPTURE_OPTIONS = {"automatic_expiry_period", "manual_expiry_period", "refund_speed"}
_SHORTEST_EXPIRY_MINUTES = 12


def create_order(world: World, request: Request) -> JsonObject:
    body = validation.read_json(request)
    validation.refuse_extra_fields(body, _CREATE_FIELDS)
    amount = validation.read_order_amount(body)
    currency = validation.read_currency(body)
    receipt = validation.read_receipt(body)
    notes = validation.read_notes(body)
    capture, automatic_minutes, manual_minutes = _read_capture(body)
    partial = validation.read_flag(body, "partial_payment")
    first_payment = _read_first_payment(body, amount)

    if validation.read_flag(body, "unique_receipt") and receipt is not None:
        earlier = _find_same_receipt(world, receipt=receipt, amount=amount, currency=currency)
        if earlier is not None:
            return earlier.to_wire()

    order = Order(
        id=world.ids.razorpay("order"),
        amount=amount,
        currency=currency,
        receipt=receipt,
        notes=notes,
        created_at=world.clock.unix(),
        capture=capture,
        automatic_minutes=automatic_minutes,
        manual_minutes=manual_minutes,
        partial_payment=partial,
        first_payment_min_amount=first_payment,
    )
    world.razorpay.add_order(order)
    world.notify_change()
    return order.to_wire()


def _read_first_payment(body: JsonObject, amount: int) -> int | None:
    first_payment = body.get("first_payment_min_amount")
    if first_payment is None:
        return None
    if not isinstance(first_payment, int) or not 0 < first_payment <= amount:
        raise Refused("The first payment min amount is not valid.", field="first_payment_min_amount")
    return first_payment


def _find_same_receipt(world: World, *, receipt: str, amount: int, currency: str) -> Order | None:
    ids = world.razorpay.orders_by_receipt.get(receipt)
    if not ids:
        return None
    earlier = world.razorpay.orders[ids[0]]
    same = (earlier.amount, earlier.currency) == (amount, currency)
    if same and world.razorpay.knobs.unique_receipt == "return":
        return earlier
    raise Refused("Order receipt should be unique.", field="receipt", step="order_creation")


def _read_capture(body: JsonObject) -> tuple[Literal["automatic", "manual"], int, int]:
    """
    Read how payments are captured, and within how many minutes by the gateway and by the merchant.

    The older 0/1 flag is still understood.
    """
    payment = body.get("payment")
    if payment is None:
        wants_capture = body.get("payment_capture", 1)
        if wants_capture not in (0, 1):
            raise Refused("The payment capture field must be 0 or 1.", field="payment_capture")
        return ("automatic" if wants_capture else "manual"), AUTOMATIC_CAPTURE_MINUTES, MANUAL_CAPTURE_MINUTES

    if not isinstance(payment, dict) or payment.get("capture") not in {"automatic", "manual"}:
        raise Refused("The payment.capture must be automatic or manual.", field="payment.capture")
    validation.refuse_extra_fields(payment, {"capture", "capture_options"})
    options = payment.get("capture_options") or {}
    if not isinstance(options, dict):
        raise Refused("The payment.capture_options must be an object.", field="payment.capture_options")
    validation.refuse_extra_fields(options, _CAPTURE_OPTIONS)
    automatic = _read_minutes(options, "automatic_expiry_period", AUTOMATIC_CAPTURE_MINUTES)
    manual = _read_minutes(options, "manual_expiry_period", MANUAL_CAPTURE_MINUTES)
    return payment["capture"], automatic, manual


def _read_minutes(options: JsonObject, name: str, default: int) -> int:
    minutes = options.get(name, default)
    if not isinstance(minutes, int) or minutes < _SHORTEST_EXPIRY_MINUTES:
        raise Refused(
            f"The {name.replace('_', ' ')} must be at least {_SHORTEST_EXPIRY_MINUTES}.",
            field=f"payment.capture_options.{name}",
        )
    return minutes


def fetch_order(world: World, request: Request, order_id: str) -> JsonObject:
    order = validation.find_entity(world.razorpay.orders, order_id, "order")
    return _expanded(world, request, order)


def list_orders(world: World, request: Request) -> JsonObject:
    receipt = request.args.get("receipt")
    authorized = request.args.get("authorized")
    table = world.razorpay.orders
    if receipt is None:
        rows = list(reversed(table.values()))
    else:
        rows = [table[order_id] for order_id in reversed(world.razorpay.orders_by_receipt.get(receipt, []))]
    if authorized not in {None, "0", "1"}:
        raise Refused("The authorized field must be 0 or 1.", field="authorized")
    if authorized is not None:
        rows = [order for order in rows if _has_authorized(world, order) == (authorized == "1")]

    found = validation.cut_page(request, rows, extra={"receipt", "authorized", "expand[]"})
    return validation.as_collection([_expanded(world, request, order) for order in found])


def _has_authorized(world: World, order: Order) -> bool:
    return any(payment.status in {"authorized", "captured"} for payment in world.razorpay.list_payments_of(order.id))


def _expanded(world: World, request: Request, order: Order) -> JsonObject:
    body = order.to_wire()
    if {"payments", "payments.card"} & set(request.args.getlist("expand[]")):
        body["payments"] = _payments(world, order)
    return body


def _payments(world: World, order: Order) -> JsonObject:
    return validation.as_collection([payment.to_wire() for payment in world.razorpay.list_payments_of(order.id)])


def list_payments_of_order(world: World, _request: Request, order_id: str) -> JsonObject:
    return _payments(world, validation.find_entity(world.razorpay.orders, order_id, "order"))


def edit_order(world: World, request: Request, order_id: str) -> JsonObject:
    order = validation.find_entity(world.razorpay.orders, order_id, "order")
    body = validation.read_json(request)
    validation.refuse_extra_fields(body, {"notes"})
    if "notes" not in body:
        raise Refused("The notes field is required.", field="notes")

    order.notes = validation.read_notes(body)
    world.notify_change()
    return order.to_wire()

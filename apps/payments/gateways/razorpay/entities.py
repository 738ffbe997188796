"""
Reads Razorpay's entities tolerantly: a missing or mistyped optional field must not stop a payment from being booked.

Known quirks: `notes` is `[]` when empty, ids have or lack their prefix, `created_at` may be missing.
https://razorpay.com/docs/webhooks/payloads/payments/
"""

import json
from typing import Any

from apps.payments import messages
from apps.payments.facts import (
    GatewayError,
    GatewayOrder,
    GatewayPayment,
    GatewayRefund,
    UnreadableFacts,
    WebhookEnvelope,
    with_prefix,
)
from apps.payments.states import AttemptStatus, RefundStatus

NAME = "razorpay"
#: The key in notes that holds our payment's public id.
NOTE_OF_PAYMENT = "payment"
#: The key in notes that holds our refund's public id.
NOTE_OF_REFUND = "refund"
#: Webhooks of a refund, which contain its payment.
FOLLOWED_REFUNDS = frozenset({"refund.created", "refund.processed", "refund.failed", "refund.speed_changed"})
#: Webhooks of a payment attempt. Other types are stored and not processed.
FOLLOWED = frozenset({"payment.authorized", "payment.captured", "payment.failed", "order.paid"})

#: The status of an order that Razorpay considers paid, whatever its payer was charged.
_PAID = "paid"
#: The entities of a webhook; the first one present is its subject.
_SUBJECTS = ("refund", "dispute", "settlement", "payment_link", "qr_code", "payment", "order", "payment.downtime")

_STATUSES = {
    "created": AttemptStatus.CREATED,
    "pending": AttemptStatus.CREATED,
    "failed": AttemptStatus.FAILED,
    "authorized": AttemptStatus.AUTHORIZED,
    "captured": AttemptStatus.CAPTURED,
}

#: Webhooks whose type names the status that the refund must have.
_REFUND_EVENTS = {"refund.processed": "processed", "refund.failed": "failed"}

_REFUND_STATUSES = {
    "created": RefundStatus.PENDING,
    "pending": RefundStatus.PENDING,
    "processed": RefundStatus.PROCESSED,
    "failed": RefundStatus.FAILED,
}


def order_from(entity: Any) -> GatewayOrder:
    """
    Read an order.

    :raises UnreadableFacts: if it has no id or amount
    """
    body = _object(entity)
    return GatewayOrder(
        id=with_prefix("order", body.get("id")),
        amount=_paise(body.get("amount")),
        currency=currency_of(body),
        receipt=_text(body, "receipt"),
        status=_text(body, "status"),
        amount_paid=_paise_or_none(body.get("amount_paid")),
        is_paid=_text(body, "status") == _PAID,
    )


def payment_from(entity: Any, *, order: Any = None, account_id: str = "") -> GatewayPayment:
    """
    Read a payment; `order` is the entity of its order and `account_id` the account, if they came in a webhook.

    For a payment in the payer's own currency, we receive `base_amount` in `base_currency`.

    :raises UnreadableFacts: if it has no id, amount or known status
    """
    body = _object(entity)
    order_id = body.get("order_id")
    amount, currency, payer_amount, payer_currency = _converted(body)
    return GatewayPayment(
        gateway=NAME,
        id=with_prefix("pay", body.get("id")),
        order_id=with_prefix("order", order_id) if order_id else "",
        status=_status(body),
        amount=amount,
        currency=currency,
        payer_amount=payer_amount,
        payer_currency=payer_currency,
        method=_text(body, "method")[:20],
        payer=masked_payer(body),
        rrn=_rrn(body),
        fee_amount=_paise_or_none(body.get("fee")),
        fee_tax_amount=_paise_or_none(body.get("tax")),
        error=_error(body),
        our_payment=_our_payment(body, order),
        fee_bearer=_text(body, "fee_bearer")[:10],
        is_captured=body["captured"] if isinstance(body.get("captured"), bool) else None,
        account_id=account_id,
        gateway_order=_order_or_none(order, of=order_id),
        **_instrument_of(body),
    )


def _instrument_of(body: dict[str, Any]) -> dict[str, Any]:
    """Return the facts that a fee depends on: card scheme, kind of card or UPI account, and whether it is of another country."""
    card, upi, is_international = body.get("card"), body.get("upi"), body.get("international")
    return {
        "network": _text(card, "network")[:30],
        "funding": (_text(card, "type") or _text(upi, "payer_account_type"))[:20],
        "is_international": is_international if isinstance(is_international, bool) else None,
    }


def currency_of(body: dict[str, Any], name: str = "currency") -> str:
    """Return a currency as the gateway sent it, in capitals, or an empty text. It is not cut to three letters."""
    return _text(body, name).upper()[:16]


def _converted(body: dict[str, Any]) -> tuple[int, str, int | None, str]:
    """Return the amount and currency that we receive, and those that the payer was charged if they differ."""
    amount, currency = _paise(body.get("amount")), currency_of(body)
    base_amount, base_currency = _paise_or_none(body.get("base_amount")), currency_of(body, "base_currency")
    if base_amount is None or not base_currency or not currency or base_currency == currency:
        return amount, currency, None, ""
    return base_amount, base_currency, amount, currency


def _order_or_none(entity: Any, *, of: Any) -> GatewayOrder | None:
    """Return the order in the webhook of a payment; None if it cannot be read or belongs to another payment."""
    if not isinstance(entity, dict):
        return None
    try:
        order = order_from(entity)
    except UnreadableFacts:
        return None
    return order if of and order.id == with_prefix("order", of) else None


def refund_from(entity: Any, *, payment: Any = None, event_type: str = "") -> GatewayRefund:
    """
    Read a refund. Its amount is in the currency that the payer was charged in.

    `payment` is the entity of its payment and `event_type` the type, if it came in a webhook.

    :raises UnreadableFacts: if it has no id, payment, amount or known status
    """
    body = _object(entity)
    status = _text(body, "status")
    if status not in _REFUND_STATUSES:
        raise UnreadableFacts(f"a refund that is {status[:40]!r}")
    data, notes = body.get("acquirer_data"), body.get("notes")
    arn = data.get("arn") if isinstance(data, dict) else None
    ours = notes.get(NOTE_OF_REFUND) if isinstance(notes, dict) else None
    refund_id, payment_id = with_prefix("rfnd", body.get("id")), with_prefix("pay", body.get("payment_id"))
    enclosed = payment_from(payment) if payment is not None else None
    return GatewayRefund(
        gateway=NAME,
        id=refund_id,
        gateway_payment_id=payment_id,
        status=_REFUND_STATUSES[status],
        amount=_paise(body.get("amount")),
        currency=currency_of(body),
        speed_processed=_text(body, "speed_processed")[:10],
        arn=_bank_reference(arn),
        our_refund=clean_text(ours)[:40],
        receipt=_text(body, "receipt")[:40],
        payment=enclosed,
        contradiction=contradiction_of(
            refund_id,
            payment_id,
            status=status,
            event_type=event_type,
            must_be=_REFUND_EVENTS.get(event_type, ""),
            enclosed=enclosed,
        ),
    )


def contradiction_of(
    entity_id: str,
    payment_id: str,
    *,
    status: str,
    event_type: str,
    must_be: str,
    enclosed: GatewayPayment | None,
) -> str:
    """Return how a webhook of a refund or dispute contradicts itself, as a sentence for staff, or an empty text."""
    if must_be and status != must_be:
        return messages.event_contradicts_state(event_type, entity_id, status)
    if enclosed is not None and enclosed.id != payment_id:
        return messages.payments_contradict(entity_id, named=payment_id, enclosed=enclosed.id)
    return ""


def webhook_from(raw: bytes) -> tuple[str, GatewayPayment | GatewayRefund | None]:
    """
    Read a webhook: its type, and its payment or refund if we process that type.

    :raises UnreadableFacts: if it is not a JSON object, or its payment or refund cannot be read
    """
    try:
        envelope = _object(json.loads(raw))
    except (ValueError, RecursionError) as failure:
        raise UnreadableFacts("not JSON") from failure
    event_type = _text(envelope, "event")
    payload = envelope.get("payload")
    if event_type in FOLLOWED_REFUNDS and isinstance(payload, dict):
        refund = entity_of(payload, "refund")
        if refund is None:
            return event_type, None
        return event_type, refund_from(refund, payment=entity_of(payload, "payment"), event_type=event_type)
    if event_type not in FOLLOWED or not isinstance(payload, dict):
        return event_type, None
    entity = entity_of(payload, "payment")
    if entity is None:
        return event_type, None
    return event_type, payment_from(entity, order=entity_of(payload, "order"), account_id=account_of(envelope))


def account_of(envelope: Any) -> str:
    """
    Return the account that a webhook names, or an empty text if it names none.

    A value that is no text is returned as text all the same: it then differs from our account, and is not taken for ours.
    """
    named = envelope.get("account_id") if isinstance(envelope, dict) else None
    return "" if named is None else str(named)[:40]


def envelope_from(raw: bytes) -> WebhookEnvelope:
    """Read the type, account and entity ids of a webhook; what cannot be read is empty."""
    try:
        envelope = _object(json.loads(raw))
    except (ValueError, RecursionError):
        return WebhookEnvelope()
    payload = envelope.get("payload")
    entities = {name: entity_of(payload, name) for name in _SUBJECTS} if isinstance(payload, dict) else {}
    ids = {name: _text(entity, "id")[:40] for name, entity in entities.items()}
    payment_ids = [_text(entities.get(name), "payment_id")[:40] for name in ("refund", "dispute")]
    return WebhookEnvelope(
        event_type=_text(envelope, "event")[:60],
        account_id=account_of(envelope),
        entity_id=next((ids[name] for name in _SUBJECTS if ids.get(name)), ""),
        gateway_payment_id=next((one for one in (*payment_ids, ids.get("payment", "")) if one), ""),
        gateway_order_id=_text(entities.get("payment"), "order_id")[:40] or ids.get("order", ""),
    )


def masked_payer(body: dict[str, Any]) -> str:
    """Return the payer as staff and the buyer may see it: `ga***@upi`, or `**** 1007` for a card."""
    upi, card = body.get("upi"), body.get("card")
    vpa = _text(body, "vpa") or (_text(upi, "vpa") if isinstance(upi, dict) else "")
    if vpa:
        name, _, handle = vpa.partition("@")
        return f"{name[:2]}***@{handle}"[:120]
    if isinstance(card, dict) and _text(card, "last4"):
        return f"{_text(card, 'network')[:100]} **** {_text(card, 'last4')[-4:]}".strip()
    return (_text(body, "bank") or _text(body, "wallet"))[:120]


def _status(body: dict[str, Any]) -> str:
    status = _text(body, "status")
    if status == "refunded":
        # Refunded in full. If it was captured, we refunded it; otherwise the gateway refunded it automatically.
        return AttemptStatus.CAPTURED if body.get("captured") is True else AttemptStatus.AUTO_REFUNDED
    if status not in _STATUSES:
        raise UnreadableFacts(f"a payment that is {status[:40]!r}")
    return _STATUSES[status]


def _error(body: dict[str, Any]) -> GatewayError:
    def text(name: str) -> str:
        value = _text(body, f"error_{name}")[:300]
        return "" if value == "NA" else value

    return GatewayError(
        code=text("code"),
        reason=text("reason"),
        description=text("description"),
        source=text("source"),
        step=text("step"),
    )


def _our_payment(body: dict[str, Any], order: Any) -> str:
    """Return our payment's id from the notes of the payment, the notes of the order, or the order's receipt."""
    places = [body.get("notes"), order.get("notes") if isinstance(order, dict) else None]
    for notes in places:
        if isinstance(notes, dict) and isinstance(notes.get(NOTE_OF_PAYMENT), str):
            return clean_text(notes[NOTE_OF_PAYMENT])[:40]
    return _text(order, "receipt")[:40] if isinstance(order, dict) else ""


def _rrn(body: dict[str, Any]) -> str:
    data = body.get("acquirer_data")
    if not isinstance(data, dict):
        return ""
    for name in ("rrn", "bank_transaction_id", "transaction_id", "auth_code"):
        if reference := _bank_reference(data.get(name)):
            return reference
    return ""


def _bank_reference(value: Any) -> str:
    """Return a bank's reference, which may be sent as a number, or an empty text if there is none."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**40
    return clean_text(str(value) if is_number else value)[:40]


def entity_of(payload: dict[str, Any], name: str) -> Any:
    """Return an entity of a webhook's payload, or None."""
    wrapped = payload.get(name)
    return wrapped.get("entity") if isinstance(wrapped, dict) else None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UnreadableFacts("not an object")
    return value


def clean_text(value: Any) -> str:
    """Return a text without characters that the database cannot store; empty if it is not text."""
    return value.replace("\x00", "").encode("utf-8", "ignore").decode() if isinstance(value, str) else ""


def _text(body: Any, name: str) -> str:
    return clean_text(body.get(name)) if isinstance(body, dict) else ""


def _paise(value: Any) -> int:
    amount = _paise_or_none(value)
    if amount is None:
        raise UnreadableFacts("no amount")
    return amount


def _paise_or_none(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**15:
        return None
    return value

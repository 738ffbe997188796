"""
Razorpay's payment links and QR codes.

A link has a unique `reference_id`, and Razorpay creates an order for it at the first attempt. A QR code has only notes,
and its payments have no order. https://razorpay.com/docs/api/payments/payment-links/, .../qr-codes/
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from django.conf import settings

from apps.core import clock
from apps.payments.facts import GatewayLink, GatewayPayment, UnreadableFacts, with_prefix
from apps.payments.gateways.interface import GatewayRejected, Payer
from apps.payments.gateways.razorpay.calls import parse_collection, parse_response, read, write
from apps.payments.gateways.razorpay.entities import (
    NAME,
    NOTE_OF_PAYMENT,
    clean_text,
    entity_of,
    payment_from,
)
from apps.payments.states import LinkStatus, PaymentChannel

#: Webhooks of links and QR codes. If one contains a payment, the payment is processed instead of the link.
FOLLOWED_LINKS = frozenset(
    {
        "payment_link.paid", "payment_link.partially_paid", "payment_link.cancelled", "payment_link.expired",
        "qr_code.credited", "qr_code.closed",
    }
)  # fmt: skip
_PATHS = {PaymentChannel.PAYMENT_LINK: "/v1/payment_links", PaymentChannel.QR_CODE: "/v1/payments/qr_codes"}
_PREFIXES = {PaymentChannel.PAYMENT_LINK: "plink", PaymentChannel.QR_CODE: "qr"}
#: Razorpay's minimum is 15 minutes and 2 minutes; a minute more, because clocks differ and calls take time.
_SHORTEST_LIFE = {PaymentChannel.PAYMENT_LINK: timedelta(minutes=16), PaymentChannel.QR_CODE: timedelta(minutes=3)}
_LINK_STATUSES = {
    "created": LinkStatus.OPEN,
    "partially_paid": LinkStatus.OPEN,
    "paid": LinkStatus.PAID,
    "cancelled": LinkStatus.CANCELLED,
    "expired": LinkStatus.EXPIRED,
}
_CLOSED_QR = {"paid": LinkStatus.PAID, "on_demand": LinkStatus.CANCELLED}
_REFERENCE_TAKEN = "reference ID already attempted"
_PAGE = 100


class RazorpayLinks:
    """Links and QR codes of the account that the settings name."""

    def create_link(
        self,
        *,
        channel: str,
        receipt: str,
        amount: int,
        currency: str,
        description: str,
        payer: Payer,
        expires_at: datetime,
        notes: Mapping[str, str],
    ) -> GatewayLink:
        """
        Create one link per receipt, or a single-use QR code of a fixed amount.

        A repeated call creates another QR code: call `find_link` first if one may exist.

        :raises GatewayRejected: if Razorpay rejected the call
        :raises GatewayUnavailable: if Razorpay did nothing
        :raises GatewayOutcomeUnknown: if the outcome is unknown
        """
        until = int(max(expires_at, clock.now() + _SHORTEST_LIFE[PaymentChannel(channel)]).timestamp())
        if channel == PaymentChannel.QR_CODE:
            body = _qr_body(amount=amount, description=description, until=until, notes=notes)
            return parse_response(qr_from, write(_PATHS[PaymentChannel.QR_CODE], body))
        body = _link_body(
            amount=amount, currency=currency, receipt=receipt, description=description, payer=payer, until=until
        )
        try:
            return parse_response(link_from, write("/v1/payment_links", {**body, "notes": dict(notes)}))
        except GatewayRejected as refusal:
            is_taken = _REFERENCE_TAKEN in refusal.error.description
            found = _find_by_reference(receipt) if is_taken else None
            if found is None:
                raise
            return found

    def find_link(self, *, channel: str, receipt: str, since: datetime, until: datetime) -> GatewayLink | None:
        """Return the oldest link with a receipt, or QR code of a period with the receipt in its notes, or None."""
        if channel == PaymentChannel.PAYMENT_LINK:
            return _find_by_reference(receipt)
        oldest = None
        for skip in range(0, 10**6, _PAGE):
            params = {"from": int(since.timestamp()), "to": int(until.timestamp()), "count": _PAGE, "skip": skip}
            codes = parse_collection(read(_PATHS[PaymentChannel.QR_CODE], params), qr_from)
            oldest = next((code for code in reversed(codes) if code.our_payment == receipt), oldest)
            if len(codes) < _PAGE:
                break
        return oldest

    def get_link(self, *, channel: str, gateway_link_id: str) -> GatewayLink:
        """Return a link or QR code."""
        return parse_response(_reader(channel), read(_path(channel, gateway_link_id)))

    def close_link(self, *, channel: str, gateway_link_id: str) -> GatewayLink:
        """Cancel a link, or close a QR code."""
        action = "close" if channel == PaymentChannel.QR_CODE else "cancel"
        return parse_response(_reader(channel), write(f"{_path(channel, gateway_link_id)}/{action}", {}))

    def list_link_payments(self, link: GatewayLink) -> list[GatewayPayment]:
        """Return every payment attempt of a link or QR code, oldest first, with `link_id` set."""
        if link.channel == PaymentChannel.QR_CODE:
            found = parse_collection(read(f"{_path(link.channel, link.id)}/payments", {"count": _PAGE}), payment_from)[
                ::-1
            ]
        else:
            found = []
            if link.order_id:
                found = parse_collection(read(f"/v1/orders/{quote(link.order_id, safe='')}/payments"), payment_from)[
                    ::-1
                ]
            known = {payment.id for payment in found}
            named = [one for one in link.payment_ids if one not in known]
            found += [parse_response(payment_from, read(f"/v1/payments/{quote(one, safe='')}")) for one in named]
        return [replace(payment, link_id=link.id) for payment in found]


def _link_body(
    *, amount: int, currency: str, receipt: str, description: str, payer: Payer, until: int
) -> dict[str, Any]:
    customer = {"contact": payer.phone, "email": payer.email}
    return {
        "amount": amount,
        "currency": currency,
        "accept_partial": False,
        "expire_by": until,
        "reference_id": receipt,
        "description": description,
        "customer": {name: value for name, value in customer.items() if value},
        # Bahi notifies the buyer itself, and records the delivery.
        "notify": {"sms": False, "email": False},
        "reminder_enable": False,
    }


def _qr_body(*, amount: int, description: str, until: int, notes: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "upi_qr",
        "name": settings.SHOP_NAME,
        "usage": "single_use",
        "fixed_amount": True,
        "payment_amount": amount,
        "description": description,
        "close_by": until,
        "notes": dict(notes),
    }


def _find_by_reference(receipt: str) -> GatewayLink | None:
    body = read("/v1/payment_links", {"reference_id": receipt})
    key = "payment_links" if isinstance(body, dict) and "payment_links" in body else "items"
    matching = [link for link in parse_collection(body, link_from, key=key) if link.our_payment == receipt]
    return matching[-1] if matching else None


def _path(channel: str, gateway_link_id: str) -> str:
    return f"{_PATHS[PaymentChannel(channel)]}/{quote(gateway_link_id, safe='')}"


def _reader(channel: str) -> Callable[[Any], GatewayLink]:
    return qr_from if channel == PaymentChannel.QR_CODE else link_from


# Facts ---------------------------------------------------------------------------------------------------------------


def link_from(entity: Any) -> GatewayLink:
    """
    Read a payment link.

    :raises UnreadableFacts: if it has no id or known status
    """
    body = _object(entity)
    status = clean_text(body.get("status"))
    if status not in _LINK_STATUSES:
        raise UnreadableFacts(f"a payment link that is {status[:40]!r}")
    order_id, payments = body.get("order_id"), body.get("payments")
    ids = [row.get("payment_id") for row in payments if isinstance(row, dict)] if isinstance(payments, list) else []
    return GatewayLink(
        gateway=NAME,
        id=with_prefix("plink", body.get("id")),
        channel=PaymentChannel.PAYMENT_LINK,
        status=_LINK_STATUSES[status],
        amount=_whole(body.get("amount")),
        currency=clean_text(body.get("currency")).upper()[:3],
        url=_url(body.get("short_url")),
        expires_at=_instant(body.get("expire_by")),
        our_payment=_noted(body) or _short(body.get("reference_id")),
        order_id=with_prefix("order", order_id) if order_id else "",
        payment_ids=tuple(with_prefix("pay", one) for one in ids if one),
    )


def qr_from(entity: Any) -> GatewayLink:
    """
    Read a QR code; Razorpay does not send its currency, which is always INR.

    :raises UnreadableFacts: if it has no id or known status
    """
    body = _object(entity)
    status = body.get("status")
    if status not in ("active", "closed"):
        raise UnreadableFacts(f"a QR code that is {str(status)[:40]!r}")
    closed_as = _CLOSED_QR.get(str(body.get("close_reason")), LinkStatus.EXPIRED)
    return GatewayLink(
        gateway=NAME,
        id=with_prefix("qr", body.get("id")),
        channel=PaymentChannel.QR_CODE,
        status=LinkStatus.OPEN if status == "active" else closed_as,
        amount=_whole(body.get("payment_amount")),
        currency="INR",
        url=_url(body.get("image_url")),
        expires_at=_instant(body.get("close_by")),
        our_payment=_noted(body),
    )


def link_event_from(payload: Any) -> GatewayPayment | GatewayLink | None:
    """
    Read a webhook of a link or QR code: its payment with `link_id` set, or the link itself if there is no payment.

    :raises UnreadableFacts: if it cannot be parsed
    """
    if not isinstance(payload, dict):
        return None
    entity, code = entity_of(payload, "payment_link"), entity_of(payload, "qr_code")
    if entity is None and code is None:
        return None
    link = link_from(entity) if entity is not None else qr_from(code)
    payment = entity_of(payload, "payment")
    if payment is None:
        return link
    facts = payment_from(payment, order=entity_of(payload, "order"))
    return replace(facts, link_id=link.id, our_payment=link.our_payment or facts.our_payment)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UnreadableFacts("not an object")
    return value


def _noted(body: dict[str, Any]) -> str:
    notes = body.get("notes")
    return _short(notes.get(NOTE_OF_PAYMENT)) if isinstance(notes, dict) else ""


def _short(value: Any) -> str:
    return clean_text(value)[:40]


def _url(value: Any) -> str:
    url = clean_text(value)
    return url[:500] if url.startswith(("https://", "http://")) else ""


def _whole(value: Any) -> int:
    """Return an amount in paise; 0 if the payer chooses it, which ours never allow."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _instant(value: Any) -> datetime | None:
    is_time = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**11
    return datetime.fromtimestamp(value, tz=UTC) if is_time else None

"""Admin actions that create a payment link or QR code for an order, and that cancel a payment."""

from functools import partial
from typing import Any

from django.conf import settings

from apps.core import clock
from apps.core.admin_actions import ObjectAction, add_object_action
from apps.core.money import rupees
from apps.orders.states import OrderStatus
from apps.payments import rules
from apps.payments.models import Payment
from apps.payments.selectors import payments as selectors
from apps.payments.services import payments as payment_services
from apps.payments.states import LINK_CHANNELS, LIVE, PaymentChannel, PaymentStatus

_NEXT = {
    PaymentChannel.PAYMENT_LINK: "The buyer receives it as soon as the gateway has created it.",
    PaymentChannel.QR_CODE: "The payment's page shows it as soon as the gateway has created it. It can be paid once.",
}


def _start(order: Any, *, channel: PaymentChannel, user: Any, actor: Any, now: Any) -> str:
    payment = payment_services.start_link_payment(order_id=order.pk, channel=channel, actor=actor, now=now)
    return f"Payment {payment.public_id} collects {rupees(payment.amount)}. {_NEXT[channel]}"


def _forecast(order: Any, *, channel: PaymentChannel) -> list[tuple[str, Any]]:
    hours = rules.link_ttl(channel, settings.PAYMENT_LINK_TTL).total_seconds() / 3600
    due = order.total_amount - selectors.sum_captured(order.pk, currency=order.currency)
    return [
        ("Payment", f"{rupees(due)} is to be paid. {_NEXT[channel]}"),
        ("Stock", f"The goods of the order stay reserved for {hours:g} hours, or until the payment is cancelled."),
    ]


def _blocked_reason(order: Any, *, channel: PaymentChannel) -> str:
    live = selectors.find_live_payment(order.pk)
    if live is None or live.channel == channel:
        return ""
    return f"A payment of this order by {live.get_channel_display()} is open. Cancel that payment first."


def _awaits_payment(order: Any) -> bool:
    return bool(order.status == OrderStatus.PENDING_PAYMENT and clock.now() < order.expires_at)


def _cancel(payment: Payment, *, user: Any, actor: Any, now: Any) -> str:
    payment_services.cancel_payment(payment_id=payment.pk, customer_id=None, actor=actor, now=now)
    return f"Payment {payment.public_id} is cancelled."


def _cancellation_forecast(payment: Payment) -> list[tuple[str, Any]]:
    rows = [("Order", "The order can be paid in another way at once. If it is not paid in time, it expires.")]
    if payment.channel in LINK_CHANNELS:
        rows.append((payment.get_channel_display(), "It is closed at the gateway, so nobody can pay by it."))
    return [*rows, ("Money", "Money that still arrives is posted. What the order does not need is refunded.")]


for _name, _title, _icon, _channel in (
    ("send-link", "Send payment link", "link", PaymentChannel.PAYMENT_LINK),
    ("show-qr", "Create QR code", "qr_code_2", PaymentChannel.QR_CODE),
):
    add_object_action(
        "orders.order",
        ObjectAction(
            name=_name,
            title=_title,
            permission="payments.add_payment",
            perform=partial(_start, channel=_channel),
            icon=_icon,
            forecast=partial(_forecast, channel=_channel),
            blocked_reason=partial(_blocked_reason, channel=_channel),
            is_available=_awaits_payment,
        ),
    )
add_object_action(
    "payments.payment",
    ObjectAction(
        name="give-up",
        title="Cancel payment",
        permission="payments.add_payment",
        perform=_cancel,
        icon="cancel",
        forecast=_cancellation_forecast,
        is_available=lambda payment: payment.status in LIVE and payment.status != PaymentStatus.REQUIRES_CAPTURE,
        is_destructive=True,
    ),
)

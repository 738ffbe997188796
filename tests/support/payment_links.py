"""Payment links and QR codes: started, made at the sandbox and paid there."""

from datetime import timedelta
from typing import Any

from apps.core import clock
from apps.core.events import SYSTEM
from apps.payments.models import Payment
from apps.payments.services import gateway_orders, ledger_accounts, payments
from apps.payments.states import PaymentChannel

LINK, QR = PaymentChannel.PAYMENT_LINK, PaymentChannel.QR_CODE


def start(order: Any, channel: PaymentChannel = LINK) -> Payment:
    ledger_accounts.set_up_reference_data(now=clock.now())
    return payments.start_link_payment(order_id=order.pk, channel=channel, actor=SYSTEM, now=clock.now())


def make(order: Any, channel: PaymentChannel = LINK) -> Payment:
    return call(start(order, channel))


def call(payment: Payment, *, after: int = 0) -> Payment:
    gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now() + timedelta(seconds=after))
    payment.refresh_from_db()
    return payment


def pay(sandbox: Any, payment_or_id: Any, **how: Any) -> Any:
    link_id = getattr(payment_or_id, "gateway_link_id", payment_or_id)
    kind = "payment_links" if link_id.startswith("plink") else "qr_codes"
    return sandbox.control("POST", f"/{kind}/{link_id}/pay", how)


def at_gateway(sandbox: Any, channel: PaymentChannel) -> list[Any]:
    return list(sandbox.control("GET", "/truth")["payment_links" if channel == LINK else "qr_codes"])


def webhooks_of(sandbox: Any, *names: str) -> list[Any]:
    """Return the gateway's webhooks of these names, in the order in which they were made."""
    return [one for one in sandbox.world.razorpay.events.values() if not names or one.event in names]

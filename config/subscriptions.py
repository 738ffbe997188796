"""Event -> handlers: who hears which news. An event that nobody hears is named in UNHEARD, so that none is forgotten."""

from collections.abc import Callable

from apps.accounts import events as accounts
from apps.invoicing import events as invoicing
from apps.notifications import events as notifications
from apps.notifications import handlers as telling
from apps.orders import events as orders
from apps.payments import events as payments

HANDLERS: dict[str, tuple[Callable[..., object], ...]] = {
    accounts.USER_SIGNED_UP: (telling.welcome,),
    accounts.USER_EMAIL_CONFIRMED: (telling.tell_email_confirmed,),
    accounts.USER_PASSWORD_CHANGED: (telling.tell_password_changed,),
    orders.ORDER_PLACED: (telling.tell_order_placed,),
    orders.ORDER_CONFIRMED: (telling.tell_order_confirmed,),
    orders.ORDER_CANCELLED: (telling.tell_order_cancelled,),
    orders.ORDER_EXPIRED: (telling.tell_order_expired,),
    payments.ATTEMPT_FAILED: (telling.tell_payment_failed,),
    payments.PAYMENT_SUCCEEDED_LATE: (telling.tell_payment_late,),
    invoicing.INVOICE_RENDERED: (telling.tell_invoice_ready,),
    notifications.NOTIFICATION_QUEUED: (telling.send_notification,),
}

UNHEARD: frozenset[str] = frozenset(
    {
        notifications.NOTIFICATION_SENT,
        notifications.NOTIFICATION_FAILED,
    }
)

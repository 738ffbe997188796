"""Event -> handlers: who hears which news. An event that nobody hears is named in UNHEARD, so that none is forgotten."""

from collections.abc import Callable

from apps.accounts import events as accounts
from apps.accounts import handlers as account_handlers
from apps.catalog import events as catalog
from apps.core import incidents
from apps.invoicing import events as invoicing
from apps.invoicing import handlers as invoicing_handlers
from apps.notifications import events as notifications
from apps.notifications import handlers as telling
from apps.orders import events as orders
from apps.payments import events as payments
from apps.payments import handlers as payment_handlers

HANDLERS: dict[str, tuple[Callable[..., object], ...]] = {
    accounts.CHALLENGE_REQUESTED: (account_handlers.send_code,),
    accounts.USER_SIGNED_UP: (telling.welcome,),
    accounts.USER_EMAIL_CONFIRMED: (telling.tell_email_confirmed,),
    accounts.USER_PASSWORD_CHANGED: (telling.tell_password_changed,),
    accounts.USER_ERASED: (payment_handlers.erase_payer, telling.erase_messages),
    orders.ORDER_PLACED: (telling.tell_order_placed,),
    orders.ORDER_CONFIRMED: (
        invoicing_handlers.issue_invoice_for_order,
        telling.tell_order_confirmed,
    ),
    orders.ORDER_CANCELLED: (
        telling.tell_order_cancelled,
        invoicing_handlers.issue_waiting_credit_notes,
    ),
    orders.ORDER_EXPIRED: (telling.tell_order_expired,),
    payments.PAYMENT_CREATED: (payment_handlers.create_gateway_order_for_payment,),
    payments.PAYMENT_READY: (telling.tell_payment_link,),
    payments.PAYMENT_CANCELLED: (payment_handlers.close_gateway_link,),
    payments.PAYMENT_EXPIRED: (payment_handlers.close_gateway_link,),
    payments.PAYMENT_CHECK_REQUESTED: (payment_handlers.ask_gateway_about_payment,),
    payments.SETTLEMENT_IMPORT_REQUESTED: (payment_handlers.import_settlements,),
    payments.WEBHOOK_RECEIVED: (payment_handlers.process_webhook,),
    payments.WEBHOOK_RETRY_REQUESTED: (payment_handlers.process_webhook,),
    payments.ATTEMPT_FAILED: (telling.tell_payment_failed,),
    payments.PAYMENT_SUCCEEDED_LATE: (telling.tell_payment_late,),
    invoicing.INVOICE_ISSUED: (
        invoicing_handlers.render_invoice,
        invoicing_handlers.issue_waiting_credit_notes,
    ),
    invoicing.CREDIT_NOTE_ISSUED: (invoicing_handlers.render_invoice,),
    invoicing.INVOICE_RENDERED: (telling.tell_invoice_ready,),
    invoicing.CREDIT_NOTE_RENDERED: (telling.tell_credit_note_ready,),
    payments.DISPUTE_OPENED: (telling.tell_dispute_opened, telling.tell_staff_of_dispute, telling.render_evidence),
    payments.DISPUTE_CHANGED: (telling.tell_staff_of_dispute, telling.render_evidence),
    payments.DISPUTE_EVIDENCE_ADDED: (telling.render_evidence,),
    payments.DISPUTE_DUE_SOON: (telling.tell_staff_of_dispute,),
    payments.DISPUTE_ANSWERED: (telling.send_dispute_answer,),
    payments.DISPUTE_ANSWER_REFUSED: (telling.tell_staff_of_dispute,),
    payments.DISPUTE_WON: (telling.tell_dispute_decided,),
    payments.DISPUTE_LOST: (telling.tell_dispute_decided,),
    payments.DISPUTE_CLOSED: (telling.tell_dispute_decided,),
    payments.PAYMENT_REFUSED: (telling.tell_payment_refused,),
    payments.ATTEMPT_FLAGGED: (telling.tell_paid_twice, telling.tell_payment_differs),
    payments.REFUND_REQUESTED: (
        payment_handlers.send_refund,
        telling.tell_refund_asked,
        telling.tell_refund_started,
    ),
    payments.REFUND_APPROVED: (payment_handlers.send_refund, telling.tell_refund_started),
    payments.REFUND_CHECK_REQUESTED: (payment_handlers.ask_gateway_about_refund,),
    payments.REFUND_UNKNOWN: (telling.tell_refund_in_doubt,),
    payments.REFUND_PROCESSED: (
        invoicing_handlers.issue_credit_note_for_refund,
        telling.tell_refund_processed,
    ),
    payments.REFUND_FAILED: (telling.tell_refund_failed,),
    payments.REFUND_CANCELLED: (telling.tell_refund_cancelled,),
    notifications.NOTIFICATION_QUEUED: (telling.send_notification,),
    notifications.NOTIFICATION_RESEND_REQUESTED: (telling.send_notification,),
    notifications.DISPUTE_EVIDENCE_REQUESTED: (telling.render_evidence,),
}

UNHEARD: frozenset[str] = frozenset(
    {
        accounts.USER_CHANGED,
        accounts.USER_ROLES_CHANGED,
        accounts.USER_CONTACTS_SHOWN,
        accounts.USER_DEACTIVATED,
        accounts.USER_REACTIVATED,
        accounts.SESSION_STARTED,
        accounts.SESSION_ENDED,
        accounts.ADDRESS_ADDED,
        accounts.ADDRESS_CHANGED,
        accounts.ADDRESS_REMOVED,
        catalog.PRODUCT_CREATED,
        catalog.PRODUCT_CHANGED,
        catalog.VARIANT_CREATED,
        catalog.VARIANT_CHANGED,
        catalog.STOCK_ADJUSTED,
        incidents.INCIDENT_OPENED,
        incidents.INCIDENT_RESOLVED,
        orders.ORDER_ERASED,
        orders.ORDER_PAYMENT_NOTED,
        payments.PAYMENT_CHANGED,
        payments.PAYMENT_SUCCEEDED,
        payments.ATTEMPT_CREATED,
        payments.ATTEMPT_CHANGED,
        payments.ATTEMPT_AUTHORIZED,
        payments.ATTEMPT_AUTO_REFUNDED,
        payments.SETTLEMENT_IMPORT_FAILED,
        payments.SETTLEMENT_IMPORT_COMPLETED,
        payments.SETTLEMENT_IMPORTED,
        payments.SETTLEMENT_CHANGED,
        payments.EXCEPTION_OPENED,
        payments.EXCEPTION_ASSIGNED,
        payments.EXCEPTION_RESOLVED,
        payments.ATTEMPT_CAPTURED,
        payments.ATTEMPT_RESOLVED,
        payments.ATTEMPT_ACCEPTANCE_REQUESTED,
        payments.ATTEMPT_ACCEPTED,
        payments.REFUND_SENT,
        payments.REFUND_CHANGED,
        invoicing.CREDIT_NOTE_WITHHELD,
        notifications.NOTIFICATION_SENT,
        notifications.NOTIFICATION_FAILED,
    }
)
